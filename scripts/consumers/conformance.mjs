// Checks the command line of the installed package, by its name in node_modules/.bin: it runs, and tests a server of
// the package.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocketServer } from 'goodwire';

const program = join(import.meta.dirname, 'node_modules', '.bin', 'goodwire');
const { version } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'node_modules', 'goodwire', 'package.json'), 'utf8'),
);

/** @param {readonly string[]} args @returns {Promise<string>} */
async function run(...args) {
  // With the Node that runs this program, regardless of the PATH.
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', error: '' };
  child.stdout.on('data', (text) => {
    said.out += text;
  });
  child.stderr.on('data', (text) => {
    said.error += text;
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 0, said.error);
  return said.out;
}

assert.equal(await run('--version'), `${version}\n`);

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: true });
server.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
await once(server, 'listening');
const address = server.address();
assert.ok(address !== null && typeof address === 'object');
const url = `ws://127.0.0.1:${address.port}`;
const results = JSON.parse(await run('conformance', url, '--cases', '1.*,3.*,7.9.*,13.3.1', '--no-report', '--json'));
assert.equal(Object.keys(results[`127.0.0.1:${address.port}`]).length, 16 + 7 + 9 + 1);
server.close();

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { freePort } from '../support/free-port.ts';
import { type Program, start } from '../support/program.ts';

// Every js block of README.md runs as it stands, as a process of its own in the root of the repository, where `goodwire` is the package
// itself with its dist/. What is changed is where it listens and connects, and nothing else: loopback instead of every address, and a
// port that is free instead of 8080.

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const blocks = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map((match) => match[1] as string);

const somewhereElse = (code: string, port: number): string =>
  code
    .replace('port: 8080', `host: '127.0.0.1', port: ${port}`)
    .replace('.listen(8080)', `.listen(${port}, '127.0.0.1')`)
    .replace('ws://localhost:8080', `ws://127.0.0.1:${port}`);

/** The one block that has this text in it. */
function blockWith(text: string): string {
  const found = blocks.filter((block) => block.includes(text));
  expect(found, `the js blocks of README.md with ${text}`).toHaveLength(1);
  used.add(found[0]!);
  return found[0]!;
}

const used = new Set<string>();
let running: Program[] = [];

function run(code: string, port = 0, type: 'module' | 'commonjs' = 'module'): Program {
  const program = start(`--input-type=${type}`, {}, ['-e', somewhereElse(code, port)]);
  running.push(program);
  return program;
}

afterEach(async () => {
  for (const program of running) program.kill('SIGKILL');
  await Promise.all(running.map(({ exit }) => exit));
  running = [];
});

/** Runs a server, with a last line that says when it listens, and gives the program once it does. */
async function serveExample(code: string, port: number): Promise<Program> {
  const program = run(`${code}\nserver.on('listening', () => console.log('(it listens)'));`, port);
  await program.prints(/\(it listens\)/);
  return program;
}

describe('the snippets of README.md', () => {
  test('begin within the first screen', () => {
    const lines = readme.split('\n');
    expect(lines.indexOf('```js')).toBeLessThan(15);
    expect(lines.findIndex((line) => line.includes('require('))).toBeLessThan(50);
  });

  test('are a server and a client that talk to each other, of about ten lines each', async () => {
    const [server, client] = [blockWith("server.on('listening'"), blockWith('all said')];
    for (const code of [server, client]) {
      expect(code.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(11);
    }
    const port = await freePort();
    const serving = run(server, port);
    await serving.prints(/^listening$/m);
    const { code, stdout, stderr } = await run(client, port).exit;
    expect([code, stdout, stderr]).toEqual([0, 'Hello came back\n', '']);
    await serving.prints(/^closed: 1000 all said$/m);
  });

  test('import and require what they say', async () => {
    const imported = `${blockWith('import { WebSocket, WebSocketServer }')}console.log(WebSocket.name, WebSocketServer.name);`;
    const required = `${blockWith('require(')}console.log(WebSocket.name, WebSocket.WebSocketServer.name);`;
    expect((await run(imported).exit).stdout).toBe('WebSocket WebSocketServer\n');
    expect((await run(required, 0, 'commonjs').exit).stdout).toBe('WebSocket WebSocketServer\n');
  });

  test('let the origins in that are listed, and answer 403 to others', async () => {
    const port = await freePort();
    await serveExample(blockWith('origins: ['), port);
    const allowed = new WebSocket(`ws://127.0.0.1:${port}`, { origin: 'http://localhost:3000' });
    await once(allowed, 'open');
    allowed.terminate();
    const refused = new WebSocket(`ws://127.0.0.1:${port}`, { origin: 'http://localhost:3001' });
    const [error] = await once(refused, 'error');
    expect(error.message).toBe('Unexpected server response: 403');
  });

  test('print why a connection closed as their comments say', async () => {
    const port = await freePort();
    const code = blockWith('goodwire:upgrade-refused');
    const program = await serveExample(code, port);

    const raw = connect(port, '127.0.0.1');
    raw.write(
      'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    await once(raw, 'data');
    raw.end(Buffer.from('810548656c6c6f', 'hex'));
    await program.prints(/^closed 1006 {2}false$/m);

    const reset = connect(port, '127.0.0.1');
    reset.write(
      'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    await once(reset, 'data');
    reset.resetAndDestroy();
    await program.prints(/^read ECONNRESET$/m);

    const comments = [...code.matchAll(/console\.log\(error\..*; \/\/ (.*)$/gm)].map((match) => match[1]);
    expect(comments).toHaveLength(4);
    const { stdout } = await refuse(program, port);
    for (const comment of comments) expect(stdout.split('\n')).toContain(comment);
    // The channels tell what no listener was told: the error that one got is not among it.
    expect(stdout).not.toContain('\nInvalid WebSocket frame: MASK must be set\n');
    expect(stdout).toContain('\n400 GOODWIRE_INVALID_KEY\n');
  });

  /** Has an upgrade refused, then ends the program. */
  async function refuse(program: Program, port: number): ReturnType<() => Program['exit']> {
    const raw = connect(port, '127.0.0.1');
    raw.write('GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    await once(raw, 'data');
    await program.prints(/GOODWIRE_INVALID_KEY/);
    program.kill('SIGTERM');
    return program.exit;
  }

  // The client may be started long after the server: the market has supplied many items by then.
  test.each([0, 5, 60])('supply goods, and a client that comes after %i items gets five', async (items) => {
    const port = await freePort();
    const supplied = `for (let i = 0; i < ${items}; i++) orchard.supply(apple, { variety: 'fuji', price: 10 });`;
    await serveExample(`${blockWith('market.serve(server)')}${supplied}`, port);
    const { code, stdout, stderr } = await run(blockWith('new GoodsClient('), port).exit;
    expect([code, stderr]).toEqual([0, '']);
    const offsets = [...stdout.matchAll(/^#(\d+) fuji: 1\.3$/gm)].map((match) => Number(match[1]));
    const first = offsets[0]!;
    expect(first).toBeGreaterThanOrEqual(Math.max(1, items));
    expect(stdout).toBe([0, 1, 2, 3, 4].map((count) => `#${first + count} fuji: 1.3\n`).join(''));
  });

  test('take one upgrade of an HTTP server, and outlive the refusal of another', async () => {
    const port = await freePort();
    const program = await serveExample(blockWith('await upgrade('), port);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('Hello over HTTP\n');
    const raw = connect(port, '127.0.0.1');
    raw.write('GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    await program.prints(/^refused: Missing or invalid Sec-WebSocket-Key header$/m);
    raw.destroy();
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    const [data] = await once(client, 'message');
    expect(String(data)).toBe('Hello over WebSocket');
    client.terminate();
  });

  test('answer a frame without a socket as their comment says', async () => {
    const code = blockWith('goodwire/protocol');
    const { stdout, stderr } = await run(code).exit;
    expect(stderr).toBe('');
    expect(stdout.trim()).toBe(/console\.log\(server\.takeOutgoing\(\)\); \/\/ (.*)$/m.exec(code)?.[1]);
  });

  test('are all run by the tests above', () => {
    expect(blocks.length).toBeGreaterThan(0);
    expect(blocks.filter((block) => !used.has(block))).toEqual([]);
  });
});

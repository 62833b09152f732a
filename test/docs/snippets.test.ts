import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { start } from '../support/program.ts';

// The js blocks of the pages below, each run as a program in the root of the repository, where `goodwire` is the package itself with its
// dist/. README.md, docs/goods.md and docs/protocol.md have tests of their own.

const docs = join(import.meta.dirname, '..', '..', 'docs');
const blocksOf = (page: string): string[] =>
  [...readFileSync(join(docs, page), 'utf8').matchAll(/^```js\n(.*?)^```$/gms)].map((match) => match[1] as string);

const pages: Readonly<Record<string, readonly { readonly behind: string; readonly prints: string }[]>> = {
  'api.md': [{ behind: 'socket.close();\nserver.close();', prints: 'welcome\n' }],
  'compression.md': [
    {
      behind: "server.on('listening', () => { console.log(server.options.perMessageDeflate); server.close(); });",
      prints: '{}\n',
    },
  ],
  'migrating-from-ws.md': [
    { behind: 'console.log(WebSocket.name, WebSocketServer.name);', prints: 'WebSocket WebSocketServer\n' },
    { behind: 'console.log(WebSocket.name, WebSocket.Server.name);', prints: 'WebSocket WebSocketServer\n' },
  ],
};

test.each(Object.entries(pages))('the snippets of docs/%s run', async (page, expected) => {
  const blocks = blocksOf(page);
  expect(blocks).toHaveLength(expected.length);
  for (const [i, { behind, prints }] of expected.entries()) {
    const code = blocks[i]!.replace('port: 8080', "host: '127.0.0.1', port: 0");
    const type = code.includes('require(') ? 'commonjs' : 'module';
    const { stdout, stderr } = await start(`--input-type=${type}`, {}, ['-e', `${code}${behind}`]).exit;
    expect([stdout, stderr]).toEqual([prints, '']);
  }
});

test('no other page has js blocks that no test runs', () => {
  const all = readdirSync(docs, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
  const run = [...Object.keys(pages), 'goods.md', 'protocol.md'];
  expect(all.filter((page) => blocksOf(page).length > 0).sort()).toEqual(run.sort());
});

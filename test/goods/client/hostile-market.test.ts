import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { GoodsClient } from '../../../src/goods/client.ts';
import { WebSocket } from '../../../src/index.ts';

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

const welcome = '{"op":"welcome","protocol":"goods.v1","heartbeat":0,"limits":{}}';

/** A client at a market that sends given messages when it gets a request. */
async function meet(said: readonly (string | Uint8Array)[]) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (websocket) => {
    websocket.on('error', () => {});
    websocket.send(welcome);
    websocket.on('message', () => {
      for (const one of said) websocket.send(one);
    });
  });
  await once(server, 'listening');
  const client = new GoodsClient(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { WebSocket });
  endings.push(() => {
    void client.close();
    for (const websocket of server.clients) websocket.terminate();
    server.close();
  });
  return client;
}

const stream = '{"goods":"a","kind":"json","epoch":"e","offset":0}';

describe('a market that breaks the protocol closes the client, with an error that says why', () => {
  test.each([
    ['text that is not JSON', ['hello']],
    ['no object', ['[]']],
    ['a reply to nothing', ['{"op":"ok","id":77}']],
    ['a second welcome', [welcome]],
    ['a reply without streams', ['{"op":"ok","id":1}']],
    ['an offset below 0', ['{"op":"item","goods":"a","offset":-1,"item":1}']],
    ['an offset beyond 2^53', ['{"op":"item","goods":"a","offset":9007199254740993,"item":1}']],
    ['an invalid binary message', [Uint8Array.of(9, 9)]],
  ])('%s', async (_title, said) => {
    const client = await meet(said);
    await expect(client.subscribe('a')).rejects.toMatchObject({ name: 'WireError' });
    expect(client.state).toBe('closed');
  });
});

test('names such as __proto__ are names, unknown frames are ignored, and each item comes once', async () => {
  const client = await meet([
    '{"op":"later","__proto__":{"id":1}}',
    `{"op":"ok","id":1,"streams":[${stream.replace('"a"', '"__proto__"')}]}`,
    '{"op":"item","goods":"__proto__","offset":1,"item":1}',
    '{"op":"item","goods":"__proto__","offset":1,"item":1}',
    '{"op":"item","goods":"constructor","offset":1,"item":1}',
    '{"op":"items","goods":"__proto__","offset":1,"items":[1,2]}',
    '{"op":"item","goods":"__proto__","offset":9,"item":9}',
  ]);
  const items = await client.subscribe('__proto__');
  expect((await items.next()).value).toMatchObject({ offset: 1, gap: null });
  expect((await items.next()).value).toMatchObject({ offset: 2, gap: null });
  expect((await items.next()).value).toMatchObject({ offset: 9, gap: { reason: 'missed', from: 3, to: 8 } });
});

test('an application that takes no items keeps as many as the buffer has, and is told of the others', async () => {
  const many = JSON.stringify(Array.from({ length: 100_000 }, (_, i) => i + 1));
  const client = await meet([
    `{"op":"ok","id":1,"streams":[${stream}]}`,
    `{"op":"items","goods":"a","offset":1,"items":${many}}`,
  ]);
  const items = await client.subscribe('a', undefined, { buffer: { size: 10 } });
  const { value } = await items.next();
  // The first item may have been taken before the others arrived.
  const next = value?.offset === 1 ? (await items.next()).value : value;
  expect(next).toMatchObject({ gap: { reason: 'backlog' } });
  expect(next!.offset).toBeGreaterThan(99_000);
});

test('whatever a market sends, nothing is thrown where the application cannot catch it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.string(), fc.json(), fc.uint8Array()), { minLength: 1, maxLength: 5 }),
      async (said) => {
        const client = await meet([...said, 'the end']);
        await expect(client.subscribe('a')).rejects.toBeInstanceOf(Error);
      },
    ),
    { numRuns: 30 },
  );
});

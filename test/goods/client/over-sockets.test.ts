import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { defineGoods, GoodsClient } from '../../../src/goods/client.ts';
import { Market } from '../../../src/goods.ts';
import { WebSocket, WebSocketServer } from '../../../src/index.ts';
import { FrailWay } from '../../support/frail-way.ts';

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

const apple = defineGoods<number>('fruit/apple', { history: { size: 10_000 } });

/** A market, and a client whose connections are cut after a number of bytes each. */
async function open(cuts: readonly number[] = []) {
  const market = new Market();
  const orchard = market.provider('orchard');
  orchard.shelve(apple);
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  market.serve(server);
  await once(server, 'listening');
  const way = new FrailWay((server.address() as AddressInfo).port, cuts);
  const client = new GoodsClient(`ws://127.0.0.1:${await way.open()}`, { WebSocket, backoff: { base: 1 } });
  const end = () => {
    void client.close();
    way.close();
    for (const websocket of server.clients) websocket.terminate();
    server.close();
  };
  endings.push(end);
  return { market, orchard, client, end };
}

test('wherever the connection is cut, each item arrives once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 2000 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 300 }),
      async (cuts, count) => {
        const { orchard, client, end } = await open(cuts);
        const apples = await client.subscribe(apple);
        const got: number[] = [];
        for (let i = 1; i <= count; i++) {
          void orchard.supply(apple, i);
          if (i % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        for await (const { item, offset, gap } of apples) {
          expect([offset, gap]).toEqual([item, null]);
          got.push(item);
          if (item === count) break;
        }
        expect(got).toEqual(Array.from({ length: count }, (_, i) => i + 1));
        end();
      },
    ),
    { numRuns: 25 },
  );
});

test('a client whose token is valid for one connection gets another for the next, and misses no item', async () => {
  const tokens = new Set<string>();
  const market = new Market<string>();
  const orchard = market.provider('orchard');
  orchard.shelve(apple);
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  market.serve(server, {
    identify: ({ headers }) => {
      const token = headers.authorization ?? '';
      if (!tokens.delete(token)) throw new Error(`${token} is not good`);
      return token;
    },
  });
  await once(server, 'listening');
  let asked = 0;
  const client = new GoodsClient(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    WebSocket,
    backoff: { base: 1 },
    webSocketOptions: async () => {
      const token = `token ${++asked}`;
      // The second token is invalid: the market closes with 4401.
      if (asked !== 2) tokens.add(token);
      return { headers: { authorization: token } };
    },
  });
  endings.push(() => {
    void client.close();
    for (const websocket of server.clients) websocket.terminate();
    server.close();
  });
  const codes: unknown[] = [];
  client.on('error', (error) => codes.push((error as { closeCode?: unknown }).closeCode));
  const apples = await client.subscribe(apple);
  await orchard.supply(apple, 1);
  const got: number[] = [];
  for await (const { item, gap } of apples) {
    expect(gap).toBe(null);
    got.push(item);
    if (item === 3) break;
    for (const websocket of server.clients) websocket.terminate();
    await orchard.supply(apple, item + 1);
  }
  expect([got, codes.filter((code) => code === 4401)]).toEqual([[1, 2, 3], [4401]]);
  expect(asked).toBeGreaterThanOrEqual(4);
});

test('an abort ends a subscription, also at the market', async () => {
  const { market, client } = await open();
  const controller = new AbortController();
  const apples = await client.subscribe(apple, undefined, { signal: controller.signal });
  const next = apples.next();
  controller.abort(new Error('enough'));
  await expect(next).rejects.toThrow('enough');
  expect(await client.subscriptions()).toEqual([]);
  expect(market.statistics().subscriptions).toBe(0);
});

test('a subscription that is revoked ends with the reason', async () => {
  const { market, client } = await open();
  const apples = await client.subscribe(apple);
  market.revoke({ goods: 'fruit/apple' }, 'members only');
  await expect(apples.next()).rejects.toMatchObject({ name: 'RevokedError', reason: 'members only' });
});

test('a client that a callback closes gets no further item, and refuses requests', async () => {
  const { orchard, client } = await open();
  const got: number[] = [];
  const closed = new Promise<void>((resolve) => client.on('state', (state) => state === 'closed' && resolve()));
  const onItem = ({ item }: { item: number }) => {
    got.push(item);
    void client.close();
  };
  await client.subscribe(apple, undefined, { onItem });
  void orchard.supplyAll(apple, [1, 2, 3]);
  await closed;
  expect(got).toEqual([1]);
  await expect(client.subscribe(apple)).rejects.toThrow('closed');
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MemoryBackplane } from '../../src/goods/backplane/memory-backplane.ts';
import { defineGoods } from '../../src/goods/definition/goods.ts';
import {
  decodeBytesItem,
  decodeBytesSupply,
  encodeBytesItem,
  encodeBytesSupply,
} from '../../src/goods/wire/binary-codec.ts';
import type { Frame, Request } from '../../src/goods/wire/frames.ts';
import { goodsErrors } from '../../src/goods/wire/goods-error.ts';
import { formatFrame, formatRequest, parseFrame, parseRequest } from '../../src/goods/wire/text-codec.ts';
import { fromHex } from '../support/hex.ts';
import { type TestClient, TestMarket } from '../support/test-market.ts';

const document = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'goods-protocol.md'), 'utf8');
const blocks = (language: string) =>
  [...document.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)\`\`\`$`, 'gms'))].map(([, text]) => text!.trim());

const examples = blocks('json');
const requestOps = new Set([
  'subscribe',
  'unsubscribe',
  'subscriptions',
  'catalog',
  'supply',
  'shelve',
  'unshelve',
  'ping',
]);
const opOf = (text: string): string => (JSON.parse(text) as { op: string }).op;

test('there is an example of every request and of every frame', () => {
  const ops = new Set(examples.map(opOf));
  const frames = 'welcome ok error item items skip shelved unshelved revoked demand idle closing'.split(' ');
  expect([...requestOps, ...frames].filter((op) => !ops.has(op))).toEqual([]);
});

describe('examples are read, and written again as they stand there', () => {
  test.each(examples.filter((text) => requestOps.has(opOf(text))))('%s', (text) => {
    expect(formatRequest(parseRequest(text) as unknown as Request)).toBe(text);
  });

  test.each(examples.filter((text) => !requestOps.has(opOf(text))))('%s', (text) => {
    expect(formatFrame(parseFrame(text) as Frame)).toBe(text);
  });

  test('binary messages', () => {
    const [item, supply] = blocks('hex').map(fromHex);
    const payload = fromHex('cafe');
    expect(Buffer.from(encodeBytesItem('cam/1', 'small', 3, payload))).toEqual(item);
    expect(decodeBytesItem(item!)).toMatchObject({ goods: 'cam/1', variant: 'small', offset: 3 });
    expect(Buffer.from(encodeBytesSupply(9, 'cam/1', payload))).toEqual(supply);
    expect(Buffer.from(decodeBytesSupply(supply!).item)).toEqual(payload);
  });
});

test('the table of errors is the one of the code', () => {
  const rows = [...document.matchAll(/^\| `([a-z-]+)` \| ([a-z].*) \|$/gm)].map(([, code, text]) => [code, text]);
  const found = rows.filter(([code]) => code! in goodsErrors);
  expect(Object.fromEntries(found)).toEqual(goodsErrors);
});

describe('a market sends what the document shows', () => {
  /** What is sent to a client, as text. */
  function texts(client: TestClient): string[] {
    const list: string[] = [];
    const send = client.send.bind(client);
    client.send = (octets) => {
      const before = client.frames.length;
      send(octets);
      list.push(...client.frames.slice(before).map((frame) => formatFrame(frame as Frame)));
      // The frames of the wire, not what was read of them.
      for (const text of list.slice(-(client.frames.length - before))) {
        expect(Buffer.concat(octets).includes(text)).toBe(true);
      }
    };
    return list;
  }

  const example = (op: string, has = ''): string => {
    const found = examples.find((text) => opOf(text) === op && text.includes(has));
    if (found === undefined) throw new Error(`no example of ${op} with ${has}`);
    return found;
  };

  const apple = defineGoods<unknown, { currency: string }>('fruit/apple', {
    variant: (_subscriber, { currency }) => currency,
    history: { size: 100 },
  });

  function orchard() {
    const epochs = ['k3v9x0q2', 'p8d2m1aa'];
    const testMarket = new TestMarket({
      backplane: new MemoryBackplane({ epoch: () => epochs.shift()! }),
      random: () => 0.75,
    });
    const provider = testMarket.market.provider('orchard');
    provider.shelve(apple);
    for (let i = 0; i < 41; i++) provider.supply(apple, i);
    const client = testMarket.connect();
    const sent = texts(client);
    const ask = (text: string) => {
      client.session.receive(text);
      testMarket.flush();
    };
    return { testMarket, provider, client, sent, ask };
  }

  test('a subscription, from its beginning to its end', () => {
    const { testMarket, provider, sent, ask } = orchard();
    ask(example('subscribe', '"id":1,"goods":"fruit/apple","params":{"currency":"CNY"}}').replace('}}', '},"last":0}'));
    provider.supply(apple, { variety: 'fuji', price: 21.5 });
    provider.supplyAll(apple, [
      { variety: 'gala', price: 18 },
      { variety: 'fuji', price: 22 },
    ]);
    testMarket.flush();
    ask(example('unsubscribe'));
    expect(sent).toEqual([example('ok', '"offset":41}]'), example('item'), example('items'), example('ok', 'removed')]);
  });

  test('news of the shelf, and what is revoked', () => {
    const { testMarket, provider, sent, ask } = orchard();
    ask('{"op":"subscribe","id":1,"goods":"fruit/*","params":{"currency":"CNY"},"last":0}');
    sent.length = 0;
    provider.shelve(defineGoods('fruit/pear', apple.options as never));
    testMarket.market.revoke({ goods: 'fruit/apple' }, 'members only');
    testMarket.flush();
    ask('{"op":"subscribe","id":2,"goods":"fruit/apple","params":{"currency":"CNY"},"last":0}');
    sent.splice(2, 1);
    testMarket.market.revoke({ goods: 'fruit/apple' }, 'your subscription has expired');
    testMarket.flush();
    expect(sent).toEqual([example('shelved'), example('revoked', '"stream"'), example('revoked', 'expired')]);
  });

  test('lists, errors, the welcome and the end', () => {
    const { testMarket, provider, client, sent, ask } = orchard();
    provider.shelve(defineGoods('fruit/pear', apple.options as never));
    provider.shelve(defineGoods('fruit/plum'));
    testMarket.market.connect(client, undefined);
    testMarket.flush();
    ask(example('catalog', '"limit":2}'));
    ask('{"op":"subscribe","id":6,"goods":"fruit/durian"}');
    provider.unshelve(apple, 'season is over');
    void testMarket.market.shutdown({ reason: 'restart', retryAfter: 2000 });
    testMarket.flush();
    expect(sent.slice(0, 3)).toEqual([example('welcome'), example('ok', '"id":4'), example('error', 'durian')]);
    expect(sent).toContain(example('closing'));
  });
});

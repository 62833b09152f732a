import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { encodeBytesSupply } from '../../../src/goods/wire/binary-codec.ts';
import { TestMarket } from '../../support/test-market.ts';

function shop(limits = {}) {
  const testMarket = new TestMarket({ limits });
  const provider = testMarket.market.provider('p');
  provider.shelve(defineGoods('fruit/apple', { remote: true }));
  provider.shelve(defineGoods<unknown, unknown>('any', { variant: () => 'one' }));
  provider.shelve(defineGoods<Uint8Array>('cam', { kind: 'bytes', remote: true }));
  provider.shelve(defineGoods('made/**'));
  return { testMarket, provider, client: testMarket.connect() };
}

describe('a message that is no request ends the connection', () => {
  test.each([
    ['text that is not JSON', 'hello', 1007],
    ['nothing', '', 1007],
    ['an array', '[]', 1007],
    ['null', 'null', 1007],
    ['no op', '{"id":1}', 1007],
    ['an op that is no string', '{"op":1,"id":1}', 1007],
    ['no id', '{"op":"ping"}', 1007],
    ['an id of 0', '{"op":"ping","id":0}', 1007],
    ['a negative id', '{"op":"ping","id":-1}', 1007],
    ['a fraction as id', '{"op":"ping","id":1.5}', 1007],
    ['an id beyond 2^53', '{"op":"ping","id":9007199254740993}', 1007],
    ['an id that is text', '{"op":"ping","id":"1"}', 1007],
    ['an id under __proto__', '{"op":"ping","__proto__":{"id":1}}', 1007],
    ['JSON that is nested deeply', '['.repeat(60_000), 1007],
    ['a message that is too large', `"${'x'.repeat(70_000)}"`, 1009],
  ])('%s', (_title, text, code) => {
    const { client, testMarket } = shop();
    client.session.receive(text);
    expect(client.closed).toMatchObject({ code });
    expect(Buffer.byteLength(client.closed!.reason)).toBeLessThan(124);
    expect(testMarket.market.statistics().sessions).toBe(0);
    client.session.receive('{"op":"ping","id":1}');
    testMarket.flush();
    expect(client.take()).toEqual([]);
  });

  test.each([
    ['nothing', '', 1003],
    ['another kind', '01 00 00 00 00 00 00 00 01 00 01 61', 1003],
    ['a header that ends', '02 00 00 00', 1003],
    ['a name that ends', '02 00 00 00 00 00 00 00 01 00 09 61', 1003],
    ['a name that is no UTF-8', '02 00 00 00 00 00 00 00 01 00 01 ff', 1003],
    ['an id beyond 2^53', '02 ff ff ff ff ff ff ff ff 00 01 61', 1003],
    ['an id of 0', '02 00 00 00 00 00 00 00 00 00 01 61', 1007],
  ])('a binary message: %s', (_title, hex, code) => {
    const { client } = shop();
    client.session.receiveBytes(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    expect(client.closed).toMatchObject({ code });
  });

  test('an id that is the last one, or smaller', () => {
    for (const id of [5, 4]) {
      const { client } = shop();
      client.session.receive('{"op":"ping","id":5}');
      client.session.receive(`{"op":"ping","id":${id}}`);
      expect(client.closed).toMatchObject({ code: 1008 });
    }
  });
});

describe('an invalid request gets an error with a code', () => {
  test.each([
    ['subscribe', {}, 'bad-request'],
    ['subscribe', { goods: 7 }, 'bad-request'],
    ['subscribe', { goods: { toString: 1 } }, 'bad-request'],
    ['subscribe', { goods: '' }, 'bad-name'],
    ['subscribe', { goods: 'a//b' }, 'bad-name'],
    ['subscribe', { goods: 'a/b*' }, 'bad-name'],
    ['subscribe', { goods: '/' }, 'bad-name'],
    ['subscribe', { goods: 'a\u0000b' }, 'bad-name'],
    ['subscribe', { goods: '\ud800' }, 'bad-name'],
    ['subscribe', { goods: 'ä'.repeat(128) }, 'bad-name'],
    ['subscribe', { goods: 'x'.repeat(60_000) }, 'bad-name'],
    ['subscribe', { goods: `x${'/x'.repeat(32)}` }, 'bad-name'],
    ['subscribe', { goods: `**${'/*'.repeat(32)}` }, 'bad-name'],
    ['subscribe', { goods: '__proto__' }, 'unknown-goods'],
    ['subscribe', { goods: 'constructor' }, 'unknown-goods'],
    ['subscribe', { goods: 'any', params: 'x'.repeat(5000) }, 'params-too-large'],
    ['subscribe', { goods: 'any', params: JSON.parse('['.repeat(40) + ']'.repeat(40)) }, 'params-too-large'],
    ['subscribe', { goods: 'any', last: -1 }, 'bad-request'],
    ['subscribe', { goods: 'any', last: 0.5 }, 'bad-request'],
    ['subscribe', { goods: 'any', last: '1' }, 'bad-request'],
    ['subscribe', { goods: 'any', since: {} }, 'bad-request'],
    ['subscribe', { goods: 'any', since: [null] }, 'bad-request'],
    ['subscribe', { goods: 'any', since: [{ goods: 'any', epoch: 'x', offset: -1 }] }, 'bad-request'],
    ['subscribe', { goods: 'any', since: [{ goods: 'any', epoch: 'x', offset: 1e300 }] }, 'bad-request'],
    ['unsubscribe', { goods: 'x', params: 'x'.repeat(5000) }, 'params-too-large'],
    ['unsubscribe', { goods: null }, 'bad-request'],
    ['subscriptions', { limit: 0 }, 'bad-request'],
    ['subscriptions', { limit: 1001 }, 'bad-request'],
    ['subscriptions', { after: 1 }, 'bad-request'],
    ['catalog', { after: 1 }, 'bad-request'],
    ['catalog', { pattern: 5 }, 'bad-request'],
    ['supply', { goods: 'fruit/apple' }, 'bad-request'],
    ['supply', { goods: 'fruit/apple', items: [] }, 'bad-request'],
    ['supply', { goods: 'fruit/*', items: [1] }, 'bad-name'],
    ['supply', { goods: 'nowhere', items: [1] }, 'unknown-goods'],
    ['supply', { goods: 'cam', items: [1] }, 'bad-item'],
    ['supply', { goods: 'fruit/apple', items: new Array(1001).fill(1) }, 'bad-request'],
    ['shelve', { goods: 5 }, 'bad-request'],
    ['unshelve', { goods: 'any', reason: 5 }, 'bad-request'],
    ['unshelve', { goods: 'any' }, 'not-provider'],
    ['error', {}, 'unknown-op'],
    ['__proto__', {}, 'unknown-op'],
    ['welcome', {}, 'unknown-op'],
    ['supply-bytes', { goods: 'cam', item: {} }, 'bad-item'],
  ])('%s %j', (op, fields, code) => {
    const { client } = shop();
    expect(client.ask(op, fields)).toMatchObject({ op: 'error', code });
    expect(client.closed).toBeNull();
    expect(client.ask('ping')).toMatchObject({ op: 'ok' });
  });

  test('items that are nested deeply, and bytes for goods of another kind', () => {
    const { client, testMarket } = shop({ messageSize: 10_000_000 });
    const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`;
    client.session.receive(`{"op":"supply","id":1,"goods":"fruit/apple","items":[${deep}]}`);
    client.session.receiveBytes(encodeBytesSupply(2, 'fruit/apple', Buffer.from('x')));
    client.session.receiveBytes(encodeBytesSupply(3, 'cam', Buffer.from('x')));
    testMarket.flush();
    expect(client.frames).toMatchObject([
      { id: 1, code: 'bad-item' },
      { id: 2, code: 'bad-item' },
      { id: 3, op: 'ok', offset: 1 },
    ]);
  });
});

test('goods may have the name __proto__, and are only goods', () => {
  const { testMarket, provider, client } = shop();
  for (const name of ['__proto__', 'constructor', 'toString/hasOwnProperty']) {
    const goods = defineGoods<unknown>(name);
    provider.shelve(goods);
    client.subscribe(name);
    provider.supply(goods, JSON.parse('{"__proto__":{"polluted":1}}'));
  }
  testMarket.flush();
  expect(client.frames.filter(({ op }) => op === 'item')).toHaveLength(3);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(testMarket.market.statistics().goods.map(({ goods }) => goods)).toContain('__proto__');
});

test('the number of subscriptions is limited, and those that end leave nothing behind', () => {
  const { testMarket, client } = shop({ subscriptions: 5, requestBurst: 100_000 });
  const codes = new Set<string>();
  for (let i = 0; i < 10_000; i++) {
    const reply = client.subscribe(`made/${i}`);
    codes.add(reply.op === 'error' ? reply.code : 'ok');
  }
  expect([...codes]).toEqual(['ok', 'too-many-subscriptions']);
  expect(testMarket.market.statistics().goods).toHaveLength(3 + 5);
  // Subscribing to the same goods again adds none.
  expect(client.subscribe('made/1')).toMatchObject({ op: 'ok' });
  client.session.end();
  expect(testMarket.market.statistics().goods).toHaveLength(3);
});

test('a client that subscribes and unsubscribes without end is told to wait, and then disconnected', () => {
  const { testMarket, client } = shop({ requestsPerSecond: 10, requestBurst: 100 });
  for (let i = 0; i < 50; i++) {
    client.subscribe('any', { params: i });
    client.ask('unsubscribe', { goods: 'any', params: i });
  }
  expect(client.subscribe('any')).toMatchObject({ code: 'rate-limited', retryAfter: 100 });
  testMarket.time += 100;
  expect(client.ask('ping')).toMatchObject({ op: 'ok' });
  for (let i = 0; i < 1001; i++) client.begin('subscribe', { goods: 'any' });
  expect(client.closed).toEqual({ code: 1008, reason: 'too many requests' });
  testMarket.flush();
  expect(testMarket.market.statistics()).toMatchObject({ sessions: 0, subscriptions: 0 });
});

test('the number of goods that clients create is limited, and empty goods make room', () => {
  const testMarket = new TestMarket({ maxOnDemandGoods: 3, limits: { subscriptions: 2 } });
  const provider = testMarket.market.provider('p');
  provider.shelve(defineGoods('room/*', { remote: true, history: { size: 1, ttl: 1000 } }));
  testMarket.market.allowClientGoods(defineGoods('own/*'));
  const [one, other] = [testMarket.connect(), testMarket.connect()];
  const supply = (room: number) => one.ask('supply', { goods: `room/${room}`, items: [1] });
  for (const room of [1, 2, 3]) expect(supply(room)).toMatchObject({ op: 'ok' });
  other.subscribe('room/1');
  expect(supply(4)).toMatchObject({ code: 'too-many-goods' });
  expect(one.subscribe('room/4')).toMatchObject({ code: 'too-many-goods' });
  testMarket.time += 1000;
  expect(supply(4)).toMatchObject({ op: 'ok' });
  expect(testMarket.market.statistics().goods.map(({ goods }) => goods)).toEqual(['room/1', 'room/4']);
  // The number of goods that a client shelves is limited too.
  for (const own of [1, 2]) expect(one.ask('shelve', { goods: `own/${own}` })).toMatchObject({ op: 'ok' });
  expect(one.ask('shelve', { goods: 'own/3' })).toMatchObject({ code: 'too-many-goods' });
  one.ask('unshelve', { goods: 'own/1' });
  expect(one.ask('shelve', { goods: 'own/3' })).toMatchObject({ op: 'ok' });
});

test('a pattern of many stars takes no exponential time', () => {
  const { testMarket, provider, client } = shop();
  const name = Array(32).fill('a').join('/');
  provider.shelve(defineGoods(name));
  const pattern = `${Array(31).fill('**').join('/')}/b`;
  expect(client.subscribe(pattern)).toMatchObject({ op: 'ok', streams: [] });
  provider.supply(defineGoods(name), 1);
  testMarket.flush();
  expect(client.take()).toEqual(['ok']);
});

test('any request is answered, and any other message closes the connection', () => {
  const name = fc.constantFrom('any', 'cam', 'fruit/*', 'fruit/apple', '**', 'made/x', '__proto__', '', '\u0000');
  const anything = fc.oneof(fc.jsonValue(), name);
  const request = fc.record(
    {
      op: fc.oneof(
        fc.constantFrom('subscribe', 'unsubscribe', 'subscriptions', 'catalog', 'supply', 'shelve', 'unshelve', 'ping'),
        fc.string(),
      ),
      goods: fc.oneof(name, anything),
      params: anything,
      last: fc.oneof(fc.integer(), anything),
      since: fc.oneof(fc.array(fc.record({ goods: name, epoch: fc.string(), offset: fc.integer() })), anything),
      limit: fc.oneof(fc.integer(), anything),
      after: anything,
      pattern: anything,
      items: fc.oneof(fc.array(anything), anything),
      reason: anything,
    },
    { requiredKeys: ['op'] },
  );
  fc.assert(
    fc.property(fc.array(request, { maxLength: 20 }), (requests) => {
      const { testMarket, client } = shop();
      for (const { op, ...fields } of requests) {
        expect(['ok', 'error']).toContain(client.ask(op, fields).op);
      }
      expect(client.closed).toBeNull();
      expect(testMarket.notes.failures).toEqual([]);
      client.session.end();
      expect(testMarket.market.statistics()).toMatchObject({ sessions: 0, subscriptions: 0 });
      for (const { subscribers, variants } of testMarket.market.statistics().goods)
        expect(subscribers + variants).toBe(0);
    }),
  );
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), fc.uint8Array(), (text, bytes) => {
      const { client } = shop();
      client.session.receive(text);
      shop().client.session.receiveBytes(bytes);
    }),
  );
});

import { describe, expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { isOperation, operations } from '../../../src/goods/market/operations.ts';
import type { OkFrame } from '../../../src/goods/wire/frames.ts';
import { pear, priced, shop, TestMarket } from '../../support/test-market.ts';

describe('every request of the protocol has an operation', () => {
  const names = [
    'subscribe',
    'unsubscribe',
    'subscriptions',
    'catalog',
    'supply',
    'supply-bytes',
    'shelve',
    'unshelve',
    'ping',
  ];

  test('and no other has', () => {
    expect(Object.keys(operations).sort()).toEqual([...names].sort());
    for (const name of names) expect(isOperation(name)).toBe(true);
    for (const name of ['dance', '', 'constructor', '__proto__', 'toString']) expect(isOperation(name)).toBe(false);
  });

  test.each(names)('%s is answered, and not as unknown', (op) => {
    const one = new TestMarket().connect();
    const reply = one.ask(op, { goods: 'n', items: [1], item: 1 });
    expect(reply.op === 'error' ? reply.code : reply.op).not.toBe('unknown-op');
  });
});

test('subscriptions and catalog come in pages', () => {
  const { testMarket, orchard, market } = shop(priced);
  orchard.shelve(pear);
  orchard.shelve(defineGoods('hidden', { listed: false }));
  orchard.shelve(defineGoods<string>('log/*', { kind: 'text' }));
  const one = testMarket.connect();
  one.subscribe('fruit/apple', { params: { currency: 'CNY' } });
  one.subscribe('fruit/apple', { params: { currency: 'EUR' } });
  one.subscribe('fruit/*');
  const first = one.ask('subscriptions', { limit: 2 }) as OkFrame;
  expect(first.subscriptions).toMatchObject([
    { goods: 'fruit/*', streams: [{ goods: 'fruit/pear' }] },
    { goods: 'fruit/apple', params: { currency: 'CNY' }, streams: [{ variant: 'CNY' }] },
  ]);
  const second = one.ask('subscriptions', { after: first.next }) as OkFrame;
  expect(second.subscriptions).toMatchObject([{ params: { currency: 'EUR' } }]);
  expect(second.next).toBeUndefined();
  const page = one.ask('catalog', { limit: 1 }) as OkFrame;
  expect(page).toMatchObject({ catalog: [{ goods: 'fruit/apple', kind: 'json' }], next: 'fruit/apple' });
  expect(one.ask('catalog', { after: page.next })).toMatchObject({
    catalog: [{ goods: 'fruit/pear' }, { goods: 'log/*', kind: 'text' }],
  });
  expect(one.ask('catalog', { pattern: 'fruit/p*' })).toMatchObject({ code: 'bad-name' });
  expect(one.ask('catalog', { pattern: 'fruit/pear' })).toMatchObject({ catalog: [{ goods: 'fruit/pear' }] });
  expect(market.subscriptions(one.session)).toContainEqual({ goods: 'fruit/*', params: undefined });
});

test('unsubscribe says whether there was a subscription, and unshelve needs goods of this connection', () => {
  const { testMarket } = shop();
  const one = testMarket.connect();
  one.subscribe('fruit/apple');
  expect(one.ask('unsubscribe', { goods: 'fruit/apple' })).toMatchObject({ op: 'ok', removed: true });
  expect(one.ask('unsubscribe', { goods: 'fruit/apple' })).toMatchObject({ op: 'ok', removed: false });
  expect(one.ask('unshelve', { goods: 'fruit/apple' })).toMatchObject({ code: 'not-provider' });
});

test('a supply has no more items than may be supplied in a second', () => {
  const testMarket = new TestMarket({ limits: { itemsPerSecond: 2 } });
  testMarket.market.provider('p').shelve(defineGoods('n', { remote: true }));
  const one = testMarket.connect();
  expect(one.ask('supply', { goods: 'n', items: [1, 2, 3] })).toMatchObject({ code: 'bad-request' });
  expect(one.ask('supply', { goods: 'n', items: [1, 2] })).toMatchObject({ op: 'ok' });
  expect(one.ask('supply', { goods: 'n', items: [3] })).toMatchObject({ code: 'rate-limited', retryAfter: 500 });
});

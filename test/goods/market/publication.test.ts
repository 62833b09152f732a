import { describe, expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { Outbox } from '../../../src/goods/fan-out/outbox.ts';
import { Publication } from '../../../src/goods/market/publication.ts';
import type { GoodsStream } from '../../../src/goods/shelf/shelved-goods.ts';
import { type Apple, apple, priced, shop, TestMarket } from '../../support/test-market.ts';
import { LooseGoods } from '../../support/test-shelf.ts';

describe('variants', () => {
  test('each variant is encoded once, and all its subscribers share the bytes', () => {
    const { testMarket, orchard, market } = shop(priced);
    const clients = ['CNY', 'EUR', 'CNY', 'CNY'].map((currency) => {
      const client = testMarket.connect();
      client.subscribe('fruit/apple', { params: { currency } });
      client.take();
      client.pieces.length = 0;
      return client;
    });
    orchard.supply(apple, { price: 2 });
    orchard.supply(apple, { price: 3 });
    testMarket.flush();
    expect(clients.map((client) => client.take())).toEqual([
      ['fruit/apple[CNY] 1 {"price":14}', 'fruit/apple[CNY] 2 {"price":21}'],
      ['fruit/apple[EUR] 1 {"price":2}', 'fruit/apple[EUR] 2 {"price":3}'],
      ['fruit/apple[CNY] 1 {"price":14}', 'fruit/apple[CNY] 2 {"price":21}'],
      ['fruit/apple[CNY] 1 {"price":14}', 'fruit/apple[CNY] 2 {"price":21}'],
    ]);
    const [one, other, two, three] = clients.map(({ pieces }) => pieces);
    expect(one).toHaveLength(1);
    expect(two![0]).toBe(one![0]);
    expect(three![0]).toBe(one![0]);
    expect(other![0]).not.toBe(one![0]);
    expect(market.statistics().goods[0]).toMatchObject({
      items: 2,
      encoded: 4,
      variants: 2,
      subscribers: 4,
      delivered: 8,
    });
  });

  test('items supplied together are one frame, and items that a variant does not get are skipped', () => {
    const goods = defineGoods<number, string>('n', {
      variant: (_subscriber, params) => params,
      tailor: (n, variant) => (variant === 'odd' && n % 2 === 0 ? undefined : n),
    });
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    provider.shelve(goods);
    const [all, odd] = [testMarket.connect(), testMarket.connect()];
    all.subscribe('n', { params: 'all' });
    odd.subscribe('n', { params: 'odd' });
    all.frames.length = 0;
    odd.take();
    expect(provider.supplyAll(goods, [1, 2, 4, 5])).toMatchObject({ offset: 4 });
    testMarket.flush();
    expect(all.frames.map(({ op }) => op)).toEqual(['items']);
    expect(all.take()).toEqual(['n[all] 1 1', 'n[all] 2 2', 'n[all] 3 4', 'n[all] 4 5']);
    expect(odd.take()).toEqual(['n[odd] 1 1', 'n[odd] 2-3 filtered', 'n[odd] 4 5']);
    expect(() => provider.supplyAll(goods, [])).toThrow(RangeError);
  });

  test('a tailor that throws costs its own variant that item, is reported, and other variants get the item', () => {
    const failing: Record<string, (item: Apple) => unknown> = {
      throws: () => {
        throw new Error('no such currency');
      },
      bigint: () => 1n,
      promise: () => Promise.reject(new Error('late')),
      function: () => () => {},
    };
    const goods = defineGoods<Apple, string>('fruit/apple', {
      variant: (_subscriber, params) => params,
      tailor: (item, variant) => (failing[variant] ?? ((same: Apple) => same))(item),
    });
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    provider.shelve(goods);
    const clients = ['throws', 'bigint', 'promise', 'function', 'fine'].map((params) => {
      const client = testMarket.connect();
      client.subscribe('fruit/apple', { params });
      client.take();
      return client;
    });
    provider.supply(goods, { price: 1 });
    testMarket.flush();
    expect(clients.map((client) => client.take())).toEqual([
      ['fruit/apple[throws] 1-1 failed'],
      ['fruit/apple[bigint] 1-1 failed'],
      ['fruit/apple[promise] 1-1 failed'],
      ['fruit/apple[function] 1-1 failed'],
      ['fruit/apple[fine] 1 {"price":1}'],
    ]);
    expect(testMarket.notes.failures.map(({ place, variant }) => `${place} ${variant}`)).toEqual([
      'tailor throws',
      'tailor bigint',
      'tailor promise',
      'tailor function',
    ]);
    expect(testMarket.market.statistics().goods[0]).toMatchObject({ failed: 4 });
  });
});

test('skips of one reason are joined to one frame as long as nothing else is queued, and other reasons begin another', () => {
  const goods = defineGoods<string>('n', {
    tailor: (item) => {
      if (item === 'throws') throw new Error('mine');
      return item === 'out' ? undefined : item;
    },
  });
  const { testMarket, orchard } = shop(goods);
  const one = testMarket.connect();
  one.subscribe('n');
  one.take();
  for (const item of ['out', 'out', 'out', 'throws', 'throws', 'out', 'in', 'out', 'out']) orchard.supply(goods, item);
  testMarket.flush();
  orchard.supply(goods, 'out');
  testMarket.flush();
  expect(one.take()).toEqual([
    'n 1-3 filtered',
    'n 4-5 failed',
    'n 6-6 filtered',
    'n 7 "in"',
    'n 8-9 filtered',
    'n 10-10 filtered',
  ]);
});

test('goods without a subscriber are not encoded', () => {
  const { testMarket, orchard, market } = shop();
  orchard.supply(apple, { price: 1 });
  testMarket.flush();
  expect(market.statistics().goods).toMatchObject([{ items: 1, encoded: 0, delivered: 0 }]);
});

test('a stream whose last subscriber has left is not encoded, while another stream of the same goods is', () => {
  const { testMarket, orchard, market } = shop(priced);
  const [one, other] = [testMarket.connect(), testMarket.connect()];
  one.subscribe('fruit/apple', { params: { currency: 'CNY' } });
  other.subscribe('fruit/apple', { params: { currency: 'EUR' } });
  one.session.end();
  orchard.supply(apple, { price: 1 });
  testMarket.flush();
  expect(market.statistics().goods).toMatchObject([{ encoded: 1, delivered: 1 }]);
});

test('a stream without a recipient is not encoded', () => {
  const outbox = new Outbox<GoodsStream>(() => {});
  const { goods } = new LooseGoods();
  goods.load({ epoch: 'e', offset: 0 }, []);
  goods.stream('').join();
  const entries = goods.append({ kind: 'json', epoch: 'e', offset: 1, items: [1], time: 0 })!;
  new Publication(outbox).publish(goods, entries);
  expect([outbox.isEmpty, goods.counters.read().encoded]).toEqual([true, 0]);
});

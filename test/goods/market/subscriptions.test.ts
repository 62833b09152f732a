import { describe, expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import type { OkFrame } from '../../../src/goods/wire/frames.ts';
import { type Apple, apple, pear, priced, shop, TestMarket } from '../../support/test-market.ts';

describe('subscribing', () => {
  test('a subscriber gets the items that are supplied, and no other connection does', () => {
    const { testMarket, orchard } = shop();
    const [one, other] = [testMarket.connect(), testMarket.connect()];
    expect(one.subscribe('fruit/apple')).toMatchObject({ op: 'ok', streams: [{ goods: 'fruit/apple', offset: 0 }] });
    one.take();
    orchard.supply(apple, { price: 3 });
    testMarket.flush();
    expect(one.take()).toEqual(['fruit/apple 1 {"price":3}']);
    expect(other.take()).toEqual([]);
  });

  test('the latest item follows the reply, and then new items', () => {
    const { testMarket, orchard } = shop();
    orchard.supply(apple, { price: 1 });
    orchard.supply(apple, { price: 2 });
    const one = testMarket.connect();
    expect(one.subscribe('fruit/apple')).toMatchObject({ streams: [{ offset: 2 }] });
    orchard.supply(apple, { price: 3 });
    testMarket.flush();
    expect(one.take()).toEqual(['ok', 'fruit/apple 2 {"price":2}', 'fruit/apple 3 {"price":3}']);
  });

  test('`last` is the number of latest items that follow the reply', () => {
    const { testMarket, orchard } = shop(defineGoods<Apple>('fruit/apple', { history: { size: 3 } }));
    for (const price of [1, 2, 3, 4, 5]) orchard.supply(apple, { price });
    const take = (last: number) => {
      const one = testMarket.connect();
      one.subscribe('fruit/apple', { last });
      return one.take();
    };
    expect(take(0)).toEqual(['ok']);
    expect(take(2)).toEqual(['ok', 'fruit/apple 4 {"price":4}', 'fruit/apple 5 {"price":5}']);
    expect(take(99)).toHaveLength(4);
  });

  test('an item that was supplied in the same tick before the subscribe comes once', () => {
    const { testMarket, orchard } = shop();
    const [early, late] = [testMarket.connect(), testMarket.connect()];
    early.subscribe('fruit/apple');
    early.take();
    orchard.supply(apple, { price: 1 });
    late.begin('subscribe', { goods: 'fruit/apple' });
    orchard.supply(apple, { price: 2 });
    testMarket.flush();
    expect(late.take()).toEqual(['ok', 'fruit/apple 1 {"price":1}', 'fruit/apple 2 {"price":2}']);
    expect(early.take()).toEqual(['fruit/apple 1 {"price":1}', 'fruit/apple 2 {"price":2}']);
  });

  test('subscribing twice is no error: the latest item comes again, and new items come once', () => {
    const { testMarket, orchard, market } = shop();
    orchard.supply(apple, { price: 1 });
    const one = testMarket.connect();
    one.subscribe('fruit/apple');
    one.take();
    orchard.supply(apple, { price: 2 });
    one.begin('subscribe', { goods: 'fruit/apple' });
    orchard.supply(apple, { price: 3 });
    testMarket.flush();
    expect(one.take()).toEqual([
      'fruit/apple 2 {"price":2}',
      'ok',
      'fruit/apple 2 {"price":2}',
      'fruit/apple 3 {"price":3}',
    ]);
    expect(market.statistics().subscriptions).toBe(1);
  });

  test('a second subscribe gets as many of the latest items as it asks for itself', () => {
    const { testMarket, orchard } = shop(defineGoods<Apple>('fruit/apple', { history: { size: 5 } }));
    for (const price of [1, 2, 3]) orchard.supply(apple, { price });
    const one = testMarket.connect();
    one.subscribe('fruit/apple', { last: 0 });
    expect(one.take()).toEqual(['ok']);
    one.subscribe('fruit/apple', { last: 2 });
    expect(one.take()).toEqual(['ok', 'fruit/apple 2 {"price":2}', 'fruit/apple 3 {"price":3}']);
  });

  test('no item follows the reply to an unsubscribe, and items supplied before it have come', () => {
    const { testMarket, orchard, market } = shop();
    const one = testMarket.connect();
    one.subscribe('fruit/apple');
    one.take();
    orchard.supply(apple, { price: 1 });
    one.begin('unsubscribe', { goods: 'fruit/apple' });
    orchard.supply(apple, { price: 2 });
    testMarket.flush();
    expect(one.take()).toEqual(['fruit/apple 1 {"price":1}', 'ok']);
    expect(one.ask('unsubscribe', { goods: 'fruit/apple' })).toMatchObject({ op: 'ok', removed: false });
    expect(market.statistics()).toMatchObject({ subscriptions: 0, goods: [{ subscribers: 0, variants: 0 }] });
  });

  test('a pattern gets goods on the shelf and goods that come later, and each item once', () => {
    const { testMarket, orchard } = shop();
    const one = testMarket.connect();
    expect(one.subscribe('fruit/*')).toMatchObject({ streams: [{ goods: 'fruit/apple' }] });
    one.subscribe('fruit/apple');
    one.take();
    orchard.shelve(pear);
    orchard.supply(pear, { price: 5 });
    orchard.supply(apple, { price: 1 });
    testMarket.flush();
    expect(one.take()).toEqual([
      'shelved fruit/* fruit/pear @0',
      'fruit/pear 1 {"price":5}',
      'fruit/apple 1 {"price":1}',
    ]);
    one.ask('unsubscribe', { goods: 'fruit/apple' });
    orchard.supply(apple, { price: 2 });
    testMarket.flush();
    expect(one.take()).toEqual(['ok', 'fruit/apple 2 {"price":2}']);
  });

  test('subscribers are told that goods are taken off the shelf, and that they are back', () => {
    const { testMarket, orchard } = shop();
    const one = testMarket.connect();
    one.subscribe('fruit/apple');
    one.take();
    orchard.supply(apple, { price: 1 });
    expect(orchard.unshelve(apple, 'season is over')).toBe(true);
    expect(orchard.unshelve(apple)).toBe(false);
    testMarket.flush();
    expect(one.take()).toEqual(['fruit/apple 1 {"price":1}', 'unshelved fruit/apple season is over']);
    expect(() => orchard.supply(apple, { price: 2 })).toThrow('fruit/apple is not on the shelf of orchard');
    // Subscribing again meanwhile is no error.
    expect(one.subscribe('fruit/apple')).toMatchObject({ op: 'ok', streams: [] });
    one.take();
    orchard.shelve(apple);
    orchard.supply(apple, { price: 3 });
    testMarket.flush();
    expect(one.take()).toEqual(['shelved fruit/apple fruit/apple @0', 'fruit/apple 1 {"price":3}']);
  });

  test('one connection can have the same goods in two variants', () => {
    const { testMarket, orchard } = shop(priced);
    const one = testMarket.connect();
    one.subscribe('fruit/apple', { params: { currency: 'CNY' } });
    one.subscribe('fruit/apple', { params: { currency: 'EUR' } });
    one.take();
    orchard.supply(apple, { price: 1 });
    testMarket.flush();
    expect(one.take()).toEqual(['fruit/apple[CNY] 1 {"price":7}', 'fruit/apple[EUR] 1 {"price":1}']);
  });

  test('a pattern leaves out goods that refuse its params', () => {
    const { testMarket, orchard } = shop(priced);
    orchard.shelve(pear);
    const one = testMarket.connect();
    expect(one.subscribe('fruit/*', { params: { currency: 'CNY' } })).toMatchObject({
      streams: [{ goods: 'fruit/apple', variant: 'CNY' }],
    });
  });
});

const prices = defineGoods<number>('prices/*', { history: { size: 2 } });

test('goods of a pattern are created at the first subscription, and the provider is told', () => {
  const told: string[] = [];
  const testMarket = new TestMarket();
  const provider = testMarket.market.provider('p');
  provider.shelve(prices, {
    onDemand: (goods) => void told.push(`demand ${goods}`),
    onIdle: (goods) => void told.push(`idle ${goods}`),
  });
  expect(() => provider.shelve(prices)).toThrow('on the shelf already');
  const one = testMarket.connect();
  expect(one.subscribe('prices/EUR')).toMatchObject({ op: 'ok', streams: [{ goods: 'prices/EUR' }] });
  expect(one.subscribe('prices')).toMatchObject({ code: 'unknown-goods' });
  one.take();
  expect(told).toEqual(['demand prices/EUR']);
  provider.supply(prices.named('prices/EUR'), 1.1);
  testMarket.flush();
  expect(one.take()).toEqual(['prices/EUR 1 1.1']);
  one.ask('unsubscribe', { goods: 'prices/EUR' });
  expect(told).toEqual(['demand prices/EUR', 'idle prices/EUR']);
  // Goods that had an item stay; those that never had one go with their last subscriber.
  one.subscribe('prices/USD');
  expect(testMarket.market.statistics().goods).toHaveLength(2);
  one.session.end();
  expect(testMarket.market.statistics().goods).toHaveLength(1);
  expect(() => prices.named('prices')).toThrow(RangeError);
  expect(() => prices.named('prices/*')).toThrow(RangeError);
});

describe('demand', () => {
  test('is told to the provider once for many subscribers, when the first comes and when the last has left', () => {
    const told: string[] = [];
    const testMarket = new TestMarket();
    testMarket.market.provider('p').shelve(apple, {
      onDemand: () => void told.push('demand'),
      onIdle: () => {
        told.push('idle');
        throw new Error('no');
      },
    });
    const [one, two] = [testMarket.connect(), testMarket.connect()];
    one.subscribe('fruit/apple');
    two.subscribe('fruit/*');
    one.session.end();
    expect(told).toEqual(['demand']);
    two.session.end();
    expect(told).toEqual(['demand', 'idle']);
    expect(testMarket.notes.failures).toMatchObject([{ place: 'onIdle', goods: 'fruit/apple' }]);
  });

  test('may lead to an item, which follows the reply', () => {
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    provider.shelve(apple, { onDemand: () => void provider.supply(apple, { price: 9 }) });
    const one = testMarket.connect();
    one.subscribe('fruit/apple');
    expect(one.take()).toEqual(['ok', 'fruit/apple 1 {"price":9}']);
  });
});

describe('resuming', () => {
  const kept = defineGoods<Apple>('fruit/apple', { history: { size: 3, ttl: 1000 } });

  function resumed(offset: number, epoch?: string) {
    const { testMarket, orchard } = shop(kept);
    for (const price of [1, 2, 3, 4, 5]) orchard.supply(apple, { price });
    const own = testMarket.market.statistics().goods[0]!.epoch;
    const one = testMarket.connect();
    const since = [{ goods: 'fruit/apple', epoch: epoch ?? own, offset }];
    return { reply: one.subscribe('fruit/apple', { since }) as OkFrame, one, testMarket, orchard };
  }

  test('items that were missed are replayed in order, and then new items come', () => {
    const { reply, one, testMarket, orchard } = resumed(2);
    expect(reply.streams).toMatchObject([{ offset: 5, recovered: true }]);
    orchard.supply(apple, { price: 6 });
    testMarket.flush();
    expect(one.take()).toEqual(['ok', ...[3, 4, 5, 6].map((n) => `fruit/apple ${n} {"price":${n}}`)]);
  });

  test('nothing is replayed if nothing was missed', () => {
    const { reply, one } = resumed(5);
    expect(reply.streams).toMatchObject([{ recovered: true }]);
    expect(one.take()).toEqual(['ok']);
  });

  test.each([
    ['a position whose next item is not kept', 1, undefined],
    ['another epoch', 4, 'other'],
    ['an offset that was never reached', 6, undefined],
    ['an offset beyond all', Number.MAX_SAFE_INTEGER, undefined],
  ])('%s is not recovered, and the latest item comes', (_title, offset, epoch) => {
    const { reply, one } = resumed(offset, epoch);
    expect(reply.streams).toMatchObject([{ recovered: false, offset: 5 }]);
    expect(one.take()).toEqual(['ok', 'fruit/apple 5 {"price":5}']);
  });

  test('an item that has expired does not come', () => {
    const { testMarket, orchard } = shop(kept);
    orchard.supply(apple, { price: 1 });
    testMarket.time += 1000;
    const one = testMarket.connect();
    one.subscribe('fruit/apple');
    expect(one.take()).toEqual(['ok']);
    expect(testMarket.market.statistics().goods[0]).toMatchObject({ kept: 0, offset: 1 });
  });

  test('a pattern resumes each of its goods', () => {
    const { testMarket, orchard } = shop(kept);
    orchard.shelve(pear);
    for (const price of [1, 2]) {
      orchard.supply(apple, { price });
      orchard.supply(pear, { price });
    }
    const since = testMarket.market.statistics().goods.map(({ goods, epoch }) => ({ goods, epoch, offset: 1 }));
    const one = testMarket.connect();
    expect(one.subscribe('fruit/*', { since: since.slice(0, 1) })).toMatchObject({
      streams: [{ goods: 'fruit/apple', recovered: true }, { goods: 'fruit/pear' }],
    });
    expect(one.take()).toEqual(['ok', 'fruit/apple 2 {"price":2}', 'fruit/pear 2 {"price":2}']);
  });
});

test('a second subscribe moves the subscription to the variant that `variant` returns then', () => {
  let variant = 'CNY';
  const goods = defineGoods<number>('n', { variant: () => variant });
  const { testMarket, orchard, market } = shop(goods);
  const one = testMarket.connect();
  one.subscribe('n');
  variant = 'EUR';
  expect(one.subscribe('n')).toMatchObject({ streams: [{ variant: 'EUR' }] });
  one.take();
  orchard.supply(goods, 1);
  testMarket.flush();
  expect(one.take()).toEqual(['n[EUR] 1 1']);
  expect(market.statistics()).toMatchObject({ subscriptions: 1, goods: [{ subscribers: 1, variants: 1 }] });
});

describe('while the application decides', () => {
  test('requests about the same goods wait, and others do not', async () => {
    let decide = (_isAllowed: boolean): void => {};
    const { testMarket, orchard } = shop(
      defineGoods<Apple>('fruit/apple', {
        authorize: () =>
          new Promise((resolve) => {
            decide = resolve;
          }),
      }),
    );
    orchard.shelve(pear);
    const one = testMarket.connect();
    const first = one.begin('subscribe', { goods: 'fruit/apple' });
    const second = one.begin('unsubscribe', { goods: 'fruit/apple' });
    expect(one.subscribe('fruit/pear')).toMatchObject({ op: 'ok' });
    expect(one.replyTo(first)).toBeUndefined();
    decide(true);
    expect(await one.askLater('ping')).toMatchObject({ op: 'ok' });
    expect(one.replyTo(first)).toMatchObject({ streams: [{ goods: 'fruit/apple' }] });
    expect(one.replyTo(second)).toMatchObject({ removed: true });
    expect(testMarket.market.statistics().subscriptions).toBe(1);
  });

  test('a connection that ends has no subscription', async () => {
    let decide = (_isAllowed: boolean): void => {};
    const { testMarket } = shop(
      defineGoods<Apple>('fruit/apple', {
        authorize: () =>
          new Promise((resolve) => {
            decide = resolve;
          }),
      }),
    );
    const one = testMarket.connect();
    one.begin('subscribe', { goods: 'fruit/apple' });
    one.session.end();
    decide(true);
    await new Promise((resolve) => setImmediate(resolve));
    expect(testMarket.market.statistics()).toMatchObject({
      sessions: 0,
      subscriptions: 0,
      goods: [{ subscribers: 0 }],
    });
  });

  test('goods that are taken off the shelf are not joined, and are when they come back', async () => {
    let decide = (_isAllowed: boolean): void => {};
    const { testMarket, orchard } = shop(
      defineGoods<Apple>('fruit/apple', {
        authorize: () =>
          new Promise((resolve) => {
            decide = resolve;
          }),
      }),
    );
    const one = testMarket.connect();
    const id = one.begin('subscribe', { goods: 'fruit/apple' });
    orchard.unshelve(apple);
    decide(true);
    await one.askLater('ping');
    expect(one.replyTo(id)).toMatchObject({ op: 'ok', streams: [] });
    one.take();
    orchard.shelve(apple);
    testMarket.flush();
    expect(one.take()).toEqual(['shelved fruit/apple fruit/apple @0']);
  });

  test('goods that come while `authorize` decides on a pattern are joined once', async () => {
    const { testMarket, orchard } = shop(defineGoods<Apple>('fruit/apple', { authorize: async () => true }));
    const one = testMarket.connect();
    const id = one.begin('subscribe', { goods: 'fruit/*' });
    orchard.shelve(pear);
    await one.askLater('ping');
    await new Promise((resolve) => setImmediate(resolve));
    testMarket.flush();
    expect(one.replyTo(id)).toMatchObject({ streams: [{ goods: 'fruit/apple' }] });
    orchard.supply(apple, { price: 1 });
    testMarket.flush();
    expect(one.take().filter((text) => text.startsWith('fruit/apple'))).toEqual(['fruit/apple 1 {"price":1}']);
  });

  test('other goods that come in the place of those that were asked for are not joined', async () => {
    let decide = (_isAllowed: boolean): void => {};
    const authorize = () =>
      new Promise<boolean>((resolve) => {
        decide = resolve;
      });
    const { testMarket, orchard } = shop(defineGoods<Apple>('fruit/apple', { authorize }));
    const one = testMarket.connect();
    const id = one.begin('subscribe', { goods: 'fruit/apple' });
    orchard.unshelve(apple);
    orchard.shelve(defineGoods<Apple>('fruit/apple', { authorize: () => false }));
    decide(true);
    await one.askLater('ping');
    expect(one.replyTo(id)).toMatchObject({ op: 'ok', streams: [] });
  });

  test('a subscription that is ended meanwhile does not join goods that have come', async () => {
    const { testMarket, orchard } = shop();
    const one = testMarket.connect();
    one.subscribe('fruit/*');
    orchard.shelve(defineGoods<Apple>('fruit/pear', { authorize: async () => true }));
    one.ask('unsubscribe', { goods: 'fruit/*' });
    one.take();
    await one.askLater('ping');
    expect(one.take()).toEqual(['ok']);
    expect(testMarket.market.statistics().goods).toMatchObject([{ subscribers: 0 }, { subscribers: 0 }]);
  });
});

describe('revoking', () => {
  test('ends subscriptions with a reason, of one subscriber or of all, whole or in part', () => {
    const { testMarket, orchard, market } = shop();
    orchard.shelve(pear);
    const [one, two] = [testMarket.connect(), testMarket.connect()];
    for (const client of [one, two]) {
      client.subscribe('fruit/apple');
      client.subscribe('fruit/*');
      client.take();
    }
    expect(market.revoke({ goods: 'fruit/apple', subscriber: one.session }, 'not paid')).toBe(2);
    orchard.supply(apple, { price: 1 });
    orchard.supply(pear, { price: 2 });
    testMarket.flush();
    expect(one.take()).toEqual([
      'revoked fruit/apple  not paid',
      'revoked fruit/* fruit/apple not paid',
      'fruit/pear 1 {"price":2}',
    ]);
    expect(two.take()).toEqual(['fruit/apple 1 {"price":1}', 'fruit/pear 1 {"price":2}']);
    // It does not come back by itself.
    orchard.unshelve(apple);
    orchard.shelve(apple);
    testMarket.flush();
    expect(one.take()).toEqual([]);
    expect(one.subscribe('fruit/*')).toMatchObject({ streams: [{ goods: 'fruit/pear' }] });
    one.take();
    expect(market.revoke({ subscriber: (subscriber) => subscriber.id === one.session.id }, 'all')).toBe(1);
    expect(market.revoke({ goods: 'fruit/**' }, 'rest')).toBe(2);
    testMarket.flush();
    expect(one.take()).toEqual(['revoked fruit/*  all']);
    expect(market.statistics().subscriptions).toBe(1);
  });

  test('takes goods from a subscription to a pattern once, however often they are revoked', () => {
    const { testMarket, market } = shop();
    const one = testMarket.connect();
    one.subscribe('fruit/*');
    expect(market.revoke({ goods: 'fruit/apple' }, 'first')).toBe(1);
    expect(market.revoke({ goods: 'fruit/apple' }, 'second')).toBe(0);
    one.take();
    testMarket.flush();
    expect(one.take()).toEqual(['revoked fruit/* fruit/apple first']);
  });
});

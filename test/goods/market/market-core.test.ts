import { describe, expect, test, vi } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { MarketCore } from '../../../src/goods/market/market-core.ts';
import { apple, shop, TestMarket } from '../../support/test-market.ts';

describe('a connection', () => {
  test('is told its limits in the welcome', () => {
    const { market, testMarket } = shop();
    const client = testMarket.connect();
    const frames: unknown[] = [];
    client.onFrame = (frame) => frames.push(frame);
    market.connect(client, undefined);
    testMarket.flush();
    expect(frames).toMatchObject([{ op: 'welcome', protocol: 'goods.v1', limits: { subscriptions: 1000 } }]);
  });

  test('a connection that ends leaves nothing behind', () => {
    const { testMarket, orchard, market } = shop();
    const one = testMarket.connect();
    one.subscribe('fruit/apple');
    one.subscribe('fruit/**', { last: 3 });
    orchard.supply(apple, { price: 1 });
    one.session.end();
    one.session.end();
    testMarket.flush();
    expect(market.statistics()).toMatchObject({
      sessions: 0,
      subscriptions: 0,
      goods: [{ subscribers: 0, variants: 0 }],
    });
    expect(market.subscribers).toEqual([]);
    one.session.receive('{"op":"ping","id":99}');
    expect(market.subscriptions(one.session)).toEqual([]);
  });

  test('is ended if it sends no message during two heartbeats', () => {
    const { testMarket, market } = shop();
    const [silent, alive] = [testMarket.connect(), testMarket.connect()];
    silent.subscribe('fruit/apple');
    for (let i = 0; i < 3; i++) {
      market.sendHeartbeats();
      alive.session.noteActivity();
    }
    expect(silent).toMatchObject({ isTerminated: true, pings: 2 });
    expect(alive).toMatchObject({ isTerminated: false, pings: 3 });
    expect(market.statistics()).toMatchObject({ sessions: 1, subscriptions: 0 });
  });
});

describe('a shutdown', () => {
  test('tells every client when to come back, closes the connections, and waits until they are gone', async () => {
    const { testMarket, orchard, market } = shop();
    const one = testMarket.connect();
    one.subscribe('fruit/apple');
    one.take();
    orchard.supply(apple, { price: 1 });
    const done = market.shutdown({ reason: 'update', retryAfter: 1000 });
    expect(one.ask('ping')).toMatchObject({ code: 'closing' });
    expect(one.take()).toEqual(['fruit/apple 1 {"price":1}', 'closing update 1500', 'error closing']);
    expect(one.closed).toEqual({ code: 1012, reason: 'update' });
    const late = testMarket.connect();
    expect(late.closed).toMatchObject({ code: 1012 });
    one.session.end();
    late.session.end();
    await done;
    await market.shutdown();
  });

  test('ends the connections that remain at the deadline', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { testMarket, market } = shop();
      const one = testMarket.connect();
      let ends = 0;
      one.terminate = () => {
        ends++;
        one.session.end();
      };
      const done = market.shutdown({ deadline: 500, code: 1013 });
      testMarket.flush();
      vi.advanceTimersByTime(499);
      expect([one.closed?.code, ends]).toEqual([1013, 0]);
      vi.advanceTimersByTime(1);
      expect(ends).toBe(1);
      await done;
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

test('a connection that the outbox cannot serve is not kept', async () => {
  const testMarket = new TestMarket({
    schedule: () => {
      throw new Error('mine');
    },
  });
  expect(() => testMarket.connect()).toThrow('mine');
  expect(testMarket.market.subscribers).toEqual([]);
  // Otherwise the shutdown would wait for the connection.
  await testMarket.market.shutdown();
});

test('without the option schedule, a market sends items when the default schedule calls back', () => {
  const scheduled: (() => void)[] = [];
  const testMarket = new TestMarket({ schedule: undefined }, (flush) => void scheduled.push(flush));
  testMarket.market.provider('p').shelve(apple);
  const client = testMarket.connect();
  client.begin('subscribe', { goods: 'fruit/apple' });
  expect([client.frames, scheduled.length]).toEqual([[], 1]);
  scheduled[0]!();
  expect(client.take()).toEqual(['welcome', 'ok']);
});

test('flush sends the supplied items at once', () => {
  const { testMarket, orchard, market } = shop();
  const one = testMarket.connect();
  one.subscribe('fruit/apple');
  one.take();
  orchard.supply(apple, { price: 1 });
  market.flush();
  expect(one.take()).toEqual(['fruit/apple 1 {"price":1}']);
});

test('a market needs no option', async () => {
  const market = new MarketCore({}, setImmediate);
  const provider = market.provider('p');
  const goods = defineGoods<number>('n');
  provider.shelve(goods);
  expect(provider.supply(goods, 1)).toMatchObject({ offset: 1 });
  expect(market.statistics().goods[0]!.epoch).toMatch(/^[0-9a-z]{14}$/);
});

test('the limits, the heartbeat and the observer of a market can be read, and a subclass is told of connections', () => {
  class Subclass extends MarketCore {
    override get hasConnections(): boolean {
      return super.hasConnections;
    }
  }
  const { notes } = new TestMarket();
  const market = new Subclass({ observer: notes, heartbeat: 5, limits: { subscriptions: 3 } }, () => {});
  expect(market).toMatchObject({ heartbeat: 5, limits: { subscriptions: 3 } });
  expect(market.observer).toBe(notes);
  expect(market.hasConnections).toBe(false);
  const session = market.connect(new TestMarket().connect(), undefined);
  expect(market.hasConnections).toBe(true);
  session.end();
  expect(market.hasConnections).toBe(false);
});

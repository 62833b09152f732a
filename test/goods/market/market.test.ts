import { describe, expect, test } from 'vitest';
import { defineGoods, type Goods } from '../../../src/goods/definition/goods.ts';
import { MarketCore } from '../../../src/goods/market/market-core.ts';
import type { OkFrame } from '../../../src/goods/wire/frames.ts';
import { TestMarket } from '../../support/test-market.ts';

interface Apple {
  readonly price: number;
}

const apple = defineGoods<Apple>('fruit/apple');
const pear = defineGoods<Apple>('fruit/pear');
const priced = defineGoods<Apple, { currency: string }>('fruit/apple', {
  params: (value) => {
    const { currency } = value as { currency: unknown };
    if (typeof currency !== 'string') throw new TypeError('currency is a string');
    return { currency };
  },
  variant: (_subscriber, { currency }) => currency,
  tailor: (item, currency) => ({ price: currency === 'CNY' ? item.price * 7 : item.price }),
  history: { size: 100 },
});

function shop<Item, Params>(goods: Goods<Item, Params> = apple as unknown as Goods<Item, Params>) {
  const testMarket = new TestMarket();
  const orchard = testMarket.market.provider('orchard');
  orchard.shelve(goods);
  return { testMarket, orchard, market: testMarket.market };
}

describe('subscribing', () => {
  test('a subscriber gets what is supplied, and nobody else does', () => {
    const { testMarket, orchard } = shop();
    const [one, other] = [testMarket.connect(), testMarket.connect()];
    expect(one.subscribe('fruit/apple')).toMatchObject({ op: 'ok', streams: [{ goods: 'fruit/apple', offset: 0 }] });
    one.take();
    orchard.supply(apple, { price: 3 });
    testMarket.flush();
    expect(one.take()).toEqual(['fruit/apple 1 {"price":3}']);
    expect(other.take()).toEqual([]);
  });

  test('the welcome says what the connection may', () => {
    const { market, testMarket } = shop();
    const client = testMarket.connect();
    const frames: unknown[] = [];
    client.onFrame = (frame) => frames.push(frame);
    market.connect(client, undefined);
    testMarket.flush();
    expect(frames).toMatchObject([{ op: 'welcome', protocol: 'goods.v1', limits: { subscriptions: 1000 } }]);
  });

  test('the latest item follows the reply, and then what is new', () => {
    const { testMarket, orchard } = shop();
    orchard.supply(apple, { price: 1 });
    orchard.supply(apple, { price: 2 });
    const one = testMarket.connect();
    expect(one.subscribe('fruit/apple')).toMatchObject({ streams: [{ offset: 2 }] });
    orchard.supply(apple, { price: 3 });
    testMarket.flush();
    expect(one.take()).toEqual(['ok', 'fruit/apple 2 {"price":2}', 'fruit/apple 3 {"price":3}']);
  });

  test('last says how many of the latest items follow', () => {
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

  test('subscribing twice is no error, gives the latest again, and doubles nothing', () => {
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

  test('behind the reply to an unsubscribe nothing comes, and what was supplied before it has come', () => {
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

  test('a pattern gets goods that are there, that come, and in both ways only once', () => {
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

  test('goods that are taken off the shelf are announced, and again when they are back', () => {
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
    // It is no error to ask for it again meanwhile.
    expect(one.subscribe('fruit/apple')).toMatchObject({ op: 'ok', streams: [] });
    one.take();
    orchard.shelve(apple);
    orchard.supply(apple, { price: 3 });
    testMarket.flush();
    expect(one.take()).toEqual(['shelved fruit/apple fruit/apple @0', 'fruit/apple 1 {"price":3}']);
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
});

describe('variants', () => {
  test('each variant is encoded once, however many get it, and all share its octets', () => {
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

  test('one connection can have the same goods in two variants, and tells them apart', () => {
    const { testMarket, orchard } = shop(priced);
    const one = testMarket.connect();
    one.subscribe('fruit/apple', { params: { currency: 'CNY' } });
    one.subscribe('fruit/apple', { params: { currency: 'EUR' } });
    one.take();
    orchard.supply(apple, { price: 1 });
    testMarket.flush();
    expect(one.take()).toEqual(['fruit/apple[CNY] 1 {"price":7}', 'fruit/apple[EUR] 1 {"price":1}']);
  });

  test('items supplied together are one frame, and one that a variant does not get is skipped', () => {
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

  test('a tailor that throws costs its own variant that item, is reported, and nobody else notices', () => {
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

  test('a variant that throws, or is no text, is an error of that subscribe', () => {
    const goods = defineGoods<Apple, unknown>('fruit/apple', {
      variant: (_subscriber, params) => {
        if (params === 1) throw new Error('no');
        return params as string;
      },
    });
    const { testMarket } = shop(goods);
    const one = testMarket.connect();
    for (const params of [1, 2, null, 'x'.repeat(256), '\ud800']) {
      expect(one.subscribe('fruit/apple', { params })).toMatchObject({ op: 'error', code: 'variant-failed' });
    }
    expect(one.subscribe('fruit/apple', { params: 'x' })).toMatchObject({ op: 'ok' });
    expect(testMarket.notes.failures).toHaveLength(5);
  });

  test('params are checked by a function, a schema, or one that takes its time', async () => {
    const schema = (validate: (value: unknown) => unknown) => ({
      '~standard': { version: 1 as const, vendor: 'test', validate: validate as never },
    });
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    const variant = (_subscriber: unknown, params: unknown) => String(params);
    provider.shelve(defineGoods<number, number>('function', { params: (value) => Number(value) + 1, variant }));
    provider.shelve(
      defineGoods('schema', {
        params: schema((value) => (value === 1 ? { value: 'one' } : { issues: [{ message: 'not one' }] })),
        variant,
      }),
    );
    provider.shelve(defineGoods('later', { params: schema(async (value) => ({ value })), variant }));
    provider.shelve(defineGoods('never', { params: schema(() => Promise.reject(new Error('no'))), variant }));
    const one = testMarket.connect();
    expect(one.subscribe('function', { params: 1 })).toMatchObject({ streams: [{ variant: '2' }] });
    expect(one.subscribe('schema', { params: 1 })).toMatchObject({ streams: [{ variant: 'one' }] });
    expect(one.subscribe('schema', { params: 2 })).toMatchObject({ code: 'bad-params', message: /not one/ });
    expect(await one.askLater('subscribe', { goods: 'later', params: 3 })).toMatchObject({
      streams: [{ variant: '3' }],
    });
    expect(await one.askLater('subscribe', { goods: 'never', params: 3 })).toMatchObject({ code: 'bad-params' });
  });

  test('goods that take no params refuse some', () => {
    const { testMarket } = shop();
    expect(testMarket.connect().subscribe('fruit/apple', { params: {} })).toMatchObject({ code: 'bad-params' });
  });

  test('a subscription by pattern leaves out what does not take its params', () => {
    const { testMarket, orchard } = shop(priced);
    orchard.shelve(pear);
    const one = testMarket.connect();
    expect(one.subscribe('fruit/*', { params: { currency: 'CNY' } })).toMatchObject({
      streams: [{ goods: 'fruit/apple', variant: 'CNY' }],
    });
  });
});

describe('kinds', () => {
  test('octets travel as they are, and are copied', () => {
    const cam = defineGoods<Uint8Array>('cam', { kind: 'bytes', history: { size: 2 } });
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    provider.shelve(cam);
    const one = testMarket.connect();
    one.subscribe('cam');
    one.take();
    const octets = Buffer.from('cafe', 'hex');
    provider.supply(cam, octets);
    provider.supplyAll(cam, [octets, octets]);
    octets.fill(0);
    testMarket.flush();
    expect(one.take()).toEqual(['cam 1 cafe', 'cam 2 cafe', 'cam 3 cafe']);
    const late = testMarket.connect();
    late.subscribe('cam');
    expect(late.take()).toEqual(['ok', 'cam 3 cafe']);
    expect(() => provider.supply(cam, 'text' as never)).toThrow(TypeError);
  });

  test('text is text, and what JSON cannot hold is no item', () => {
    const log = defineGoods<string>('log', { kind: 'text' });
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    provider.shelve(log);
    provider.shelve(apple);
    expect(() => provider.supply(log, 5 as never)).toThrow('An item of text is a string; got number');
    expect(() => provider.supply(apple, undefined as never)).toThrow(TypeError);
    expect(() => provider.supply(apple, { price: 1n } as never)).toThrow(TypeError);
    expect(() => provider.supplyAll(apple, [{ price: 1 }, undefined as never])).toThrow(TypeError);
    expect(testMarket.market.statistics().goods.map(({ offset }) => offset)).toEqual([0, 0]);
    const one = testMarket.connect();
    one.subscribe('log');
    one.take();
    provider.supply(log, '\ud800 "quoted" \u0000');
    testMarket.flush();
    expect(one.frames).toMatchObject([{ op: 'item', item: '\ud800 "quoted" \u0000' }]);
  });
});

describe('goods by pattern', () => {
  const prices = defineGoods<number>('prices/*', { history: { size: 2 } });

  test('they are made at the first subscription, and the provider is told', () => {
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
    // It has been supplied, so it stays; what never was goes with its last subscriber.
    one.subscribe('prices/USD');
    expect(testMarket.market.statistics().goods).toHaveLength(2);
    one.session.end();
    expect(testMarket.market.statistics().goods).toHaveLength(1);
    expect(() => prices.named('prices')).toThrow(RangeError);
    expect(() => prices.named('prices/*')).toThrow(RangeError);
  });

  test('supplying makes them too, and taking the pattern off takes them all off', () => {
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    provider.shelve(prices);
    provider.supply(prices.named('prices/EUR'), 1.1);
    const one = testMarket.connect();
    one.subscribe('prices/*');
    expect(one.take()).toEqual(['ok', 'prices/EUR 1 1.1']);
    provider.unshelve(prices, 'closed');
    testMarket.flush();
    expect(one.take()).toEqual(['unshelved prices/EUR closed']);
    expect(() => provider.supply(prices.named('prices/EUR'), 1)).toThrow('not on the shelf');
    provider.shelve(prices);
    provider.shelve(apple);
    provider.close('bye');
    expect(testMarket.market.catalog()).toEqual([]);
  });
});

describe('demand', () => {
  test('is told once for many, when the first comes and when the last has left, also by what throws', () => {
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

  test('an item that is supplied because there is demand comes behind the reply', () => {
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

  test('what was missed is replayed, in order, and then comes what is new', () => {
    const { reply, one, testMarket, orchard } = resumed(2);
    expect(reply.streams).toMatchObject([{ offset: 5, recovered: true }]);
    orchard.supply(apple, { price: 6 });
    testMarket.flush();
    expect(one.take()).toEqual(['ok', ...[3, 4, 5, 6].map((n) => `fruit/apple ${n} {"price":${n}}`)]);
  });

  test('nothing was missed', () => {
    const { reply, one } = resumed(5);
    expect(reply.streams).toMatchObject([{ recovered: true }]);
    expect(one.take()).toEqual(['ok']);
  });

  test.each([
    ['what is not kept any more', 1, undefined],
    ['another epoch', 4, 'other'],
    ['an offset that was never reached', 6, undefined],
    ['an offset beyond all', Number.MAX_SAFE_INTEGER, undefined],
  ])('%s is said not to be recovered, and the latest comes', (_title, offset, epoch) => {
    const { reply, one } = resumed(offset, epoch);
    expect(reply.streams).toMatchObject([{ recovered: false, offset: 5 }]);
    expect(one.take()).toEqual(['ok', 'fruit/apple 5 {"price":5}']);
  });

  test('what is too old is not kept', () => {
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

describe('authorisation', () => {
  test('is asked of the market and of the goods, on each subscribe, resume and supply', () => {
    const asked: string[] = [];
    const goods = defineGoods<Apple, undefined, string>('fruit/apple', {
      remote: true,
      authorize: (subscriber, { action }) => {
        asked.push(`goods ${subscriber.user} ${action}`);
        return action !== 'supply';
      },
    });
    const testMarket = new TestMarket<string>({
      authorize: (subscriber, { action, goods: name }) => {
        asked.push(`market ${subscriber.user} ${action} ${name}`);
        return subscriber.user !== 'mallory';
      },
    });
    testMarket.market.provider('p').shelve(goods);
    const [alice, mallory] = [testMarket.connect('alice'), testMarket.connect('mallory')];
    const since = [{ goods: 'fruit/apple', epoch: 'x', offset: 1 }];
    alice.subscribe('fruit/apple');
    alice.subscribe('fruit/apple', { since });
    expect(alice.ask('supply', { goods: 'fruit/apple', items: [{ price: 1 }] })).toMatchObject({ code: 'forbidden' });
    expect(mallory.subscribe('fruit/apple')).toMatchObject({ code: 'forbidden' });
    expect(mallory.subscribe('fruit/*')).toMatchObject({ op: 'ok', streams: [] });
    expect(asked).toEqual([
      'market alice subscribe fruit/apple',
      'goods alice subscribe',
      'market alice resume fruit/apple',
      'goods alice resume',
      'market alice supply fruit/apple',
      'goods alice supply',
      'market mallory subscribe fruit/apple',
      'market mallory subscribe fruit/apple',
    ]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('down');
      },
      1,
    ],
    ['rejects', () => Promise.reject(new Error('down')), 1],
    ['resolves to false', async () => false, 0],
    ['returns what is only true-ish', () => 1 as unknown as boolean, 0],
  ])('what %s is a no', async (_title, authorize, failures) => {
    const { testMarket, orchard } = shop(defineGoods<Apple>('fruit/apple', { authorize }));
    const one = testMarket.connect();
    expect(await one.askLater('subscribe', { goods: 'fruit/apple' })).toMatchObject({ code: 'forbidden' });
    // By pattern, nothing is said of it.
    expect(await one.askLater('subscribe', { goods: 'fruit/*' })).toMatchObject({ streams: [] });
    orchard.supply(apple, { price: 1 });
    testMarket.flush();
    expect(one.take()).toEqual(['error forbidden', 'ok']);
    expect(testMarket.notes.failures).toHaveLength(2 * failures);
  });

  test('while somebody decides, requests about the same goods wait, and others do not', async () => {
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

  test('a connection that ends while somebody decides has nothing', async () => {
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

  test('goods that go while somebody decides are not joined, and are when they come back', async () => {
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
});

describe('revoking', () => {
  test('ends subscriptions with a reason, of one or of all, whole or in part', () => {
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
});

describe('remote providers', () => {
  const sensors = defineGoods<{ celsius: number }>('sensors/*', {
    item: (value) => {
      const { celsius } = value as { celsius: unknown };
      if (typeof celsius !== 'number') throw new TypeError('celsius is a number');
      return { celsius };
    },
  });

  test('a client shelves and supplies, is told of demand, and its goods go with it', () => {
    const testMarket = new TestMarket();
    testMarket.market.allowClientGoods(sensors);
    expect(() => testMarket.market.allowClientGoods(sensors)).toThrow('clients may put sensors/* on the shelf already');
    const [kitchen, reader] = [testMarket.connect(), testMarket.connect()];
    expect(kitchen.ask('supply', { goods: 'sensors/kitchen', items: [1] })).toMatchObject({ code: 'unknown-goods' });
    expect(reader.subscribe('sensors/kitchen')).toMatchObject({ op: 'ok', streams: [] });
    expect(kitchen.ask('shelve', { goods: 'sensors/kitchen' })).toMatchObject({ op: 'ok' });
    expect(reader.ask('shelve', { goods: 'sensors/kitchen' })).toMatchObject({ code: 'already-shelved' });
    expect(reader.ask('shelve', { goods: 'elsewhere' })).toMatchObject({ code: 'forbidden' });
    expect(reader.ask('unshelve', { goods: 'sensors/kitchen' })).toMatchObject({ code: 'not-provider' });
    const items = [{ celsius: 21, extra: true }, { celsius: 22 }];
    expect(reader.ask('supply', { goods: 'sensors/kitchen', items })).toMatchObject({ code: 'not-provider' });
    expect(kitchen.ask('supply', { goods: 'sensors/kitchen', items })).toMatchObject({ op: 'ok', offset: 2 });
    expect(kitchen.ask('supply', { goods: 'sensors/kitchen', items: [{}] })).toMatchObject({ code: 'bad-item' });
    kitchen.session.end();
    testMarket.flush();
    expect(kitchen.frames.map(({ op }) => op)).toContain('demand');
    expect(reader.take().filter((text) => !text.startsWith('error'))).toEqual([
      'ok',
      'shelved sensors/kitchen sensors/kitchen @0',
      'sensors/kitchen 1 {"celsius":21}',
      'sensors/kitchen 2 {"celsius":22}',
      'unshelved sensors/kitchen provider gone',
    ]);
  });

  test('a client takes its goods off the shelf, and is told when the last subscriber leaves', () => {
    const testMarket = new TestMarket();
    testMarket.market.allowClientGoods(sensors);
    const [kitchen, reader] = [testMarket.connect(), testMarket.connect()];
    kitchen.ask('shelve', { goods: 'sensors/kitchen' });
    reader.subscribe('sensors/kitchen');
    reader.ask('unsubscribe', { goods: 'sensors/kitchen' });
    expect(kitchen.take()).toEqual(['ok', 'demand sensors/kitchen', 'idle sensors/kitchen']);
    expect(kitchen.ask('unshelve', { goods: 'sensors/kitchen', reason: 'battery' })).toMatchObject({ op: 'ok' });
    expect(testMarket.market.catalog()).toEqual([]);
  });

  test('goods take items of clients only if they say so, also goods that are made by it', async () => {
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    const room = defineGoods<string>('room/*', { kind: 'text', remote: true, item: async (value) => `${value}!` });
    provider.shelve(room);
    provider.shelve(apple);
    const one = testMarket.connect();
    expect(one.ask('supply', { goods: 'fruit/apple', items: [1] })).toMatchObject({ code: 'not-provider' });
    expect(one.ask('supply', { goods: 'room/1', items: [1] })).toMatchObject({ code: 'bad-item' });
    expect(await one.askLater('supply', { goods: 'room/1', items: ['hi'] })).toMatchObject({ offset: 1 });
    one.subscribe('room/1');
    expect(one.take()).toContain('room/1 1 "hi!"');
  });
});

describe('the end', () => {
  test('a shutdown tells everybody when to come back, closes them, and waits until they are gone', async () => {
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

  test('who does not go is cut off at the deadline', async () => {
    const { testMarket, market } = shop();
    const one = testMarket.connect();
    const done = market.shutdown({ deadline: 1, code: 1013 });
    testMarket.flush();
    one.terminate = () => one.session.end();
    await done;
    expect(one.closed).toMatchObject({ code: 1013 });
  });

  test('a connection from which nothing comes for two beats is gone', () => {
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

describe('what happens inside of a delivery', () => {
  test('a subscriber that unsubscribes itself with an item gets no more behind the reply', () => {
    const { testMarket, orchard } = shop();
    const [one, other] = [testMarket.connect(), testMarket.connect()];
    for (const client of [one, other]) client.subscribe('fruit/apple');
    for (const client of [one, other]) client.take();
    one.onFrame = ({ op }) => {
      if (op === 'item') one.begin('unsubscribe', { goods: 'fruit/apple' });
    };
    orchard.supply(apple, { price: 1 });
    testMarket.flush();
    orchard.supply(apple, { price: 2 });
    testMarket.flush();
    expect(one.take()).toEqual(['fruit/apple 1 {"price":1}', 'ok']);
    expect(other.take()).toEqual(['fruit/apple 1 {"price":1}', 'fruit/apple 2 {"price":2}']);
  });

  test('a provider that supplies while an item is handed out, and one that takes the goods off, confuse nobody', () => {
    const { testMarket, orchard } = shop();
    const clients = [testMarket.connect(), testMarket.connect(), testMarket.connect()];
    for (const client of clients) client.subscribe('fruit/apple');
    for (const client of clients) client.take();
    clients[0]!.onFrame = (frame) => {
      if (frame.op !== 'item') return;
      if (frame.offset === 1) orchard.supply(apple, { price: 2 });
      else orchard.unshelve(apple, 'enough');
    };
    orchard.supply(apple, { price: 1 });
    testMarket.flush();
    for (const client of clients) {
      expect(client.take()).toEqual([
        'fruit/apple 1 {"price":1}',
        'fruit/apple 2 {"price":2}',
        'unshelved fruit/apple enough',
      ]);
    }
  });

  test('a tailor that supplies, or takes its own goods off, keeps the order for all', () => {
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    const goods = defineGoods<number, string>('n', {
      variant: (_subscriber, params) => params,
      tailor: (n) => {
        if (n === 1) provider.supply(goods, 2);
        if (n === 3) provider.unshelve(goods, 'off');
        return n;
      },
      history: { size: 5 },
    });
    provider.shelve(goods);
    const clients = ['a', 'b'].map((params) => {
      const client = testMarket.connect();
      client.subscribe('n', { params });
      client.take();
      return client;
    });
    provider.supply(goods, 1);
    testMarket.flush();
    // Both variants see 1 tailored, which supplies 2 each time.
    expect(clients.map((client) => client.take())).toEqual([
      ['n[a] 1 1', 'n[a] 2 2', 'n[a] 3 2'],
      ['n[b] 1 1', 'n[b] 2 2', 'n[b] 3 2'],
    ]);
    provider.supply(goods, 3);
    testMarket.flush();
    for (const client of clients) expect(client.take().at(-1)).toBe('unshelved n off');
  });

  test('a connection that closes with an item gets nothing more, and others do', () => {
    const { testMarket, orchard } = shop();
    const [one, other] = [testMarket.connect(), testMarket.connect()];
    for (const client of [one, other]) client.subscribe('fruit/apple');
    for (const client of [one, other]) client.take();
    one.onFrame = () => other.session.end();
    orchard.supply(apple, { price: 1 });
    testMarket.flush();
    expect(one.take()).toHaveLength(1);
    expect(other.take()).toEqual([]);
  });
});

test('options that are none are refused', () => {
  expect(() => new MarketCore({ limits: { subscriptions: 0 } })).toThrow(
    'limits.subscriptions is an integer ≥ 1; got 0',
  );
  expect(() => new MarketCore({ heartbeat: -1 })).toThrow(RangeError);
  expect(() => new MarketCore({ maxOnDemandGoods: -1 })).toThrow('maxOnDemandGoods is a number ≥ 0; got -1');
  expect(() => new MarketCore({ highWaterMark: 1 })).toThrow('highWaterMark is at least 65536 bytes; got 1');
});

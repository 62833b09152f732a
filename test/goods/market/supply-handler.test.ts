import { describe, expect, test } from 'vitest';
import { MemoryBackplane } from '../../../src/goods/backplane/memory-backplane.ts';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import type { Provider } from '../../../src/goods/shelf/provider.ts';
import { DistantBackplane } from '../../support/distant-backplane.ts';
import { apple, shop, TestMarket } from '../../support/test-market.ts';

const prices = defineGoods<number>('prices/*', { history: { size: 2 } });

/** A client at a market with goods that take items of clients. */
function remoteShop(limits = {}) {
  const testMarket = new TestMarket({ limits });
  testMarket.market.provider('p').shelve(defineGoods('fruit/apple', { remote: true }));
  return { testMarket, client: testMarket.connect() };
}

describe('items of a provider', () => {
  test('of bytes travel unchanged, and are copied', () => {
    const cam = defineGoods<Uint8Array>('cam', { kind: 'bytes', history: { size: 2 } });
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    provider.shelve(cam);
    const one = testMarket.connect();
    one.subscribe('cam');
    one.take();
    const bytes = Buffer.from('cafe', 'hex');
    provider.supply(cam, bytes);
    provider.supplyAll(cam, [bytes, bytes]);
    bytes.fill(0);
    testMarket.flush();
    expect(one.take()).toEqual(['cam 1 cafe', 'cam 2 cafe', 'cam 3 cafe']);
    const late = testMarket.connect();
    late.subscribe('cam');
    expect(late.take()).toEqual(['ok', 'cam 3 cafe']);
    expect(() => provider.supply(cam, 'text' as never)).toThrow(TypeError);
  });

  test('are refused if they are of another kind, or if JSON cannot hold them', () => {
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

  test('are refused if another provider has the goods on the shelf', () => {
    const { testMarket } = shop();
    const other = testMarket.market.provider('other');
    expect(() => other.supply(apple, { price: 1 })).toThrow('fruit/apple is not on the shelf of other');
    testMarket.market.provider('p').shelve(prices);
    expect(() => other.supply(prices.named('prices/EUR'), 1)).toThrow('not on the shelf of other');
  });

  test('create goods of a pattern, which are taken off the shelf with the pattern', () => {
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

describe('items of a client', () => {
  test('are taken by goods with `remote` only, also by goods of a pattern', async () => {
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

  test('are limited by their number, and not by the number of requests', () => {
    const { testMarket, client } = remoteShop({ itemsPerSecond: 10 });
    expect(client.ask('supply', { goods: 'fruit/apple', items: [1, 2, 3, 4, 5, 6, 7, 8] })).toMatchObject({
      offset: 8,
    });
    expect(client.ask('supply', { goods: 'fruit/apple', items: [1, 2, 3] })).toMatchObject({ code: 'rate-limited' });
    testMarket.time += 100;
    expect(client.ask('supply', { goods: 'fruit/apple', items: [1, 2, 3] })).toMatchObject({ offset: 11 });
  });

  test.each([
    ['are taken off the shelf', () => {}],
    ['are replaced by others', (provider: Provider) => provider.shelve(defineGoods<number>('n', { remote: true }))],
  ])('are refused if the goods %s while the application decides', async (_title, then) => {
    const testMarket = new TestMarket();
    const provider = testMarket.market.provider('p');
    const goods = defineGoods<number>('n', { remote: true, authorize: async () => true });
    provider.shelve(goods);
    const one = testMarket.connect();
    const id = one.begin('supply', { goods: 'n', items: [1] });
    provider.unshelve(goods);
    then(provider);
    await one.askLater('ping');
    expect(one.replyTo(id)).toMatchObject({ code: 'not-provider' });
    for (const { offset } of testMarket.market.statistics().goods) expect(offset).toBe(0);
  });

  test('are not published if the connection ends while the application decides', async () => {
    const testMarket = new TestMarket();
    testMarket.market.provider('p').shelve(defineGoods<number>('n', { remote: true, authorize: async () => true }));
    const one = testMarket.connect();
    one.begin('supply', { goods: 'n', items: [1] });
    one.session.end();
    await new Promise((resolve) => setImmediate(resolve));
    expect(testMarket.market.statistics().goods).toMatchObject([{ offset: 0 }]);
  });

  test('are confirmed when the backplane has them, and refused if it fails', async () => {
    const memory = new MemoryBackplane();
    const plane = new DistantBackplane(memory);
    const testMarket = new TestMarket({ backplane: plane });
    testMarket.market.provider('p').shelve(defineGoods<number>('n', { remote: true }));
    const one = testMarket.connect();
    expect(await one.askLater('supply', { goods: 'n', items: [1, 2] })).toMatchObject({ op: 'ok', offset: 2 });
    plane.isDown = true;
    expect(await one.askLater('supply', { goods: 'n', items: [3] })).toMatchObject({ op: 'error', code: 'internal' });
  });
});

import { expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { TestMarket } from '../../support/test-market.ts';

const sensors = defineGoods<{ celsius: number }>('sensors/*', {
  item: (value) => {
    const { celsius } = value as { celsius: unknown };
    if (typeof celsius !== 'number') throw new TypeError('celsius is a number');
    return { celsius };
  },
});

test('a client shelves goods and supplies items, is told of demand, and its goods are taken off the shelf with its connection', () => {
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

test('the former name of allowClientGoods works', () => {
  const testMarket = new TestMarket();
  testMarket.market.consign(sensors);
  expect(testMarket.connect().ask('shelve', { goods: 'sensors/attic' })).toMatchObject({ op: 'ok' });
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

test('goods that come on the shelf while `authorize` decides are not replaced', async () => {
  const testMarket = new TestMarket({ authorize: async () => true });
  testMarket.market.allowClientGoods(sensors);
  const one = testMarket.connect();
  const id = one.begin('shelve', { goods: 'sensors/kitchen' });
  testMarket.market.provider('p').shelve(sensors.named('sensors/kitchen'));
  await one.askLater('ping');
  expect(one.replyTo(id)).toMatchObject({ code: 'already-shelved' });
});

test('a connection that ends while `authorize` decides shelves nothing', async () => {
  const testMarket = new TestMarket({ authorize: async () => true });
  testMarket.market.allowClientGoods(sensors);
  const one = testMarket.connect();
  one.begin('shelve', { goods: 'sensors/kitchen' });
  one.session.end();
  await new Promise((resolve) => setImmediate(resolve));
  expect(testMarket.market.catalog()).toEqual([]);
});

import { expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { apple, shop, TestMarket } from '../../support/test-market.ts';

// The application may call the market, and a client may send requests, inside of a delivery.

test('a subscriber that unsubscribes while it gets an item gets none behind the reply', () => {
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

test('a provider may supply items and take goods off the shelf while an item is delivered, and the order stays', () => {
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

test('a tailor may supply items and take its own goods off the shelf, and the order stays', () => {
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
  // Item 1 is tailored for both variants, and supplies 2 each time.
  expect(clients.map((client) => client.take())).toEqual([
    ['n[a] 1 1', 'n[a] 2 2', 'n[a] 3 2'],
    ['n[b] 1 1', 'n[b] 2 2', 'n[b] 3 2'],
  ]);
  provider.supply(goods, 3);
  testMarket.flush();
  for (const client of clients) expect(client.take().at(-1)).toBe('unshelved n off');
});

test('a connection that ends while an item is delivered gets no more, and others do', () => {
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

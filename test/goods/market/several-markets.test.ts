import { describe, expect, test } from 'vitest';
import type { Backplane, BackplaneListener } from '../../../src/goods/backplane/backplane.ts';
import { MemoryBackplane } from '../../../src/goods/backplane/memory-backplane.ts';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { DistantBackplane } from '../../support/distant-backplane.ts';
import { TestMarket } from '../../support/test-market.ts';

// Markets of several processes, joined by a backplane.

/** Lets turns of the event loop pass. */
const turns = async (count = 5) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

const goods = defineGoods<number>('n', { history: { size: 10 } });

test('two markets over one backplane act as one', () => {
  const backplane = new MemoryBackplane();
  const [east, west] = [new TestMarket({ backplane }), new TestMarket({ backplane })];
  const [here, there] = [east.market.provider('east'), west.market.provider('west')];
  here.shelve(goods);
  here.supply(goods, 1);
  there.shelve(goods);
  const [one, other] = [east.connect(), west.connect()];
  for (const client of [one, other]) client.subscribe('n');
  expect(there.supply(goods, 2)).toMatchObject({ offset: 2 });
  here.supplyAll(goods, [3, 4]);
  for (const testMarket of [east, west]) testMarket.flush();
  for (const client of [one, other]) expect(client.take()).toEqual(['ok', 'n 1 1', 'n 2 2', 'n 3 3', 'n 4 4']);
  // A client may reconnect to the other market.
  const { epoch } = west.market.statistics().goods[0]!;
  one.session.end();
  const back = west.connect();
  expect(back.subscribe('n', { since: [{ goods: 'n', epoch, offset: 2 }] })).toMatchObject({
    streams: [{ recovered: true }],
  });
  expect(back.take()).toEqual(['ok', 'n 3 3', 'n 4 4']);
});

describe('a market whose backplane answers later', () => {
  function distantMarket() {
    const memory = new MemoryBackplane();
    const plane = new DistantBackplane(memory);
    const testMarket = new TestMarket({ backplane: plane });
    return { memory, plane, testMarket, provider: testMarket.market.provider('p') };
  }

  test('replies to a subscribe when the goods are loaded, and loses nothing that is published meanwhile', async () => {
    const { memory, testMarket, provider } = distantMarket();
    memory.subscribe('n', () => {});
    memory.publish('n', { kind: 'json', items: [1] }, { size: 10 });
    provider.shelve(goods);
    const one = testMarket.connect();
    const id = one.begin('subscribe', { goods: 'n', last: 5 });
    await turns(1);
    memory.publish('n', { kind: 'json', items: [2] }, { size: 10 });
    expect(one.replyTo(id)).toBeUndefined();
    await turns();
    testMarket.flush();
    expect(one.take()).toEqual(['ok', 'n 1 1', 'n 2 2']);
    expect(await provider.supply(goods, 3)).toMatchObject({ offset: 3 });
    testMarket.flush();
    expect(one.take()).toEqual(['n 3 3']);
  });

  test('takes goods off the shelf if the backplane fails for them, and tells the subscribers', async () => {
    const { plane, testMarket, provider } = distantMarket();
    plane.isDown = true;
    provider.shelve(goods);
    const one = testMarket.connect();
    const id = one.begin('subscribe', { goods: 'n' });
    await turns();
    testMarket.flush();
    expect(one.replyTo(id)).toMatchObject({ op: 'ok', streams: [] });
    expect(testMarket.market.catalog()).toEqual([]);
    expect(testMarket.notes.failures.map(({ place }) => place)).toContain('backplane');
  });

  test('reports a supply that failed, also if the provider does not wait for it', async () => {
    const { plane, testMarket, provider } = distantMarket();
    provider.shelve(goods);
    await turns();
    plane.isDown = true;
    const lost = provider.supply(goods, 1);
    await expect(lost).rejects.toThrow('down');
    expect(testMarket.notes.failures).toMatchObject([{ place: 'backplane', goods: 'n' }]);
  });

  test('loads goods again after the backplane has reported a gap', async () => {
    const { plane, testMarket, provider } = distantMarket();
    provider.shelve(goods);
    await turns();
    const one = testMarket.connect();
    one.subscribe('n');
    one.take();
    plane.gap('n');
    plane.gap('unknown');
    await turns();
    testMarket.flush();
    expect(one.take()).toEqual(['unshelved n interrupted', 'shelved n n @0']);
  });
});

test('a market loads goods again if it sees a gap itself, and ignores items that it has already', () => {
  const listeners: BackplaneListener[] = [];
  const backplane: Backplane = {
    publish: () => ({ epoch: 'e', offset: 0 }),
    subscribe: (_goods, listener) => {
      listeners.push(listener);
      return { epoch: 'e', offset: 1 };
    },
    unsubscribe: () => {
      throw new Error('down');
    },
    history: () => [{ epoch: 'e', offset: 1, kind: 'json', items: [1], time: 1000 }],
    onGap: () => {},
  };
  const testMarket = new TestMarket({ backplane });
  testMarket.market.provider('p').shelve(goods);
  const one = testMarket.connect();
  one.subscribe('n');
  const say = (offset: number, ...items: number[]) =>
    listeners.at(-1)!({ epoch: 'e', offset, kind: 'json', items, time: 1000 });
  say(1, 1);
  say(1, 1, 2);
  testMarket.flush();
  expect(one.take()).toEqual(['ok', 'n 1 1', 'n 2 2']);
  say(9, 9);
  testMarket.flush();
  expect(one.take()).toEqual(['unshelved n interrupted', 'shelved n n @1', 'n 1 1']);
  expect(testMarket.notes.failures).toMatchObject([{ place: 'backplane' }]);
});

test('an item of another kind takes the goods off the shelf of that market, and off no other', () => {
  const backplane = new MemoryBackplane();
  const [east, west] = [new TestMarket({ backplane }), new TestMarket({ backplane })];
  const [here, there] = [east.market.provider('east'), west.market.provider('west')];
  const text = defineGoods<string>('n', { kind: 'text' });
  here.shelve(goods);
  there.shelve(text);
  const one = west.connect();
  one.subscribe('n');
  const published = { kind: 'json', items: [1] } as const;
  expect(backplane.publish('n', published, { size: 1 })).toMatchObject({ offset: 1 });
  west.flush();
  expect(one.take()).toEqual(['ok', 'unshelved n not available']);
  expect(west.notes.failures).toMatchObject([{ place: 'backplane', goods: 'n' }]);
  expect(east.market.statistics().goods[0]).toMatchObject({ offset: 1 });
  // Nor can the goods be shelved again while the backplane keeps that item.
  there.shelve(text);
  expect(west.market.catalog()).toEqual([]);
});

test('goods are taken off the shelf if the backplane throws at once', () => {
  const backplane = new MemoryBackplane();
  backplane.subscribe = () => {
    throw new Error('down');
  };
  const testMarket = new TestMarket({ backplane });
  testMarket.market.provider('p').shelve(goods);
  expect(testMarket.market.catalog()).toEqual([]);
  expect(testMarket.notes.failures).toMatchObject([{ place: 'backplane' }]);
});

import { describe, expect, test } from 'vitest';
import type { Backplane, BackplaneListener, Published } from '../../../src/goods/backplane/backplane.ts';
import { MemoryBackplane, randomEpoch } from '../../../src/goods/backplane/memory-backplane.ts';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { TestMarket } from '../../support/test-market.ts';
import { backplaneContract } from './backplane-contract.ts';

function inMemory() {
  let now = 0;
  const wait = (milliseconds: number): void => {
    now += milliseconds;
  };
  return { plane: new MemoryBackplane({ now: () => now }), wait };
}

backplaneContract('in memory', () => {
  const { plane, wait } = inMemory();
  return { here: plane, there: plane, wait, close: () => {} };
});

/** The same, as one that is far away: every answer takes a turn of the event loop. */
class Distant implements Backplane {
  readonly #plane: MemoryBackplane;
  gap: (goods: string) => void = () => {};
  isDown = false;

  constructor(plane: MemoryBackplane) {
    this.#plane = plane;
  }

  async #away<T>(answer: () => T): Promise<T> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.isDown) throw new Error('down');
    return answer();
  }

  publish = (...args: Parameters<Backplane['publish']>) => this.#away(() => this.#plane.publish(...args));
  subscribe = (goods: string, listener: BackplaneListener) => this.#away(() => this.#plane.subscribe(goods, listener));
  unsubscribe = (goods: string, listener: BackplaneListener) =>
    this.#away(() => this.#plane.unsubscribe(goods, listener));
  history = (goods: string, count: number): Promise<readonly Published[]> =>
    this.#away(() => this.#plane.history(goods, count));

  onGap(listener: (goods: string) => void): void {
    this.gap = listener;
  }
}

backplaneContract('that takes its time', () => {
  const { plane, wait } = inMemory();
  return { here: new Distant(plane), there: new Distant(plane), wait, close: () => {} };
});

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
  // A client may come back to the other one.
  const { epoch } = west.market.statistics().goods[0]!;
  one.session.end();
  const back = west.connect();
  expect(back.subscribe('n', { since: [{ goods: 'n', epoch, offset: 2 }] })).toMatchObject({
    streams: [{ recovered: true }],
  });
  expect(back.take()).toEqual(['ok', 'n 3 3', 'n 4 4']);
});

describe('a market whose backplane takes its time', () => {
  function distant() {
    const memory = new MemoryBackplane();
    const plane = new Distant(memory);
    const testMarket = new TestMarket({ backplane: plane });
    return { memory, plane, testMarket, provider: testMarket.market.provider('p') };
  }

  test('lets subscribers wait until it knows where the goods stand, and loses nothing that comes meanwhile', async () => {
    const { memory, testMarket, provider } = distant();
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

  test('takes goods off the shelf that the backplane does not have, and says so', async () => {
    const { plane, testMarket, provider } = distant();
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

  test('reports a supply that failed, and whoever does not wait for it brings nothing down', async () => {
    const { plane, testMarket, provider } = distant();
    provider.shelve(goods);
    await turns();
    plane.isDown = true;
    const lost = provider.supply(goods, 1);
    await expect(lost).rejects.toThrow('down');
    expect(testMarket.notes.failures).toMatchObject([{ place: 'backplane', goods: 'n' }]);
  });

  test('begins anew with goods of which the backplane may have lost something', async () => {
    const { plane, testMarket, provider } = distant();
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

test('a market begins anew where it sees a gap itself, and ignores what it has had', () => {
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

test('what is no item of its goods costs a market those goods, and nobody else anything', () => {
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
  // Nor can it be shelved again while that is kept.
  there.shelve(text);
  expect(west.market.catalog()).toEqual([]);
});

test('a backplane that throws at once is one that does not have the goods', () => {
  const backplane = new MemoryBackplane();
  backplane.subscribe = () => {
    throw new Error('down');
  };
  const testMarket = new TestMarket({ backplane });
  testMarket.market.provider('p').shelve(goods);
  expect(testMarket.market.catalog()).toEqual([]);
  expect(testMarket.notes.failures).toMatchObject([{ place: 'backplane' }]);
});

test('epochs are not alike', () => {
  const epochs = new Set(Array.from({ length: 1000 }, randomEpoch));
  expect(epochs.size).toBe(1000);
  for (const epoch of epochs) expect(epoch).toMatch(/^[0-9a-z]{14}$/);
});

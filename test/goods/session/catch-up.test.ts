import { describe, expect, test } from 'vitest';
import { defineGoods, type Overflow } from '../../../src/goods/definition/goods.ts';
import { TestMarket } from '../../support/test-market.ts';

const large = 'x'.repeat(70_000);

function shop(overflow: Overflow, size: number) {
  const testMarket = new TestMarket({ highWaterMark: 65_536 });
  const provider = testMarket.market.provider('p');
  const goods = defineGoods<string>('n', { overflow, history: { size } });
  provider.shelve(goods);
  const [slow, fast] = [testMarket.connect(), testMarket.connect()];
  for (const client of [slow, fast]) {
    client.subscribe('n');
    client.take();
  }
  const supply = (item: string) => {
    provider.supply(goods, item);
    testMarket.flush();
  };
  // The first fills what may wait; from then on the slow one is behind.
  slow.isStuck = true;
  supply(large);
  slow.take();
  fast.take();
  return { testMarket, provider, goods, slow, fast, supply };
}

describe('a subscriber that does not read', () => {
  test('gets the latest only, with conflate, and knows what was passed over', () => {
    const { testMarket, slow, fast, supply } = shop('conflate', 10);
    for (const item of ['a', 'b', 'c']) supply(item);
    expect(slow.take()).toEqual([]);
    expect(fast.take()).toEqual(['n 2 "a"', 'n 3 "b"', 'n 4 "c"']);
    slow.read();
    expect(slow.take()).toEqual(['n 2-3 conflated', 'n 4 "c"']);
    supply('d');
    expect(slow.take()).toEqual(['n 5 "d"']);
    expect(testMarket.notes.events.at(-1)).toBe('conflated n 2');
    expect(testMarket.market.statistics().goods[0]).toMatchObject({ conflated: 2, dropped: 0 });
  });

  test('that missed one only gets that one', () => {
    const { slow, supply } = shop('conflate', 10);
    supply('a');
    slow.read();
    expect(slow.take()).toEqual(['n 2 "a"']);
  });

  test('gets what is kept, with drop-oldest, and knows what was lost', () => {
    const { testMarket, slow, supply } = shop('drop-oldest', 2);
    for (const item of ['a', 'b', 'c', 'd']) supply(item);
    slow.read();
    expect(slow.take()).toEqual(['n 2-3 dropped', 'n 4 "c"', 'n 5 "d"']);
    expect(testMarket.market.statistics().goods[0]).toMatchObject({ conflated: 0, dropped: 2 });
    supply('e');
    expect(slow.take()).toEqual(['n 6 "e"']);
  });

  test('gets nothing of what is not kept at all, whatever the policy', () => {
    for (const overflow of ['conflate', 'drop-oldest'] as const) {
      const { slow, supply } = shop(overflow, 0);
      for (const item of ['a', 'b']) supply(item);
      slow.read();
      expect(slow.take()).toEqual(['n 2-3 dropped']);
    }
  });

  test('is disconnected, with disconnect, as soon as something is lost, and not before', () => {
    const { testMarket, slow, fast, supply } = shop('disconnect', 2);
    supply('a');
    supply('b');
    expect(slow.closed).toBeNull();
    supply('c');
    expect(slow.closed).toEqual({ code: 1013, reason: 'reads too slowly' });
    expect(fast.take()).toHaveLength(3);
    expect(testMarket.market.statistics()).toMatchObject({ sessions: 1, goods: [{ subscribers: 1 }] });
    expect(testMarket.notes.events).toContain('disconnected n 0');
    slow.read();
    expect(slow.take()).toEqual([]);
  });

  test('gets all, with disconnect, if it reads in time', () => {
    const { slow, supply } = shop('disconnect', 2);
    supply('a');
    supply('b');
    slow.read();
    expect(slow.take()).toEqual(['n 2 "a"', 'n 3 "b"']);
    expect(slow.closed).toBeNull();
  });

  test('gets no item behind the reply to an unsubscribe, though it was behind', () => {
    const { testMarket, slow, supply } = shop('drop-oldest', 10);
    supply('a');
    slow.begin('unsubscribe', { goods: 'n' });
    supply('b');
    slow.read();
    supply('c');
    expect(slow.take()).toEqual(['ok']);
    slow.subscribe('n', { last: 2 });
    expect(slow.take()).toEqual(['ok', 'n 3 "b"', 'n 4 "c"']);
    supply('d');
    expect(slow.take()).toEqual(['n 5 "d"']);
    expect(testMarket.notes.failures).toEqual([]);
  });

  test('gets no item behind the reply to an unsubscribe that it sent before it fell behind', () => {
    const { testMarket, provider, goods, slow } = shop('drop-oldest', 10);
    provider.supply(goods, 'a');
    slow.begin('unsubscribe', { goods: 'n' });
    testMarket.flush();
    slow.read();
    expect(slow.take()).toEqual(['ok']);
  });

  test('that unsubscribes and subscribes again while it is behind is not shown what it has left', () => {
    const { testMarket, provider, goods, slow, supply } = shop('drop-oldest', 10);
    slow.subscribe('*');
    slow.take();
    supply('a');
    provider.supply(goods, 'b');
    slow.begin('unsubscribe', { goods: 'n' });
    slow.begin('unsubscribe', { goods: '*' });
    slow.begin('subscribe', { goods: 'n' });
    testMarket.flush();
    slow.read();
    expect(slow.take()).toEqual(['ok', 'ok', 'ok', 'n 3 "b"']);
  });

  test('that subscribes again while it is behind loses nothing', () => {
    const { slow, supply } = shop('drop-oldest', 10);
    supply('a');
    supply('b');
    slow.subscribe('n');
    slow.read();
    expect(slow.take()).toEqual(['ok', 'n 2 "a"', 'n 3 "b"']);
  });

  test('is shown goods that come and go all the same', () => {
    const { testMarket, provider, goods, slow, supply } = shop('drop-oldest', 10);
    supply('a');
    provider.unshelve(goods, 'over');
    testMarket.flush();
    expect(slow.take()).toEqual(['unshelved n over']);
    slow.read();
    expect(slow.take()).toEqual([]);
  });

  test('is cut off when it asks and asks and never reads the replies', () => {
    const { slow } = shop('drop-oldest', 1);
    for (let i = 0; i < 4000 && slow.closed === null; i++) slow.ask('subscriptions');
    expect(slow.closed).toMatchObject({ code: 1013 });
    expect(slow.bufferedAmount).toBeLessThan(400_000);
  });

  test('is not cut off for one tick in which there was much for it', () => {
    const { testMarket, provider, goods, slow } = shop('drop-oldest', 20);
    slow.read();
    for (let i = 0; i < 10; i++) provider.supply(goods, large);
    testMarket.flush();
    expect(slow.bufferedAmount).toBeGreaterThan(700_000);
    slow.take();
    provider.supply(goods, 'a');
    testMarket.flush();
    expect(slow.closed).toBeNull();
    slow.read();
    expect(slow.take()).toEqual(['n 12 "a"']);
  });

  test('catches up at a beat if its drain was never told', () => {
    const { testMarket, slow, supply } = shop('drop-oldest', 10);
    supply('a');
    slow.bufferedAmount = 0;
    testMarket.market.sendHeartbeats();
    expect(slow.take()).toEqual(['n 2 "a"']);
  });
});

test('a replay takes no more than what the peer reads, and goes on as it does', () => {
  const testMarket = new TestMarket({ highWaterMark: 65_536 });
  const provider = testMarket.market.provider('p');
  const goods = defineGoods<string>('n', { history: { size: 40 } });
  provider.shelve(goods);
  const item = 'x'.repeat(10_000);
  for (let i = 0; i < 40; i++) provider.supply(goods, item);
  const one = testMarket.connect();
  one.isStuck = true;
  one.subscribe('n', { last: 40 });
  expect(one.bufferedAmount).toBeLessThan(200_000);
  for (let rounds = 0; one.bufferedAmount > 0; rounds++) {
    expect(rounds).toBeLessThan(20);
    if (rounds < 5) provider.supply(goods, item);
    one.read();
  }
  const offsets = one.frames.flatMap((frame) => (frame.op === 'item' ? [frame.offset] : []));
  const skipped = one.frames.flatMap((frame) => (frame.op === 'skip' ? [frame] : []));
  // What was pushed out of the history meanwhile is said to be.
  const missed = skipped.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  expect(offsets.length + missed).toBe(offsets.at(-1));
  expect([...offsets].sort((a, b) => a - b)).toEqual(offsets);
});

test('a replay that was given up leaves no gap', () => {
  const testMarket = new TestMarket({ highWaterMark: 65_536 });
  const provider = testMarket.market.provider('p');
  const goods = defineGoods<string>('n', { history: { size: 10 } });
  provider.shelve(goods);
  for (let i = 0; i < 5; i++) provider.supply(goods, large);
  const one = testMarket.connect();
  one.begin('subscribe', { goods: 'n', last: 5 });
  provider.supply(goods, 'a');
  one.begin('unsubscribe', { goods: 'n' });
  testMarket.flush();
  expect(one.take().map((text) => text.slice(0, 4))).toEqual(['ok', 'n 1 ', 'ok']);
});

test('what was unsubscribed from while nothing was read does not come when it is', () => {
  const { testMarket, provider, slow, supply } = shop('drop-oldest', 2);
  const other = defineGoods<string>('o', { history: { size: 2 } });
  provider.shelve(other);
  for (const item of [large, 'b']) provider.supply(other, item);
  supply('a');
  slow.begin('subscribe', { goods: 'o', last: 2 });
  slow.begin('unsubscribe', { goods: 'o' });
  slow.isStuck = false;
  testMarket.flush();
  slow.read();
  expect(slow.take().filter((text) => text.startsWith('o '))).toEqual([]);
});

test('whoever begins to read before the reply to a subscribe has left gets the reply first, and then the items in order', () => {
  const { provider, slow, supply } = shop('drop-oldest', 5);
  const other = defineGoods<string>('o', { history: { size: 3 } });
  provider.shelve(other);
  for (const item of [large, 'b', 'c']) provider.supply(other, item);
  supply('a');
  slow.begin('subscribe', { goods: 'o', last: 3 });
  slow.isStuck = false;
  slow.read();
  const lines = slow.take().map((text) => text.slice(0, 4));
  expect(lines.filter((text) => text !== 'n 2 ')).toEqual(['ok', 'o 1 ', 'o 2 ', 'o 3 ']);
  expect(lines).toContain('n 2 ');
});

test('while one does not read, the other gets all, and what waits for the slow one stays bounded', () => {
  const { slow, fast, supply } = shop('drop-oldest', 100);
  const item = 'y'.repeat(1000);
  for (let i = 0; i < 2000; i++) supply(item);
  expect(fast.frames).toHaveLength(2000);
  expect(slow.bufferedAmount).toBeLessThan(200_000);
});

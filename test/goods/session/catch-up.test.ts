import { describe, expect, test } from 'vitest';
import { defineGoods, type Overflow } from '../../../src/goods/definition/goods.ts';
import { TestMarket } from '../../support/test-market.ts';

const large = 'x'.repeat(70_000);

function shop(overflow: Overflow, size: number, ttl?: number) {
  const testMarket = new TestMarket({ highWaterMark: 65_536 });
  const provider = testMarket.market.provider('p');
  const goods = defineGoods<string>('n', { overflow, history: { size, ttl } });
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
  // The first item exceeds the high water mark: from now on the slow subscriber is behind.
  slow.isStuck = true;
  supply(large);
  slow.take();
  fast.take();
  return { testMarket, provider, goods, slow, fast, supply };
}

describe('a subscriber that does not read', () => {
  test('gets the latest item only with conflate, and is told which it missed', () => {
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

  test('gets the one item that it missed, also with conflate', () => {
    const { slow, supply } = shop('conflate', 10);
    supply('a');
    slow.read();
    expect(slow.take()).toEqual(['n 2 "a"']);
  });

  test('gets the kept items with drop-oldest, and is told which were lost', () => {
    const { testMarket, slow, supply } = shop('drop-oldest', 2);
    for (const item of ['a', 'b', 'c', 'd']) supply(item);
    slow.read();
    expect(slow.take()).toEqual(['n 2-3 dropped', 'n 4 "c"', 'n 5 "d"']);
    expect(testMarket.market.statistics().goods[0]).toMatchObject({ conflated: 0, dropped: 2 });
    supply('e');
    expect(slow.take()).toEqual(['n 6 "e"']);
  });

  test('gets no item of goods without a history, whatever the policy', () => {
    for (const overflow of ['conflate', 'drop-oldest'] as const) {
      const { slow, supply } = shop(overflow, 0);
      for (const item of ['a', 'b']) supply(item);
      slow.read();
      expect(slow.take()).toEqual(['n 2-3 dropped']);
    }
  });

  test('is disconnected with disconnect as soon as an item is lost, and not before', () => {
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

  test('is disconnected with disconnect if the item that it needs has expired when it reads', () => {
    const { testMarket, slow, supply } = shop('disconnect', 10, 1000);
    supply('a');
    testMarket.time += 1000;
    expect(slow.closed).toBeNull();
    slow.read();
    expect(slow.closed).toEqual({ code: 1013, reason: 'reads too slowly' });
    expect(slow.take()).toEqual([]);
  });

  test('gets all items with disconnect if it reads in time', () => {
    const { slow, supply } = shop('disconnect', 2);
    supply('a');
    supply('b');
    slow.read();
    expect(slow.take()).toEqual(['n 2 "a"', 'n 3 "b"']);
    expect(slow.closed).toBeNull();
  });

  test('gets no item behind the reply to an unsubscribe, although it was behind', () => {
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

  test('that unsubscribes and subscribes again while it is behind gets nothing of its earlier subscription', () => {
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

  test('that subscribes again while it is behind loses no item', () => {
    const { slow, supply } = shop('drop-oldest', 10);
    supply('a');
    supply('b');
    slow.subscribe('n');
    slow.read();
    expect(slow.take()).toEqual(['ok', 'n 2 "a"', 'n 3 "b"']);
  });

  test('is still told that goods were taken off the shelf', () => {
    const { testMarket, provider, goods, slow, supply } = shop('drop-oldest', 10);
    supply('a');
    provider.unshelve(goods, 'over');
    testMarket.flush();
    expect(slow.take()).toEqual(['unshelved n over']);
    slow.read();
    expect(slow.take()).toEqual([]);
  });

  test('is disconnected if it keeps sending requests and never reads the replies', () => {
    const { slow } = shop('drop-oldest', 1);
    for (let i = 0; i < 4000 && slow.closed === null; i++) slow.ask('subscriptions');
    expect(slow.closed).toMatchObject({ code: 1013 });
    expect(slow.bufferedAmount).toBeLessThan(400_000);
  });

  test('is not disconnected because of one flush with many bytes', () => {
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

  test('gets an item that is supplied while it catches up once, behind the others', () => {
    const { testMarket, provider, goods, slow, supply } = shop('drop-oldest', 10);
    supply('a');
    slow.isStuck = false;
    slow.onFrame = (frame) => {
      if (frame.op === 'item' && frame.offset === 2) provider.supply(goods, 'b');
    };
    slow.read();
    expect(slow.take()).toEqual(['n 2 "a"', 'n 3 "b"']);
    provider.supply(goods, 'c');
    testMarket.flush();
    expect(slow.take()).toEqual(['n 4 "c"']);
  });

  test('gets a long history in pieces, as it reads', () => {
    const { slow, supply } = shop('drop-oldest', 200);
    for (let i = 0; i < 150; i++) supply('y'.repeat(1000));
    let reads = 0;
    for (; slow.bufferedAmount > 0; reads++) {
      slow.read();
      expect(slow.bufferedAmount).toBeLessThan(100_000);
    }
    expect(reads).toBeGreaterThan(2);
    expect(slow.take().map((text) => text.split(' ')[1])).toEqual(Array.from({ length: 150 }, (_, i) => String(i + 2)));
  });

  test('catches up at a heartbeat if the link has not called back', () => {
    const { testMarket, slow, supply } = shop('drop-oldest', 10);
    supply('a');
    slow.bufferedAmount = 0;
    testMarket.market.sendHeartbeats();
    expect(slow.take()).toEqual(['n 2 "a"']);
  });
});

test('a replay sends no more than the peer reads, and goes on as it reads', () => {
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
  // Items that the history has lost meanwhile are reported as skipped.
  const missed = skipped.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  expect(offsets.length + missed).toBe(offsets.at(-1));
  expect([...offsets].sort((a, b) => a - b)).toEqual(offsets);
});

test('a replay that an unsubscribe ends leaves no gap', () => {
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

test('a subscriber that begins to read gets no item of goods from which it has unsubscribed', () => {
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

test('a subscriber that begins to read before the reply to a subscribe has left gets the reply first, and then the items in order', () => {
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

test('while one subscriber does not read, the other gets all items, and the bytes that wait for the slow one stay bounded', () => {
  const { slow, fast, supply } = shop('drop-oldest', 100);
  const item = 'y'.repeat(1000);
  for (let i = 0; i < 2000; i++) supply(item);
  expect(fast.frames).toHaveLength(2000);
  expect(slow.bufferedAmount).toBeLessThan(200_000);
});

describe('a replay that does not fit into the outbox, for a peer that does not read', () => {
  /** A subscriber with items that are queued, and that are asked for again. */
  function replayed() {
    const testMarket = new TestMarket({ highWaterMark: 65_536 });
    const provider = testMarket.market.provider('p');
    const goods = defineGoods<string>('n', { history: { size: 10 } });
    provider.shelve(goods);
    const one = testMarket.connect();
    one.subscribe('n');
    one.isStuck = true;
    provider.supply(goods, large);
    testMarket.flush();
    one.take();
    for (let i = 0; i < 3; i++) provider.supply(goods, large);
    one.begin('subscribe', { goods: 'n', last: 3 });
    provider.supply(goods, 'd');
    return { testMarket, one };
  }
  const offsets = (lines: readonly string[]) => lines.map((text) => text.slice(0, 4).trim());

  test('is served from the history as it reads, from the queued items on', () => {
    const { testMarket, one } = replayed();
    testMarket.flush();
    one.isStuck = false;
    one.read();
    expect(offsets(one.take())).toEqual(['ok', 'n 2', 'n 3', 'n 4', 'n 5']);
  });

  test('is ended by an unsubscribe', () => {
    const { testMarket, one } = replayed();
    one.begin('unsubscribe', { goods: 'n' });
    testMarket.flush();
    one.isStuck = false;
    one.read();
    expect(offsets(one.take())).toEqual(['ok', 'ok']);
  });
});

test('a heartbeat does not make a subscriber catch up that still does not read', () => {
  const { testMarket, slow, supply } = shop('drop-oldest', 10);
  supply('a');
  testMarket.market.sendHeartbeats();
  expect(slow.take()).toEqual([]);
});

describe('a tailor that is called while a subscriber catches up', () => {
  function behind(act: (n: number) => unknown) {
    const testMarket = new TestMarket({ highWaterMark: 65_536 });
    const provider = testMarket.market.provider('p');
    // Two variants, so that each is tailored on its own.
    const goods = defineGoods<string, string>('n', {
      variant: (_subscriber, params) => params,
      history: { size: 10 },
      tailor: (item, variant) => (variant === 'slow' && item.length === 1 ? act(Number(item)) : item),
    });
    provider.shelve(goods);
    const slow = testMarket.connect();
    slow.subscribe('n', { params: 'slow' });
    slow.isStuck = true;
    provider.supply(goods, large);
    testMarket.flush();
    // Supplied together, so that no frame of them is kept in the history.
    provider.supplyAll(goods, ['1', '2', '3']);
    testMarket.flush();
    slow.take();
    return { testMarket, provider, goods, slow };
  }

  test('may leave an item out', () => {
    const { slow } = behind((n) => (n === 2 ? undefined : n));
    slow.read();
    expect(slow.take()).toEqual(['n[slow] 2 1', 'n[slow] 3-3 filtered', 'n[slow] 4 3']);
  });

  test.each(['goods', 'session'] as const)('may end the %s', (what) => {
    let isArmed = false;
    const parts = behind((n) => {
      if (isArmed && n === 2) {
        if (what === 'goods') parts.provider.unshelve(parts.goods, 'over');
        else parts.slow.session.close(1000, '');
      }
      return n;
    });
    isArmed = true;
    parts.slow.read();
    expect(parts.slow.take()).toEqual(what === 'goods' ? ['unshelved n over'] : []);
    expect(parts.testMarket.notes.failures).toEqual([]);
  });
});

import { expect, test } from 'vitest';
import { GoodsCounters } from '../../../src/goods/shelf/goods-counters.ts';

const none = { items: 0, bytes: 0, encoded: 0, delivered: 0, filtered: 0, failed: 0, conflated: 0, dropped: 0 };

test('all counts begin at 0', () => {
  expect(new GoodsCounters().read()).toEqual(none);
});

test('each count is the sum of what was counted for it, and no other', () => {
  const counters = new GoodsCounters();
  counters.countItems(2);
  counters.countItems(3);
  expect(counters.read()).toEqual({ ...none, items: 5 });
  counters.countFrame(100);
  counters.countFrame(1);
  expect(counters.read()).toEqual({ ...none, items: 5, encoded: 2, bytes: 101 });
  counters.countDeliveries(4);
  expect(counters.read()).toMatchObject({ delivered: 4, encoded: 2 });
});

test.each(['filtered', 'failed', 'conflated', 'dropped'] as const)(
  'items that are %s are counted by that reason',
  (reason) => {
    const counters = new GoodsCounters();
    counters.countLeftOut(reason, 2);
    counters.countLeftOut(reason, 5);
    expect(counters.read()).toEqual({ ...none, [reason]: 7 });
  },
);

test('counts that were read do not change', () => {
  const counters = new GoodsCounters();
  const before = counters.read();
  counters.countItems(1);
  expect(before).toEqual(none);
});

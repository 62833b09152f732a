import { expect, test } from 'vitest';
import { Backlog } from '../../../src/goods/client/backlog.ts';
import type { Delivery, Gap } from '../../../src/goods/client/delivery.ts';

const item = (offset: number, goods = 'a', gap: Gap | null = null): Delivery<number> => ({
  goods,
  variant: '',
  epoch: 'e',
  offset,
  item: offset,
  gap,
});
const gap = (reason: Gap['reason'], from: number, to: number, goods = 'a'): Gap => ({ goods, reason, from, to });

test('items are taken in the order in which they came', () => {
  const backlog = new Backlog<number>();
  expect(backlog.shift()).toBeUndefined();
  expect([item(1), item(2)].map((one) => backlog.push(one))).toEqual([null, null]);
  expect(backlog.length).toBe(2);
  expect([backlog.shift(), backlog.shift(), backlog.shift()]).toEqual([item(1), item(2), undefined]);
});

test('drop-oldest drops the oldest items, and the next delivery of those goods reports all of them', () => {
  const backlog = new Backlog<number>({ size: 2 });
  backlog.push(item(2, 'a', gap('missed', 1, 1)));
  backlog.push(item(3));
  expect(backlog.push(item(7, 'b'))).toEqual(gap('backlog', 2, 2));
  expect(backlog.push(item(4))).toEqual(gap('backlog', 3, 3));
  expect(backlog.shift()).toEqual(item(7, 'b'));
  expect(backlog.shift()).toEqual(item(4, 'a', gap('missed', 1, 3)));
});

test('conflate keeps the latest item of each goods, in the place of the first', () => {
  const backlog = new Backlog<number>({ size: 2, overflow: 'conflate' });
  backlog.push(item(1));
  backlog.push(item(1, 'b'));
  expect(backlog.push(item(2))).toEqual(gap('conflated', 1, 1));
  expect(backlog.push(item(3))).toEqual(gap('conflated', 2, 2));
  expect(backlog.push(item(1, 'c'))).toEqual(gap('backlog', 3, 3));
  expect([backlog.shift(), backlog.shift()]).toEqual([item(1, 'b'), item(1, 'c')]);
  backlog.push(item(4));
  expect(backlog.shift()).toEqual(item(4, 'a', gap('backlog', 1, 3)));
});

test('fail takes no item when the backlog is full', () => {
  const backlog = new Backlog<number>({ size: 1, overflow: 'fail' });
  expect([backlog.push(item(1)), backlog.push(item(2))]).toEqual([null, 'full']);
  expect(backlog.shift()).toEqual(item(1));
});

test('goods that come and go leave no more gaps behind than items may wait', () => {
  const backlog = new Backlog<number>({ size: 2 });
  for (let i = 0; i < 10; i++) expect(backlog.push(item(1, `g${i}`)) === null).toBe(i < 2);
  backlog.clear();
  expect(backlog.shift()).toBeUndefined();
  backlog.push(item(2, 'g7'));
  expect(backlog.shift()).toEqual(item(2, 'g7'));
});

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('the size %s is refused', (size) => {
  expect(() => new Backlog({ size })).toThrow(RangeError);
});

test('an unknown policy is refused', () => {
  expect(() => new Backlog({ overflow: 'wait' as 'fail' })).toThrow(TypeError);
});

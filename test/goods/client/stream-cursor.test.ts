import { expect, test } from 'vitest';
import { StreamCursor } from '../../../src/goods/client/stream-cursor.ts';
import type { Kind } from '../../../src/goods/definition/item.ts';

function open(offset: number, last = 1, kind: Kind = 'json') {
  const got: string[] = [];
  const cursor: StreamCursor = new StreamCursor({ goods: 'a', kind, epoch: 'e', offset }, last, {
    deliver: (_cursor, at, item) => void got.push(`${at}=${String(item)}`),
    miss: (_cursor, reason, from, to) => void got.push(`${reason} ${from}-${to}`),
  });
  return { cursor, got };
}

test('each offset passes once and in order', () => {
  const { cursor, got } = open(0);
  cursor.take(1, ['x']);
  cursor.take(1, ['x']);
  cursor.take(1, ['x', 'y', 'z']);
  cursor.skip(1, 3, 'dropped');
  expect(got).toEqual(['1=x', '2=y', '3=z']);
  expect(cursor.position).toBe(3);
});

test('offsets that do not come are reported', () => {
  const { cursor, got } = open(0);
  cursor.take(1, ['x']);
  cursor.take(4, ['y']);
  cursor.skip(7, 8, 'failed');
  expect(got).toEqual(['1=x', 'missed 2-3', '4=y', 'missed 5-6', 'failed 7-8']);
});

test('the first of the latest items may skip ahead, because the client cannot know how many are kept', () => {
  const { cursor, got } = open(10, 5);
  expect(cursor.position).toBe(5);
  cursor.take(8, ['x']);
  cursor.take(10, ['y']);
  expect(got).toEqual(['8=x', 'missed 9-9', '10=y']);
});

test('a new item must not skip ahead, even if no old one was kept', () => {
  const { cursor, got } = open(10, 5);
  cursor.take(12, ['x']);
  expect(got).toEqual(['missed 11-11', '12=x']);
});

test('a cursor that resumes expects every item', () => {
  const { cursor, got } = open(10, 5);
  cursor.expectFrom(4);
  cursor.take(6, ['x']);
  expect(got).toEqual(['missed 4-5', '6=x']);
});

test('filtered offsets are no gap, and offsets that have passed are not reported again', () => {
  const { cursor, got } = open(0);
  cursor.skip(1, 5, 'filtered');
  cursor.skip(4, 7, 'conflated');
  expect(got).toEqual(['conflated 6-7']);
});

test('a cursor that ends inside of a frame of items gives no more of them', () => {
  const got: number[] = [];
  const cursor: StreamCursor = new StreamCursor({ goods: 'a', kind: 'json', epoch: 'e', offset: 0 }, 1, {
    deliver: (_cursor, at) => {
      got.push(at);
      cursor.end();
    },
    miss: () => {},
  });
  cursor.take(1, [1, 2, 3]);
  expect(got).toEqual([1]);
});

test('items are of the kind of their stream', () => {
  const json = open(0).cursor;
  const text = open(0, 1, 'text').cursor;
  const bytes = open(0, 1, 'bytes').cursor;
  json.assertKind(false, [1]);
  text.assertKind(false, ['x', 'y']);
  bytes.assertKind(true, [new Uint8Array()]);
  expect(() => json.assertKind(true, [])).toThrow('not of the kind json');
  expect(() => bytes.assertKind(false, [1])).toThrow('not of the kind bytes');
  expect(() => text.assertKind(false, ['x', 1])).toThrow('no text');
});

test('a cursor that ignores items up to an offset takes none of them, and never goes back', () => {
  const { cursor, got } = open(0);
  cursor.ignoreUpTo(3);
  cursor.ignoreUpTo(1);
  cursor.take(2, ['x', 'y', 'z']);
  expect(got).toEqual(['4=z']);
});

test('a cursor keeps its goods, kind and epoch, and may move to another variant', () => {
  const { cursor } = open(7, 2, 'text');
  expect(cursor).toMatchObject({ goods: 'a', kind: 'text', epoch: 'e', variant: '', position: 5, isEnded: false });
  cursor.moveTo('v');
  expect(cursor).toMatchObject({ variant: 'v', position: 5 });
});

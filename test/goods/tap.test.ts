import { expect, test } from 'vitest';
import { demandKind, Tap } from '../../src/goods/tap.ts';
import type { Kind } from '../../src/goods/wire.ts';

function open(offset: number, last = 1, kind: Kind = 'json') {
  const got: string[] = [];
  const tap: Tap = new Tap({ goods: 'a', kind, epoch: 'e', offset }, last, {
    deliver: (_tap, at, item) => void got.push(`${at}=${String(item)}`),
    miss: (_tap, reason, from, to) => void got.push(`${reason} ${from}-${to}`),
  });
  return { tap, got };
}

test('each offset passes once, and in order', () => {
  const { tap, got } = open(0);
  tap.take(1, ['x']);
  tap.take(1, ['x']);
  tap.take(1, ['x', 'y', 'z']);
  tap.skip(1, 3, 'dropped');
  expect(got).toEqual(['1=x', '2=y', '3=z']);
  expect(tap.position).toBe(3);
});

test('what does not come is told', () => {
  const { tap, got } = open(0);
  tap.take(1, ['x']);
  tap.take(4, ['y']);
  tap.skip(7, 8, 'failed');
  expect(got).toEqual(['1=x', 'missed 2-3', '4=y', 'missed 5-6', 'failed 7-8']);
});

test('the first of the latest items may be ahead, as nobody knows how many are kept', () => {
  const { tap, got } = open(10, 5);
  expect(tap.position).toBe(5);
  tap.take(8, ['x']);
  tap.take(10, ['y']);
  expect(got).toEqual(['8=x', 'missed 9-9', '10=y']);
});

test('what is new must not be ahead, even if nothing old was kept', () => {
  const { tap, got } = open(10, 5);
  tap.take(12, ['x']);
  expect(got).toEqual(['missed 11-11', '12=x']);
});

test('a tap that resumes expects everything', () => {
  const { tap, got } = open(10, 5);
  tap.expectFrom(4);
  tap.take(6, ['x']);
  expect(got).toEqual(['missed 4-5', '6=x']);
});

test('offsets that are filtered are no gap, and those of a skip that are known already are not told again', () => {
  const { tap, got } = open(0);
  tap.skip(1, 5, 'filtered');
  tap.skip(4, 7, 'conflated');
  expect(got).toEqual(['conflated 6-7']);
});

test('a tap that is over in the midst of items gives no more of them', () => {
  const got: number[] = [];
  const tap: Tap = new Tap({ goods: 'a', kind: 'json', epoch: 'e', offset: 0 }, 1, {
    deliver: (_tap, at) => {
      got.push(at);
      tap.isOver = true;
    },
    miss: () => {},
  });
  tap.take(1, [1, 2, 3]);
  expect(got).toEqual([1]);
});

test('items are of the kind of their stream', () => {
  const json = open(0).tap;
  const text = open(0, 1, 'text').tap;
  const bytes = open(0, 1, 'bytes').tap;
  demandKind(json, 'item', [1]);
  demandKind(text, 'items', ['x', 'y']);
  demandKind(bytes, 'bytes', [new Uint8Array()]);
  expect(() => demandKind(json, 'bytes', [])).toThrow('not of the kind json');
  expect(() => demandKind(bytes, 'item', [1])).toThrow('not of the kind bytes');
  expect(() => demandKind(text, 'items', ['x', 1])).toThrow('no text');
});

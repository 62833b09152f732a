import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EncodedMessage } from '../../../src/goods/fan-out/encoded-message.ts';
import { History, HistoryEntry } from '../../../src/goods/shelf/history.ts';

test('the history is a window of the latest items, and tells its oldest offset', () => {
  const history = new History({ size: 2 }, () => 0);
  expect([history.length, history.oldest, history.at(1)]).toEqual([0, undefined, undefined]);
  for (const offset of [5, 6, 7]) history.append(offset, `item ${offset}`);
  expect([history.length, history.oldest]).toEqual([2, 6]);
  expect([5, 6, 7, 8].map((offset) => history.at(offset)?.item)).toEqual([undefined, 'item 6', 'item 7', undefined]);
});

test('items expire by the time of the backplane if it is given, and otherwise by the clock of the market', () => {
  let now = 1000;
  const history = new History({ size: 10, ttl: 100 }, () => now);
  history.append(1, 'a', undefined, 950);
  history.append(2, 'b');
  now = 1049;
  expect(history.oldest).toBe(1);
  now = 1050;
  expect(history.oldest).toBe(2);
  now = 1100;
  expect([history.length, history.at(2)]).toEqual([0, undefined]);
});

test('with a size of 0 an item is returned, and not kept', () => {
  const history = new History({ size: 0 }, () => 7);
  expect(history.append(1, 'a', '"a"')).toMatchObject({ offset: 1, item: 'a', text: '"a"', time: 7 });
  expect([history.length, history.oldest, history.at(1)]).toEqual([0, undefined, undefined]);
});

test('the clock is not read if items do not expire', () => {
  let reads = 0;
  const history = new History({ size: 3 }, () => ++reads);
  for (let offset = 1; offset < 100; offset++) history.append(offset, offset, undefined, 0);
  expect([history.length, history.at(99)?.item, reads]).toEqual([3, 99, 0]);
});

test('it has the same items as a list that is searched each time', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant({ append: true, pause: 0 }) },
    fc.record({ append: fc.boolean(), pause: fc.nat(30) }),
  );
  const options = fc.record({ size: fc.nat(40), ttl: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }) });
  fc.assert(
    fc.property(
      options,
      fc.nat(1000),
      fc.array(step, { maxLength: 150, size: 'max' }),
      ({ size, ttl }, first, steps) => {
        let now = 0;
        const history = new History({ size, ttl }, () => now);
        const all: { offset: number; time: number }[] = [];
        let offset = first;
        for (const { append, pause } of steps) {
          now += pause;
          if (append) {
            history.append(++offset, `item ${offset}`);
            all.push({ offset, time: now });
          }
          const kept = (size === 0 ? [] : all.slice(-size)).filter(({ time }) => ttl === undefined || time > now - ttl);
          expect([history.length, history.oldest]).toEqual([kept.length, kept[0]?.offset]);
          for (const one of [
            first,
            offset - size,
            offset - 1,
            offset,
            offset + 1,
            ...kept.map((entry) => entry.offset),
          ]) {
            const isKept = kept.some((entry) => entry.offset === one);
            expect(history.at(one)?.item, `offset ${one}`).toBe(isKept ? `item ${one}` : undefined);
          }
        }
      },
    ),
  );
});

describe('an entry', () => {
  test('keeps a frame for each variant', () => {
    const entry = new HistoryEntry(1, 'a', undefined, 0);
    expect(entry.frame('')).toBeUndefined();
    const [one, other] = [new EncodedMessage('one'), new EncodedMessage('other')];
    entry.keepFrame('', one);
    entry.keepFrame('v', other);
    expect([entry.frame(''), entry.frame('v'), entry.frame('w')]).toEqual([one, other, undefined]);
  });
});

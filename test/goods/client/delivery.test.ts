import { expect, test } from 'vitest';
import { type Gap, gapReasons, joinGaps } from '../../../src/goods/client/delivery.ts';

const gap = (reason: Gap['reason'], from: number | null, to: number | null): Gap => ({ goods: 'a', reason, from, to });

test('a gap joined with none is the gap itself', () => {
  const one = gap('missed', 1, 2);
  expect([joinGaps(null, one), joinGaps(undefined, one), joinGaps(one, null), joinGaps(null, null)]).toEqual([
    one,
    one,
    one,
    null,
  ]);
});

test('two gaps have the first offset of the first and the last one of the second, also if it is not known', () => {
  expect(joinGaps(gap('missed', 1, 2), gap('missed', 5, 6))).toEqual(gap('missed', 1, 6));
  expect(joinGaps(gap('missed', null, null), gap('missed', 5, 6))).toEqual(gap('missed', null, 6));
  expect(joinGaps(gap('missed', 1, 2), gap('missed', null, null))).toEqual(gap('missed', 1, null));
});

test('two gaps have the worse of their reasons, whichever is first', () => {
  for (const [i, mild] of gapReasons.entries()) {
    for (const bad of gapReasons.slice(i)) {
      expect(joinGaps(gap(mild, 1, 1), gap(bad, 2, 2))?.reason).toBe(bad);
      expect(joinGaps(gap(bad, 1, 1), gap(mild, 2, 2))?.reason).toBe(bad);
    }
  }
});

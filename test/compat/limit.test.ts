import { expect, test } from 'vitest';
import { limit } from '../../src/compat/limit.ts';

test.each<[unknown, number]>([
  [1, 1],
  [1.9, 1],
  ['100', 100],
  [2 ** 32, 2 ** 32],
  [2 ** 53, Number.MAX_SAFE_INTEGER],
  [Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER],
  [0, 0],
  [0.9, 0],
  [-1, 0],
  [Number.NaN, 0],
  [undefined, 0],
  [null, 0],
  ['many', 0],
])('a limit of %s is %d; 0 is unlimited', (value, expected) => {
  expect(limit(value as number)).toBe(expected);
});

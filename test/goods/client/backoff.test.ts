import { expect, test } from 'vitest';
import { Backoff } from '../../../src/goods/client/backoff.ts';

test('a pause is a random part of a maximum, which doubles up to the limit', () => {
  const backoff = new Backoff({ base: 100, max: 500, random: () => 0.5 });
  expect([1, 2, 3, 4, 5].map(() => backoff.next())).toEqual([50, 100, 200, 250, 250]);
  backoff.reset();
  expect(backoff.ceiling).toBe(100);
});

test('a pause is at least 0 and never above the limit, after any number of failures', () => {
  const none = new Backoff({ base: 100, max: 500, random: () => 0 });
  expect(none.next()).toBe(0);
  const backoff = new Backoff({ base: 100, max: 500, random: () => 1 });
  for (let i = 0; i < 5000; i++) backoff.next();
  expect(backoff.attempts).toBe(5000);
  expect(backoff.next()).toBe(500);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenBucket } from '../../../src/goods/wire/token-bucket.ts';

test('a burst is granted at once, and then a number of tokens a second', () => {
  const bucket = new TokenBucket(10, 2, 1000);
  expect([bucket.take(1000), bucket.take(1000), bucket.take(1000)]).toEqual([0, 0, 100]);
  expect(bucket.take(1100)).toBe(0);
});

test('a clock that is set back neither gives nor takes tokens', () => {
  const bucket = new TokenBucket(10, 2, 1000);
  bucket.take(1000, 2);
  expect(bucket.take(500)).toBe(100);
  expect(bucket.take(600)).toBe(0);
});

test('a long pause saves no more than one burst', () => {
  const bucket = new TokenBucket(10, 2, 0);
  expect([bucket.take(600_000), bucket.take(600_000)]).toEqual([0, 0]);
  expect(bucket.take(600_000, 2)).toBe(200);
});

test('a take that is refused takes nothing', () => {
  const bucket = new TokenBucket(10, 3, 0);
  expect(bucket.take(0, 4)).toBe(100);
  expect(bucket.take(0, 3)).toBe(0);
});

test('in any span of time no more is granted than the burst and the rate allow, and the wait that is returned is enough', () => {
  const takes = fc.array(fc.tuple(fc.nat(2000), fc.integer({ min: 1, max: 5 })), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 5, max: 20 }), takes, (rate, burst, all) => {
      const bucket = new TokenBucket(rate, burst, 0);
      let now = 0;
      let granted = 0;
      for (const [pause, count] of all) {
        now += pause;
        const wait = bucket.take(now, count);
        if (wait > 0) {
          // A millisecond more, because the numbers are not exact.
          now += wait + 1;
          expect(bucket.take(now, count)).toBe(0);
        }
        granted += count;
        expect(granted).toBeLessThanOrEqual(burst + (now / 1000) * rate + 1e-6);
      }
    }),
  );
});

import { afterEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/goods/client/clock.ts';

afterEach(() => void vi.useRealTimers());

test('a cancelled timer does not call back, although fake timers have replaced only one of the functions', () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  let calls = 0;
  systemClock.clearTimeout(systemClock.setTimeout(() => calls++, 10));
  vi.advanceTimersByTime(100);
  expect(calls).toBe(0);
});

test('the clock of the platform has its timers of the moment, and a time that a faked date does not change', () => {
  const before = systemClock.now();
  vi.useFakeTimers({ now: 1e15 });
  const calls: string[] = [];
  systemClock.setTimeout(() => calls.push('fired'), 50);
  const cancelled = systemClock.setTimeout(() => calls.push('cancelled'), 10);
  systemClock.clearTimeout(cancelled);
  vi.advanceTimersByTime(100);
  expect(calls).toEqual(['fired']);
  expect(systemClock.now() - before).toBeGreaterThanOrEqual(0);
  expect(systemClock.now()).toBeLessThan(1e12);
});

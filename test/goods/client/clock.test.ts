import { afterEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/goods/client/clock.ts';

afterEach(() => void vi.useRealTimers());

test('the clock of the platform has its time and its timers', () => {
  vi.useFakeTimers({ now: 1000 });
  const calls: string[] = [];
  systemClock.setTimeout(() => calls.push(`at ${systemClock.now()}`), 50);
  const cancelled = systemClock.setTimeout(() => calls.push('cancelled'), 10);
  systemClock.clearTimeout(cancelled);
  vi.advanceTimersByTime(100);
  expect(calls).toEqual(['at 1050']);
});

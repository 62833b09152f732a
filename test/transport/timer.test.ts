import { expect, test } from 'vitest';
import { type TimerHandle, unref } from '../../src/transport/timer.ts';

test('a timer no longer keeps the process alive', () => {
  const timer = setTimeout(() => {}, 1000);
  unref(timer);
  expect(timer.hasRef()).toBe(false);
  clearTimeout(timer);
});

test.each([1, undefined])('a timer that is %s, as on other platforms, is left as it is', (timer) => {
  expect(() => unref(timer as TimerHandle)).not.toThrow();
});

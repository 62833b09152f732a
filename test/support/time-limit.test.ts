import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { withTimeLimit } from './time-limit.ts';

function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

test('a failure is final if the machine was on time', async () => {
  const limits: number[] = [];
  const attempt = async (limit: number) => {
    limits.push(limit);
    throw new Error('too late');
  };
  await expect(withTimeLimit(10_000, attempt)).rejects.toThrow('too late');
  expect(limits).toEqual([10_000]);
});

test('a failure is repeated with four times the limit if the machine was late', async () => {
  const limits: number[] = [];
  await withTimeLimit(100, async (limit) => {
    limits.push(limit);
    // The delay is detected by a timer that is due in the meantime.
    await delay(5);
    if (limits.length === 1) block(40);
    await delay(5);
    if (limits.length === 1) throw new Error('too late');
  });
  expect(limits).toEqual([100, 400]);
});

test('a failure is not repeated with more than the maximum limit', async () => {
  const limits: number[] = [];
  const attempt = async (limit: number) => {
    limits.push(limit);
    await delay(5);
    block(limit / 8);
    await delay(5);
    throw new Error('too late');
  };
  await expect(withTimeLimit(16_000, attempt)).rejects.toThrow('too late');
  expect(limits).toEqual([16_000]);
});

import { afterEach, expect, test } from 'vitest';
import { releaseZlibSlot, requestZlibSlot } from '../../src/extension/zlib-concurrency.ts';

let held = 0;
let begun: string[] = [];

afterEach(() => {
  for (; held > 0; held--) releaseZlibSlot();
  begun = [];
});

/** Requests a slot. `isNeeded` is the job's answer when it starts. */
function request(name: string, concurrencyLimit: number, isNeeded = true): void {
  const begin = () => {
    begun.push(name);
    if (isNeeded) held++;
    return isNeeded;
  };
  requestZlibSlot({ concurrencyLimit, nextJob: null, begin });
}

function release(): void {
  held--;
  releaseZlibSlot();
}

test('jobs start at once up to their limit, and the others in order as slots become free', () => {
  for (const name of ['a', 'b', 'c', 'd']) request(name, 2);
  expect(begun).toEqual(['a', 'b']);
  release();
  expect(begun).toEqual(['a', 'b', 'c']);
  release();
  expect(begun).toEqual(['a', 'b', 'c', 'd']);
});

test('a job with a larger limit does not overtake one that waits', () => {
  request('a', 1);
  request('b', 1);
  request('c', 10);
  expect(begun).toEqual(['a']);
  release();
  expect(begun).toEqual(['a', 'b', 'c']);
});

test('a job that no longer needs its slot leaves it to the next', () => {
  request('a', 1);
  request('b', 1, false);
  request('c', 1);
  release();
  expect(begun).toEqual(['a', 'b', 'c']);
});

test('a limit counts the jobs of others', () => {
  request('a', 10);
  request('b', 10);
  request('c', 2);
  expect(begun).toEqual(['a', 'b']);
  release();
  expect(begun).toEqual(['a', 'b', 'c']);
});

test('a job may request the next one when it starts', () => {
  requestZlibSlot({
    concurrencyLimit: 1,
    nextJob: null,
    begin: () => {
      held++;
      request('b', 2);
      return true;
    },
  });
  expect(begun).toEqual(['b']);
});

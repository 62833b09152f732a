import { describe, expect, test } from 'vitest';
import { after as callAfter, isPromise } from '../../../src/goods/definition/maybe-promise.ts';

/** Computed, because the linter takes an object that has the property for a mistake. */
const then = 'then';

describe('isPromise', () => {
  test.each([
    ['a promise', Promise.resolve(1), true],
    ['an object with a method then', { [then]: () => {} }, true],
    ['an object whose then is no function', { [then]: 1 }, false],
    ['null', null, false],
    ['undefined', undefined, false],
    ['a number', 5, false],
    ['a function', () => {}, false],
  ])('of %s', (_title, value, expected) => {
    expect(isPromise(value)).toBe(expected);
  });
});

describe('after', () => {
  test('calls at once with a value, and returns the result as it is', () => {
    expect(callAfter(1, (value) => value + 1)).toBe(2);
  });

  test('calls with the result of a promise, and never synchronously', async () => {
    let isCalled = false;
    const result = callAfter(Promise.resolve(1), (value) => {
      isCalled = true;
      return value + 1;
    });
    expect(isCalled).toBe(false);
    expect(await result).toBe(2);
  });

  test('does not call for a promise that is rejected, and passes the rejection on', async () => {
    const calls: unknown[] = [];
    const error = new Error('no');
    await expect(callAfter(Promise.reject(error), (value) => calls.push(value))).rejects.toBe(error);
    expect(calls).toEqual([]);
  });

  test('throws at once what the function throws for a value', () => {
    expect(() =>
      callAfter(1, () => {
        throw new RangeError('no');
      }),
    ).toThrow(RangeError);
  });
});

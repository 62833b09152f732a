import { describe, expect, test } from 'vitest';
import { defaultLimits } from '../../../src/goods/market/market-options.ts';
import { RequestFields } from '../../../src/goods/market/request-fields.ts';
import type { RawRequest } from '../../../src/goods/wire/frames.ts';
import type { GoodsErrorCode } from '../../../src/goods/wire/goods-error.ts';

const fields = new RequestFields({ ...defaultLimits, nameLength: 10, paramsSize: 20 });
const request = (more: object): RawRequest => ({ op: 'any', id: 1, ...more });
const list = ['a', 'b', 'c', 'd'];
const page = (more: object) =>
  fields.page(
    request(more),
    () => list,
    (name) => name,
  );
const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));

describe('invalid fields are refused', () => {
  test.each<[string, () => unknown, GoodsErrorCode]>([
    ['a pattern that is not a string', () => fields.pattern(5), 'bad-request'],
    ['a pattern that is missing', () => fields.pattern(undefined), 'bad-request'],
    ['a pattern with an empty segment', () => fields.pattern('a//b'), 'bad-name'],
    ['a pattern that is too long', () => fields.pattern('a'.repeat(11)), 'bad-name'],
    ['a name that is not a string', () => fields.name(null), 'bad-request'],
    ['a name with stars', () => fields.name('a/*'), 'bad-name'],
    ['a name that is too long', () => fields.name('ä'.repeat(6)), 'bad-name'],
    [
      'params that are too long',
      () => fields.subscription(request({ goods: 'a', params: 'x'.repeat(19) })),
      'params-too-large',
    ],
    [
      'params that are nested too deeply',
      () => new RequestFields(defaultLimits).subscription(request({ goods: 'a', params: nested(33) })),
      'params-too-large',
    ],
    ['a negative `last`', () => fields.last(-1), 'bad-request'],
    ['a `last` that is a fraction', () => fields.last(0.5), 'bad-request'],
    ['a `last` beyond 2^53', () => fields.last(2 ** 53), 'bad-request'],
    ['a `last` that is text', () => fields.last('1'), 'bad-request'],
    ['a `last` that is null', () => fields.last(null), 'bad-request'],
    ['a `since` that is no list', () => fields.since({}), 'bad-request'],
    ['a `since` with null', () => fields.since([null]), 'bad-request'],
    ['a `since` without goods', () => fields.since([{ epoch: 'e', offset: 1 }]), 'bad-request'],
    ['a `since` without an epoch', () => fields.since([{ goods: 'a', offset: 1 }]), 'bad-request'],
    ['a `since` with a negative offset', () => fields.since([{ goods: 'a', epoch: 'e', offset: -1 }]), 'bad-request'],
    ['items that are no list', () => fields.items({}), 'bad-request'],
    ['no items', () => fields.items([]), 'bad-request'],
    ['a reason that is not a string', () => fields.reason(5), 'bad-request'],
    ['a limit of 0', () => page({ limit: 0 }), 'bad-request'],
    ['a limit above 1000', () => page({ limit: 1001 }), 'bad-request'],
    ['an `after` that is not a string', () => page({ after: 1 }), 'bad-request'],
  ])('%s', (_title, read, code) => {
    expect(read).toThrow(expect.objectContaining({ name: 'GoodsError', code }));
  });
});

describe('valid fields are read', () => {
  test('names and patterns as they are', () => {
    expect([fields.name('ä/b'), fields.pattern('a/**'), fields.name('a'.repeat(10))]).toEqual([
      'ä/b',
      'a/**',
      'a'.repeat(10),
    ]);
  });

  test('`last`, which is 1 if it is missing', () => {
    expect([undefined, 0, 5, Number.MAX_SAFE_INTEGER].map((value) => fields.last(value))).toEqual([
      1,
      0,
      5,
      Number.MAX_SAFE_INTEGER,
    ]);
  });

  test('`since` by the name of the goods, of which the last entry counts; null if it is missing', () => {
    const [one, two] = [1, 2].map((offset) => ({ goods: 'a', epoch: 'e', offset }));
    expect(fields.since(undefined)).toBeNull();
    expect(fields.since([])).toEqual(new Map());
    expect(fields.since([one, two])).toEqual(new Map([['a', two]]));
  });

  test('a reason, which is empty if it is missing, and cut to 1000 characters', () => {
    expect([fields.reason(undefined), fields.reason('why'), fields.reason('x'.repeat(1001)).length]).toEqual([
      '',
      'why',
      1000,
    ]);
  });

  test('items as they are', () => {
    const items = [1, null];
    expect(fields.items(items)).toBe(items);
  });

  test('params of any kind, and a key that depends on goods and params', () => {
    const key = (goods: string, params?: unknown) => fields.subscription(request({ goods, params })).key;
    const keys = [key('a'), key('b'), key('a', null), key('a', {}), key('a', []), key('a', '')];
    expect(new Set(keys).size).toBe(keys.length);
    expect(key('a', { b: 1 })).toBe(key('a', { b: 1 }));
    const deepest = new RequestFields(defaultLimits).subscription(request({ goods: 'a', params: nested(32) }));
    expect(deepest.params).toEqual(nested(32));
  });
});

describe('pages', () => {
  test('follow each other until the last, which has no next', () => {
    expect(page({ limit: 3 })).toEqual({ page: ['a', 'b', 'c'], next: { next: 'c' } });
    expect(page({ limit: 3, after: 'c' })).toEqual({ page: ['d'], next: {} });
    expect(page({ limit: 4 })).toEqual({ page: list, next: {} });
    expect(page({ after: 'd' })).toEqual({ page: [], next: {} });
  });

  test('have 100 entries if no limit is given', () => {
    const numbers = Array.from({ length: 150 }, (_, i) => String(i).padStart(3, '0'));
    const { page: first } = fields.page(
      request({}),
      () => numbers,
      (name) => name,
    );
    expect(first).toHaveLength(100);
  });

  test('of an invalid request are not collected', () => {
    let calls = 0;
    expect(() =>
      fields.page(
        request({ limit: 0 }),
        () => [String(calls++)],
        (name) => name,
      ),
    ).toThrow();
    expect(calls).toBe(0);
  });
});

import { describe, expect, test } from 'vitest';
import { defineGoods, Goods, type HistoryOptions } from '../../../src/goods/definition/goods.ts';

describe('defineGoods', () => {
  test.each([
    ['a name that is invalid', () => defineGoods(''), 'is not a name of goods'],
    ['a name of another type', () => defineGoods(5 as never), 'is not a name of goods'],
    ['a kind that is invalid', () => defineGoods('n', { kind: 'xml' as never }), 'json, text or bytes; got xml'],
    ['a policy that is invalid', () => defineGoods('n', { overflow: 'wait' as never }), 'got wait'],
    [
      'a size that is invalid',
      () => defineGoods('n', { history: { size: -1 } }),
      'history.size is an integer ≥ 0; got -1',
    ],
    ['a time to live that is invalid', () => defineGoods('n', { history: { size: 1, ttl: 0 } }), 'got 0'],
    ['a time to live without end', () => defineGoods('n', { history: { size: 1, ttl: Infinity } }), 'got Infinity'],
  ])('refuses %s', (_title, define, message) => {
    expect(define).toThrow(message);
  });

  test('takes any valid history', () => {
    const histories: HistoryOptions[] = [{ size: 0 }, { size: 1, ttl: 0.5 }, { size: 1, ttl: 2 ** 31 - 1 }];
    for (const history of histories) expect(defineGoods('n', { history }).options.history).toBe(history);
    expect(() => defineGoods('n', { history: { size: 1, ttl: 2 ** 31 } })).toThrow('at most 2147483647 milliseconds');
    expect(() => defineGoods('n', { history: { size: 0.5 } })).toThrow(RangeError);
  });

  test('defines goods of JSON values without options, and keeps the options that are given', () => {
    const options = { kind: 'text', remote: true } as const;
    expect(defineGoods('n')).toMatchObject({ name: 'n', kind: 'json', options: {} });
    expect(defineGoods<string>('n', options)).toMatchObject({ kind: 'text', options });
    expect(defineGoods('n')).toBeInstanceOf(Goods);
  });

  test('tells a pattern from a name', () => {
    expect(defineGoods('a/*').isPattern).toBe(true);
    expect(defineGoods('a/b').isPattern).toBe(false);
    expect(defineGoods('a/b').named('a/b').name).toBe('a/b');
  });

  test('gives goods of a pattern the options of the pattern, and refuses names that do not match', () => {
    const pattern = defineGoods<string>('a/*', { kind: 'text', remote: true });
    const named = pattern.named('a/b');
    expect(named).toMatchObject({ name: 'a/b', kind: 'text', isPattern: false });
    expect(named.options).toBe(pattern.options);
    for (const name of ['a', 'b/b', 'a/*', 'a/b/c', '']) expect(() => pattern.named(name)).toThrow(RangeError);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Account,
  appended,
  enter,
  findLine,
  linesOf,
  patternOf,
  remove,
  type WrittenLine,
} from '../../../src/goods/ledger/ledger-lines.ts';

type Line = WrittenLine<object, unknown>;
type Lines = Account<object, unknown> | undefined;

const subscriber = {};
const line = (pattern: string, entry: unknown): Line => ({ subscriber, pattern, entry, at: 0 });
const many = (count: number): Line[] => Array.from({ length: count }, (_, i) => line('a', i));
const accountOf = (lines: readonly Line[]): Lines => lines.reduce<Lines>(enter, undefined);

describe('an account', () => {
  test('is the line itself, then an array of up to 8 lines, then a Map, to save memory', () => {
    const [one, ...others] = many(9) as [Line, ...Line[]];
    expect(accountOf([one])).toBe(one);
    expect(accountOf([one, ...others.slice(0, 7)])).toHaveLength(8);
    expect(accountOf([one, ...others])).toBeInstanceOf(Map);
  });

  test('without its last line is undefined, however large it was', () => {
    for (const count of [1, 2, 8, 9, 20]) {
      const lines = many(count);
      const rest = lines.reduce<Lines>((account, one) => remove(account!, one), accountOf(lines));
      expect(rest, String(count)).toBeUndefined();
    }
  });

  test('has the same lines as a list, whatever is entered and removed', () => {
    // Entries that some comparisons take for equal, and a Map does not; and the other way round.
    const entries = [Number.NaN, 0, '0', undefined, null, {}, 'NaN', 1, 2, 3, 4, 5];
    const step = fc.tuple(fc.boolean(), fc.constantFrom('a', 'b', 'c/*'), fc.nat(entries.length - 1));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
        let account: Lines;
        const list: Line[] = [];
        for (const [isRemoval, pattern, i] of steps) {
          const entry = entries[i];
          const known = list.find((one) => one.pattern === pattern && Object.is(one.entry, entry));
          expect(findLine(account, pattern, entry)).toBe(known);
          if (known === undefined && !isRemoval) {
            const one = line(pattern, entry);
            list.push(one);
            account = enter(account, one);
          } else if (known !== undefined && isRemoval) {
            list.splice(list.indexOf(known), 1);
            account = remove(account!, known);
          }
          expect(new Set(linesOf(account))).toEqual(new Set(list));
          expect(linesOf(account)).toHaveLength(list.length);
        }
      }),
    );
  });

  test('gives out a copy of its lines', () => {
    for (const count of [1, 3, 12]) {
      const account = accountOf(many(count));
      linesOf(account).pop();
      expect(linesOf(account)).toHaveLength(count);
    }
  });
});

test('a short list is copied when an item is appended, and a long one is extended in place', () => {
  const short = many(7);
  expect(appended(short, line('b', 0))).not.toBe(short);
  expect(short).toHaveLength(7);
  const long = many(8);
  expect(appended(long, line('b', 0))).toBe(long);
  expect(long).toHaveLength(9);
  expect(appended(short[0]!, short[1]!)).toEqual(short.slice(0, 2));
});

test('a page of one line, and of several, has the pattern of its lines', () => {
  expect([patternOf(line('a/*', 1)), patternOf([line('b', 1), line('b', 2)])]).toEqual(['a/*', 'b']);
});

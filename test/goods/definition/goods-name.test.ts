import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  defaultMaxNameLength,
  hasStars,
  isGoodsName,
  isPattern,
  matches,
  maxSegments,
  utf8Length,
} from '../../../src/goods/definition/goods-name.ts';

const segment = fc.constantFrom('a', 'b', 'ab', '*', '**');
const segments = fc.array(segment, { minLength: 1, maxLength: 6 });

describe('isPattern', () => {
  test.each(['a', 'a/b', '*', '**', 'a/*/b/**', '__proto__', 'ä/你好/👋', ' '])('accepts %j', (text) => {
    expect(isPattern(text)).toBe(true);
  });

  test.each([
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    'a*',
    '***',
    'a/b*',
    '\u0000',
    'a\n',
    '\u007f',
    '\ud800',
    'x'.repeat(256),
    null,
    5,
  ])('refuses %j', (text) => {
    expect(isPattern(text)).toBe(false);
  });

  test('allows 32 segments, of names and of patterns', () => {
    expect(maxSegments).toBe(32);
    for (const segment of ['a', '*', '**']) {
      const most = Array.from({ length: 32 }, () => segment).join('/');
      expect(isPattern(most)).toBe(true);
      expect(isPattern(`${most}/a`)).toBe(false);
      expect(isGoodsName(`${most}/a`)).toBe(false);
    }
  });

  test('measures the length in bytes of UTF-8, and takes another maximum', () => {
    expect(defaultMaxNameLength).toBe(255);
    expect([isPattern('x'.repeat(255)), isPattern('ä'.repeat(127)), isPattern('ä'.repeat(128))]).toEqual([
      true,
      true,
      false,
    ]);
    expect([isPattern('abc', 3), isPattern('abcd', 3), isGoodsName('ä', 1)]).toEqual([true, false, false]);
  });
});

test('a name is a pattern without stars', () => {
  expect(isGoodsName('a/b')).toBe(true);
  expect(isGoodsName('a/*')).toBe(false);
  expect(hasStars('**')).toBe(true);
});

test('utf8Length counts the bytes of UTF-8, a lone surrogate as three', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(utf8Length(text)).toBe(Buffer.byteLength(text));
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (units) => {
      const text = String.fromCharCode(...units);
      expect(utf8Length(text)).toBe(Buffer.byteLength(text));
    }),
  );
});

describe('matches', () => {
  test('agrees with a regular expression of the same meaning', () => {
    fc.assert(
      fc.property(segments, segments, (pattern, name) => {
        const plain = name.map((one) => (one.includes('*') ? 'c' : one)).join('/');
        const source = pattern
          .map((one) => (one === '**' ? '(?:[^/]+/)*' : one === '*' ? '[^/]+/' : `${one}/`))
          .join('');
        expect(matches(pattern.join('/'), plain)).toBe(new RegExp(`^${source}$`).test(`${plain}/`));
      }),
      { numRuns: 2000 },
    );
  });

  test('compares a pattern without stars as text', () => {
    expect([matches('a/b', 'a/b'), matches('a/b', 'a/bc'), matches('a', 'a/b')]).toEqual([true, false, false]);
  });

  test('takes time in proportion to the segments, also where a search that goes back would be exponential', () => {
    const name = Array(maxSegments).fill('a').join('/');
    const pattern = `${Array(maxSegments - 1)
      .fill('**')
      .join('/')}/b`;
    expect(matches(pattern, name)).toBe(false);
    expect(matches(pattern, `${name.slice(2)}/b`)).toBe(true);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import {
  hasStars,
  isGoodsName,
  isPattern,
  matches,
  maxSegments,
  utf8Length,
} from '../../../src/goods/definition/goods-name.ts';
import { parseFrame } from '../../../src/goods/wire/text-codec.ts';
import { TokenBucket } from '../../../src/goods/wire/token-bucket.ts';

describe('defineGoods', () => {
  test.each([
    ['a name that is none', () => defineGoods(''), 'is not a name of goods'],
    ['a name of another type', () => defineGoods(5 as never), 'is not a name of goods'],
    ['a kind that is none', () => defineGoods('n', { kind: 'xml' as never }), 'json, text or bytes; got xml'],
    ['a policy that is none', () => defineGoods('n', { overflow: 'wait' as never }), 'got wait'],
    [
      'a size that is none',
      () => defineGoods('n', { history: { size: -1 } }),
      'history.size is an integer ≥ 0; got -1',
    ],
    ['a time that is none', () => defineGoods('n', { history: { size: 1, ttl: 0 } }), 'got 0'],
    ['a time without end', () => defineGoods('n', { history: { size: 1, ttl: Infinity } }), 'got Infinity'],
  ])('refuses %s', (_title, define, message) => {
    expect(define).toThrow(message);
  });

  test('knows a pattern from a name', () => {
    expect(defineGoods('a/*').isPattern).toBe(true);
    expect(defineGoods('a/b').isPattern).toBe(false);
    expect(defineGoods('a/b').named('a/b').name).toBe('a/b');
  });
});

const segment = fc.constantFrom('a', 'b', 'ab', '*', '**');
const segments = fc.array(segment, { minLength: 1, maxLength: 6 });

describe('names and patterns', () => {
  test.each(['a', 'a/b', '*', '**', 'a/*/b/**', '__proto__', 'ä/你好/👋', ' '])('%j is a pattern', (text) => {
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
  ])('%j is none', (text) => {
    expect(isPattern(text)).toBe(false);
  });

  test('a name is a pattern without stars', () => {
    expect(isGoodsName('a/b')).toBe(true);
    expect(isGoodsName('a/*')).toBe(false);
    expect(hasStars('**')).toBe(true);
  });

  test('they have 32 segments at the most', () => {
    expect(maxSegments).toBe(32);
    for (const segment of ['a', '*', '**']) {
      const most = Array.from({ length: 32 }, () => segment).join('/');
      expect(isPattern(most)).toBe(true);
      expect(isPattern(`${most}/a`)).toBe(false);
      expect(isGoodsName(`${most}/a`)).toBe(false);
    }
  });

  test('their length is that of their UTF-8', () => {
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

  test('a pattern matches what the regular expression of the same meaning matches', () => {
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
});

test('a token bucket gives its burst, then so many a second, whatever the clock does', () => {
  const bucket = new TokenBucket(10, 2, 1000);
  expect([bucket.take(1000), bucket.take(1000), bucket.take(1000)]).toEqual([0, 0, 100]);
  expect(bucket.take(500)).toBe(100);
  expect(bucket.take(600)).toBe(0);
  expect(bucket.take(600_000)).toBe(0);
  expect(bucket.take(600_000)).toBe(0);
  expect(bucket.take(600_000, 2)).toBe(200);
});

describe('frames of a market', () => {
  test('of a later version are ignored', () => {
    expect(parseFrame('{"op":"dance"}')).toBeNull();
    expect(parseFrame('{"op":"__proto__"}')).toBeNull();
    expect(parseFrame('{"op":"idle","goods":"n","more":1}')).toMatchObject({ goods: 'n' });
  });

  test.each([
    '{"op":"item","goods":"n","offset":-1,"item":1}',
    '{"op":"item","goods":5,"offset":1,"item":1}',
    '{"op":"items","goods":"n","offset":1,"items":{}}',
    '{"op":"skip","goods":"n","from":1,"to":1.5,"reason":"x"}',
    '{"op":"ok","id":1,"streams":[{"goods":"n"}]}',
    '{"op":"ok","id":1,"streams":[null]}',
    '{"op":"ok","id":1,"subscriptions":[{"goods":"n"}]}',
    '{"op":"ok","id":1,"catalog":[1]}',
    '{"op":"shelved","goods":"n","stream":null}',
    '{"op":"error","id":1,"code":1,"message":""}',
    '[]',
    '1',
  ])('that lack a field are none: %s', (text) => {
    expect(() => parseFrame(text)).toThrow(expect.objectContaining({ closeCode: 1007 }));
  });
});

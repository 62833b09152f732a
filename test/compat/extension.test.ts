import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ws from 'ws';
import { extension } from '../../src/compat/extension.ts';
import { subprotocol } from '../../src/compat/subprotocol.ts';

const theirs = ws as unknown as { extension: typeof extension; subprotocol: typeof subprotocol };
const implementations = { goodwire: { extension, subprotocol }, ws: theirs };

type Parsed = ReturnType<typeof extension.parse>;

/** Returns the result or the error of a call, in a comparable form. */
function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    const { name, message } = error as Error;
    return { name, message };
  }
}

/** Converts objects to lists of entries, so that `__proto__` and the order are visible. */
const entries = (parsed: Parsed): unknown =>
  Object.entries(parsed).map(([name, list]) => [name, list.map((parameters) => Object.entries(parameters))]);

describe.each(Object.entries(implementations))('extension of %s', (_name, { extension }) => {
  it('has format and parse', () => {
    expect(Object.keys(extension).sort()).toEqual(['format', 'parse']);
  });

  it('parses a header to lists of parameters with lists of values', () => {
    expect(extension.parse('a; b=1; c; b="2", d, a')).toEqual({ a: [{ b: ['1', '2'], c: [true] }, {}], d: [{}] });
  });

  it('parses to objects without a prototype, so that names cannot reach it', () => {
    const parsed = extension.parse('__proto__; __proto__=1; constructor, toString');
    expect(entries(parsed)).toEqual([
      [
        '__proto__',
        [
          [
            ['__proto__', ['1']],
            ['constructor', [true]],
          ],
        ],
      ],
      ['toString', [[]]],
    ]);
    expect(Object.getPrototypeOf(parsed)).toBe(null);
    expect(Object.getPrototypeOf(extension.parse('a').a?.[0])).toBe(null);
    expect(({} as Record<string, unknown>)[1]).toBeUndefined();
  });

  it.each([
    ['', 'Unexpected end of input'],
    ['a;b="1', 'Unexpected end of input'],
    ['a;b=""', 'Unexpected character at index 5'],
    ['a,,b', 'Unexpected character at index 2'],
    ['a; b= 1', 'Unexpected character at index 5'],
    ['ü', 'Unexpected character at index 0'],
  ])('refuses the header %j with a SyntaxError', (header, message) => {
    expect(outcome(() => extension.parse(header))).toEqual({ name: 'SyntaxError', message });
  });

  it.each([undefined, null])('throws a TypeError for the header %s', (header) => {
    expect(() => extension.parse(header as unknown as string)).toThrow(TypeError);
  });

  it.each<[string, Parameters<typeof extension.format>[0]]>([
    ['a', { a: [{}] }],
    ['a', { a: {} }],
    ['a; b; c=1', { a: { b: true, c: 1 } }],
    ['a; b=1; b; b=2', { a: { b: ['1', true, 2] } }],
    ['a; b=1, a, c', { a: [{ b: ['1'] }, {}], c: {} }],
    ['a; b=false', { a: { b: false } }],
    ['', {}],
    ['', { a: [] }],
  ])('formats %s', (header, extensions) => {
    expect(extension.format(extensions)).toBe(header);
  });

  it('throws a TypeError for extensions that are null', () => {
    expect(() => extension.format(null as never)).toThrow(TypeError);
    expect(() => extension.format({ a: null } as never)).toThrow(TypeError);
  });
});

describe.each(Object.entries(implementations))('subprotocol of %s', (_name, { subprotocol }) => {
  it('has parse', () => {
    expect(Object.keys(subprotocol)).toEqual(['parse']);
  });

  it('parses a header to a Set in the order of the header', () => {
    const parsed = subprotocol.parse('b,a ,\t__proto__');
    expect(parsed).toBeInstanceOf(Set);
    expect([...parsed]).toEqual(['b', 'a', '__proto__']);
  });

  it.each([
    ['', 'Unexpected end of input'],
    ['a,', 'Unexpected end of input'],
    [' a', 'Unexpected character at index 0'],
    ['a b', 'Unexpected character at index 2'],
    ['a, a', 'The "a" subprotocol is duplicated'],
  ])('refuses the header %j with a SyntaxError', (header, message) => {
    expect(outcome(() => subprotocol.parse(header))).toEqual({ name: 'SyntaxError', message });
  });
});

const name = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', 'permessage-deflate', 'a', 'b'),
  fc.string({ unit: fc.constantFrom(..."!#$%&'*+-.^_`|~09azAZ"), minLength: 1, maxLength: 4 }),
);
const piece = fc.oneof(
  name,
  fc.constantFrom(',', ';', '=', '"', '\\', ' ', '\t', ', ', '; ', '="', '\r', 'é', '\0', '(', '\u{1f34e}'),
);
const header = fc.oneof(
  fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  fc
    .array(fc.tuple(name, fc.constantFrom(';', '; ', ' ; ', ',', ', ', '=', '="', '" ,', '";')), { maxLength: 8 })
    .map((pairs) =>
      pairs
        .flat()
        .join('')
        .replace(/[;,= "]+$/, ''),
    ),
);

describe('the two implementations', () => {
  it('parse any header to the same extensions, or throw the same error', () => {
    let parsed = 0;
    fc.assert(
      fc.property(header, (text) => {
        const ours = outcome(() => entries(extension.parse(text)));
        if (Array.isArray(ours)) parsed++;
        expect(ours).toEqual(outcome(() => entries(theirs.extension.parse(text))));
      }),
      { numRuns: 3000 },
    );
    expect(parsed).toBeGreaterThan(300);
  });

  it('parse any header to the same subprotocols, or throw the same error', () => {
    fc.assert(
      fc.property(header, (text) => {
        const ours = outcome(() => [...subprotocol.parse(text)]);
        expect(ours).toEqual(outcome(() => [...theirs.subprotocol.parse(text)]));
      }),
      { numRuns: 3000 },
    );
  });

  it('format a parsed header to the same header, which parses to the same again', () => {
    let formatted = 0;
    fc.assert(
      fc.property(header, (text) => {
        const ours = outcome(() => extension.format(extension.parse(text)));
        fc.pre(typeof ours === 'string');
        formatted++;
        expect(ours).toBe(theirs.extension.format(theirs.extension.parse(text)));
        expect(entries(extension.parse(ours))).toEqual(entries(extension.parse(text)));
      }),
      { numRuns: 500, maxSkipsPerRun: 100 },
    );
    expect(formatted).toBeGreaterThan(100);
  });
});

describe('extension of goodwire only', () => {
  it.each<[Parameters<typeof extension.format>[0]]>([
    [{ a: { b: '1\r\nX-Injected: 1' } }],
    [{ 'a b': {} }],
    [{ a: { 'b;c': true } }],
    [{ a: { b: '1, evil' } }],
    [{ a: { b: '' } }],
  ])('throws for values that could add fields to the header: %o', (extensions) => {
    expect(() => extension.format(extensions)).toThrow(TypeError);
    expect(() => theirs.extension.format(extensions)).not.toThrow();
  });

  it('formats a missing value as a parameter without a value', () => {
    expect(extension.format({ a: { b: [] } })).toBe('a');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ws from 'ws';
import {
  type Extension,
  formatExtensions,
  parseExtensions,
  parseExtensionsStrictly,
} from '../../src/handshake/extensions.ts';

const tokenText = fc.oneof(
  fc.string({ unit: fc.constantFrom(..."!#$%&'*+-.^_`|~09azAZ"), minLength: 1, maxLength: 8 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', 'permessage-deflate'),
);
const value = fc.oneof(tokenText, fc.constant(true as const));
const extension: fc.Arbitrary<Extension> = fc.record({
  name: tokenText,
  parameters: fc.array(fc.tuple(tokenText, value)),
});

const a: Extension = { name: 'a', parameters: [] };

describe('parseExtensions', () => {
  it('reads the examples of RFC 6455 §9.1', () => {
    expect(parseExtensions('foo')).toEqual([{ name: 'foo', parameters: [] }]);
    expect(parseExtensions('bar; baz=2')).toEqual([{ name: 'bar', parameters: [['baz', '2']] }]);
    expect(parseExtensions('deflate-stream')).toEqual([{ name: 'deflate-stream', parameters: [] }]);
    expect(parseExtensions('mux; max-channels=4; flow-control, deflate-stream')).toEqual([
      {
        name: 'mux',
        parameters: [
          ['max-channels', '4'],
          ['flow-control', true],
        ],
      },
      { name: 'deflate-stream', parameters: [] },
    ]);
    expect(parseExtensions('private-extension')).toEqual([{ name: 'private-extension', parameters: [] }]);
  });

  it('keeps offers of the same extension, and parameters of the same name, in order', () => {
    expect(parseExtensions('a;b=1;b=2;b , a')).toEqual([
      {
        name: 'a',
        parameters: [
          ['b', '1'],
          ['b', '2'],
          ['b', true],
        ],
      },
      { name: 'a', parameters: [] },
    ]);
  });

  it('accepts quoted values and removes their escapes', () => {
    expect(parseExtensions('a;b="1"')).toEqual([{ name: 'a', parameters: [['b', '1']] }]);
    expect(parseExtensions('a;b="\\1\\2x\\y"')).toEqual([{ name: 'a', parameters: [['b', '12xy']] }]);
  });

  it('accepts the names of inherited properties as names', () => {
    const [parsed] = parseExtensions('__proto__; __proto__=1; constructor; toString="x"');
    expect(parsed).toEqual({
      name: '__proto__',
      parameters: [
        ['__proto__', '1'],
        ['constructor', true],
        ['toString', 'x'],
      ],
    });
    expect(({} as Record<string, unknown>)['1']).toBeUndefined();
  });

  it.each<[string, Extension[]]>([
    ['', []],
    [' \t', []],
    [', ,\t,', []],
    [' a', [a]],
    ['a ', [a]],
    ['a,', [a]],
    [',a', [a]],
    ['a,,b', [a, { name: 'b', parameters: [] }]],
    ['a ; b', [{ name: 'a', parameters: [['b', true]] }]],
    ['a;b =1', [{ name: 'a', parameters: [['b', '1']] }]],
    ['a;b\t=\t"1" ,', [{ name: 'a', parameters: [['b', '1']] }]],
    ['a;b , ,a', [{ name: 'a', parameters: [['b', true]] }, a]],
  ])('accepts empty elements, and whitespace everywhere between tokens, in %j', (header, extensions) => {
    expect(parseExtensions(header)).toEqual(extensions);
  });

  it.each([
    ['a b', 'Unexpected character at index 2'],
    ['a;', 'Unexpected end of input'],
    ['a; ,b', 'Unexpected character at index 3'],
    ['a;;b', 'Unexpected character at index 2'],
    [';a', 'Unexpected character at index 0'],
    ['a = b', 'Unexpected character at index 2'],
    ['a;b=', 'Unexpected end of input'],
    ['a;b= ', 'Unexpected end of input'],
    ['a;b=,', 'Unexpected character at index 4'],
    ['a;b==1', 'Unexpected character at index 4'],
    ['a;b 1', 'Unexpected character at index 4'],
    ['a;=1', 'Unexpected character at index 2'],
    ['a;b=""', 'Unexpected character at index 5'],
    ['a;b=" 1"', 'Unexpected character at index 5'],
    ['a\n', 'Unexpected character at index 1'],
    ['é', 'Unexpected character at index 0'],
  ])('refuses %j', (header, message) => {
    expect(() => parseExtensions(header)).toThrow(new SyntaxError(message));
  });

  it('does not depend on whitespace between tokens, nor on empty elements', () => {
    const gap = fc.string({ unit: fc.constantFrom(' ', '\t'), maxLength: 3 });
    const list = fc.array(extension, { maxLength: 3 });
    const gaps = fc.infiniteStream(gap);
    const commas = fc.infiniteStream(fc.constantFrom(',', ',,', ' , ,'));
    fc.assert(
      fc.property(list, gaps, commas, (extensions, someGaps, someCommas) => {
        const space = () => someGaps.next().value;
        const comma = () => someCommas.next().value;
        const elements = extensions.map(({ name, parameters }) =>
          parameters.reduce(
            (text, [key, value]) =>
              `${text}${space()};${space()}${key}${value === true ? '' : `${space()}=${space()}${value}`}`,
            name,
          ),
        );
        const header = elements.map((element) => `${space()}${element}${space()}`).join(comma());
        expect(parseExtensions(`${comma()}${header}`)).toEqual(extensions);
        expect(parseExtensions(`${header}${comma()}`)).toEqual(extensions);
      }),
    );
  });

  it('parses its own output', () => {
    fc.assert(
      fc.property(fc.array(extension, { minLength: 1 }), (list) => {
        expect(parseExtensions(formatExtensions(list))).toEqual(list);
      }),
    );
  });

  it('takes time in proportion to the length of the text', () => {
    const slow = (header: string) => {
      const start = process.hrtime.bigint();
      try {
        parseExtensions(header);
      } catch {
        // Rejecting must be as fast as parsing.
      }
      return Number(process.hrtime.bigint() - start) / 1e6;
    };
    const hostile: ((length: number) => string)[] = [
      (length) => `a${' '.repeat(length)}`,
      (length) => `a;b${' '.repeat(length)}=`,
      (length) => `a;b="${'x'.repeat(length)}`,
      (length) => `a;b="${'\\x'.repeat(length)}`,
      (length) => `a${'; b=1'.repeat(length)}`,
      (length) => `a${', a'.repeat(length)} !?`,
    ];
    // For 256 K quadratic work takes minutes, and linear work milliseconds. Even a slow machine stays below this limit.
    for (const make of hostile) expect(slow(make(262_144))).toBeLessThan(5000);
  });

  it('reads 10 000 parameters', () => {
    const [parsed] = parseExtensions(`a${'; b=1'.repeat(10_000)}`);
    expect(parsed!.parameters).toHaveLength(10_000);
  });
});

describe('formatExtensions', () => {
  it('formats extensions and parameters as in §9.1', () => {
    const list: Extension[] = [
      {
        name: 'mux',
        parameters: [
          ['max-channels', '4'],
          ['flow-control', true],
        ],
      },
      { name: 'deflate-stream', parameters: [] },
    ];
    expect(formatExtensions(list)).toBe('mux; max-channels=4; flow-control, deflate-stream');
  });

  it('returns an empty text for no extensions', () => {
    expect(formatExtensions([])).toBe('');
  });

  it.each<[string, Extension]>([
    ['a name', { name: 'a\r\nX: y', parameters: [] }],
    ['an empty name', { name: '', parameters: [] }],
    ['a parameter', { name: 'a', parameters: [['b,c', true]] }],
    ['a value', { name: 'a', parameters: [['b', 'c d']] }],
    ['an empty value', { name: 'a', parameters: [['b', '']] }],
  ])('refuses %s that could break out of the field', (_, bad) => {
    expect(() => formatExtensions([bad])).toThrow(TypeError);
  });
});

/** Groups by name and by parameter, as ws does. */
describe('parseExtensionsStrictly', () => {
  it.each([
    ['', 'Unexpected end of input'],
    [' ', 'Unexpected character at index 0'],
    [' a', 'Unexpected character at index 0'],
    ['a ', 'Unexpected end of input'],
    ['a,', 'Unexpected end of input'],
    [',a', 'Unexpected character at index 0'],
    ['a,,b', 'Unexpected character at index 2'],
    ['a b', 'Unexpected character at index 2'],
    ['a;', 'Unexpected end of input'],
    ['a;;b', 'Unexpected character at index 2'],
    ['a;b;', 'Unexpected end of input'],
    ['a;b=', 'Unexpected end of input'],
    ['a;b =1', 'Unexpected character at index 4'],
    ['a;b= 1', 'Unexpected character at index 4'],
    ['a;b=,', 'Unexpected character at index 4'],
    ['a;"b"', 'Unexpected character at index 2'],
    ['a;b=""', 'Unexpected character at index 5'],
    ['a;b="', 'Unexpected end of input'],
    ['a;b="1', 'Unexpected end of input'],
    ['a;b="\\', 'Unexpected end of input'],
    ['a;b="1 2"', 'Unexpected character at index 6'],
    ['a;b="1\\"2"', 'Unexpected character at index 7'],
    ['a;b="1"x', 'Unexpected character at index 7'],
    ['a;b="é"', 'Unexpected character at index 5'],
    ['é', 'Unexpected character at index 0'],
  ])('refuses %j', (header, message) => {
    expect(() => parseExtensionsStrictly(header)).toThrow(new SyntaxError(message));
  });

  it('returns extensions or a SyntaxError for any text, and the same as ws', () => {
    const near = fc.string({
      unit: fc.constantFrom('a', 'b', '1', ';', ',', '=', '"', '\\', ' ', '\t', 'é'),
      maxLength: 16,
    });
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (header) => {
        const expected = theirs(header);
        expect(grouped(parseExtensionsStrictly, header)).toEqual(expected);
        // All that ws accepts is read alike by the parser that accepts more.
        if (typeof expected !== 'string') expect(grouped(parseExtensions, header)).toEqual(expected);
      }),
      { numRuns: 5000 },
    );
  });
});

/** Returns the extensions by name, and their values by parameter; an error as text. */
function grouped(parse: (header: string) => Extension[], header: string): unknown {
  try {
    const extensions = new Map<string, Map<string, (string | true)[]>[]>();
    for (const { name, parameters } of parse(header)) {
      const values = new Map<string, (string | true)[]>();
      for (const [parameter, one] of parameters) values.set(parameter, [...(values.get(parameter) ?? []), one]);
      extensions.set(name, [...(extensions.get(name) ?? []), values]);
    }
    return extensions;
  } catch (error) {
    return String(error);
  }
}

function theirs(header: string): unknown {
  const { extension } = ws as unknown as {
    extension: { parse(header: string): Record<string, Record<string, unknown>[]> };
  };
  try {
    const entries = Object.entries(extension.parse(header));
    return new Map(entries.map(([name, offers]) => [name, offers.map((offer) => new Map(Object.entries(offer)))]));
  } catch (error) {
    return String(error);
  }
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ws from 'ws';
import { parseSubprotocols, parseSubprotocolsStrictly } from '../../src/handshake/subprotocols.ts';

// @types/ws does not declare this export.
const { subprotocol } = ws as unknown as { subprotocol: { parse(header: string): Set<string> } };

describe('parseSubprotocols', () => {
  it.each([
    ['chat', ['chat']],
    ['chat, superchat', ['chat', 'superchat']],
    ['a,b\t, \tc', ['a', 'b', 'c']],
    ['a, A', ['a', 'A']],
    ['__proto__, constructor, toString', ['__proto__', 'constructor', 'toString']],
    ['a,', ['a']],
    ['a ', ['a']],
    [',a', ['a']],
    ['a,,b', ['a', 'b']],
    [' ,\t,a, ,b , ', ['a', 'b']],
  ])('reads %j', (header, expected) => {
    expect([...parseSubprotocols(header)]).toEqual(expected);
  });

  it.each([
    ['', 'Unexpected end of input'],
    [' ', 'Unexpected end of input'],
    [' , ', 'Unexpected end of input'],
    ['a b', 'Unexpected character at index 2'],
    ['"a"', 'Unexpected character at index 0'],
    ['a;b', 'Unexpected character at index 1'],
    ['a, b\r\nX: y', 'Unexpected character at index 4'],
    ['é', 'Unexpected character at index 0'],
    ['a, b, a', 'The "a" subprotocol is duplicated'],
    ['__proto__,, __proto__', 'The "__proto__" subprotocol is duplicated'],
  ])('refuses %j', (header, message) => {
    expect(() => parseSubprotocols(header)).toThrow(new SyntaxError(message));
  });

  it('reads what remains without the empty elements, and refuses what is malformed without them', () => {
    fc.assert(
      fc.property(headers, (text) => {
        const elements = text.split(',').map((element) => element.replace(/^[ \t]+|[ \t]+$/g, ''));
        const rest = elements.filter((element) => element !== '').join(',');
        const [all, others] = [outcome(parseSubprotocols, text), outcome(parseSubprotocolsStrictly, rest)];
        expect(Array.isArray(all) ? all : 'malformed').toEqual(Array.isArray(others) ? others : 'malformed');
      }),
      { numRuns: 2000 },
    );
  });
});

describe('parseSubprotocolsStrictly', () => {
  it('accepts and refuses the same as ws', () => {
    fc.assert(
      fc.property(headers, (text) => {
        expect(outcome(parseSubprotocolsStrictly, text)).toEqual(outcome(subprotocol.parse, text));
      }),
      { numRuns: 2000 },
    );
  });
});

const headers = fc.string({ unit: fc.constantFrom('a', 'b', ',', ' ', '\t', '"', ';', 'é'), maxLength: 12 });

function outcome(parse: (header: string) => Set<string>, header: string): string[] | string {
  try {
    return [...parse(header)];
  } catch (error) {
    return String(error);
  }
}

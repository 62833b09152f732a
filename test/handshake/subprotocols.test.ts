import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ws from 'ws';
import { parseSubprotocols } from '../../src/handshake/subprotocols.ts';

// @types/ws does not declare this export.
const { subprotocol } = ws as unknown as { subprotocol: { parse(header: string): Set<string> } };

describe('parseSubprotocols', () => {
  it.each([
    ['chat', ['chat']],
    ['chat, superchat', ['chat', 'superchat']],
    ['a,b\t, \tc', ['a', 'b', 'c']],
    ['a, A', ['a', 'A']],
    ['__proto__, constructor, toString', ['__proto__', 'constructor', 'toString']],
  ])('reads %j', (header, expected) => {
    expect([...parseSubprotocols(header)]).toEqual(expected);
  });

  it.each([
    ['', 'Unexpected end of input'],
    [' ', 'Unexpected character at index 0'],
    ['a,', 'Unexpected end of input'],
    ['a ', 'Unexpected end of input'],
    [',a', 'Unexpected character at index 0'],
    ['a,,b', 'Unexpected character at index 2'],
    ['a b', 'Unexpected character at index 2'],
    ['"a"', 'Unexpected character at index 0'],
    ['a;b', 'Unexpected character at index 1'],
    ['a, b\r\nX: y', 'Unexpected character at index 4'],
    ['é', 'Unexpected character at index 0'],
    ['a, b, a', 'The "a" subprotocol is duplicated'],
    ['__proto__, __proto__', 'The "__proto__" subprotocol is duplicated'],
  ])('refuses %j', (header, message) => {
    expect(() => parseSubprotocols(header)).toThrow(new SyntaxError(message));
  });

  it('accepts and refuses the same as ws', () => {
    const header = fc.string({ unit: fc.constantFrom('a', 'b', ',', ' ', '\t', '"', ';', 'é'), maxLength: 12 });
    fc.assert(
      fc.property(header, (text) => {
        expect(outcome(parseSubprotocols, text)).toEqual(outcome(subprotocol.parse, text));
      }),
      { numRuns: 2000 },
    );
  });
});

function outcome(parse: (header: string) => Set<string>, header: string): string[] | string {
  try {
    return [...parse(header)];
  } catch (error) {
    return String(error);
  }
}

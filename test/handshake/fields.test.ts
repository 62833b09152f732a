import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasToken, isFieldValue, isSingleLine, isToken } from '../../src/handshake/fields.ts';

const tokenCharacters = [..."!#$%&'*+-.^_`|~", ...'0123456789', ...'ABCXYZ', ...'abcxyz'];
const token = fc.string({ unit: fc.constantFrom(...tokenCharacters), minLength: 1 });

describe('isToken', () => {
  it('accepts one or more of the characters of RFC 9110 §5.6.2', () => {
    fc.assert(
      fc.property(token, (text) => {
        expect(isToken(text)).toBe(true);
      }),
    );
  });

  it('refuses every other character', () => {
    const others = Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code)).filter(
      (character) => !/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(character),
    );
    for (const character of others) {
      expect(isToken(character), JSON.stringify(character)).toBe(false);
      expect(isToken(`a${character}`)).toBe(false);
    }
    expect(others).toHaveLength(0x180 - 77);
  });

  it('refuses an empty text', () => {
    expect(isToken('')).toBe(false);
  });
});

describe('hasToken', () => {
  it.each([
    ['Upgrade'],
    ['upgrade'],
    ['UPGRADE'],
    ['keep-alive, Upgrade'],
    ['Upgrade,keep-alive'],
    ['keep-alive ,\tUpgrade '],
    [',, Upgrade ,'],
    ['"quoted", upgrade'],
  ])('finds upgrade in %j', (value) => {
    expect(hasToken(value, 'upgrade')).toBe(true);
    expect(hasToken(value, 'Upgrade')).toBe(true);
  });

  it.each([
    [undefined],
    [''],
    [' '],
    [','],
    ['upgrad'],
    ['upgraded'],
    ['xupgrade'],
    ['keep-alive'],
    ['not upgrade'],
    ['upgrade x'],
    ['upgrade/1'],
    ['up,grade'],
    ['keep-alive, upgrad'],
  ])('does not find upgrade in %j', (value) => {
    expect(hasToken(value, 'upgrade')).toBe(false);
  });

  it('agrees with a split at the commas', () => {
    const element = fc.string({ unit: fc.constantFrom('a', 'B', ' ', '\t'), maxLength: 4 });
    fc.assert(
      fc.property(fc.array(element), (elements) => {
        const expected = elements.some((one) => one.trim().toLowerCase() === 'ab');
        expect(hasToken(elements.join(','), 'ab')).toBe(expected);
      }),
    );
  });
});

describe('isFieldValue', () => {
  it('accepts tabs, spaces, visible ASCII and the octets from 0x80 on, and no other octet', () => {
    for (let code = 0; code < 0x200; code++) {
      const isAllowed = code === 9 || (code >= 0x20 && code !== 0x7f && code <= 0xff);
      expect(isFieldValue(`a${String.fromCharCode(code)}b`), `code ${code}`).toBe(isAllowed);
    }
  });

  it('accepts an empty text', () => {
    expect(isFieldValue('')).toBe(true);
  });
});

describe('isSingleLine', () => {
  it('accepts everything but control characters', () => {
    expect(isSingleLine('Ā中\ud800\tx')).toBe(true);
    for (const control of ['\r', '\n', '\0', '\x0b', '\x1f', '\x7f']) expect(isSingleLine(`a${control}b`)).toBe(false);
  });
});

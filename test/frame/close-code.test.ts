import { describe, expect, it } from 'vitest';
import { CloseCode, isValidCloseCode } from '../../src/frame/close-code.ts';

describe('isValidCloseCode', () => {
  it('accepts 1000–1003, 1007–1014 and 3000–4999 in a close frame, of all codes from 0 to 65535', () => {
    const allowed = (code: number) =>
      (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    const wrong = Array.from({ length: 65_536 }, (_, code) => code).filter(
      (code) => isValidCloseCode(code) !== allowed(code),
    );
    expect(wrong).toEqual([]);
  });

  it.each([-1, 1000.5, 3999.999, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32 + 1000])('refuses %d', (code) => {
    expect(isValidCloseCode(code)).toBe(false);
  });

  it('has a name for every code of the registry, of which 1005, 1006 and 1015 are never sent', () => {
    const codes: number[] = Object.values(CloseCode);
    expect(codes).toEqual([1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015]);
    expect(codes.filter((code) => !isValidCloseCode(code))).toEqual([1005, 1006, 1015]);
  });
});

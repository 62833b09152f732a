import { describe, expect, test } from 'vitest';
import { checkClose, encodeClose, isSendable, readClose } from '../../../autobahn/wire/close-payload.ts';
import { Violation } from '../../../autobahn/wire/violation.ts';

test('a code and a reason, a code alone, and nothing', () => {
  expect(encodeClose(1000, 'done').toString('hex')).toBe('03e8646f6e65');
  expect(readClose(encodeClose(1000, 'done'))).toEqual({ code: 1000, reason: 'done' });
  expect(readClose(encodeClose(4999))).toEqual({ code: 4999, reason: null });
  expect(readClose(encodeClose(null))).toEqual({ code: null, reason: null });
  expect(readClose(Buffer.of(3))).toEqual({ code: null, reason: null });
});

describe('valid close codes (§7.4)', () => {
  test.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])(
    '%i is valid',
    (code) => {
      expect(isSendable(code)).toBe(true);
      expect(() => checkClose(encodeClose(code))).not.toThrow();
    },
  );

  test.each([0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])('%i is invalid', (code) => {
    expect(isSendable(code)).toBe(false);
    expect(() => checkClose(encodeClose(code))).toThrow(Violation);
  });
});

test('a payload of one octet and a reason that is not UTF-8 are invalid', () => {
  expect(() => checkClose(Buffer.alloc(0))).not.toThrow();
  expect(() => checkClose(encodeClose(1000, 'Öl'))).not.toThrow();
  expect(() => checkClose(Buffer.of(3))).toThrow(/one octet/);
  expect(() => checkClose(encodeClose(1000, Buffer.of(0xc3)))).toThrow(/not UTF-8/);
});

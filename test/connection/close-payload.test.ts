import { describe, expect, it } from 'vitest';
import { formatClosePayload, maxReasonLength, parseClosePayload } from '../../src/connection/close-payload.ts';
import { seenError } from '../support/frames.ts';
import { fromHex, toHex } from '../support/hex.ts';
import { sampleOctets } from '../support/octets.ts';

const allCodes = [...Array.from({ length: 5001 }, (_, code) => code), 65_535];
/** Codes allowed in a close frame (§7.4). */
const isAllowed = (code: number) =>
  (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);

/** Returns the error of parsing. */
function refusal(payload: Uint8Array): object {
  try {
    parseClosePayload(payload, 0, payload.length);
  } catch (error) {
    return seenError(error);
  }
  throw new Error(`${toHex(payload)} was not refused`);
}

describe('formatClosePayload', () => {
  it('is empty without a code', () => {
    expect(formatClosePayload()).toHaveLength(0);
    expect(formatClosePayload(undefined, '')).toHaveLength(0);
    expect(formatClosePayload(undefined, new Uint8Array(0))).toHaveLength(0);
  });

  it('is the code in two octets, and the reason in UTF-8', () => {
    expect(toHex(formatClosePayload(1000))).toBe('03 e8');
    expect(toHex(formatClosePayload(1000, ''))).toBe('03 e8');
    expect(toHex(formatClosePayload(1000, new Uint8Array(0)))).toBe('03 e8');
    expect(toHex(formatClosePayload(4999, 'bye'))).toBe('13 87 62 79 65');
    expect(toHex(formatClosePayload(3000, 'é€😀'))).toBe('0b b8 c3 a9 e2 82 ac f0 9f 98 80');
    expect(toHex(formatClosePayload(1001, fromHex('c3 a9')))).toBe('03 e9 c3 a9');
    expect(toHex(formatClosePayload(1001, '\ud800'))).toBe('03 e9 ef bf bd');
  });

  it('accepts 1000–1003, 1007–1014 and 3000–4999, of all codes from 0 to 5000 and 65535', () => {
    const refused = allCodes.filter((code) => {
      try {
        formatClosePayload(code, 'x');
        return false;
      } catch (error) {
        expect(error).toEqual(new TypeError('First argument must be a valid error code number'));
        return true;
      }
    });
    expect(refused).toEqual(allCodes.filter((code) => !isAllowed(code)));
  });

  it.each([1000.5, Number.NaN, Number.POSITIVE_INFINITY, -1000, '1000', null, {}, true])(
    'refuses %j for a code',
    (code) => {
      expect(() => formatClosePayload(code as number)).toThrow(
        new TypeError('First argument must be a valid error code number'),
      );
    },
  );

  it('accepts reasons of up to 123 octets, counted in UTF-8', () => {
    expect(maxReasonLength).toBe(123);
    for (const reason of [
      'a'.repeat(123),
      `${'é'.repeat(61)}a`,
      '€'.repeat(41),
      `${'😀'.repeat(30)}abc`,
      Buffer.alloc(123),
    ]) {
      expect(formatClosePayload(1000, reason)).toHaveLength(125);
    }
    const tooLong = [
      'a'.repeat(124),
      'é'.repeat(62),
      `${'€'.repeat(41)}a`,
      '😀'.repeat(31),
      '\ud800'.repeat(42),
      Buffer.alloc(124),
    ];
    for (const reason of tooLong) {
      expect(() => formatClosePayload(1000, reason)).toThrow(
        new RangeError('The message must not be greater than 123 bytes'),
      );
    }
  });

  it('refuses a reason without a code', () => {
    expect(() => formatClosePayload(undefined, 'why')).toThrow(/reason needs a close code.*§5\.5\.1/);
    expect(() => formatClosePayload(undefined, fromHex('61'))).toThrow(TypeError);
  });

  it('copies the reason', () => {
    const reason = Buffer.from('bye');
    const payload = formatClosePayload(1000, reason);
    reason.fill(0);
    expect(String(payload.subarray(2))).toBe('bye');
  });
});

describe('parseClosePayload', () => {
  it('returns 1005 and no reason for an empty payload', () => {
    expect(parseClosePayload(fromHex('03 e8'), 1, 1)).toEqual({ code: 1005, reason: Buffer.alloc(0) });
  });

  it('refuses a payload of one octet', () => {
    expect(refusal(fromHex('03'))).toMatchObject({
      code: 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH',
      closeCode: 1002,
      section: '5.5',
      message: 'Invalid WebSocket frame: invalid payload length 1',
    });
  });

  it('reads the code and the reason, from start to end', () => {
    expect(parseClosePayload(fromHex('ff 03 e8 ff'), 1, 3)).toEqual({ code: 1000, reason: Buffer.alloc(0) });
    expect(parseClosePayload(fromHex('ff 0f a0 c3 a9 ff'), 1, 5)).toEqual({ code: 4000, reason: Buffer.from('é') });
  });

  it('accepts 1000–1003, 1007–1014 and 3000–4999, of all codes from 0 to 5000 and 65535', () => {
    const payload = Buffer.alloc(3, 'x');
    for (const length of [2, 3]) {
      const refused = allCodes.filter((code) => {
        payload.writeUInt16BE(code);
        try {
          return parseClosePayload(payload, 0, length).code !== code;
        } catch (error) {
          expect(seenError(error)).toMatchObject({
            code: 'WS_ERR_INVALID_CLOSE_CODE',
            closeCode: 1002,
            message: `Invalid WebSocket frame: invalid status code ${code}`,
          });
          return true;
        }
      });
      expect(refused).toEqual(allCodes.filter((code) => !isAllowed(code)));
    }
  });

  it.each(['ff', 'c3', 'ed a0 80', '61 c0 80', 'f4 90 80 80', `${'61 '.repeat(120)} e2 82`])(
    'refuses a reason that is not UTF-8 (%.40s)',
    (reason) => {
      expect(refusal(fromHex(`03 e8 ${reason}`))).toMatchObject({
        code: 'WS_ERR_INVALID_UTF8',
        closeCode: 1007,
        section: '8.1',
      });
    },
  );

  it('reports an invalid code before an invalid reason', () => {
    expect(refusal(fromHex('03 ec ff'))).toMatchObject({ code: 'WS_ERR_INVALID_CLOSE_CODE' });
  });

  it('copies the reason', () => {
    const payload = fromHex('03 e8 62 79 65');
    const { reason } = parseClosePayload(payload, 0, 5);
    payload.fill(0);
    expect(String(reason)).toBe('bye');
  });

  it('parses the output of formatClosePayload', () => {
    for (const reason of ['', 'bye', 'é€😀', 'a'.repeat(123), '\ufeffbom']) {
      const payload = formatClosePayload(4321, reason);
      expect(parseClosePayload(payload, 0, payload.length)).toEqual({ code: 4321, reason: Buffer.from(reason) });
    }
    expect(sampleOctets(3)).toHaveLength(3);
  });
});

import { describe, expect, it } from 'vitest';
import { ProtocolError, type ViolationCode, violations } from '../../src/frame/protocol-error.ts';

describe('the table of violations', () => {
  // Programs written for ws match on these codes and messages.
  it.each<[ViolationCode, number, string, string]>([
    ['WS_ERR_EXPECTED_FIN', 1002, '5.5', 'Invalid WebSocket frame: FIN must be set'],
    ['WS_ERR_EXPECTED_MASK', 1002, '5.1', 'Invalid WebSocket frame: MASK must be set'],
    ['WS_ERR_UNEXPECTED_MASK', 1002, '5.1', 'Invalid WebSocket frame: MASK must be clear'],
    ['WS_ERR_INVALID_OPCODE', 1002, '5.2, 5.4', 'Invalid WebSocket frame: invalid opcode 7'],
    ['WS_ERR_UNEXPECTED_RSV_1', 1002, '5.2', 'Invalid WebSocket frame: RSV1 must be clear'],
    ['WS_ERR_UNEXPECTED_RSV_2_3', 1002, '5.2', 'Invalid WebSocket frame: RSV2 and RSV3 must be clear'],
    ['WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002, '5.5', 'Invalid WebSocket frame: invalid payload length 7'],
    ['WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', 1009, '5.2', 'Unsupported WebSocket frame: payload length > 2^53 - 1'],
    ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009, '10.4', 'Max payload size exceeded'],
    ['WS_ERR_TOO_MANY_BUFFERED_PARTS', 1008, '10.4', 'Too many message fragments'],
    ['WS_ERR_INVALID_CLOSE_CODE', 1002, '7.4', 'Invalid WebSocket frame: invalid status code 7'],
    ['WS_ERR_INVALID_UTF8', 1007, '8.1', 'Invalid WebSocket frame: invalid UTF-8 sequence'],
  ])(
    'makes of %s a ProtocolError with close code %i, section %s and the message of ws',
    (code, closeCode, section, message) => {
      const error = new ProtocolError(code, 7);
      expect(error).toMatchObject({ code, closeCode, section, message });
      // In ws all of them are a RangeError, except for invalid UTF-8.
      const name = code === 'WS_ERR_INVALID_UTF8' ? 'Error' : 'RangeError';
      expect([error.name, String(error)]).toEqual([name, `${name}: ${message}`]);
      expect(error).toBeInstanceOf(RangeError);
      expect(error.detail).toBe(`RFC 6455 §${section}: ${violations[code].expected}; got 7`);
    },
  );

  it('has two messages for too many parts, as ws has: one for fragments and one for chunks', () => {
    const error = new ProtocolError('WS_ERR_TOO_MANY_BUFFERED_PARTS', '7 chunks', 6);
    expect(error).toMatchObject({ message: 'Too many buffered chunks', closeCode: 1008 });
    expect(error.detail).toMatch(/maxBufferedChunks; got 7 chunks \(limit 6\)$/);
  });

  it('has no violation besides the list above', () => {
    expect(Object.keys(violations)).toHaveLength(12);
  });
});

describe('ProtocolError', () => {
  it('has a detail with the expectation, and without a received value if that is unknown', () => {
    expect(new ProtocolError('WS_ERR_EXPECTED_FIN').detail).toBe(
      'RFC 6455 §5.5: a control frame must not be fragmented',
    );
  });

  it('has a detail with the received value and the limit', () => {
    expect(new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 11, 10).detail).toBe(
      'RFC 6455 §10.4: a message must not be longer than maxPayload; got 11 (limit 10)',
    );
  });

  it('keeps the cause', () => {
    const cause = new Error('why');
    expect(new ProtocolError('WS_ERR_INVALID_UTF8', '', undefined, { cause }).cause).toBe(cause);
  });
});

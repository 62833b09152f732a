import { isUtf8 } from 'node:buffer';
import { CloseCode, isValidCloseCode } from '../frame/close-code.ts';
import { ProtocolError } from '../frame/protocol-error.ts';

/** Maximum length of a close reason in octets: the 125 of a control frame minus 2 for the code (§5.5). */
export const maxReasonLength = 123;

const noReason = Buffer.alloc(0);

/**
 * Returns the payload of a close frame (§5.5.1): empty without a code, otherwise the code and the reason in UTF-8.
 * @param code 1000–1003, 1007–1014 or 3000–4999; undefined for an empty payload.
 * @param reason At most 123 octets. It is copied.
 * @param validates True if octets must be UTF-8.
 * @throws TypeError if the code must not be sent, or the reason is not UTF-8 or has no code; RangeError if the reason
 *   is too long.
 */
export function formatClosePayload(code?: number, reason?: string | Uint8Array, validates = true): Buffer {
  if (code === undefined) {
    if (reason !== undefined && reason.length > 0)
      throw new TypeError('A close reason needs a close code (RFC 6455 §5.5.1)');
    return noReason;
  }
  if (typeof code !== 'number' || !isValidCloseCode(code)) {
    throw new TypeError('First argument must be a valid error code number');
  }
  if (reason === undefined || reason.length === 0) {
    const payload = Buffer.allocUnsafe(2);
    payload.writeUInt16BE(code);
    return payload;
  }
  const length = typeof reason === 'string' ? Buffer.byteLength(reason) : reason.length;
  if (length > maxReasonLength) throw new RangeError('The message must not be greater than 123 bytes');
  if (validates && typeof reason !== 'string' && !isUtf8(reason))
    throw new TypeError('A close reason must be UTF-8 (RFC 6455 §5.5.1)');
  const payload = Buffer.allocUnsafe(2 + length);
  payload.writeUInt16BE(code);
  if (typeof reason === 'string') payload.write(reason, 2);
  else payload.set(reason, 2);
  return payload;
}

/** Contents of a close frame. The code is 1005 if the frame had none (§7.1.5). */
export interface ClosePayload {
  readonly code: number;
  /** UTF-8, at most 123 octets; a copy. */
  readonly reason: Buffer;
}

/**
 * Parses the payload of a close frame (§5.5.1, §7.4).
 * @param validates True if the reason must be UTF-8.
 * @throws ProtocolError if the payload is a single octet, the code must not be sent, or the reason is not UTF-8.
 */
export function parseClosePayload(octets: Uint8Array, start: number, end: number, validates = true): ClosePayload {
  const length = end - start;
  if (length === 0) return { code: CloseCode.noStatusReceived, reason: noReason };
  if (length === 1) throw new ProtocolError('WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1);
  const code = (octets[start]! << 8) | octets[start + 1]!;
  if (!isValidCloseCode(code)) throw new ProtocolError('WS_ERR_INVALID_CLOSE_CODE', code);
  if (length === 2) return { code, reason: noReason };
  const reason = Buffer.from(octets.subarray(start + 2, end));
  if (validates && !isUtf8(reason)) throw new ProtocolError('WS_ERR_INVALID_UTF8');
  return { code, reason };
}

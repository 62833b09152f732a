import { maskInto } from './mask.ts';
import { Opcode } from './opcode.ts';

/** Maximum length of a header in octets: 2, 8 of length, 4 of masking key (§5.2). */
export const maxHeaderLength = 14;

/** Number of header octets for a payload of this length, in the shortest encoding, as §5.2 requires. */
export function headerLength(payloadLength: number, masked: boolean): number {
  return (payloadLength < 126 ? 2 : payloadLength < 65_536 ? 4 : 10) + (masked ? 4 : 0);
}

/** Returns the first octet of a frame: FIN, RSV1 and the opcode (§5.2). */
export function firstOctet(opcode: Opcode, fin: boolean, rsv1: boolean): number {
  return opcode | (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0);
}

/**
 * Writes a header at `offset`. `key` is null or a result of {@link nextMaskingKey}.
 * @param payloadLength 0 to 2^53-1; not checked.
 * @returns The offset behind the header.
 */
export function writeHeader(
  target: Uint8Array,
  offset: number,
  first: number,
  payloadLength: number,
  key: number | null,
): number {
  const maskBit = key === null ? 0 : 0x80;
  target[offset++] = first;
  if (payloadLength < 126) {
    target[offset++] = maskBit | payloadLength;
  } else if (payloadLength < 65_536) {
    target[offset++] = maskBit | 126;
    target[offset++] = payloadLength >>> 8;
    target[offset++] = payloadLength;
  } else {
    target[offset++] = maskBit | 127;
    const high = Math.floor(payloadLength / 0x1_0000_0000);
    target[offset++] = high >>> 24;
    target[offset++] = high >>> 16;
    target[offset++] = high >>> 8;
    target[offset++] = high;
    target[offset++] = payloadLength >>> 24;
    target[offset++] = payloadLength >>> 16;
    target[offset++] = payloadLength >>> 8;
    target[offset++] = payloadLength;
  }
  if (key !== null) {
    target[offset++] = key;
    target[offset++] = key >>> 8;
    target[offset++] = key >>> 16;
    target[offset++] = key >>> 24;
  }
  return offset;
}

/** Options for encoding a frame. By default a frame is unfragmented, uncompressed and unmasked. */
export interface EncodeFrameOptions {
  /** Default true. */
  readonly fin?: boolean;
  /** Default false. */
  readonly rsv1?: boolean;
  /** Masking key, see {@link nextMaskingKey}. Required for a client. Default none. */
  readonly key?: number | null;
}

/**
 * Throws if the `length` of a payload differs from its number of octets. Otherwise the frame would contain previous
 * contents of its memory in place of the missing octets.
 * @throws RangeError if `length` and `byteLength` differ.
 */
export function requireTrueLength({ length, byteLength }: Uint8Array): void {
  if (length !== byteLength)
    throw new RangeError(
      `The length of a payload must be its byteLength; length is ${length}, byteLength is ${byteLength}`,
    );
}

/**
 * Encodes one frame in memory of its own (§5.2): for a broadcast that encodes once, and for tests. `payload` is copied.
 * @throws RangeError if a control frame is fragmented or longer than 125 octets (§5.5), and as
 *   {@link requireTrueLength}.
 */
export function encodeFrame(opcode: Opcode, payload: Uint8Array, options: EncodeFrameOptions = {}): Buffer {
  const { fin = true, rsv1 = false, key = null } = options;
  requireTrueLength(payload);
  if (opcode >= Opcode.close) {
    if (!fin) throw new RangeError('A control frame must not be fragmented (RFC 6455 §5.5)');
    if (payload.length > 125) {
      throw new RangeError(`A control frame carries at most 125 octets (RFC 6455 §5.5); got ${payload.length}`);
    }
  }
  const frame = Buffer.allocUnsafe(headerLength(payload.length, key !== null) + payload.length);
  const offset = writeHeader(frame, 0, firstOctet(opcode, fin, rsv1), payload.length, key);
  if (key === null) frame.set(payload, offset);
  else maskInto(payload, 0, payload.length, frame, offset, key);
  return frame;
}

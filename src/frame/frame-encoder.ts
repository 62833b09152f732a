import { maskInto } from './mask.ts';
import { Opcode } from './opcode.ts';

/** The longest header that there is: 2 octets, 8 of length, 4 of masking key (§5.2). */
export const maxHeaderLength = 14;

/** Octets of the header of a frame with so much payload: the shortest encoding, as §5.2 demands. */
export function headerLength(payloadLength: number, masked: boolean): number {
  return (payloadLength < 126 ? 2 : payloadLength < 65_536 ? 4 : 10) + (masked ? 4 : 0);
}

/** The first octet of a frame: FIN, RSV1 and the opcode (§5.2). */
export function firstOctet(opcode: Opcode, fin: boolean, rsv1: boolean): number {
  return opcode | (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0);
}

/**
 * Writes a header at `offset`; the key, unless null, is one of {@link nextMaskingKey}.
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

/** How a frame is encoded; without any of these it is whole, uncompressed and unmasked. */
export interface EncodeFrameOptions {
  /** Default true. */
  readonly fin?: boolean;
  /** Default false. */
  readonly rsv1?: boolean;
  /** A masking key (see {@link nextMaskingKey}), which a client must give; default none. */
  readonly key?: number | null;
}

/**
 * Refuses a payload of a class whose `length` is not that of its octets. Otherwise what the memory of the frame held before would be sent
 * in the place of those that are missing.
 * @throws RangeError if the two differ.
 */
export function requireTrueLength({ length, byteLength }: Uint8Array): void {
  if (length !== byteLength)
    throw new RangeError(`A payload has as many octets as its length says; it says ${length}, and has ${byteLength}`);
}

/**
 * One frame as octets, free-standing (§5.2): for a broadcast that encodes once, and for tests. `payload` is copied.
 * @throws RangeError if a control frame is fragmented or longer than 125 octets (§5.5), and as {@link requireTrueLength}.
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

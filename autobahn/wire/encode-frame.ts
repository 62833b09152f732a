import type { OutgoingFrame } from './frame.ts';
import { maskInPlace } from './mask.ts';

/**
 * Encodes a frame (§5.2), with its length in the shortest form, masked if a key of four octets is given. The payload is
 * not changed.
 */
export function encodeFrame(frame: OutgoingFrame, key: Buffer | null): Buffer {
  const { opcode, payload, fin = true, rsv = 0 } = frame;
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
  const headerLength = 2 + extended + (key === null ? 0 : 4);
  // The payload begins at a multiple of four, so that it can be masked in words.
  const start = (4 - (headerLength % 4)) % 4;
  const octets = Buffer.allocUnsafe(start + headerLength + length).subarray(start);
  octets[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const masked = key === null ? 0 : 0x80;
  if (extended === 0) {
    octets[1] = masked | length;
  } else if (extended === 2) {
    octets[1] = masked | 126;
    octets.writeUInt16BE(length, 2);
  } else {
    octets[1] = masked | 127;
    octets.writeBigUInt64BE(BigInt(length), 2);
  }
  payload.copy(octets, headerLength);
  if (key !== null) {
    key.copy(octets, headerLength - 4);
    maskInPlace(octets.subarray(headerLength), key);
  }
  return octets;
}

/**
 * Returns a view of the same octets, with the same offsets. It costs about 70 ns, so a decoder makes one per chunk and
 * not per frame.
 */
export function viewOf(octets: Uint8Array): DataView {
  return new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
}

/** Masks 32 bits at a time, at any alignment. Little-endian like the key, on every machine. */
export function maskWords(view: DataView, start: number, end: number, key: number): number {
  let at = start;
  let seen = 0;
  for (; at + 16 <= end; at += 16) {
    const a = view.getInt32(at, true) ^ key;
    const b = view.getInt32(at + 4, true) ^ key;
    const c = view.getInt32(at + 8, true) ^ key;
    const d = view.getInt32(at + 12, true) ^ key;
    view.setInt32(at, a, true);
    view.setInt32(at + 4, b, true);
    view.setInt32(at + 8, c, true);
    view.setInt32(at + 12, d, true);
    seen |= a | b | c | d;
  }
  for (; at + 4 <= end; at += 4) {
    const a = view.getInt32(at, true) ^ key;
    view.setInt32(at, a, true);
    seen |= a;
  }
  for (let shift = 0; at < end; at++, shift += 8) {
    const a = view.getUint8(at) ^ ((key >>> shift) & 255);
    view.setUint8(at, a);
    seen |= a;
  }
  return seen;
}

/**
 * XORs octets `start` to `end` of `source` with the key into `target` at `targetStart`, 32 bits at a time. Source and
 * target may be the same place. Used for middle lengths, and on platforms without WebAssembly SIMD.
 */
export function xorInWords(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  targetStart: number,
  key: number,
): number {
  if (source !== target || start !== targetStart) {
    target.set(start === 0 && end === source.length ? source : source.subarray(start, end), targetStart);
  }
  return maskWords(viewOf(target), targetStart, targetStart + end - start, key);
}

/** Returns octets that differ from position to position, so that a change of their order is detected. */
export function binaryOf(length: number): Buffer {
  const octets = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index++)
    octets[index] = (index * 167 + (index >>> 8) * 13 + (index >>> 16)) & 0xff;
  return octets;
}

/**
 * Returns text of `length` octets. Some code points have two, three or four octets, and numbers make all parts
 * distinguishable.
 */
export function textOf(length: number): Buffer {
  const octets = Buffer.alloc(length, '*');
  let offset = 0;
  for (let line = 0; ; line++) {
    const text = `${line}: goods, wares & ledgers – 20 € für Öl, ⟨π⟩ ≈ 3.14, 🐙; `;
    const size = Buffer.byteLength(text);
    if (offset + size > length) return octets;
    octets.write(text, offset);
    offset += size;
  }
}

export const hex = (digits: string): Buffer => Buffer.from(digits, 'hex');
export const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8');

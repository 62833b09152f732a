/** Octets that are different at each position as far as one can see, so that none can change places unseen. */
export function binaryOf(length: number): Buffer {
  const octets = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index++)
    octets[index] = (index * 167 + (index >>> 8) * 13 + (index >>> 16)) & 0xff;
  return octets;
}

/** So many octets of text, some code points of which have two, three and four octets; numbered, so that no part looks like another. */
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

/** Returns the octets of a text in hex. White space is ignored, because the RFC writes hex with spaces. */
export function fromHex(text: string): Buffer {
  const digits = text.replace(/\s+/g, '');
  const octets = Buffer.from(digits, 'hex');
  // Otherwise `Buffer.from` would silently stop at the first invalid digit.
  if (octets.length * 2 !== digits.length) throw new Error(`invalid hex: ${text}`);
  return octets;
}

/** Formats octets as hex, with spaces up to 64 octets. Longer ones are only compared, and have no spaces. */
export function toHex(octets: Uint8Array): string {
  const digits = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('hex');
  return octets.length > 64 ? digits : digits.replace(/..(?=.)/g, '$& ');
}

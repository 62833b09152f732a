/** Masks or unmasks in place: octet i is combined with octet i mod 4 of the key (§5.3). */
export function maskInPlace(payload: Buffer, key: Buffer): void {
  const [a = 0, b = 0, c = 0, d = 0] = key;
  const { length } = payload;
  let index = 0;
  if (length >= 64 && payload.byteOffset % 4 === 0) {
    const words = new Uint32Array(payload.buffer, payload.byteOffset, length >>> 2);
    const [word = 0] = new Uint32Array(Uint8Array.of(a, b, c, d).buffer);
    for (let position = 0; position < words.length; position++) words[position] = (words[position] as number) ^ word;
    index = words.length * 4;
  }
  for (; index < length; index++) payload[index] = (payload[index] as number) ^ (key[index & 3] as number);
}

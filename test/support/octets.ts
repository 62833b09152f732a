import fc from 'fast-check';
import { fromHex } from './hex.ts';

/** Split of octets into chunks. A list gives the lengths of the first chunks; the rest is one chunk. */
export type Cut = 'whole' | 'octet by octet' | readonly number[];

/** Cuts with which every vector is decoded. */
export const everyCut: readonly Cut[] = ['whole', 'octet by octet'];

/** Cuts of all kinds, including empty chunks. */
export const cuts: fc.Arbitrary<Cut> = fc.oneof(
  fc.constant<Cut>('octet by octet'),
  fc.array(fc.nat(8), { maxLength: 60 }),
  fc.array(fc.nat(400), { maxLength: 20 }),
);

/**
 * Returns the chunks of a cut. Each is a copy, at varying offsets of its memory, because a decoder unmasks in place.
 */
export function cutOctets(octets: Uint8Array, cut: Cut): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  const take = (length: number) => {
    const part = octets.subarray(at, at + length);
    const offset = chunks.length & 7;
    const memory = Buffer.allocUnsafe(offset + part.length);
    memory.set(part, offset);
    chunks.push(memory.subarray(offset));
    at += part.length;
  };
  if (cut === 'octet by octet') while (at < octets.length) take(1);
  else if (cut !== 'whole') cut.forEach(take);
  if (at < octets.length) take(octets.length);
  return chunks;
}

/** Masking key of the RFC's examples, 37 fa 21 3d, as an integer. */
export const exampleKey = 0x3d21fa37;

/** XORs with a key, an octet at a time: §5.3 word for word. */
export function naiveMask(octets: Uint8Array, key: number): Buffer {
  return Buffer.from(octets.map((octet, i) => octet ^ ((key >>> (8 * (i % 4))) & 255)));
}

/** Encoding of the length in a header. Default: the shortest. */
export type LengthForm = 7 | 16 | 64;

/** Returns a header by string concatenation (§5.2): the expected output of encoders, and input of decoders. */
export function naiveHeader(first: number, length: number | bigint, key: number | null, form?: LengthForm): Buffer {
  form ??= length < 126 ? 7 : length < 65_536 ? 16 : 64;
  const mask = key === null ? 0 : 0x80;
  const digits = (value: number | bigint, octets: number) => value.toString(16).padStart(octets * 2, '0');
  const lengthDigits =
    form === 7
      ? digits(mask | Number(length), 1)
      : form === 16
        ? digits(mask | 126, 1) + digits(length, 2)
        : digits(mask | 127, 1) + digits(length, 8);
  const keyOctets = Buffer.alloc(key === null ? 0 : 4);
  if (key !== null) keyOctets.writeInt32LE(key | 0);
  return Buffer.concat([fromHex(digits(first, 1) + lengthDigits), keyOctets]);
}

/** Returns a frame as described by §5.2. */
export function naiveFrame(first: number, payload: Uint8Array, key: number | null = null, form?: LengthForm): Buffer {
  return Buffer.concat([
    naiveHeader(first, payload.length, key, form),
    key === null ? payload : naiveMask(payload, key),
  ]);
}

/** Returns octets of a sequence with a long period and all values. */
export function sampleOctets(length: number, seed = 1): Buffer {
  const result = Buffer.allocUnsafe(length);
  let state = seed | 0 || 1;
  for (let i = 0; i < length; i++) {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    result[i] = state;
  }
  return result;
}

/** Returns an array whose `length` is always 1000, which a subclass of Uint8Array may claim. */
export function boaster(octets: number): Uint8Array {
  class Boaster extends Uint8Array {
    override get length(): number {
      return 1000;
    }
  }
  return new Boaster(octets);
}

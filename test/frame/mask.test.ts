import { describe, expect, it } from 'vitest';
import { maskInPlace, maskInto, readKey, rotateKey } from '../../src/frame/mask.ts';
import { viewOf } from '../../src/frame/mask-words.ts';
import { fromHex, toHex } from '../support/hex.ts';
import { exampleKey, naiveMask, sampleOctets } from '../support/octets.ts';

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const short = range(0, 200);
const long = [...range(500, 530), ...range(1022, 1026), ...range(65_535, 65_540), 131_072, 200_000];
const offsets = range(0, 7);
const phases = range(0, 3);
const keys = [exampleKey, -1, 0x80_00_00_00 | 0];

const notAscii = 0x80808080;

/** Returns memory with guard octets on both sides: `before` in front, 11 behind. */
function guarded(octets: Uint8Array, before: number): Buffer {
  const memory = Buffer.from(new ArrayBuffer(before + octets.length + 11)).fill(0xaa);
  memory.set(octets, before);
  return memory;
}

type Mask = (octets: Buffer, offset: number, length: number, key: number) => { result: Buffer; seen: number };

// Each function masks the octets at an offset of their memory and returns that memory.
const ways: readonly [string, Mask][] = [
  [
    'maskInPlace in octets that begin at the offset',
    (memory, offset, length, key) => {
      const view = memory.subarray(offset);
      return { result: memory, seen: maskInPlace(view, 0, length, key) };
    },
  ],
  [
    'maskInPlace with a DataView',
    (memory, offset, length, key) => ({
      result: memory,
      seen: maskInPlace(memory, offset, offset + length, key, viewOf(memory)),
    }),
  ],
  [
    'maskInPlace with a DataView, in octets that begin at the offset',
    (memory, offset, length, key) => {
      const view = memory.subarray(offset);
      return { result: memory, seen: maskInPlace(view, 0, length, key, viewOf(view)) };
    },
  ],
  [
    'maskInto, from one offset to another',
    (memory, offset, length, key) => {
      // Otherwise neighbouring octets of the source could get into the target.
      const source = Buffer.from(memory)
        .fill(0x55, 0, offset)
        .fill(0x55, offset + length);
      const before = Buffer.from(source);
      const target = guarded(Buffer.alloc(length), 13 - offset);
      const seen = maskInto(source, offset, offset + length, target, 13 - offset, key);
      expect(source.equals(before)).toBe(true);
      const result = guarded(target.subarray(13 - offset, 13 - offset + length), offset);
      expect(target.equals(guarded(result.subarray(offset, offset + length), 13 - offset))).toBe(true);
      return { result, seen };
    },
  ],
  [
    'maskInto, of the whole source',
    (memory, offset, length, key) => {
      const source = memory.subarray(offset, offset + length);
      const before = Buffer.from(source);
      const target = guarded(Buffer.alloc(length), offset);
      const seen = maskInto(source, 0, length, target, offset, key);
      expect(source.equals(before)).toBe(true);
      return { result: target, seen };
    },
  ],
];

describe.each(ways)('%s', (_title, mask) => {
  /** True if the result equals that of the RFC's loop, and the neighbouring octets did not change. */
  function isRight(length: number, offset: number, phase: number, key: number): boolean {
    const payload = sampleOctets(length, length + offset);
    const rotated = rotateKey(key, phase);
    const memory = guarded(payload, offset);
    const { result, seen } = mask(memory, offset, length, rotated);
    const expected = naiveMask(payload, rotated);
    const isAscii = expected.every((octet) => octet < 0x80);
    return result.equals(guarded(expected, offset)) && ((seen & notAscii) === 0) === isAscii;
  }

  it('equals the loop over octets for every length from 0 to 200, every offset and every phase', () => {
    const wrong = short.flatMap((length) =>
      offsets.flatMap((offset) =>
        phases
          .filter((phase) => !isRight(length, offset, phase, keys[(length + offset) % keys.length]!))
          .map((phase) => ({ length, offset, phase })),
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('equals the loop over octets for lengths round 512, 64 KiB and 200 000, every offset and every phase', () => {
    const wrong = long.flatMap((length) =>
      offsets
        // Long payloads are slow to check, so each offset is checked with one phase only.
        .flatMap((offset) => (length < 2000 ? phases : [offset & 3]).map((phase) => ({ length, offset, phase })))
        .filter(({ offset, phase }) => !isRight(length, offset, phase, keys[offset % keys.length]!)),
    );
    expect(wrong).toEqual([]);
  });

  it('detects a single octet that is not ASCII at every position, and reports none without one', () => {
    const wrong: object[] = [];
    const ascii = (length: number) => Buffer.alloc(length, 'All of this is ASCII. ');
    const check = (length: number, offset: number, at: number | null) => {
      const plain = ascii(length);
      if (at !== null) plain[at] = 0x80;
      const { seen } = mask(guarded(naiveMask(plain, exampleKey), offset), offset, length, exampleKey);
      if (((seen & notAscii) !== 0) !== (at !== null)) wrong.push({ length, offset, at });
    };
    for (const length of [...range(0, 140), 200]) {
      const offset = length & 7;
      check(length, offset, null);
      for (let at = 0; at < length; at++) check(length, offset, at);
    }
    for (const length of [511, 512, 513, 575, 576, 591, 592, 65_536, 65_539, 200_000]) {
      check(length, 3, null);
      const places = [0, 1, 15, 16, 31, 47, 63, 64, 400, length >> 1, 65_535, 65_536, 131_072];
      for (let back = 1; back <= 80; back++) places.push(length - back);
      for (const at of places) if (at < length) check(length, 3, at);
    }
    expect(wrong).toEqual([]);
  });

  it('is its own inverse', () => {
    for (const length of [5, 30, 100, 1000, 70_000]) {
      const payload = sampleOctets(length);
      const once = mask(guarded(payload, 3), 3, length, exampleKey).result;
      expect(mask(once, 3, length, exampleKey).result.equals(guarded(payload, 3))).toBe(true);
    }
  });
});

describe('maskInPlace', () => {
  it('masks "Hello" as §5.7 does', () => {
    const hello = Buffer.from('Hello');
    maskInPlace(hello, 0, 5, exampleKey);
    expect(toHex(hello)).toBe('7f 9f 4d 51 58');
  });

  it('reaches the last octet of its memory, whatever the length', () => {
    for (const length of [24, 25, 26, 27, 64, 65, 66, 67]) {
      const memory = Buffer.from(new ArrayBuffer(length)).fill(1);
      maskInPlace(memory, 0, length, exampleKey, viewOf(memory));
      expect(memory.equals(naiveMask(Buffer.alloc(length, 1), exampleKey))).toBe(true);
    }
  });
});

describe('rotateKey', () => {
  it('makes the key begin with the octet of the phase, of which only the lowest two bits count', () => {
    const rotated = range(0, 8).map((phase) => {
      const key = Buffer.alloc(4);
      key.writeInt32LE(rotateKey(exampleKey, phase) | 0);
      return toHex(key);
    });
    const round = ['37 fa 21 3d', 'fa 21 3d 37', '21 3d 37 fa', '3d 37 fa 21'];
    expect(rotated).toEqual([...round, ...round, '37 fa 21 3d']);
  });

  it('allows masking a payload part by part', () => {
    const payload = sampleOctets(100);
    const whole = naiveMask(payload, exampleKey);
    for (const first of range(0, 100)) {
      const parts = Buffer.from(payload);
      maskInPlace(parts, 0, first, exampleKey);
      maskInPlace(parts, first, 100, rotateKey(exampleKey, first & 3));
      expect(parts.equals(whole)).toBe(true);
    }
  });
});

describe('readKey', () => {
  it('reads four octets in the order of the wire', () => {
    expect(readKey(fromHex('00 37 fa 21 3d 00'), 1)).toBe(exampleKey);
    expect(readKey(fromHex('ff ff ff ff'), 0)).toBe(-1);
  });
});

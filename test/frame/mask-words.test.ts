import { describe, expect, it } from 'vitest';
import { maskWords, viewOf } from '../../src/frame/mask-words.ts';
import { exampleKey, naiveMask, sampleOctets } from '../support/octets.ts';

describe('maskWords', () => {
  it('equals the loop over octets for every length from 0 to 100, at every alignment, and touches nothing around', () => {
    const wrong: object[] = [];
    for (let length = 0; length <= 100; length++) {
      for (let offset = 0; offset < 8; offset++) {
        for (let start = 0; start < 4; start++) {
          const payload = sampleOctets(length, length + offset + 1);
          const memory = Buffer.alloc(offset + start + length + 5, 0xaa);
          memory.set(payload, offset + start);
          const expected = Buffer.from(memory);
          const masked = naiveMask(payload, exampleKey);
          expected.set(masked, offset + start);
          const seen = maskWords(viewOf(memory.subarray(offset)), start, start + length, exampleKey) & 0x80808080;
          if (!memory.equals(expected)) wrong.push({ length, offset, start });
          if ((seen === 0) !== masked.every((octet) => octet < 0x80)) wrong.push({ length, offset, start, seen });
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('detects a single octet that is not ASCII, at every position', () => {
    for (let length = 1; length < 70; length++) {
      for (let at = 0; at < length; at++) {
        const plain = Buffer.alloc(length, 'a');
        plain[at] = 0x80;
        const seen = maskWords(viewOf(naiveMask(plain, exampleKey)), 0, length, exampleKey);
        expect(seen & 0x80808080).not.toBe(0);
      }
    }
  });
});

describe('viewOf', () => {
  it('has the offsets and the length of the octets', () => {
    const octets = Buffer.from('0123456789').subarray(3, 7);
    const view = viewOf(octets);
    expect([view.byteLength, view.getUint8(0), view.buffer]).toEqual([4, 0x33, octets.buffer]);
  });
});

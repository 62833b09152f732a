import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, firstOctet, headerLength, maxHeaderLength, writeHeader } from '../../src/frame/frame-encoder.ts';
import type { Opcode } from '../../src/frame/opcode.ts';
import { decodeFrames, frameSequences, sentOctets, vectors } from '../support/frames.ts';
import { fromHex, toHex } from '../support/hex.ts';
import { boaster, cuts, exampleKey, naiveFrame, sampleOctets } from '../support/octets.ts';

/** Payload lengths around which the header changes its form. */
const borders = [0, 1, 124, 125, 126, 127, 255, 256, 65_534, 65_535, 65_536, 65_537, 100_000];

describe('encodeFrame', () => {
  it.each([null, exampleKey])('refuses a payload whose length differs from its byteLength, with the key %s', (key) => {
    expect(() => encodeFrame(2, boaster(3), { key })).toThrow('length is 1000, byteLength is 3');
  });

  it.each(vectors.map((vector) => [vector.title, vector] as const))('encodes %s', (_title, { key, octets, frames }) => {
    const encoded = frames.map(({ opcode, fin, payload }) => encodeFrame(opcode, payload, { fin, key }));
    expect(Buffer.concat(encoded).equals(octets)).toBe(true);
  });

  it('encodes a whole, uncompressed and unmasked frame by default', () => {
    expect(toHex(encodeFrame(2, fromHex('01 02')))).toBe('82 02 01 02');
  });

  it('sets FIN, RSV1 and the masking key from its options', () => {
    const payload = fromHex('01 02 03 04 05');
    expect(toHex(encodeFrame(1, payload, { fin: false }))).toBe('01 05 01 02 03 04 05');
    expect(toHex(encodeFrame(1, payload, { rsv1: true }))).toBe('c1 05 01 02 03 04 05');
    expect(toHex(encodeFrame(0, payload, { fin: true, rsv1: false, key: exampleKey }))).toBe(
      '80 85 37 fa 21 3d 36 f8 22 39 32',
    );
  });

  it.each(borders)('uses the shortest encoding for %i octets', (length) => {
    const payload = sampleOctets(length);
    for (const key of [null, exampleKey]) {
      const encoded = encodeFrame(2, payload, { key });
      expect(encoded.equals(naiveFrame(0x82, payload, key))).toBe(true);
      expect(encoded).toHaveLength(headerLength(length, key !== null) + length);
    }
  });

  it('copies the payload without changing it', () => {
    for (const length of [10, 1000, 100_000]) {
      const payload = sampleOctets(length);
      const encoded = [encodeFrame(2, payload), encodeFrame(2, payload, { key: exampleKey })];
      expect(payload.equals(sampleOctets(length))).toBe(true);
      const before = encoded.map((frame) => Buffer.from(frame));
      payload.fill(0);
      expect(encoded.map((frame, i) => frame.equals(before[i]!))).toEqual([true, true]);
    }
  });

  it.each<[string, Opcode]>([
    ['close', 8],
    ['ping', 9],
    ['pong', 10],
  ])('refuses a %s that is fragmented or longer than 125 octets', (_name, opcode) => {
    expect(encodeFrame(opcode, Buffer.alloc(125))).toHaveLength(127);
    expect(() => encodeFrame(opcode, Buffer.alloc(126))).toThrow(
      new RangeError('A control frame carries at most 125 octets (RFC 6455 §5.5); got 126'),
    );
    expect(() => encodeFrame(opcode, Buffer.alloc(0), { fin: false })).toThrow(
      new RangeError('A control frame must not be fragmented (RFC 6455 §5.5)'),
    );
  });

  it('encodes frames that decode to the same data, in any division', () => {
    fc.assert(
      fc.property(frameSequences, cuts, fc.boolean(), (frames, cut, toServer) => {
        const stream = frames.map(({ opcode, fin, rsv1, payload, key }) =>
          encodeFrame(opcode, payload, { fin, rsv1, key: toServer ? key : null }),
        );
        const { frames: decoded, error } = decodeFrames(Buffer.concat(stream), cut, {
          role: toServer ? 'server' : 'client',
        });
        expect(error).toBeNull();
        expect(decoded).toEqual(
          frames.map(({ opcode, fin, rsv1, payload }) => ({ opcode, fin, rsv1, payload: toHex(payload) })),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('encodes the octets of §5.2, for any frame', () => {
    fc.assert(
      fc.property(frameSequences, (frames) => {
        for (const frame of frames) {
          const { opcode, fin, rsv1, payload, key } = frame;
          expect(toHex(encodeFrame(opcode, payload, { fin, rsv1, key }))).toBe(toHex(sentOctets(frame, 'server')));
        }
      }),
    );
  });
});

describe('writeHeader', () => {
  it.each([
    [65_536, '82 7f 00 00 00 00 00 01 00 00'],
    [2 ** 31 - 1, '82 7f 00 00 00 00 7f ff ff ff'],
    [2 ** 31, '82 7f 00 00 00 00 80 00 00 00'],
    [2 ** 32 - 1, '82 7f 00 00 00 00 ff ff ff ff'],
    [2 ** 32, '82 7f 00 00 00 01 00 00 00 00'],
    [2 ** 53 - 1, '82 7f 00 1f ff ff ff ff ff ff'],
  ])('writes the 64-bit length of %i octets', (length, expected) => {
    const target = Buffer.alloc(maxHeaderLength, 0xaa);
    expect(writeHeader(target, 0, 0x82, length, null)).toBe(10);
    expect(toHex(target)).toBe(`${expected} aa aa aa aa`);
  });

  it('writes at the offset, and returns the offset behind the header', () => {
    const target = Buffer.alloc(20, 0xaa);
    expect(writeHeader(target, 3, 0x81, 126, exampleKey)).toBe(11);
    expect(toHex(target.subarray(0, 13))).toBe('aa aa aa 81 fe 00 7e 37 fa 21 3d aa aa');
  });

  it('writes a key of zeros as a key', () => {
    const target = Buffer.alloc(6, 0xaa);
    expect(writeHeader(target, 0, 0x81, 0, 0)).toBe(6);
    expect(toHex(target)).toBe('81 80 00 00 00 00');
  });
});

describe('headerLength', () => {
  it('is that of the shortest encoding, at most 14', () => {
    for (const length of [...borders, 2 ** 32, 2 ** 53 - 1]) {
      const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
      expect(headerLength(length, false)).toBe(2 + extended);
      expect(headerLength(length, true)).toBe(6 + extended);
    }
    expect(headerLength(2 ** 53 - 1, true)).toBe(maxHeaderLength);
  });
});

describe('firstOctet', () => {
  it('has FIN in the highest bit, RSV1 below it, and the opcode in the lowest four', () => {
    expect(
      toHex(Uint8Array.of(firstOctet(0, false, false), firstOctet(1, true, false), firstOctet(2, false, true))),
    ).toBe('00 81 42');
    expect(firstOctet(10, true, true)).toBe(0xca);
  });
});

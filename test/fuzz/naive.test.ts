import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFrames, readWire, writeWire } from '../../fuzz/naive/frames.ts';
import { hear, readUtf8 } from '../../fuzz/naive/messages.ts';
import { frameSequences, sentOctets, vectors } from '../support/frames.ts';
import { fromHex } from '../support/hex.ts';

const rules = { role: 'server', maxPayload: 0, maxFragments: 0, allowRsv1: false } as const;

describe('readUtf8, the model of UTF-8', () => {
  it('distinguishes valid from invalid UTF-8, as Node does', () => {
    const nearly = fc.oneof(
      fc.uint8Array({ maxLength: 6 }),
      fc.array(
        fc.constantFrom(0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5),
        { maxLength: 8 },
      ),
      fc.string({ unit: 'binary', maxLength: 4 }).map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(nearly, (list) => {
        const text = Buffer.from(list);
        expect(readUtf8(text) === 'whole').toBe(isUtf8(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('distinguishes incomplete from invalid text', () => {
    for (const begun of ['e2', 'e2 82', 'f0 9d 84', 'ed 9f', 'f4 8f bf', '61 c2'])
      expect(readUtf8(fromHex(begun))).toBe('begun');
    for (const wrong of ['80', 'c0', 'e0 80', 'ed a0', 'f0 8f', 'f4 90', 'f5', 'e2 28'])
      expect(readUtf8(fromHex(wrong))).toBe('wrong');
  });
});

describe('readFrames, the model of a frame decoder', () => {
  it('reads the vectors of §5.7', () => {
    for (const { receiver, octets, frames } of vectors) {
      const reading = readFrames(octets, { ...rules, role: receiver });
      expect(reading.error).toBe(null);
      expect(reading.frames.map(({ payload }) => payload)).toEqual(frames.map(({ payload }) => payload));
    }
  });

  it('reads its own encoding', () => {
    fc.assert(
      fc.property(frameSequences, (frames) => {
        const stream = Buffer.concat(frames.map((frame) => sentOctets(frame, 'server')));
        expect(readFrames(stream, rules)).toMatchObject({ error: null, begun: null });
        expect(readWire(stream).frames.map(({ payload }) => payload)).toEqual(
          frames.map(({ payload }) => Buffer.from(payload)),
        );
        expect(Buffer.concat(readWire(stream).frames.map(writeWire))).toEqual(stream);
      }),
      { numRuns: 100 },
    );
  });
});

describe('hear(), the model of a connection', () => {
  it('reports messages, pings and closes, and nothing behind a close', () => {
    const stream = fromHex(
      '01 80 00 00 00 00  89 81 00 00 00 00 70  80 82 00 00 00 00 68 69  88 82 00 00 00 00 03 e8  81 80 00 00 00 00',
    );
    expect(hear(stream, rules, true)).toEqual({
      told: [
        { kind: 'ping', payload: Buffer.from('p') },
        { kind: 'message', payload: Buffer.from('hi'), isBinary: false, isCompressed: false },
        { kind: 'close', code: 1000, payload: Buffer.alloc(0) },
      ],
      error: null,
    });
  });
});

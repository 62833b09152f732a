import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyUpTo, FrameWriter } from '../../src/frame/frame-writer.ts';
import { nextMaskingKey } from '../../src/frame/masking-key.ts';
import type { Opcode } from '../../src/frame/opcode.ts';
import { isInSlab, largeSlabSize, smallSlabSize } from '../../src/frame/slab-pool.ts';
import { decodeFrames, vectors } from '../support/frames.ts';
import { fromHex, toHex } from '../support/hex.ts';
import { boaster, exampleKey, naiveFrame, sampleOctets } from '../support/octets.ts';

/** Keys 1, 2, 3, … and the last one returned. */
function countedKeys(): { next: () => number; last: number } {
  const keys = {
    last: 0,
    next: () => {
      keys.last = (keys.last * 1_664_525 + 1_013_904_223) | 0;
      return keys.last;
    },
  };
  return keys;
}

/** Returns everything written, as one piece. */
function taken(writer: FrameWriter): Buffer {
  return Buffer.concat(writer.take());
}

describe.each([
  ['a client', true],
  ['a server', false],
] as const)('the FrameWriter of %s', (_name, masked) => {
  const ours = vectors.filter(({ key }) => (key !== null) === masked);
  it.each(ours.map((vector) => [vector.title, vector] as const))('writes %s', (_title, { octets, frames }) => {
    const writer = new FrameWriter(masked, () => exampleKey);
    for (const { opcode, fin, payload } of frames) writer.write(opcode, payload, fin);
    expect(writer.byteLength).toBe(octets.length);
    expect(taken(writer).equals(octets)).toBe(true);
    expect(writer.byteLength).toBe(0);
  });

  it.each([
    '',
    'Hello',
    'a'.repeat(124),
    'a'.repeat(125),
    'a'.repeat(126),
    // Few characters, but 126 octets and more in UTF-8.
    'é'.repeat(62),
    `a${'é'.repeat(62)}`,
    'é'.repeat(63),
    '€'.repeat(42),
    '€'.repeat(125),
    '😀'.repeat(31),
    '😀'.repeat(32),
    'a'.repeat(copyUpTo),
    'é'.repeat(copyUpTo),
    // Near the size of a slab.
    'a'.repeat(21_800),
    '€'.repeat(21_835),
    'é'.repeat(21_836),
    '€'.repeat(21_841),
    'a'.repeat(21_841),
    // Around 65 536 octets, with characters of one, two, three and four octets.
    'a'.repeat(65_535),
    'a'.repeat(65_536),
    'é'.repeat(32_767),
    'é'.repeat(32_768),
    '€'.repeat(21_844),
    '€'.repeat(21_845),
    `${'€'.repeat(21_845)}a`,
    '😀'.repeat(16_383),
    '😀'.repeat(16_384),
    'a'.repeat(200_000),
  ])('writes text as UTF-8 under the shortest header (%#)', (text) => {
    const keys = countedKeys();
    const writer = new FrameWriter(masked, keys.next);
    writer.write(2, fromHex('01 02 03'));
    const before = taken(writer).length;
    expect(before).toBe(masked ? 9 : 5);
    writer.writeText(1, text);
    const expected = naiveFrame(0x81, Buffer.from(text, 'utf8'), masked ? keys.last : null);
    expect(writer.byteLength).toBe(expected.length);
    expect(taken(writer).equals(expected)).toBe(true);
  });

  it('writes EF BF BD (U+FFFD) for a lone surrogate', () => {
    for (const [text, expected] of [
      ['\ud800', 'ef bf bd'],
      ['\udc00', 'ef bf bd'],
      ['a\ud83dz', '61 ef bf bd 7a'],
      ['\ude00\ud83d', 'ef bf bd ef bf bd'],
    ] as const) {
      const writer = new FrameWriter(masked, () => exampleKey);
      writer.writeText(1, text);
      expect(toHex(taken(writer))).toBe(toHex(naiveFrame(0x81, fromHex(expected), masked ? exampleKey : null)));
    }
    for (const length of [41, 42, 43, 125, 126, 21_845, 21_846]) {
      const writer = new FrameWriter(masked, () => exampleKey);
      writer.writeText(1, '\udfff'.repeat(length));
      const payload = Buffer.alloc(length * 3, fromHex('ef bf bd'));
      expect(taken(writer).equals(naiveFrame(0x81, payload, masked ? exampleKey : null))).toBe(true);
    }
  });

  it('writes FIN, RSV1 and the opcode from its arguments', () => {
    const writer = new FrameWriter(masked, () => 0);
    const key = masked ? '00 00 00 00 ' : '';
    const second = masked ? '81' : '01';
    const write = (call: () => void) => {
      call();
      return toHex(taken(writer));
    };
    const payload = fromHex('61');
    expect(write(() => writer.write(2, payload))).toBe(`82 ${second} ${key}61`);
    expect(write(() => writer.write(2, payload, false))).toBe(`02 ${second} ${key}61`);
    expect(write(() => writer.write(1, payload, true, true))).toBe(`c1 ${second} ${key}61`);
    expect(write(() => writer.write(1, payload, false, true))).toBe(`41 ${second} ${key}61`);
    expect(write(() => writer.writeText(1, 'a', false))).toBe(`01 ${second} ${key}61`);
    expect(write(() => writer.writeText(0, 'a', true))).toBe(`80 ${second} ${key}61`);
  });

  it('masks a single frame, or not, on request', () => {
    const keys = countedKeys();
    const writer = new FrameWriter(masked, keys.next);
    for (const payload of [sampleOctets(10), sampleOctets(copyUpTo), sampleOctets(100_000)]) {
      writer.write(2, payload, true, false, !masked);
      expect(taken(writer).equals(naiveFrame(0x82, payload, masked ? null : keys.last))).toBe(true);
    }
    for (const text of ['Hello', 'a'.repeat(100_000)]) {
      writer.writeText(1, text, true, !masked);
      expect(taken(writer).equals(naiveFrame(0x81, Buffer.from(text), masked ? null : keys.last))).toBe(true);
    }
    expect(writer.masked).toBe(masked);
  });

  it('refuses a payload whose length differs from its byteLength, and continues', () => {
    const writer = new FrameWriter(masked, () => exampleKey);
    for (const payload of [boaster(3), boaster(20_000)])
      expect(() => writer.write(2, payload)).toThrow(/^The length of a payload must be its byteLength; length is 1000/);
    writer.write(2, fromHex('61'));
    expect(taken(writer).equals(naiveFrame(0x82, fromHex('61'), masked ? exampleKey : null))).toBe(true);
  });

  it('never changes the application’s data', () => {
    const writer = new FrameWriter(masked);
    for (const length of [0, 1, 16, 17, 125, 2048, copyUpTo, copyUpTo + 1, 70_000]) {
      const payload = sampleOctets(length);
      writer.write(2, payload);
      writer.writeEncoded(payload);
      const chunks = writer.take();
      expect(payload.equals(sampleOctets(length))).toBe(true);
      writer.release();
      // The taken octets are the given ones, and not masked again.
      expect(Buffer.concat(chunks).subarray(-length || undefined).length).toBe(length || Buffer.concat(chunks).length);
    }
  });

  it(`copies a payload of up to ${copyUpTo} octets: later changes by the application have no effect`, () => {
    for (const length of [1, 16, 17, 1000, copyUpTo]) {
      const keys = countedKeys();
      const writer = new FrameWriter(masked, keys.next);
      const payload = sampleOctets(length);
      writer.write(2, payload);
      writer.writeEncoded(payload);
      payload.fill(0);
      const original = sampleOctets(length);
      const expected = Buffer.concat([naiveFrame(0x82, original, masked ? keys.last : null), original]);
      expect(taken(writer).equals(expected)).toBe(true);
    }
  });

  it('encodes any mixture of frames, in order, in chunks that do not change until they are released', () => {
    type Step = (at: number) => {
      write?: (writer: FrameWriter, key: () => number | null) => Buffer;
      act?: 'take' | 'takeOne' | 'takeCopy' | 'takeUnpooled' | 'release' | 'discard' | 'busy';
    };
    const lengths = fc.oneof(
      { weight: 6, arbitrary: fc.nat(200) },
      { weight: 3, arbitrary: fc.nat(3000) },
      { weight: 1, arbitrary: fc.integer({ min: copyUpTo - 20, max: copyUpTo + 20 }) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(smallSlabSize, smallSlabSize - 2, smallSlabSize - 4, 30_000, largeSlabSize, 70_000),
      },
    );
    const opcodes = fc.constantFrom<Opcode>(0, 1, 2, 9, 10);
    const steps: fc.Arbitrary<Step> = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.tuple(opcodes, lengths, fc.boolean(), fc.nat(255)).map(
          ([opcode, length, fin, seed]): Step =>
            () => ({
              write: (writer, key) => {
                const payload = sampleOctets(length, seed + 1);
                writer.write(opcode, payload, fin);
                return naiveFrame(opcode | (fin ? 0x80 : 0), payload, key());
              },
            }),
        ),
      },
      {
        weight: 4,
        arbitrary: fc.tuple(lengths, fc.constantFrom('a', 'é', '€', '😀', '\ud800')).map(
          ([length, character]): Step =>
            () => ({
              write: (writer, key) => {
                const text = character.repeat(length);
                writer.writeText(1, text);
                return naiveFrame(0x81, Buffer.from(text, 'utf8'), key());
              },
            }),
        ),
      },
      {
        weight: 2,
        arbitrary: lengths.map(
          (length): Step =>
            () => ({
              write: (writer) => {
                const frames = sampleOctets(length, 99);
                writer.writeEncoded(frames);
                return frames;
              },
            }),
        ),
      },
      ...(
        [
          ['take', 3],
          ['takeOne', 2],
          ['takeCopy', 1],
          ['takeUnpooled', 2],
          ['release', 3],
          ['discard', 1],
          ['busy', 1],
        ] as const
      ).map(([act, weight]) => ({ weight, arbitrary: fc.constant<Step>(() => ({ act })) })),
    );

    /** A writer and its simplest model: a list of written octets. */
    class Pair {
      readonly keys = countedKeys();
      readonly writer = new FrameWriter(masked, this.keys.next);
      pending: Buffer[] = [];
      /** Chunks that are still being read, and copies made when they were taken. */
      held: { chunk: Uint8Array; copy: Buffer }[] = [];
      readonly kept: { chunk: Uint8Array; copy: Buffer }[] = [];

      step(step: Step, at: number): void {
        const { write, act } = step(at);
        if (write) this.pending.push(write(this.writer, () => (masked ? this.keys.last : null)));
        else if (act === 'take') this.#took(this.writer.take());
        else if (act === 'takeOne') {
          const one = this.writer.takeOne();
          if (one !== null) this.#took([one]);
        } else if (act === 'takeCopy') this.#tookForGood([this.writer.takeCopy()]);
        else if (act === 'takeUnpooled') this.#tookForGood(this.writer.takeUnpooled());
        else if (act === 'release') {
          // Chunks taken earlier are no longer read.
          this.held = [];
          this.writer.release();
        } else if (act === 'discard') {
          this.writer.discard();
          this.pending = [];
        } else this.writer.isBusy = !this.writer.isBusy;
        this.check();
      }

      #took(chunks: Uint8Array[]): void {
        const all = Buffer.concat(chunks);
        if (!all.equals(Buffer.concat(this.pending))) throw new Error('other octets were taken than were written');
        this.pending = [];
        for (const chunk of chunks) this.held.push({ chunk, copy: Buffer.from(chunk) });
      }

      /** Chunks that are read forever, regardless of releases. */
      #tookForGood(chunks: Uint8Array[]): void {
        if (chunks.some(isInSlab)) throw new Error('a chunk for good lies in a slab');
        this.#took(chunks);
        for (const chunk of chunks) this.kept.push({ chunk, copy: Buffer.from(chunk) });
      }

      check(): void {
        const written = this.pending.reduce((sum, { length }) => sum + length, 0);
        if (this.writer.byteLength !== written)
          throw new Error(`byteLength is ${this.writer.byteLength}, not ${written}`);
        for (const { chunk, copy } of [...this.held, ...this.kept]) {
          if (!copy.equals(chunk)) throw new Error('a chunk that somebody reads was altered');
        }
      }

      finish(): void {
        this.#took(this.writer.take());
        this.check();
      }
    }

    fc.assert(
      // Three writers share the pool of slabs. None may get a slab that another still uses.
      fc.property(fc.array(fc.tuple(fc.nat(2), steps), { maxLength: 60, size: 'max' }), (plan) => {
        const pairs = [new Pair(), new Pair(), new Pair()];
        plan.forEach(([which, step], at) => {
          pairs[which]!.step(step, at);
          for (const pair of pairs) pair.check();
        });
        for (const pair of pairs) pair.finish();
        for (const pair of pairs) pair.check();
      }),
      { numRuns: 200 },
    );
  });
});

describe('FrameWriter', () => {
  it('masks with strong generated keys, a new one for each frame', () => {
    const writer = new FrameWriter(true);
    const keys = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      writer.write(2, fromHex('61 62'));
      writer.writeText(1, 'ab');
    }
    const stream = taken(writer);
    for (let at = 0; at < stream.length; at += 8) keys.add(toHex(stream.subarray(at + 2, at + 6)));
    expect(stream.length).toBe(4000 * 8);
    expect(keys.size).toBeGreaterThan(3990);
    const { frames } = decodeFrames(stream, 'whole', { role: 'server' });
    expect(new Set(frames.map(({ payload }) => payload))).toEqual(new Set(['61 62']));
    expect(typeof nextMaskingKey()).toBe('number');
  });

  it('draws no key for an unmasked frame', () => {
    const writer = new FrameWriter(false, () => {
      throw new Error('a key was drawn');
    });
    writer.write(2, sampleOctets(10));
    writer.write(2, sampleOctets(10_000));
    writer.writeText(1, 'a'.repeat(10));
    writer.writeText(1, 'a'.repeat(30_000));
    expect(writer.byteLength).toBe(12 + 10_004 + 12 + 30_004);
  });

  // A function for keys, or an async hook, may run application code while a key is drawn.
  it.each([20, 300, 900])('writes each frame whole if the key function writes %i frames itself', (count) => {
    let isInside = false;
    const writer = new FrameWriter(true, () => {
      if (!isInside) {
        isInside = true;
        for (let i = 0; i < count; i++) writer.write(2, Buffer.alloc(100, 0x62));
        isInside = false;
      }
      return exampleKey;
    });
    const text = 'a'.repeat(700);
    writer.writeText(1, text);
    writer.write(2, Buffer.from(text));
    const length = writer.byteLength;
    const stream = taken(writer);
    expect(stream.length).toBe(length);
    const { frames } = decodeFrames(stream, 'whole', { role: 'server' });
    const payloads = frames.map(({ payload }) => fromHex(payload).toString());
    const inner = Array(count).fill('b'.repeat(100));
    expect(payloads).toEqual([...inner, text, ...inner, text]);
  });

  it.each([true, false])('refuses octets with a false length (masked: %s)', (masked) => {
    const writer = new FrameWriter(masked);
    for (const size of [20, 20_000]) {
      const boasting = Object.defineProperty(Buffer.alloc(size), 'length', { value: size * 2 });
      expect(() => writer.write(2, boasting)).toThrow(RangeError);
      expect(() => writer.writeEncoded(boasting)).toThrow(RangeError);
    }
    expect([writer.byteLength, writer.take()]).toEqual([0, []]);
  });

  it(`passes on a payload of more than ${copyUpTo} octets by reference if it is not masked`, () => {
    const writer = new FrameWriter(false);
    const payload = sampleOctets(copyUpTo + 1);
    writer.write(2, payload);
    writer.writeEncoded(payload);
    expect(writer.take().filter((chunk) => chunk === payload)).toHaveLength(2);
    writer.write(2, payload.subarray(0, copyUpTo));
    writer.writeEncoded(payload.subarray(0, copyUpTo));
    expect(writer.take().some((chunk) => chunk.buffer === payload.buffer)).toBe(false);
  });

  it('returns small frames as one chunk, however many', () => {
    const writer = new FrameWriter(false);
    const expected: Buffer[] = [];
    for (let i = 0; i < 200; i++) {
      writer.write(2, sampleOctets(100, i + 1));
      expected.push(naiveFrame(0x82, sampleOctets(100, i + 1)));
    }
    const one = writer.takeOne();
    expect(one).not.toBeNull();
    expect(Buffer.concat(expected).equals(one!)).toBe(true);
    expect(writer.byteLength).toBe(0);
    expect(writer.take()).toEqual([]);
  });

  it('never returns a chunk twice, whole or in part', () => {
    const writer = new FrameWriter(false);
    writer.writeText(1, 'a');
    expect(toHex(taken(writer))).toBe('81 01 61');
    writer.writeText(1, 'b');
    expect(toHex(writer.takeOne()!)).toBe('81 01 62');
    writer.writeText(1, 'c');
    writer.release();
    expect(toHex(taken(writer))).toBe('81 01 63');
    expect(taken(writer)).toHaveLength(0);
  });

  it('has no single chunk if there are several, and loses nothing by the request', () => {
    const writer = new FrameWriter(false);
    expect(writer.takeOne()).toBeNull();
    const long = sampleOctets(10_000);
    writer.writeText(1, 'a');
    writer.write(2, long);
    writer.writeText(1, 'b');
    expect(writer.takeOne()).toBeNull();
    expect(writer.byteLength).toBe(3 + 10_004 + 3);
    expect(
      taken(writer).equals(Buffer.concat([fromHex('81 01 61'), naiveFrame(0x82, long), fromHex('81 01 62')])),
    ).toBe(true);
  });

  it('keeps written data that was not taken when its memory is released', () => {
    const writer = new FrameWriter(false);
    writer.writeText(1, 'a');
    writer.release();
    // Otherwise a second writer would get that slab.
    new FrameWriter(false).writeText(1, 'zzzzz');
    expect(toHex(taken(writer))).toBe('81 01 61');
  });

  it('passes a released slab to the next writer, and no other slab', () => {
    const [first, second] = [new FrameWriter(false), new FrameWriter(false)];
    first.writeText(1, 'a');
    const [kept] = first.take();
    second.writeText(1, 'b');
    const [other] = second.take();
    expect(other!.buffer).not.toBe(kept!.buffer);
    first.release();
    first.release();
    second.discard();
    second.writeText(1, 'c');
    const third = new FrameWriter(false);
    third.writeText(1, 'd');
    expect(second.take()[0]!.buffer).toBe(kept!.buffer);
    expect(third.take()[0]!.buffer).not.toBe(kept!.buffer);
  });

  it('discards written data on request, and does not touch taken chunks', () => {
    const writer = new FrameWriter(false);
    writer.writeText(1, 'a');
    const [kept] = writer.take();
    writer.writeText(1, 'b');
    writer.write(2, sampleOctets(10_000));
    writer.discard();
    expect(writer.byteLength).toBe(0);
    expect(writer.take()).toEqual([]);
    new FrameWriter(false).writeText(1, 'zzzzz');
    writer.writeText(1, 'c');
    expect(toHex(taken(writer))).toBe('81 01 63');
    expect(toHex(kept!)).toBe('81 01 61');
  });

  it('starts with little memory, and with much if many frames follow', () => {
    const sizeOf = (isBusy: boolean) => {
      const writer = new FrameWriter(false);
      writer.isBusy = isBusy;
      writer.writeText(1, 'a');
      return writer.take()[0]!.buffer.byteLength;
    };
    expect(sizeOf(false)).toBe(smallSlabSize);
    expect(sizeOf(true)).toBe(largeSlabSize);
  });

  it.each([
    ['a small slab', smallSlabSize, false],
    ['a large slab', largeSlabSize, true],
  ] as const)('writes frames correctly that end before, at and behind the end of %s', (_name, size, isBusy) => {
    for (const masked of [false, true]) {
      for (let shift = -20; shift <= 20; shift++) {
        const keys = countedKeys();
        const writer = new FrameWriter(masked, keys.next);
        writer.isBusy = isBusy;
        const expected: Buffer[] = [];
        const write = (length: number) => {
          const payload = sampleOctets(length);
          writer.write(2, payload);
          expected.push(naiveFrame(0x82, payload, masked ? keys.last : null));
        };
        let left = size + shift;
        while (left > 6000) {
          write(5000);
          left -= 5000;
        }
        write(left - 120);
        write(100);
        write(20);
        writer.writeText(1, '€'.repeat(10));
        expected.push(naiveFrame(0x81, Buffer.from('€'.repeat(10)), masked ? keys.last : null));
        const written = expected.reduce((sum, { length }) => sum + length, 0);
        expect(writer.byteLength).toBe(written);
        expect(taken(writer).equals(Buffer.concat(expected))).toBe(true);
      }
    }
  });

  it('moves pending data in a small slab into a large one, and keeps it in one chunk', () => {
    const writer = new FrameWriter(false);
    const payload = sampleOctets(1500);
    writer.write(2, payload);
    writer.write(2, payload);
    const one = writer.takeOne();
    const frame = naiveFrame(0x82, payload);
    expect(one && Buffer.concat([frame, frame]).equals(one)).toBe(true);
  });
});

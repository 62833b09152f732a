import { randomBytes } from 'node:crypto';
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync, inflateRawSync, type Zlib } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { inflatePieces, MessageDeflater, MessageInflater } from '../../src/extension/deflate-messages.ts';
import { InflateError } from '../../src/extension/inflate-error.ts';
import { documentedRung, handleRung, handleRungOver, type ZlibRung } from '../../src/extension/raw-zlib.ts';
import { ProtocolError } from '../../src/frame/protocol-error.ts';
import { allocationsOf } from '../support/allocations.ts';
import { fromHex, toHex } from '../support/hex.ts';
import { rungs } from './rungs.ts';

const tail = fromHex('00 00 ff ff');

/** Returns a message deflated by streaming zlib, without the tail. */
const deflated = (octets: Uint8Array, options: object = {}): Buffer =>
  deflateRawSync(octets, { ...options, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -tail.length);

/** Writes to a zlib stream and waits for all output. */
function write(stream: Zlib & NodeJS.ReadWriteStream, octets: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const collect = (chunk: Buffer): unknown => chunks.push(chunk);
    stream.on('data', collect).once('error', reject);
    stream.write(octets);
    (stream as unknown as { flush(kind: number, done: () => void): void }).flush(constants.Z_SYNC_FLUSH, () => {
      stream.off('data', collect).off('error', reject);
      resolve(Buffer.concat(chunks));
    });
  });
}

/** Returns the error of a call; undefined if the call does not throw. */
function thrownBy(call: () => unknown): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
}

const kinds = rungs.flatMap(([name, rung]) => [
  { title: `each for itself, by the rung "${name}"`, rung, takesContextOver: false },
  { title: `with context takeover, by the rung "${name}"`, rung, takesContextOver: true },
]);

const fewRuns = { numRuns: 60 };
/** Compressible and incompressible data. */
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc
    .array(fc.constantFrom('{"id":', '17', '"name":"', 'Ada', '"},', 'null', '🙂'), { maxLength: 3000 })
    .map((parts) => Buffer.from(parts.join(''))),
  fc.integer({ min: 0, max: 200_000 }).map((length) => Buffer.alloc(length, 'abcdefgh')),
  fc.integer({ min: 0, max: 100_000 }).map((length) => randomBytes(length)),
);
const windowBits = fc.integer({ min: 8, max: 15 });
const level = fc.option(fc.integer({ min: -1, max: 9 }), { nil: undefined });

describe.each(kinds)('messages $title', ({ rung, takesContextOver }) => {
  const kind = { rung, takesContextOver, windowBits: 15 };
  const inflate = (octets: Uint8Array, maxLength = 1000): Buffer =>
    new MessageInflater(kind).inflate(octets, maxLength);

  describe('the examples of RFC 7692 §7.2.3', () => {
    test.each([
      ['one block', 'f2 48 cd c9 c9 07 00', 'Hello'],
      ['a block without compression', '00 05 00 fa ff 48 65 6c 6c 6f 00', 'Hello'],
      ['a block with BFINAL set', 'f3 48 cd c9 c9 07 00 00', 'Hello'],
      ['two blocks', 'f2 48 05 00 00 00 ff ff ca c9 c9 07 00', 'Hello'],
      ['an empty message', '00', ''],
      ['an empty message in a block of its own', '02 00', ''],
    ])('inflates %s', (_title, octets, text) => {
      expect(inflate(fromHex(octets)).toString()).toBe(text);
    });

    it('deflates to one block', () => {
      const deflater = new MessageDeflater(kind);
      expect(toHex(deflater.deflate(Buffer.from('Hello')))).toBe('f2 48 cd c9 c9 07 00');
      deflater.close();
    });

    it('deflates a second time with or without the window', () => {
      const deflater = new MessageDeflater(kind);
      deflater.deflate(Buffer.from('Hello'));
      const again = toHex(deflater.deflate(Buffer.from('Hello')));
      if (takesContextOver) expect(again).toBe('f2 00 11 00 00');
      else expect(again).toBe('f2 48 cd c9 c9 07 00');
      deflater.close();
    });

    it('inflates references to the previous message if the window is kept', () => {
      const inflater = new MessageInflater(kind);
      expect(inflater.inflate(fromHex('f2 48 cd c9 c9 07 00'), 5).toString()).toBe('Hello');
      const again = (): Buffer => inflater.inflate(fromHex('f2 00 11 00 00'), 5);
      if (takesContextOver) expect(again().toString()).toBe('Hello');
      else expect(again).toThrow('invalid distance too far back');
      inflater.close();
    });

    it('deflates empty messages to one octet each, in separate memory', () => {
      const deflater = new MessageDeflater(kind);
      const inflater = new MessageInflater(kind);
      for (const text of ['', '', 'Hello', '', 'Hello', '', '']) {
        const octets = deflater.deflate(Buffer.from(text));
        if (text === '') expect(toHex(octets)).toBe('00');
        expect(inflater.inflate(octets, 5).toString()).toBe(text);
        octets.fill(0xff);
      }
      deflater.close();
      inflater.close();
    });
  });

  it('inflates its own output, for any data, window and level', () => {
    const property = fc.property(fc.array(payload, { maxLength: 5 }), windowBits, level, (messages, bits, chosen) => {
      const settings = { ...kind, windowBits: bits };
      const deflater = new MessageDeflater({ ...settings, level: chosen });
      const inflater = new MessageInflater(settings);
      try {
        for (const message of messages) {
          const inflated = inflater.inflate(deflater.deflate(message), message.length);
          expect(Buffer.compare(inflated, message)).toBe(0);
        }
      } finally {
        deflater.close();
        inflater.close();
      }
    });
    fc.assert(property, fewRuns);
  });

  it('deflates to data that streaming zlib inflates, with the agreed window', async () => {
    const property = fc.asyncProperty(
      fc.array(payload, { maxLength: 5 }),
      windowBits,
      level,
      async (messages, bits, chosen) => {
        const deflater = new MessageDeflater({ ...kind, windowBits: bits, level: chosen });
        const reference = createInflateRaw({ windowBits: bits });
        try {
          for (const message of messages) {
            const octets = deflater.deflate(message);
            expect(Buffer.compare(await write(reference, Buffer.concat([octets, tail])), message)).toBe(0);
            if (!takesContextOver) reference.reset();
          }
        } finally {
          deflater.close();
          reference.close();
        }
      },
    );
    await fc.assert(property, fewRuns);
  });

  it('inflates the output of streaming zlib, in any number of fragments', async () => {
    const fragments = fc.array(payload, { minLength: 1, maxLength: 3 });
    const settings = fc.record({
      windowBits,
      level: fc.integer({ min: 0, max: 9 }),
      memLevel: fc.integer({ min: 1, max: 9 }),
    });
    const property = fc.asyncProperty(fc.array(fragments, { maxLength: 4 }), settings, async (messages, options) => {
      const inflater = new MessageInflater({ ...kind, windowBits: options.windowBits });
      const reference = createDeflateRaw(options);
      try {
        for (const parts of messages) {
          const whole = Buffer.concat(parts);
          const blocks: Buffer[] = [];
          for (const part of parts.filter(({ length }) => length > 0)) blocks.push(await write(reference, part));
          const octets = blocks.length === 0 ? fromHex('00') : Buffer.concat(blocks).subarray(0, -tail.length);
          expect(Buffer.compare(inflater.inflate(octets, whole.length), whole)).toBe(0);
          if (!takesContextOver) reference.reset();
        }
      } finally {
        inflater.close();
        reference.close();
      }
    });
    await fc.assert(property, fewRuns);
  });

  it('does not reuse the memory of its results', () => {
    const deflater = new MessageDeflater(kind);
    const inflater = new MessageInflater(kind);
    for (const length of [1, 100, 70_000]) {
      const message = randomBytes(length);
      const first = deflater.deflate(message);
      const copy = Buffer.from(first);
      const read = inflater.inflate(first, length);
      inflater.inflate(deflater.deflate(randomBytes(length)), length);
      expect(first.equals(copy)).toBe(true);
      expect(read.equals(message)).toBe(true);
      first.fill(0);
      read.fill(0);
      expect(inflater.inflate(deflater.deflate(message), length).equals(message)).toBe(true);
    }
    deflater.close();
    inflater.close();
  });

  describe('final blocks', () => {
    const final = deflateRawSync(Buffer.from('Hello'));

    test.each([
      ['alone', final],
      ['and the octet that a sender is to add', Buffer.concat([final, fromHex('00')])],
      ['and a stream that goes on', Buffer.concat([final, fromHex('02 00')])],
      ['of which the tail is the end', fromHex('f2 48 cd c9 c9 07 00 00 00 ff ff 01')],
    ])('are inflated: %s', (_title, octets) => {
      const inflater = new MessageInflater(kind);
      for (let i = 0; i < 3; i++) expect(inflater.inflate(octets, 5).toString()).toBe('Hello');
      inflater.close();
    });

    it('may follow one another, and the limit applies to their sum', () => {
      const octets = Buffer.concat([final, final, deflated(Buffer.from('Hello'))]);
      expect(inflate(octets, 15).toString()).toBe('HelloHelloHello');
      expect(thrownBy(() => inflate(octets, 14))).toBeInstanceOf(ProtocolError);
      expect(thrownBy(() => inflate(Buffer.concat([final, final]), 4))).toBeInstanceOf(ProtocolError);
    });

    it('clear the window', () => {
      const inflater = new MessageInflater(kind);
      inflater.inflate(fromHex('f3 48 cd c9 c9 07 00'), 5);
      expect(() => inflater.inflate(fromHex('f2 00 11 00 00'), 5)).toThrow('invalid distance too far back');
      inflater.inflate(fromHex('f2 48 cd c9 c9 07 00'), 5);
      inflater.inflate(fromHex('f2 48 cd c9 c9 07 00 00 00 ff ff 01'), 5);
      expect(() => inflater.inflate(fromHex('f2 00 11 00 00'), 5)).toThrow('invalid distance too far back');
      inflater.close();
    });

    it('are counted', () => {
      const empty = fromHex('03 00');
      expect(inflate(Buffer.concat(new Array<Buffer>(1024).fill(empty)))).toHaveLength(0);
      expect(inflate(Buffer.concat([...new Array<Buffer>(1024).fill(empty), fromHex('00')]))).toHaveLength(0);
      const error = thrownBy(() => inflate(Buffer.concat(new Array<Buffer>(1026).fill(empty))));
      expect(error).toBeInstanceOf(InflateError);
      expect(error).toMatchObject({
        message: 'A message has more than 1024 final blocks',
        code: 'Z_DATA_ERROR',
        closeCode: 1007,
        exceeded: { limit: 1024, received: 1025 },
      });
      // As with the errors of zlib, which programs written for ws get.
      expect(Object.keys(error as object)).not.toContain('exceeded');
    });

    it.each([1, 2, 50])('may be %i and another stream behind them, if the limit is that', (maxFinalBlocks) => {
      const inflater = new MessageInflater({ ...kind, maxFinalBlocks });
      const blocks = (count: number) =>
        Buffer.concat([...new Array<Buffer>(count).fill(fromHex('03 00')), fromHex('00')]);
      expect(inflater.inflate(blocks(maxFinalBlocks), 5)).toHaveLength(0);
      const error = thrownBy(() => inflater.inflate(blocks(maxFinalBlocks + 1), 5));
      expect(error).toMatchObject({ exceeded: { limit: maxFinalBlocks, received: maxFinalBlocks + 1 } });
      expect(inflater.inflate(blocks(maxFinalBlocks), 5)).toHaveLength(0);
    });
  });

  describe('invalid DEFLATE data', () => {
    it('is an error with the fields of zlib’s error, and the close code', () => {
      const error = thrownBy(() => inflate(fromHex('ff ff ff')));
      expect(error).toBeInstanceOf(InflateError);
      expect(error).toMatchObject({
        name: 'Error',
        message: 'invalid block type',
        code: 'Z_DATA_ERROR',
        errno: -3,
        closeCode: 1007,
        section: '7.2.2',
        cause: { message: 'invalid block type', code: 'Z_DATA_ERROR', errno: -3 },
      });
    });

    test.each([
      ['octets behind a final block', 'f3 48 cd c9 c9 07 00 ff ff'],
      ['a message that has its tail still', 'f2 48 cd c9 c9 07 00 00 00 ff ff'],
      ['a message cut within a block', 'f2 48 cd c9'],
      ['a message cut within the header of a block', '00 05 00'],
      ['a message cut within a block without compression', '00 50 00 af ff 48 65'],
      ['a message cut so that the tail fills a block in part', '00 07 00 f8 ff 48 65 6c 6c 6f'],
    ])('includes %s', (_title, octets) => {
      const error = thrownBy(() => inflate(fromHex(octets)));
      expect(error).toBeInstanceOf(InflateError);
      expect(['Z_DATA_ERROR', 'Z_BUF_ERROR']).toContain((error as InflateError).code);
    });

    it('is distinguished from a message that ends early', () => {
      expect(thrownBy(() => inflate(fromHex('00 50 00 af ff 48 65')))).toMatchObject({
        message: 'unexpected end of file',
        code: 'Z_BUF_ERROR',
        errno: -5,
        closeCode: 1007,
      });
    });

    it('never leads to another error, nor to output beyond the limit, for any octets', () => {
      const octets = fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 100 }),
        // Valid messages with a changed part.
        fc.tuple(payload, fc.nat(), fc.uint8Array({ maxLength: 4 })).map(([message, at, spoil]) => {
          const good = deflated(message);
          return Buffer.concat([
            good.subarray(0, at % (good.length + 1)),
            spoil,
            good.subarray((at % (good.length + 1)) + 2),
          ]);
        }),
      );
      const property = fc.property(octets, fc.integer({ min: 0, max: 70_000 }), (input, maxLength) => {
        const inflater = new MessageInflater(kind);
        let output: Buffer | null = null;
        try {
          output = inflater.inflate(input, maxLength);
        } catch (error) {
          if (!(error instanceof InflateError))
            expect(error).toMatchObject({ code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' });
        }
        expect(output?.length ?? 0).toBeLessThanOrEqual(maxLength);
        // Earlier messages do not affect a new connection.
        const next = new MessageInflater(kind);
        expect(next.inflate(fromHex('f2 48 cd c9 c9 07 00'), 5).toString()).toBe('Hello');
        inflater.close();
        next.close();
      });
      fc.assert(property, { numRuns: 300 });
    });

    it('does not keep its window', () => {
      const inflater = new MessageInflater(kind);
      inflater.inflate(fromHex('f2 48 cd c9 c9 07 00'), 5);
      expect(() => inflater.inflate(fromHex('ff'), 5)).toThrow(InflateError);
      expect(() => inflater.inflate(fromHex('f2 00 11 00 00'), 5)).toThrow('invalid distance too far back');
      expect(inflater.inflate(fromHex('f2 48 cd c9 c9 07 00'), 5).toString()).toBe('Hello');
      inflater.close();
    });
  });

  it('inflates an empty payload to an empty message, and keeps the window', () => {
    const inflater = new MessageInflater(kind);
    inflater.inflate(fromHex('f2 48 cd c9 c9 07 00'), 5);
    expect(inflater.inflate(Buffer.alloc(0), 0)).toHaveLength(0);
    if (takesContextOver) expect(inflater.inflate(fromHex('f2 00 11 00 00'), 5).toString()).toBe('Hello');
    inflater.close();
  });

  describe('the limit', () => {
    const limits = [
      0, 1, 2, 63, 64, 65, 16_383, 16_384, 16_385, 65_534, 65_535, 65_536, 65_537, 131_071, 131_072, 300_000,
    ];

    test.each(limits)('of %i octets accepts a message of exactly that length', (limit) => {
      const inflater = new MessageInflater(kind);
      for (const fill of [Buffer.alloc(limit + 1), randomBytes(limit + 1)]) {
        const message = fill.subarray(0, limit);
        expect(inflater.inflate(deflated(message), limit).equals(message)).toBe(true);
        const error = thrownBy(() => inflater.inflate(deflated(fill), limit));
        expect(error).toBeInstanceOf(ProtocolError);
        expect(error).toMatchObject({
          code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
          closeCode: 1009,
          message: 'Max payload size exceeded',
        });
        expect((error as ProtocolError).detail).toContain(`got ${limit + 1} or more (limit ${limit})`);
        // The next message may follow at once.
        expect(inflater.inflate(deflated(message), limit).equals(message)).toBe(true);
      }
      inflater.close();
    });

    it('clears the window after a message beyond it', () => {
      const inflater = new MessageInflater(kind);
      inflater.inflate(fromHex('f2 48 cd c9 c9 07 00'), 5);
      expect(() => inflater.inflate(deflated(Buffer.alloc(100)), 5)).toThrow('Max payload size exceeded');
      expect(() => inflater.inflate(fromHex('f2 00 11 00 00'), 5)).toThrow('invalid distance too far back');
      expect(inflater.inflate(fromHex('f2 48 cd c9 c9 07 00'), 5).toString()).toBe('Hello');
      inflater.close();
    });

    it('applies if the tail is inflated as data', () => {
      const cut = fromHex('00 07 00 f8 ff 48 65 6c 6c 6f');
      const error = thrownBy(() => inflate(cut, 5));
      if (rung === handleRung) expect(error).toBeInstanceOf(ProtocolError);
      else expect(error).toBeInstanceOf(InflateError);
      expect(thrownBy(() => inflate(cut, 7))).toBeInstanceOf(InflateError);
    });

    it('can be disabled', () => {
      const message = Buffer.alloc(3_000_000, 'ab');
      expect(inflate(deflated(message), Number.POSITIVE_INFINITY).equals(message)).toBe(true);
    });

    it('bounds the memory for a bomb of 1000:1', () => {
      const bomb = deflated(Buffer.alloc(20_000_000));
      expect(bomb.length).toBeLessThan(21_000);
      const limit = 200_000;
      inflate(fromHex('00'));
      const inflater = new MessageInflater(kind);
      inflater.inflate(fromHex('00'), 0);
      const sizes = allocationsOf(() =>
        expect(thrownBy(() => inflater.inflate(bomb, limit))).toBeInstanceOf(ProtocolError),
      );
      const made = sizes.reduce((sum, size) => sum + size, 0);
      expect(made).toBeGreaterThan(0);
      // The lower rung copies its input, and overshoots by up to one buffer.
      expect(made).toBeLessThanOrEqual(limit + 1 + (rung === handleRung ? 0 : bomb.length + 6 + 2 * 16_384));
      inflater.close();
    });

    it('bounds the memory for a chain of bombs', () => {
      const part = deflateRawSync(Buffer.alloc(60_000));
      const chain = Buffer.concat(new Array<Buffer>(1000).fill(part));
      const limit = 200_000;
      const inflater = new MessageInflater(kind);
      inflater.inflate(fromHex('00'), 0);
      const sizes = allocationsOf(() =>
        expect(thrownBy(() => inflater.inflate(chain, limit))).toBeInstanceOf(ProtocolError),
      );
      const output = sizes.filter((size) => size < 65_000).reduce((sum, size) => sum + size, 0);
      if (rung === handleRung) expect(output).toBeLessThanOrEqual(limit + 1);
      inflater.close();
    });
  });

  it('does not change an error of zlib that the peer did not cause, and zlib stays usable', () => {
    const lacksMemory = Object.assign(new Error('Zlib error'), { errno: -4, code: 'Z_MEM_ERROR' });
    let fails = true;
    const fail = <Call extends (...parts: never[]) => unknown>(call: Call): Call =>
      ((...parts: never[]) => {
        if (fails) throw lacksMemory;
        return call(...parts);
      }) as Call;
    const failing: ZlibRung = {
      ...rung,
      name: `failing ${takesContextOver} ${rung.name}`,
      createDeflater: (options) => {
        const raw = rung.createDeflater(options);
        return {
          deflate: fail((octets: Uint8Array) => raw.deflate(octets)),
          reset: () => raw.reset(),
          close: () => raw.close(),
        };
      },
      createInflater: (options) => {
        const raw = rung.createInflater(options);
        raw.inflate = fail(raw.inflate.bind(raw));
        return raw;
      },
    };
    const deflater = new MessageDeflater({ ...kind, rung: failing });
    const inflater = new MessageInflater({ ...kind, rung: failing });
    expect(thrownBy(() => deflater.deflate(Buffer.of(1)))).toBe(lacksMemory);
    expect(thrownBy(() => inflater.inflate(Buffer.of(1), 1))).toBe(lacksMemory);
    fails = false;
    expect(inflater.inflate(deflater.deflate(Buffer.from('Hello')), 5).toString()).toBe('Hello');
    deflater.close();
    inflater.close();
  });

  it('has the dictionary in the window', () => {
    const dictionary = randomBytes(500);
    const deflater = new MessageDeflater({ ...kind, dictionary });
    const inflater = new MessageInflater({ ...kind, dictionary });
    for (let i = 0; i < 3; i++) {
      const octets = deflater.deflate(dictionary);
      expect(octets.length).toBeLessThan(50);
      expect(inflater.inflate(octets, 500).equals(dictionary)).toBe(true);
    }
    deflater.close();
    inflater.close();
  });

  it('continues with an empty window after a close', () => {
    const deflater = new MessageDeflater(kind);
    const inflater = new MessageInflater(kind);
    deflater.close();
    inflater.close();
    const message = randomBytes(200);
    for (let i = 0; i < 2; i++) {
      expect(inflater.inflate(deflater.deflate(message), 200).equals(message)).toBe(true);
      deflater.close();
      inflater.close();
      deflater.close();
      inflater.close();
    }
  });
});

describe.each(rungs)('the level, by the rung "%s"', (name, rung) => {
  let pools = 0;
  const text = Buffer.from(
    JSON.stringify(Array.from({ length: 400 }, (_, id) => ({ id, name: `user ${(id * 7919) % 1009}` }))),
  );
  const large = text.subarray(0, 4096);
  const small = text.subarray(0, 4095);
  const deflate = (octets: Uint8Array, takesContextOver: boolean, chosen?: number): Buffer => {
    // zlib produces the same octets again if its memory is new.
    const fresh = { ...rung, name: `${name}, pool ${pools++}` };
    const deflater = new MessageDeflater({ windowBits: 15, takesContextOver, level: chosen, rung: fresh });
    const result = deflater.deflate(octets);
    deflater.close();
    return result;
  };

  it('is zlib’s default, and 1 for messages of 4 KiB and more', () => {
    expect(deflated(large, { level: 1 })).not.toEqual(deflated(large));
    expect(deflate(small, false)).toEqual(deflated(small));
    expect(deflate(large, false)).toEqual(deflated(large, { level: 1 }));
  });

  it('is zlib’s default with context takeover', () => {
    expect(deflate(large, true)).toEqual(deflated(large));
  });

  it.each([-1, 0, 1, 6, 9])('is %i if the application sets it', (chosen) => {
    for (const octets of [small, large])
      for (const takesContextOver of [false, true])
        expect(deflate(octets, takesContextOver, chosen)).toEqual(deflated(octets, { level: chosen }));
  });
});

describe('the rungs', () => {
  const outcome = (inflater: MessageInflater, octets: Uint8Array, maxLength: number): string => {
    try {
      return toHex(inflater.inflate(octets, maxLength));
    } catch (error) {
      return String((error as { closeCode: number }).closeCode);
    }
  };

  it.each([false, true])('return the same for the same octets (context takeover: %s)', (takesContextOver) => {
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      payload.map((octets) => deflated(octets.subarray(0, 5000))),
    );
    // Limits at which the lower rung stops exactly.
    const property = fc.property(
      fc.array(message, { maxLength: 4 }),
      windowBits,
      fc.integer({ min: 63, max: 16_000 }),
      (messages, bits, limit) => {
        const [first, second] = [handleRung, documentedRung].map(
          (rung) => new MessageInflater({ rung, takesContextOver, windowBits: bits }),
        ) as [MessageInflater, MessageInflater];
        for (const octets of messages) expect(outcome(first, octets, limit)).toBe(outcome(second, octets, limit));
        first.close();
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  it('are selected automatically by default', () => {
    const message = Buffer.from('Hello');
    for (const takesContextOver of [false, true]) {
      const deflater = new MessageDeflater({ windowBits: 15, takesContextOver });
      const inflater = new MessageInflater({ windowBits: 15, takesContextOver });
      expect(inflater.inflate(deflater.deflate(message), 5)).toEqual(message);
      const large = Buffer.alloc(5000);
      expect(inflater.inflate(deflater.deflate(large), 5000).equals(large)).toBe(true);
      const alsoLarge = new MessageDeflater({ windowBits: 15, takesContextOver });
      expect(
        inflateRawSync(Buffer.concat([alsoLarge.deflate(large), tail]), { finishFlush: constants.Z_SYNC_FLUSH }),
      ).toHaveLength(5000);
      for (const closed of [deflater, inflater, alsoLarge]) closed.close();
    }
  });
});

it('is inflated with the agreed window, whatever was agreed on other connections', () => {
  const rung = { ...handleRung, name: 'of windows' };
  const far = randomBytes(20_000);
  const message = Buffer.concat([Buffer.alloc(60_000), far, far]);
  for (const windowBits of [8, 15]) {
    const inflater = new MessageInflater({ rung, takesContextOver: false, windowBits });
    const read = inflater.inflate(deflated(message, { windowBits }), message.length);
    expect(read.equals(message)).toBe(true);
  }
});

describe('the memory', () => {
  const message = Buffer.from('Hello, hello, hello');

  it('is shared by pairs without context takeover, however many there are', () => {
    let created = 0;
    const rung: ZlibRung = {
      ...handleRung,
      name: 'counted',
      createDeflater: (options) => {
        created++;
        return handleRung.createDeflater(options);
      },
      createInflater: (options) => {
        created++;
        return handleRung.createInflater(options);
      },
    };
    const settings = { rung, takesContextOver: false, windowBits: 12 };
    const large = Buffer.alloc(5000);
    const pairs = Array.from({ length: 1000 }, () => {
      const deflater = new MessageDeflater(settings);
      const inflater = new MessageInflater(settings);
      inflater.inflate(deflater.deflate(message), 100);
      inflater.inflate(deflater.deflate(large), 5000);
      return [deflater, inflater];
    });
    expect(pairs).toHaveLength(1000);
    // One to deflate small messages, one for large ones, and one to inflate.
    expect(created).toBe(3);
  });

  it('of a pair with context takeover is allocated at the first message, and freed by close', () => {
    const streams: { _handle: object | null; destroyed: boolean }[] = [];
    const counted = (make: (options: object) => object) => (options: object) => {
      const stream = make(options);
      streams.push(stream as (typeof streams)[number]);
      return stream;
    };
    const rung = handleRungOver({
      createDeflateRaw: counted(createDeflateRaw),
      createInflateRaw: counted(createInflateRaw),
    });
    const settings = { rung, takesContextOver: true, windowBits: 15 };
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 10_000; i += 100) {
      const pairs = Array.from({ length: 100 }, () => ({
        deflater: new MessageDeflater(settings),
        inflater: new MessageInflater(settings),
      }));
      expect(streams).toHaveLength(2 * i);
      for (const { deflater, inflater } of pairs) inflater.inflate(deflater.deflate(message), 100);
      expect(streams).toHaveLength(2 * i + 200);
      expect(streams.slice(2 * i).every(({ _handle: handle }) => handle !== null)).toBe(true);
      for (const { deflater, inflater } of pairs) {
        deflater.close();
        inflater.close();
      }
    }
    expect(streams).toHaveLength(20_000);
    expect(streams.every(({ _handle: handle, destroyed }) => handle === null && destroyed)).toBe(true);
    // If they stayed open, they would hold 2.5 GB.
    expect(process.memoryUsage().rss - before).toBeLessThan(500_000_000);
  });
});

/** Returns text of the given length that compresses to about a third. */
const words = (length: number, seed = 1): Buffer => {
  const parts: string[] = [];
  let state = seed;
  for (let size = 0; size < length; size += 6) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    parts.push(`w${(state % 9973).toString(36).padStart(4, '0')} `);
  }
  return Buffer.from(parts.join('')).subarray(0, length);
};

describe.each(kinds)('fragments $title', ({ rung, takesContextOver }) => {
  const kind = { rung, takesContextOver, windowBits: 15 };

  it('joined are a message, for any content and any division', () => {
    const property = fc.property(
      fc.array(fc.array(payload, { minLength: 1, maxLength: 4 }), { maxLength: 4 }),
      (messages) => {
        const deflater = new MessageDeflater(kind);
        const inflater = new MessageInflater(kind);
        for (const fragments of messages) {
          const last = fragments.length - 1;
          const deflated = fragments.map((fragment, index) => deflater.deflateFragment(fragment, index === last));
          const whole = Buffer.concat(fragments);
          expect(inflater.inflate(Buffer.concat(deflated), whole.length).equals(whole)).toBe(true);
        }
        deflater.close();
        inflater.close();
      },
    );
    fc.assert(property, fewRuns);
  });

  it('that are empty add nothing, except the last', () => {
    const deflater = new MessageDeflater(kind);
    expect([deflater.deflateFragment(Buffer.alloc(0), false), deflater.deflateFragment(Buffer.alloc(0), true)]).toEqual(
      [Buffer.alloc(0), fromHex('00')],
    );
    deflater.close();
  });
});

describe.each(rungs)('messages that are compressed or inflated by the owner, by the rung "%s"', (_name, rung) => {
  const kind = { rung, takesContextOver: true, windowBits: 15 };
  const [first, large, last] = [words(500, 1), words(300_000, 2), words(500, 1)];

  it('are not referred to by the next message, nor are earlier ones', () => {
    const deflater = new MessageDeflater(kind);
    const inflater = new MessageInflater(kind);
    const messages = [deflater.deflate(first), deflated(large)];
    deflater.skip();
    messages.push(deflater.deflate(last));
    expect(messages.map((message) => inflater.inflate(message, large.length))).toEqual([first, large, last]);
    deflater.close();
    inflater.close();
  });

  it('leave the window for inflating the next message', () => {
    const peer = createDeflateRaw();
    const inflater = new MessageInflater(kind);
    return (async () => {
      const messages: Buffer[] = [];
      for (const message of [first, large, last]) messages.push((await write(peer, message)).subarray(0, -4));
      expect(inflater.inflate(messages[0] as Buffer, 500)).toEqual(first);
      expect(inflater.inflateUpTo(messages[1] as Buffer, 1000)).toBeNull();
      const { dictionary } = inflater;
      expect(dictionary).toEqual(first);
      const elsewhere = inflateRawSync(messages[1] as Buffer, { dictionary, finishFlush: constants.Z_SYNC_FLUSH });
      expect(elsewhere.equals(large)).toBe(true);
      inflater.skip(elsewhere);
      expect(inflater.inflate(messages[2] as Buffer, 500)).toEqual(last);
      // The last message refers to the previous one, so that the window is required.
      expect(thrownBy(() => new MessageInflater(kind).inflate(messages[2] as Buffer, 500))).toBeInstanceOf(
        InflateError,
      );
      peer.close();
      inflater.close();
    })();
  });

  it('change nothing without context takeover', () => {
    const settings = { rung, takesContextOver: false, windowBits: 15 };
    const [deflater, inflater] = [new MessageDeflater(settings), new MessageInflater(settings)];
    deflater.skip();
    inflater.skip(first);
    expect(inflater.dictionary).toBeUndefined();
    expect(inflater.inflateUpTo(deflater.deflate(large), 1000)).toBeNull();
    expect(inflater.inflate(deflater.deflate(last), 500)).toEqual(last);
  });
});

describe.each(kinds)('the start of a message $title', ({ rung, takesContextOver }) => {
  const kind = { rung, takesContextOver, windowBits: 15 };
  const text = words(5000);

  it('is the output so far, and reading it changes nothing', () => {
    const [deflater, inflater] = [new MessageDeflater(kind), new MessageInflater(kind)];
    inflater.inflate(deflater.deflate(text), 5000);
    const second = deflater.deflate(text);
    const cut = takesContextOver ? second : second.subarray(0, second.length / 2);
    const peeked = inflater.peek(cut, 5000) as Buffer;
    expect(peeked.length).toBeGreaterThan(100);
    expect(text.subarray(0, peeked.length)).toEqual(peeked);
    expect(inflater.peek(Buffer.alloc(0), 0)).toEqual(Buffer.alloc(0));
    expect(inflater.inflate(second, 5000)).toEqual(text);
    deflater.close();
    inflater.close();
  });

  it('is null if it is too long, and an InflateError if it is invalid', () => {
    const inflater = new MessageInflater(kind);
    expect(inflater.peek(deflated(text), 4999)).toBeNull();
    expect(inflater.peek(deflated(text), 5000)).toEqual(text);
    expect(thrownBy(() => inflater.peek(fromHex('07 ff'), 5000))).toBeInstanceOf(InflateError);
    expect(inflater.inflate(deflated(text), 5000)).toEqual(text);
    inflater.close();
  });
});

describe('the pieces behind a final block', () => {
  const pieces = fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 12 });
  const total = (all: readonly Uint8Array[]): number => all.reduce((sum, { length }) => sum + length, 0);

  it('are inflated in order while they are short, up to 64 KiB and one piece more, and the others are left', () => {
    fc.assert(
      fc.property(
        pieces,
        fc.integer({ min: 0, max: 200_000 }),
        fc.integer({ min: 0, max: 12 }),
        (lengths, limit, most) => {
          const parts = lengths.map((length, i) => Buffer.alloc(length, i));
          const streams = parts.map((part) => deflateRawSync(part));
          const found = inflatePieces(Buffer.concat(streams), 15, limit, most);
          const count = found.pieces.length;
          expect(found.pieces.every((piece, i) => piece.equals(parts[i]!))).toBe(true);
          expect(found.end).toBe(total(streams.slice(0, count)));
          expect(found.lastStart).toBe(total(streams.slice(0, Math.max(0, count - 1))));
          expect(total(found.pieces)).toBeLessThanOrEqual(Math.min(limit, 131_072));
          expect(count).toBeLessThanOrEqual(most);
          const next = lengths[count];
          const made = total(found.pieces);
          const goesOn = next !== undefined && next <= 65_536 && made + next <= limit && made < 65_536 && count < most;
          expect(goesOn).toBe(false);
        },
      ),
    );
  });

  it.each([
    ['invalid', 'ff'],
    ['incomplete', '4b'],
  ])('are left from an %s one on, and the shared state serves the next message', (_, hex) => {
    const octets = Buffer.concat([deflateRawSync(Buffer.from('a')), fromHex(hex)]);
    const { pieces, end } = inflatePieces(octets, 15, 100, 100);
    expect(pieces.map(String)).toEqual(['a']);
    expect(end).toBe(octets.length - 1);
    expect(inflatePieces(deflateRawSync(Buffer.from('b')), 15, 100, 100).pieces.map(String)).toEqual(['b']);
  });
});

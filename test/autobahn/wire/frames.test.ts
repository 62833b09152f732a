import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrame } from '../../../autobahn/wire/encode-frame.ts';
import type { IncomingFrame } from '../../../autobahn/wire/frame.ts';
import { FrameReader, type FrameReaderOptions } from '../../../autobahn/wire/frame-reader.ts';
import { maskInPlace } from '../../../autobahn/wire/mask.ts';
import { Violation } from '../../../autobahn/wire/violation.ts';
import { fromHex } from '../../support/hex.ts';

const fromServer: FrameReaderOptions = { masked: false, deflate: false, maxPayload: 2 ** 20 };

/** Returns the frames in octets that are passed in pieces of `step`. */
function readAll(octets: Buffer, options: FrameReaderOptions, step = octets.length || 1): IncomingFrame[] {
  const reader = new FrameReader(options);
  const frames: IncomingFrame[] = [];
  for (let offset = 0; offset < octets.length; offset += step) {
    // Copied, as if from a socket, because the reader may unmask in place.
    reader.read(Buffer.from(octets.subarray(offset, offset + step)), (frame) => frames.push(frame));
  }
  return frames;
}

describe.each([
  ['a text message', '81 05 48 65 6c 6c 6f', { opcode: 1, payload: Buffer.from('Hello') }, null],
  [
    'a masked text message',
    '81 85 37 fa 21 3d 7f 9f 4d 51 58',
    { opcode: 1, payload: Buffer.from('Hello') },
    '37fa213d',
  ],
  ['a first fragment', '01 03 48 65 6c', { opcode: 1, payload: Buffer.from('Hel'), fin: false }, null],
  ['a ping', '89 05 48 65 6c 6c 6f', { opcode: 9, payload: Buffer.from('Hello') }, null],
  ['256 octets', `82 7e 01 00 ${'00'.repeat(256)}`, { opcode: 2, payload: Buffer.alloc(256) }, null],
  [
    '65536 octets',
    `82 7f 00 00 00 00 00 01 00 00 ${'00'.repeat(65536)}`,
    { opcode: 2, payload: Buffer.alloc(65536) },
    null,
  ],
  ['nothing', '81 00', { opcode: 1, payload: Buffer.alloc(0) }, null],
])('%s (RFC 6455 §5.7)', (_title, hex, frame, key) => {
  const masked = key !== null;

  test('is encoded', () => {
    expect(encodeFrame(frame, masked ? fromHex(key) : null).equals(fromHex(hex))).toBe(true);
  });

  test.each([1, 2, 3, 7, 100_000])('is read in pieces of %i octets', (step) => {
    const [read, ...rest] = readAll(fromHex(hex), { ...fromServer, masked }, step);
    expect(rest).toEqual([]);
    const { opcode, payload, fin = true } = { fin: true, ...frame };
    expect(read).toMatchObject({ opcode, fin, rsv: 0 });
    expect(read?.payload.equals(payload)).toBe(true);
    expect(read?.mask?.toString('hex') ?? null).toBe(key);
  });
});

test('can also send violations: reserved bits and opcodes, long control frames', () => {
  expect(encodeFrame({ opcode: 9, payload: Buffer.alloc(126), fin: false, rsv: 7 }, null).subarray(0, 4)).toEqual(
    fromHex('79 7e 00 7e'),
  );
  expect(encodeFrame({ opcode: 11, payload: Buffer.alloc(0), rsv: 2 }, null)).toEqual(fromHex('ab 00'));
});

test('does not change a payload that is sent masked', () => {
  const payload = Buffer.from('unaltered');
  encodeFrame({ opcode: 1, payload }, fromHex('ffffffff'));
  expect(payload.toString()).toBe('unaltered');
});

test.each([0, 1, 2, 3])('masks equally at every offset: %i', (start) => {
  const key = fromHex('01 02 04 80');
  const octets = Buffer.alloc(1000 + start, 0x55).subarray(start);
  maskInPlace(octets, key);
  expect(octets.every((octet, index) => octet === (0x55 ^ (key[index % 4] as number)))).toBe(true);
});

describe('the reader enforces §5', () => {
  const deflate = { deflate: true };
  test.each<[string, string, Partial<FrameReaderOptions>, number]>([
    ['reserved opcode 3', '83 00', {}, 1002],
    ['reserved opcode 11', '8b 00', {}, 1002],
    ['RSV2', 'a1 00', {}, 1002],
    ['RSV3 with an extension', '91 00', deflate, 1002],
    ['RSV1 with no extension', 'c1 00', {}, 1002],
    ['RSV1 in a continuation', '41 00 c0 00', deflate, 1002],
    ['RSV1 in a control frame', 'c9 00', deflate, 1002],
    ['fragmented control frame', '09 00', {}, 1002],
    ['control frame of 126 octets', '89 7e 00 7e', {}, 1002],
    ['nothing to continue', '80 00', {}, 1002],
    ['a message in a message', '01 00 81 00', {}, 1002],
    ['masked by a server', '81 80', {}, 1002],
    ['not masked by a client', '81 00', { masked: true }, 1002],
    ['125 in two octets', '82 7e 00 7d', {}, 1002],
    ['65535 in eight octets', '82 7f 00 00 00 00 00 00 ff ff', {}, 1002],
    ['highest bit of a length', '82 7f 80 00 00 00 00 00 00 00', {}, 1002],
    ['2^53', '82 7f 00 20 00 00 00 00 00 00', {}, 1009],
    ['longer than may be', '82 7f 00 00 00 00 00 10 00 01', {}, 1009],
  ])('%s', (_title, hex, options, closeCode) => {
    for (const step of [1, 100]) {
      const read = () => readAll(fromHex(hex), { ...fromServer, ...options }, step);
      expect(read).toThrow(Violation);
      expect(read).toThrow(expect.objectContaining({ closeCode }));
    }
  });

  test('accepts control frames between fragments, and RSV1 on the first frame of a compressed message', () => {
    const frames = readAll(fromHex('41 01 61 89 00 80 01 62'), { ...fromServer, deflate: true });
    expect(frames.map(({ opcode, rsv, fin }) => [opcode, rsv, fin])).toEqual([
      [1, 4, false],
      [9, 0, true],
      [0, 0, true],
    ]);
  });

  test('returns frames or a Violation for any octets, however they are divided', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 1, max: 300 }),
        fc.boolean(),
        (octets, step, masked) => {
          const attempt = (size: number) => {
            try {
              return readAll(Buffer.from(octets), { masked, deflate: true, maxPayload: 1000 }, size).length;
            } catch (error) {
              expect(error).toBeInstanceOf(Violation);
              return (error as Violation).message;
            }
          };
          expect(attempt(step)).toEqual(attempt(300));
        },
      ),
    );
  });

  test('reads its own encoding, however it is divided', () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 });
    fc.assert(
      fc.property(payloads, fc.integer({ min: 1, max: 300 }), fc.boolean(), (list, step, masked) => {
        const key = masked ? fromHex('de ad be ef') : null;
        const encoded = list.map((payload) => encodeFrame({ opcode: 2, payload: Buffer.from(payload) }, key));
        const frames = readAll(Buffer.concat(encoded), { ...fromServer, masked }, step);
        expect(frames.map(({ payload }) => payload.toString('hex'))).toEqual(
          list.map((payload) => Buffer.from(payload).toString('hex')),
        );
      }),
    );
  });
});

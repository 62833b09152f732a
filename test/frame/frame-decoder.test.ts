import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { FrameHeader } from '../../src/frame/frame.ts';
import {
  defaultMaxPayload,
  FrameCollector,
  FrameDecoder,
  type FrameDecoderOptions,
  type FrameSink,
} from '../../src/frame/frame-decoder.ts';
import { allocationsOf } from '../support/allocations.ts';
import {
  decodeFrames,
  frameSequences,
  nearlyFrames,
  seenError,
  seenFrame,
  sentOctets,
  vectors,
} from '../support/frames.ts';
import { fromHex, toHex } from '../support/hex.ts';
import {
  type Cut,
  cutOctets,
  cuts,
  everyCut,
  exampleKey,
  naiveFrame,
  naiveHeader,
  sampleOctets,
} from '../support/octets.ts';

const server: FrameDecoderOptions = { role: 'server' };
const client: FrameDecoderOptions = { role: 'client' };
/** Octets of the key behind a header. */
const key = '37 fa 21 3d';

/** Sink that accepts everything, keeps nothing, and counts beginning frames. */
class Sieve implements FrameSink {
  begun: number[] = [];
  frames = 0;
  control(): boolean {
    this.frames++;
    return true;
  }
  data(): boolean {
    this.frames++;
    return true;
  }
  dataBegin(header: FrameHeader): void {
    this.begun.push(header.length);
  }
  dataPart(): void {}
  dataEnd(): boolean {
    this.frames++;
    return true;
  }
}

describe('FrameDecoder', () => {
  describe('the vectors of RFC 6455 §5.7', () => {
    for (const { title, receiver, octets, frames } of vectors) {
      it.each(everyCut)(`decodes ${title}, %s`, (cut) => {
        const expected = frames.map(({ opcode, fin, payload }) => ({
          opcode,
          fin,
          rsv1: false,
          payload: toHex(payload),
        }));
        expect(decodeFrames(octets, cut, { role: receiver })).toEqual({ frames: expected, error: null });
      });
    }

    it('decodes all of them in sequence in one chunk', () => {
      for (const role of ['client', 'server'] as const) {
        const ours = vectors.filter(({ receiver }) => receiver === role);
        const { frames } = decodeFrames(Buffer.concat(ours.map(({ octets }) => octets)), 'whole', { role });
        expect(frames.map(({ payload }) => payload)).toEqual(
          ours.flatMap(({ frames }) => frames.map(({ payload }) => toHex(payload))),
        );
      }
    });
  });

  it.each([125, 126, 127, 65_535, 65_536, 65_537])(
    'decodes a payload of %i octets, masked or not, in any division',
    (length) => {
      const payload = sampleOctets(length);
      for (const role of ['client', 'server'] as const) {
        const stream = naiveFrame(0x82, payload, role === 'server' ? exampleKey : null);
        for (const cut of ['whole', 'octet by octet', [3], [7, 1, 1, 1], [20, 1, 2, 5, 1000]] as Cut[]) {
          const { frames, error } = decodeFrames(stream, cut, { role });
          expect(error).toBeNull();
          expect(frames).toHaveLength(1);
          expect(frames[0]!.payload === toHex(payload)).toBe(true);
        }
      }
    },
  );

  it('starts at the given offset of the chunk', () => {
    const collector = new FrameCollector();
    const decoder = new FrameDecoder(client);
    expect(decoder.decode(fromHex('ff ff ff 81 05 48 65 6c 6c 6f'), 3, collector)).toBe(10);
    expect(collector.frames.map(seenFrame)).toEqual([{ opcode: 1, fin: true, rsv1: false, payload: '48 65 6c 6c 6f' }]);
  });

  it('accepts an empty chunk at any position', () => {
    const stream = fromHex(`89 81 ${key} 00 82 84 ${key} 01 02 03 04`);
    const lengths = [...stream].flatMap(() => [0, 1]);
    expect(decodeFrames(stream, lengths, server)).toEqual(decodeFrames(stream, 'whole', server));
  });

  it('accepts plain Uint8Arrays', () => {
    const collector = new FrameCollector();
    const decoder = new FrameDecoder(server);
    for (const part of [`81 85 ${key} 7f 9f 4d 51 58 81 8a ${key} 7f`, '9f 4d 51 58 7f 9f 4d 51 58']) {
      decoder.decode(Uint8Array.from(fromHex(part)), 0, collector);
    }
    expect(collector.frames.map(({ payload }) => String(payload))).toEqual(['Hello', expect.stringMatching(/^Hello/)]);
  });

  it.each([
    ['16 bits', 'for 5 octets', '82 7e 00 05'],
    ['64 bits', 'for 5 octets', '82 7f 00 00 00 00 00 00 00 05'],
    ['16 bits', 'for none', '82 7e 00 00'],
    ['64 bits', 'for none', '82 7f 00 00 00 00 00 00 00 00'],
  ])('accepts a length in %s %s, longer than necessary, as ws does', (_bits, _what, header) => {
    const payload = header.endsWith('5') ? '01 02 03 04 05' : '';
    for (const cut of everyCut) {
      expect(decodeFrames(fromHex(`${header} ${payload}`), cut, client)).toEqual({
        frames: [{ opcode: 2, fin: true, rsv1: false, payload }],
        error: null,
      });
    }
  });

  it('decodes control frames between the fragments of a message (§5.4), and after it', () => {
    const stream = fromHex('01 01 61 89 01 62 00 00 8a 00 80 01 63 82 01 64 88 00');
    for (const cut of everyCut) {
      const { frames, error } = decodeFrames(stream, cut, client);
      expect(error).toBeNull();
      expect(frames.map(({ opcode, fin, payload }) => [opcode, fin, payload])).toEqual([
        [1, false, '61'],
        [9, true, '62'],
        [0, false, ''],
        [10, true, ''],
        [0, true, '63'],
        [2, true, '64'],
        [8, true, ''],
      ]);
    }
  });

  it('reports RSV1 on the first frame of a message if an extension uses it', () => {
    const stream = fromHex('c1 01 61 42 01 62 89 00 00 01 63 80 00 82 00');
    for (const cut of everyCut) {
      const { frames, error } = decodeFrames(stream, cut, { ...client, allowRsv1: true });
      expect(error).toBeNull();
      expect(frames.map(({ opcode, rsv1 }) => [opcode, rsv1])).toEqual([
        [1, true],
        [2, true],
        [9, false],
        [0, false],
        [0, false],
        [2, false],
      ]);
    }
  });
});

describe('calls of a FrameDecoder to its sink', () => {
  it('pass a frame that is complete in the chunk as a view, unmasked in place', () => {
    const chunk = fromHex(`81 85 ${key} 7f 9f 4d 51 58 00`);
    const data = vi.fn((_header: FrameHeader, octets: Uint8Array, start: number, end: number) => {
      expect(octets).toBe(chunk);
      expect(String(chunk.subarray(start, end))).toBe('Hello');
      return true;
    });
    new FrameDecoder(server).decode(chunk, 0, Object.assign(new Sieve(), { data }));
    expect(data).toHaveBeenCalledOnce();
  });

  it('report a payload that is not ASCII, and a masked one that is ASCII', () => {
    const seenOf = (payload: Uint8Array, options: FrameDecoderOptions) => {
      let seen = -1;
      const data = (...[, , , , flags]: Parameters<FrameSink['data']>) => {
        seen = flags & 0x80808080;
        return true;
      };
      const frame = naiveFrame(0x81, payload, options.role === 'server' ? exampleKey : null);
      new FrameDecoder(options).decode(frame, 0, Object.assign(new Sieve(), { data }));
      return seen;
    };
    for (const length of [0, 1, 3, 20, 30, 125, 300, 600, 60_000]) {
      const ascii = Buffer.alloc(length, 'ascii');
      expect(seenOf(ascii, server)).toBe(0);
      for (const at of [0, 1, 2, 3, length >> 1, length - 1]) {
        if (at < 0 || at >= length) continue;
        const other = Buffer.from(ascii);
        other[at] = 0xc3;
        expect(seenOf(other, server)).not.toBe(0);
        expect(seenOf(other, client)).not.toBe(0);
      }
    }
  });

  it('pass a frame that is not complete in the chunk in parts, as they arrive, still masked', () => {
    const calls: unknown[] = [];
    const sink: FrameSink = {
      control: () => true,
      data: () => {
        calls.push('data');
        return true;
      },
      dataBegin: (header, available) => calls.push(['begin', header.length, available]),
      dataPart: (octets, start, end, key) => calls.push(['part', toHex(octets.subarray(start, end)), key >>> 0]),
      dataEnd: (header) => {
        calls.push(['end', header.length]);
        return true;
      },
    };
    const decoder = new FrameDecoder(server);
    for (const part of [`82 86 ${key} 37`, 'fa 21', '', '3d 37 fa', `82 83 ${key}`, '37 fa 21']) {
      decoder.decode(fromHex(part), 0, sink);
    }
    decoder.decode(fromHex('82 82 00 00 00 00 01'), 0, sink);
    decoder.decode(fromHex('02'), 0, sink);
    expect(calls).toEqual([
      ['begin', 6, 1],
      ['part', '37', 0x3d21fa37],
      ['part', 'fa 21', 0x373d21fa],
      ['part', '3d 37 fa', 0x21fa373d],
      ['end', 6],
      ['begin', 3, 0],
      ['part', '37 fa 21', 0x3d21fa37],
      ['end', 3],
      ['begin', 2, 1],
      // A key of zeros does not mask.
      ['part', '01', 0],
      ['part', '02', 0],
      ['end', 2],
    ]);
  });

  it('report at the start of a frame no more octets than the frame has', () => {
    const begun: unknown[] = [];
    const sink = Object.assign(new Sieve(), {
      dataBegin: (header: FrameHeader, available: number) => begun.push([header.length, available]),
    });
    const decoder = new FrameDecoder(client);
    decoder.decode(fromHex('82'), 0, sink);
    decoder.decode(fromHex('02 01 02 89 00 82 7f 00 00 00 00 00 00 00 01 07 89 00'), 0, sink);
    expect(begun).toEqual([
      [2, 2],
      [1, 1],
    ]);
  });

  it('report whether the octets so far end between two frames', () => {
    const frames = [`89 82 ${key} 00 00`, `01 80 ${key}`, `80 fe 00 01 ${key} 00`, `82 81 ${key} 00`].map(fromHex);
    const ends = new Set(frames.map((_frame, i) => Buffer.concat(frames.slice(0, i + 1)).length));
    const decoder = new FrameDecoder(server);
    expect(decoder.isBetweenFrames).toBe(true);
    [...Buffer.concat(frames)].forEach((octet, i) => {
      decoder.decode(Buffer.of(octet), 0, new Sieve());
      expect([i, decoder.isBetweenFrames]).toEqual([i, ends.has(i + 1)]);
    });
  });

  it('report whether the octets so far end between two messages, and not inside a control frame', () => {
    const parts = [
      [`89 82 ${key} 00 00`, true],
      [`01 80 ${key}`, false],
      [`89 80 ${key}`, false],
      [`00 81 ${key} 00`, false],
      [`80 fe 00 01 ${key} 00`, true],
      [`82 81 ${key} 00`, true],
      [`88 80 ${key}`, true],
    ] as const;
    for (const cut of everyCut) {
      const decoder = new FrameDecoder(server);
      expect(decoder.isBetweenMessages).toBe(true);
      for (const [text, isBetween] of parts) {
        const frame = fromHex(text);
        for (const chunk of cutOctets(frame.subarray(0, -1), cut)) {
          decoder.decode(chunk, 0, new Sieve());
          expect(decoder.isBetweenMessages).toBe(false);
        }
        decoder.decode(frame.subarray(-1), 0, new Sieve());
        expect(decoder.isBetweenMessages).toBe(isBetween);
      }
    }
  });
});

interface Rule {
  readonly title: string;
  readonly options: FrameDecoderOptions;
  /** Valid octets before the violation. */
  readonly before?: string;
  /** Octets of a frame up to the one that breaks the rule. */
  readonly broken: string;
  readonly error: readonly [code: string, closeCode: number, section: string];
}

const rsv1 = ['WS_ERR_UNEXPECTED_RSV_1', 1002, '5.2'] as const;
const rsv23 = ['WS_ERR_UNEXPECTED_RSV_2_3', 1002, '5.2'] as const;
const opcode = ['WS_ERR_INVALID_OPCODE', 1002, '5.2, 5.4'] as const;
const expectedFin = ['WS_ERR_EXPECTED_FIN', 1002, '5.5'] as const;
const controlLength = ['WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002, '5.5'] as const;
const expectedMask = ['WS_ERR_EXPECTED_MASK', 1002, '5.1'] as const;
const unexpectedMask = ['WS_ERR_UNEXPECTED_MASK', 1002, '5.1'] as const;
const tooLong = ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009, '10.4'] as const;
const tooMany = ['WS_ERR_TOO_MANY_BUFFERED_PARTS', 1008, '10.4'] as const;

const withRsv1 = { ...server, allowRsv1: true };
const begun = `01 80 ${key}`;
const ended = `${begun} 80 80 ${key}`;

const rules: readonly Rule[] = [
  { title: 'RSV2', options: server, broken: 'a1 85', error: rsv23 },
  { title: 'RSV3', options: server, broken: '91 85', error: rsv23 },
  { title: 'RSV2 and RSV3 where RSV1 may be set', options: withRsv1, broken: 'f1 85', error: rsv23 },
  { title: 'RSV2 on a ping', options: client, broken: 'a9 00', error: rsv23 },
  { title: 'RSV3 on a continuation', options: server, before: begun, broken: '90 80', error: rsv23 },
  { title: 'RSV1 that was not negotiated on text', options: server, broken: 'c1 85', error: rsv1 },
  { title: 'RSV1 that was not negotiated on binary data', options: client, broken: 'c2 05', error: rsv1 },
  { title: 'RSV1 that was not negotiated on a ping', options: server, broken: 'c9 80', error: rsv1 },
  {
    title: 'RSV1 that was negotiated on a continuation',
    options: withRsv1,
    before: begun,
    broken: 'c0 80',
    error: rsv1,
  },
  { title: 'RSV1 that was negotiated on a ping', options: withRsv1, broken: 'c9 80', error: rsv1 },
  { title: 'RSV1 that was negotiated on a pong', options: withRsv1, broken: 'ca 80', error: rsv1 },
  { title: 'RSV1 that was negotiated on a close frame', options: withRsv1, broken: 'c8 80', error: rsv1 },
  { title: 'RSV1 that was not negotiated with a reserved opcode', options: server, broken: 'c3 80', error: rsv1 },
  { title: 'RSV1 that was negotiated with a reserved opcode', options: withRsv1, broken: 'c3 80', error: opcode },
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((reserved): Rule[] => [
    { title: `opcode ${reserved}`, options: server, broken: `${(0x80 | reserved).toString(16)} 85`, error: opcode },
    { title: `opcode ${reserved} without FIN`, options: client, broken: `0${reserved.toString(16)} 05`, error: opcode },
  ]),
  { title: 'a reserved opcode with a huge length', options: server, broken: '83 ff', error: opcode },
  {
    title: 'a reserved control opcode within a message',
    options: server,
    before: begun,
    broken: '8b 80',
    error: opcode,
  },
  { title: 'a continuation (fin) of nothing', options: server, broken: '80 85', error: opcode },
  { title: 'a continuation (not fin) of nothing', options: client, broken: '00 00', error: opcode },
  {
    title: 'a continuation of a message that has ended',
    options: server,
    before: ended,
    broken: '80 80',
    error: opcode,
  },
  {
    title: 'a continuation of a message of one frame',
    options: client,
    before: '82 00',
    broken: '80 00',
    error: opcode,
  },
  { title: 'text within a message', options: server, before: begun, broken: '81 80', error: opcode },
  { title: 'binary data within a message', options: server, before: begun, broken: '82 80', error: opcode },
  { title: 'fragmented text within a message', options: server, before: begun, broken: '01 80', error: opcode },
  { title: 'fragmented binary data within a message', options: server, before: begun, broken: '02 80', error: opcode },
  {
    title: 'text within a message, behind a ping',
    options: server,
    before: `${begun} 89 80 ${key}`,
    broken: '81 80',
    error: opcode,
  },
  { title: 'a ping without FIN', options: server, broken: '09 80', error: expectedFin },
  { title: 'a pong without FIN', options: client, broken: '0a 00', error: expectedFin },
  { title: 'a close frame without FIN', options: server, broken: '08 80', error: expectedFin },
  { title: 'a ping of 126 octets or more', options: server, broken: '89 fe', error: controlLength },
  { title: 'a pong with a 64-bit length', options: client, broken: '8a 7f', error: controlLength },
  { title: 'a close frame of 126 octets or more', options: server, broken: '88 fe', error: controlLength },
  { title: 'a close frame of one octet', options: server, broken: '88 81', error: controlLength },
  { title: 'a close frame of one octet', options: client, broken: '88 01', error: controlLength },
  ...['81 05', '82 7e', '89 00', '8a 00', '88 00'].map(
    (broken): Rule => ({
      title: `an unmasked frame to a server (${broken})`,
      options: server,
      broken,
      error: expectedMask,
    }),
  ),
  {
    title: 'an unmasked continuation to a server',
    options: server,
    before: begun,
    broken: '80 00',
    error: expectedMask,
  },
  ...['81 85', '82 fe', '89 80', '8a 80', '88 80'].map(
    (broken): Rule => ({
      title: `a masked frame to a client (${broken})`,
      options: client,
      broken,
      error: unexpectedMask,
    }),
  ),
  { title: '11 octets with maxPayload 10', options: { ...server, maxPayload: 10 }, broken: '82 8b', error: tooLong },
  { title: '125 octets with maxPayload 124', options: { ...client, maxPayload: 124 }, broken: '82 7d', error: tooLong },
  {
    title: '126 octets with maxPayload 125',
    options: { ...client, maxPayload: 125 },
    broken: '81 7e 00 7e',
    error: tooLong,
  },
  {
    title: '1001 octets with maxPayload 1000',
    options: { ...server, maxPayload: 1000 },
    broken: '02 fe 03 e9',
    error: tooLong,
  },
  {
    title: '65 537 octets with maxPayload 65 536',
    options: { ...server, maxPayload: 65_536 },
    broken: '81 ff 00 00 00 00 00 01 00 01',
    error: tooLong,
  },
  {
    title: 'one octet more than 100 MiB, the default',
    options: server,
    broken: '82 ff 00 00 00 00 06 40 00 01',
    error: tooLong,
  },
  {
    title: '4 + 4 + 3 octets of fragments with maxPayload 10',
    options: { ...client, maxPayload: 10 },
    before: '01 04 61 61 61 61 00 04 61 61 61 61 89 00',
    broken: '80 03',
    error: tooLong,
  },
  {
    title: 'fragments that together pass 2^53-1',
    options: { ...client, maxPayload: 2 ** 53 - 1 },
    before: '02 02 61 61',
    broken: '00 7f 00 1f ff ff ff ff ff ff',
    error: tooLong,
  },
  {
    title: 'a fourth fragment with maxFragments 3',
    options: { ...client, maxFragments: 3 },
    before: '01 00 00 00 89 00 00 00',
    broken: '00 00',
    error: tooMany,
  },
  {
    title: 'a fourth fragment, the last one, with maxFragments 3',
    options: { ...client, maxFragments: 3 },
    before: '01 00 00 00 00 00',
    broken: '80 05',
    error: tooMany,
  },
  {
    title: 'a second fragment with maxFragments 1',
    options: { ...server, maxFragments: 1 },
    before: begun,
    broken: '80 80',
    error: tooMany,
  },
  {
    title: 'a fragment too many behind a message that had just enough',
    options: { ...client, maxFragments: 2 },
    before: '01 00 80 00 82 00 02 00 80 00 01 00 00 00',
    broken: '80 00',
    error: tooMany,
  },
];

describe('a FrameDecoder refuses', () => {
  it.each(rules.map((rule) => [`${rule.title} (${rule.broken})`, rule] as const))(
    '%s',
    (_title, { options, before = '', broken, error: [code, closeCode, section] }) => {
      const prefix = fromHex(before);
      const stream = Buffer.concat([prefix, fromHex(broken)]);
      const decoder = new FrameDecoder(options);
      const collector = new FrameCollector();
      // Octet by octet: rejected exactly at the octet that breaks the rule.
      const [last] = stream.subarray(-1);
      for (const octet of stream.subarray(0, -1)) decoder.decode(Buffer.of(octet), 0, collector);
      const sizes = allocationsOf(() => {
        let thrown: unknown;
        try {
          decoder.decode(new Uint8Array([last!]), 0, collector);
        } catch (error) {
          thrown = error;
        }
        expect(seenError(thrown)).toMatchObject({ code, closeCode, section });
      });
      expect(sizes).toEqual([]);
      expect(collector.frames.map(seenFrame)).toEqual(decodeFrames(prefix, 'whole', options).frames);

      // Rejected alike with every cut, and regardless of later octets.
      const expected = decodeFrames(stream, 'octet by octet', options);
      expect(expected.error).toMatchObject({ code, closeCode, section });
      for (const rest of [Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(300)]) {
        const longer = Buffer.concat([stream, rest]);
        for (const cut of [...everyCut, [prefix.length], [prefix.length + 1], [stream.length]] as Cut[]) {
          expect(decodeFrames(longer, cut, options)).toEqual(expected);
        }
      }
    },
  );

  it('these violations with the limit and the received value in the detail', () => {
    const { error } = decodeFrames(fromHex('02 04 61 61 61 61 80 07'), 'whole', { ...client, maxPayload: 10 });
    expect(error?.detail).toBe('RFC 6455 §10.4: a message must not be longer than maxPayload; got 11 (limit 10)');
    const many = decodeFrames(fromHex('02 00 00 00 80 00'), 'whole', { ...client, maxFragments: 2 });
    expect(many.error?.detail).toBe(
      'RFC 6455 §10.4: a message must not have more fragments than maxFragments, nor a frame arrive in more chunks than maxBufferedChunks; got 3 (limit 2)',
    );
    expect(decodeFrames(fromHex('8b 00'), 'whole', client).error?.message).toBe(
      'Invalid WebSocket frame: invalid opcode 11',
    );
    expect(decodeFrames(fromHex('89 7e'), 'whole', client).error?.message).toBe(
      'Invalid WebSocket frame: invalid payload length 126',
    );
    expect(decodeFrames(fromHex('88 01'), 'whole', client).error?.message).toBe(
      'Invalid WebSocket frame: invalid payload length 1',
    );
  });

  it.each([
    ['2^53', '00 20 00 00 00 00 00 00'],
    ['2^53+1', '00 20 00 00 00 00 00 01'],
    ['2^56', '01 00 00 00 00 00 00 00'],
    ['2^63-1', '7f ff ff ff ff ff ff ff'],
    ['2^63 (the highest bit)', '80 00 00 00 00 00 00 00'],
    ['2^64-1', 'ff ff ff ff ff ff ff ff'],
  ])('a length of %s before anything is buffered, with any limit', (_length, digits) => {
    for (const maxPayload of [0, 10, defaultMaxPayload, 2 ** 53 - 1]) {
      for (const [role, second] of [
        ['server', 'ff'],
        ['client', '7f'],
      ] as const) {
        for (const first of ['82', '01']) {
          for (const rest of ['', '00 00 00 00', '00 '.repeat(300)]) {
            for (const cut of everyCut) {
              const sink = new Sieve();
              const decoder = new FrameDecoder({ role, maxPayload });
              let error: unknown;
              const chunks = cutOctets(fromHex(`${first} ${second} ${digits} ${rest}`), cut);
              const sizes = allocationsOf(() => {
                try {
                  for (const chunk of chunks) decoder.decode(chunk, 0, sink);
                } catch (thrown) {
                  error = thrown;
                }
              });
              expect(seenError(error)).toMatchObject({
                code: 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH',
                closeCode: 1009,
                section: '5.2',
              });
              expect(sizes).toEqual([]);
              expect(sink.begun).toEqual([]);
            }
          }
        }
      }
    }
  });

  it.each([
    ['2^31-1', 2 ** 31 - 1],
    ['2^31', 2 ** 31],
    ['2^32-1', 2 ** 32 - 1],
    ['2^32', 2 ** 32],
    ['2^32+5', 2 ** 32 + 5],
    ['2^53-1', 2 ** 53 - 1],
  ])('a length of %s at the header, before anything is buffered, unless there is no limit', (_title, length) => {
    for (const cut of everyCut) {
      for (const [role, key] of [
        ['server', exampleKey],
        ['client', null],
      ] as const) {
        const header = naiveHeader(0x82, length, key);
        const sink = new Sieve();
        const sizes = allocationsOf(() => {
          const decoder = new FrameDecoder({ role, maxPayload: 0 });
          for (const chunk of cutOctets(header, cut)) decoder.decode(chunk, 0, sink);
          decoder.decode(new Uint8Array(10), 0, sink);
        });
        expect(sink.begun).toEqual([length]);
        expect(Math.max(0, ...sizes.filter((size) => size > 64))).toBe(0);
        // The last octet of the length is sufficient for the refusal.
        const { error } = decodeFrames(header.subarray(0, 10), cut, { role });
        expect(error).toMatchObject({ code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', closeCode: 1009 });
        expect(error?.detail).toContain(`got ${length} (limit 104857600)`);
      }
    }
  });

  it('invalid limits', () => {
    for (const limit of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => new FrameDecoder({ role: 'server', maxPayload: limit })).toThrow(
        new RangeError(`maxPayload must be a whole number from 0 (no limit) to 2^53-1; got ${limit}`),
      );
      expect(() => new FrameDecoder({ role: 'server', maxFragments: limit })).toThrow(
        new RangeError(`maxFragments must be a whole number from 0 (no limit) to 2^53-1; got ${limit}`),
      );
      expect(() => new FrameDecoder({ role: 'server', maxBufferedChunks: limit })).toThrow(
        new RangeError(`maxBufferedChunks must be a whole number from 0 (no limit) to 2^53-1; got ${limit}`),
      );
    }
  });
});

describe('maxBufferedChunks of a FrameDecoder', () => {
  /** Returns the number of chunks consumed before the decoder throws, or of all chunks. */
  function taken(chunks: readonly Buffer[], options: FrameDecoderOptions, sink: FrameSink = new Sieve()): number {
    const decoder = new FrameDecoder(options);
    for (const [i, chunk] of chunks.entries()) {
      try {
        for (let at = 0; at < chunk.length; ) at = decoder.decode(Buffer.from(chunk), at, sink);
      } catch (error) {
        expect(seenError(error)).toMatchObject({
          code: 'WS_ERR_TOO_MANY_BUFFERED_PARTS',
          closeCode: 1008,
          message: 'Too many buffered chunks',
        });
        expect(decoder.offset).toBe(0);
        return i;
      }
    }
    return chunks.length;
  }
  const singly = (stream: string) => Array.from(fromHex(stream), (octet) => Buffer.of(octet));

  it.each([
    ['the first two octets', '82 00', 2],
    ['a length of 16 bits', '82 7e 00 00', 2],
    ['a length of 64 bits', '82 7f 00 00 00 00 00 00 00 00', 8],
    ['a payload', '82 05 61 61 61 61 61', 5],
    ['the payload of a control frame', '89 05 61 61 61 61 61', 5],
  ])('counts chunks that contain %s (%s)', (_part, stream, chunks) => {
    expect(taken(singly(stream), { ...client, maxBufferedChunks: chunks })).toBe(fromHex(stream).length);
    expect(taken(singly(stream), { ...client, maxBufferedChunks: chunks - 1 })).toBeLessThan(fromHex(stream).length);
  });

  it('counts chunks that contain a masking key', () => {
    const stream = '82 80 01 02 03 04';
    expect(taken(singly(stream), { ...server, maxBufferedChunks: 4 })).toBe(6);
    expect(taken(singly(stream), { ...server, maxBufferedChunks: 3 })).toBe(5);
    const longer = '82 fe 00 00 01 02 03 04';
    expect(taken(singly(longer), { ...server, maxBufferedChunks: 4 })).toBe(8);
    expect(taken(singly(longer), { ...server, maxBufferedChunks: 3 })).toBe(7);
  });

  it('fails at the first chunk beyond it, for any content, and not before', () => {
    const chunks = ['82 06 61', '61', '61', '61 61 61'].map(fromHex);
    expect(taken(chunks, { ...client, maxBufferedChunks: 3 })).toBe(3);
    expect(taken(chunks, { ...client, maxBufferedChunks: 4 })).toBe(4);
  });

  it('restarts with every frame of a message, and with every part of a frame', () => {
    const fragments = [...singly('02 02 61 61'), ...singly('00 02 61 61'), ...singly('80 02 61 61')];
    expect(taken(fragments, { ...client, maxBufferedChunks: 2 })).toBe(fragments.length);
    expect(taken(fragments, { ...client, maxBufferedChunks: 1 })).toBe(1);
    // A chunk that ends one frame and begins the next counts for both.
    const overlapping = [fromHex('82 02 61'), ...Array<Buffer>(20).fill(fromHex('61 82 02 61')), fromHex('61')];
    expect(taken(overlapping, { ...client, maxBufferedChunks: 2 })).toBe(overlapping.length);
    expect(taken(overlapping, { ...client, maxBufferedChunks: 1 })).toBe(1);
  });

  it('restarts if the sink stops the decoder behind a frame', () => {
    const stopping: FrameSink = {
      control: () => false,
      data: () => false,
      dataBegin: () => {},
      dataPart: () => {},
      dataEnd: () => false,
    };
    for (const frame of ['82 02 61 61', '89 02 61 61']) {
      for (const cut of [1, 2, 3]) {
        const [begin, rest] = [fromHex(frame).subarray(0, cut), fromHex(frame).subarray(cut)];
        const chunks = Array.from({ length: 10 }, () => [begin, Buffer.concat([rest, fromHex(frame)])]).flat();
        expect(taken(chunks, { ...client, maxBufferedChunks: 2 }, stopping)).toBe(chunks.length);
      }
      // A frame that is complete in its chunk never waits.
      const whole = Array<Buffer>(5).fill(fromHex(frame));
      expect(taken(whole, { ...client, maxBufferedChunks: 1 }, stopping)).toBe(whole.length);
    }
  });

  it('restarts if an event throws behind a frame, and the rest is passed again', () => {
    const decoder = new FrameDecoder({ ...client, maxBufferedChunks: 2 });
    const sink = new Sieve();
    const throwing: FrameSink = Object.assign(new Sieve(), {
      dataEnd: () => {
        throw new Error('of the application');
      },
    });
    decoder.decode(fromHex('82 03 61'), 0, sink);
    decoder.decode(fromHex('61'), 0, sink);
    const last = fromHex('61 82 01');
    decoder.maxBufferedChunks = 3;
    expect(() => decoder.decode(last, 0, throwing)).toThrow('of the application');
    decoder.maxBufferedChunks = 1;
    expect(decoder.decode(last, decoder.offset, sink)).toBe(3);
    expect(decoder.decode(fromHex('61'), 0, sink)).toBe(1);
  });

  it('is unlimited by default', () => {
    const chunks = [fromHex('82 7e ff ff'), ...Array<Buffer>(65_535).fill(fromHex('61'))];
    expect(taken(chunks, client)).toBe(chunks.length);
    expect(taken(chunks, { ...client, maxBufferedChunks: 65_535 })).toBe(chunks.length);
  });
});

describe('the limits of a FrameDecoder', () => {
  it.each([10, 125, 126, 1000, 65_535, 65_536])('accept a message of exactly maxPayload octets: %i', (length) => {
    for (const cut of everyCut) {
      const frame = naiveFrame(0x82, sampleOctets(length), exampleKey);
      const { frames, error } = decodeFrames(frame, cut, { ...server, maxPayload: length });
      expect(error).toBeNull();
      expect(frames).toHaveLength(1);
    }
  });

  it('are by default 100 MiB and any number of fragments', () => {
    const sink = new Sieve();
    new FrameDecoder(client).decode(naiveHeader(0x82, 104_857_600, null), 0, sink);
    expect(sink.begun).toEqual([104_857_600]);
    expect(defaultMaxPayload).toBe(104_857_600);
    const fragments = fromHex(`02 00 ${'00 00 '.repeat(100_000)} 80 00`);
    const all = new Sieve();
    new FrameDecoder(client).decode(fragments, 0, all);
    expect(all.frames).toBe(100_002);
  });

  it('restart with every message: a long stream of legal messages passes', () => {
    const message = fromHex(
      '02 05 61 61 61 61 61 89 03 61 61 61 80 05 61 61 61 61 61 82 0a 61 61 61 61 61 61 61 61 61 61',
    );
    const stream = Buffer.concat(Array(50).fill(message));
    for (const cut of everyCut) {
      const { frames, error } = decodeFrames(stream, cut, { ...client, maxPayload: 10, maxFragments: 2 });
      expect(error).toBeNull();
      expect(frames).toHaveLength(200);
    }
  });

  it('do not count control frames, nor apply to them', () => {
    const stream = fromHex('02 02 61 61 89 05 61 61 61 61 61 8a 05 61 61 61 61 61 88 05 03 e8 61 61 61 80 01 61');
    for (const cut of everyCut) {
      const { frames, error } = decodeFrames(stream, cut, { ...client, maxPayload: 3, maxFragments: 2 });
      expect(error).toBeNull();
      expect(frames).toHaveLength(5);
    }
  });

  it('do not fail for messages of one frame', () => {
    const { frames, error } = decodeFrames(fromHex('82 00 01 00 80 00 82 00'), 'whole', { ...client, maxFragments: 2 });
    expect([frames.length, error]).toEqual([4, null]);
    expect(decodeFrames(fromHex('82 00 81 00'), 'octet by octet', { ...client, maxFragments: 1 }).error).toBeNull();
  });

  it('keep the sum of lengths correct without a limit, even beyond 2^53', () => {
    const sink = new Sieve();
    const decoder = new FrameDecoder({ role: 'client', maxPayload: 0 });
    decoder.decode(fromHex('02 01 61'), 0, sink);
    decoder.decode(naiveHeader(0x00, 2 ** 53 - 1, null), 0, sink);
    expect(sink.begun).toEqual([2 ** 53 - 1]);
  });

  it('bound the memory for a peer: a decoder buffers at most 125 octets, for a control frame', () => {
    fc.assert(
      fc.property(nearlyFrames('server'), cuts, (stream, cut) => {
        const chunks = cutOctets(stream, cut);
        const sizes = allocationsOf(() => {
          const decoder = new FrameDecoder(server);
          try {
            for (const chunk of chunks) decoder.decode(chunk, 0, new Sieve());
          } catch (error) {
            seenError(error);
          }
        });
        expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(125);
      }),
    );
  });
});

/** Forwards everything to a collector. `after` is called behind each frame, to continue, stop or throw. */
class Interrupted implements FrameSink {
  readonly collector = new FrameCollector();
  readonly #after: () => 'go on' | 'stop' | 'throw';
  constructor(after: () => 'go on' | 'stop' | 'throw') {
    this.#after = after;
  }
  #ask(): boolean {
    const answer = this.#after();
    if (answer === 'throw') throw new Error('thrown by the sink');
    return answer === 'go on';
  }
  control(header: FrameHeader, octets: Uint8Array, start: number, end: number): boolean {
    this.collector.control(header, octets, start, end);
    return this.#ask();
  }
  data(header: FrameHeader, octets: Uint8Array, start: number, end: number): boolean {
    this.collector.data(header, octets, start, end);
    return this.#ask();
  }
  dataBegin(): void {
    this.collector.dataBegin();
  }
  dataPart(octets: Uint8Array, start: number, end: number, key: number): void {
    this.collector.dataPart(octets, start, end, key);
  }
  dataEnd(header: FrameHeader): boolean {
    this.collector.dataEnd(header);
    return this.#ask();
  }
}

describe('a sink', () => {
  const stream = fromHex('89 01 61 82 02 62 63 02 00 8a 00 80 01 64 81 00');
  const ends = [3, 7, 9, 11, 14, 16];

  it('stops the decoder behind a frame by returning false, and decoding continues from there', () => {
    const sink = new Interrupted(() => 'stop');
    const decoder = new FrameDecoder(client);
    let at = 0;
    for (const end of ends) {
      at = decoder.decode(stream, at, sink);
      expect([at, decoder.offset]).toEqual([end, end]);
    }
    expect(sink.collector.frames.map(seenFrame)).toEqual(decodeFrames(stream, 'whole', client).frames);
  });

  it('stops it in the same way if frames arrive in pieces', () => {
    const sink = new Interrupted(() => 'stop');
    const decoder = new FrameDecoder(client);
    // The first octet of the first frame arrives alone, as does the last one of the second.
    expect(decoder.decode(stream.subarray(0, 1), 0, sink)).toBe(1);
    expect(decoder.decode(stream.subarray(1, 6), 0, sink)).toBe(2);
    expect(decoder.decode(stream.subarray(1, 6), 2, sink)).toBe(5);
    expect(decoder.decode(stream.subarray(6), 0, sink)).toBe(1);
    expect(decoder.offset).toBe(1);
    expect(decoder.isBetweenMessages).toBe(true);
    expect(sink.collector.frames.map(({ payload }) => String(payload))).toEqual(['a', 'bc']);
  });

  it('that throws leaves the decoder consistent behind that frame', () => {
    const sink = new Interrupted(() => 'throw');
    const decoder = new FrameDecoder(client);
    let at = 0;
    for (const end of ends) {
      expect(() => decoder.decode(stream, at, sink)).toThrow('thrown by the sink');
      at = decoder.offset;
      expect(at).toBe(end);
    }
    expect(sink.collector.frames.map(seenFrame)).toEqual(decodeFrames(stream, 'whole', client).frames);
  });

  it('may stop the decoder or throw behind any frame, in any division, and misses nothing', () => {
    const answers = fc.array(fc.constantFrom('go on', 'stop', 'throw'), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(frameSequences, cuts, answers, fc.boolean(), (frames, cut, answers, toServer) => {
        const role = toServer ? 'server' : 'client';
        const octets = Buffer.concat(frames.map((frame) => sentOctets(frame, role)));
        let asked = 0;
        const sink = new Interrupted(() => answers[asked++ % answers.length]!);
        const decoder = new FrameDecoder({ role });
        for (const chunk of cutOctets(octets, cut)) {
          let at = 0;
          do {
            const before = asked;
            try {
              const end = decoder.decode(chunk, at, sink);
              if (end !== decoder.offset) throw new Error(`${end} was returned, ${decoder.offset} is the offset`);
              // The decoder stops early only if the sink returns false.
              const last = answers[(asked - 1) % answers.length];
              if (end < chunk.length && (asked === before || last !== 'stop')) throw new Error('stopped of itself');
            } catch (error) {
              if ((error as Error).message !== 'thrown by the sink') throw error;
            }
            at = decoder.offset;
          } while (at < chunk.length);
        }
        expect(sink.collector.frames.map(seenFrame)).toEqual(
          frames.map(({ opcode, fin, rsv1, payload }) => ({ opcode, fin, rsv1, payload: toHex(payload) })),
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('any octets', () => {
  const options = fc.record({
    role: fc.constantFrom('server', 'client'),
    maxPayload: fc.constantFrom(0, 100, 1000, defaultMaxPayload),
    maxFragments: fc.constantFrom(0, 2),
    allowRsv1: fc.boolean(),
  });

  it('at random give frames or a ProtocolError, and the same in any division', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), cuts, options, (stream, cut, options) => {
        expect(decodeFrames(stream, cut, options)).toEqual(decodeFrames(stream, 'whole', options));
      }),
      { numRuns: 500 },
    );
  });

  it.each(['server', 'client'] as const)(
    'that are almost frames give a %s frames or a ProtocolError, and the same in any division',
    (role) => {
      const failures = new Set<string>();
      fc.assert(
        fc.property(nearlyFrames(role), cuts, options, (stream, cut, options) => {
          const whole = decodeFrames(stream, 'whole', { ...options, role });
          for (const other of [cut, 'octet by octet'] as const) {
            const result = decodeFrames(stream, other, { ...options, role });
            if (!isDeepStrictEqual(result, whole)) expect(result).toEqual(whole);
          }
          failures.add(whole.error?.code ?? 'none');
        }),
        { numRuns: 300 },
      );
      // Otherwise the generator would miss most of the table, and prove little.
      expect(failures.size).toBeGreaterThan(6);
    },
  );

  it('passed one by one take time in proportion to their number', () => {
    const cost = (length: number) => {
      const stream = naiveFrame(0x82, sampleOctets(length), exampleKey);
      const small = Buffer.concat(
        Array.from({ length: length >> 3 }, () => naiveFrame(0x82, fromHex('61 61'), exampleKey)),
      );
      const chunks = [...cutOctets(stream, 'octet by octet'), ...cutOctets(small, 'octet by octet')];
      const decoder = new FrameDecoder(server);
      const sink = new Sieve();
      const before = process.cpuUsage();
      for (const chunk of chunks) decoder.decode(chunk, 0, sink);
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    cost(20_000);
    // Eight times the octets. Quadratic work would take 64 times as long.
    expect(cost(160_000)).toBeLessThan(cost(20_000) * 32 + 50_000);
  });
});

describe('FrameCollector', () => {
  it('keeps every frame as a separate value, unmasked', () => {
    const chunk = fromHex(`81 85 ${key} 7f 9f 4d 51 58 89 81 ${key} 56 02 85 ${key} 7f 9f`);
    const collector = new FrameCollector();
    const decoder = new FrameDecoder(server);
    decoder.decode(chunk, 0, collector);
    decoder.decode(fromHex('4d 51 58'), 0, collector);
    chunk.fill(0);
    expect(collector.frames).toEqual([
      { opcode: 1, fin: true, rsv1: false, length: 5, payload: Buffer.from('Hello') },
      { opcode: 9, fin: true, rsv1: false, length: 1, payload: Buffer.from('a') },
      { opcode: 2, fin: false, rsv1: false, length: 5, payload: Buffer.from('Hello') },
    ]);
  });
});

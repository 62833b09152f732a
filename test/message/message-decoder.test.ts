import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { FrameHeader, Role } from '../../src/frame/frame.ts';
import { FrameDecoder, type FrameDecoderOptions, type FrameSink } from '../../src/frame/frame-decoder.ts';
import { MessageDecoder, type MessageDecoderOptions } from '../../src/message/message-decoder.ts';
import { allocationsOf, memoryInUse } from '../support/allocations.ts';
import { frameSequences, type SeenError, seenError, sentOctets, vectors } from '../support/frames.ts';
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

/**
 * Decodes octets to messages: a FrameDecoder that passes data frames to a MessageDecoder. Control frames are only
 * counted.
 */
class Reader implements FrameSink {
  /** Messages with type and payload in hex; fragments are separated by a bar. */
  readonly messages: string[] = [];
  controls = 0;
  readonly decoder: MessageDecoder;
  readonly frames: FrameDecoder;
  onMessage: (data: Buffer | Buffer[]) => boolean = () => true;

  constructor(options: FrameDecoderOptions & MessageDecoderOptions) {
    this.frames = new FrameDecoder(options);
    this.decoder = new MessageDecoder(
      {
        message: (data, isBinary) => {
          const payload = Array.isArray(data) ? `[${data.map(toHex).join(' | ')}]` : toHex(data);
          this.messages.push(`${isBinary ? 'binary' : 'text'}: ${payload}`);
          return this.onMessage(data);
        },
      },
      options,
    );
  }
  control(): boolean {
    this.controls++;
    return true;
  }
  data(header: FrameHeader, octets: Uint8Array, start: number, end: number, seen: number): boolean {
    return this.decoder.frame(header, octets, start, end, seen);
  }
  dataBegin(header: FrameHeader, available: number): void {
    this.decoder.begin(header, available);
  }
  dataPart(octets: Uint8Array, start: number, end: number, key: number): void {
    this.decoder.part(this.frames, octets, start, end, key);
  }
  dataEnd(header: FrameHeader): boolean {
    return this.decoder.end(header);
  }
  read(chunk: Uint8Array, start = 0): number {
    return this.frames.decode(chunk, start, this);
  }
}

const client = { role: 'client' } as const;
const server = { role: 'server' } as const;

function decodeMessages(
  octets: Uint8Array,
  cut: Cut,
  options: FrameDecoderOptions & MessageDecoderOptions,
  keepsFragments = false,
): { messages: string[]; error: SeenError | null } {
  const reader = new Reader(options);
  reader.decoder.keepsFragments = keepsFragments;
  try {
    for (const chunk of cutOctets(octets, cut)) reader.read(chunk);
  } catch (error) {
    return { messages: reader.messages, error: seenError(error) };
  }
  return { messages: reader.messages, error: null };
}

/** Returns a frame for a role, with FIN and opcode in the first octet. */
const frameFor = (role: Role, first: number, payload: Uint8Array) =>
  naiveFrame(first, payload, role === 'server' ? exampleKey : null);

const invalidUtf8 = {
  code: 'WS_ERR_INVALID_UTF8',
  closeCode: 1007,
  section: '8.1',
  message: 'Invalid WebSocket frame: invalid UTF-8 sequence',
};

describe('MessageDecoder', () => {
  const data = vectors.filter(({ frames }) => frames[0]!.opcode < 8);
  for (const { title, receiver, octets, frames } of data) {
    it.each(everyCut)(`delivers ${title}, %s`, (cut) => {
      const payload = toHex(Buffer.concat(frames.map(({ payload }) => payload)));
      expect(decodeMessages(octets, cut, { role: receiver })).toEqual({
        messages: [`${frames[0]!.opcode === 1 ? 'text' : 'binary'}: ${payload}`],
        error: null,
      });
    });
  }

  it('joins the fragments of a message, which has the type of the first, with control frames between them', () => {
    const stream = fromHex(
      '01 03 48 65 6c 89 01 ff 00 00 00 01 6c 8a 00 80 01 6f 02 00 80 02 ff 00 82 01 fe 01 00 80 00',
    );
    for (const cut of everyCut) {
      expect(decodeMessages(stream, cut, client)).toEqual({
        messages: ['text: 48 65 6c 6c 6f', 'binary: ff 00', 'binary: fe', 'text: '],
        error: null,
      });
    }
  });

  it.each(everyCut)('delivers empty messages, %s', (cut) => {
    const stream = fromHex('81 00 82 00 01 00 80 00 02 00 00 00 80 00');
    const messages = ['text: ', 'binary: ', 'text: ', 'binary: '];
    expect(decodeMessages(stream, cut, client)).toEqual({ messages, error: null });
    const masked = fromHex('81 80 37 fa 21 3d 02 80 37 fa 21 3d 80 80 37 fa 21 3d');
    expect(decodeMessages(masked, cut, server)).toEqual({ messages: messages.slice(0, 2), error: null });
  });

  it('delivers a message in one frame inside one chunk as a view, without a copy', () => {
    const chunk = fromHex('81 01 61 82 02 62 63');
    const reader = new Reader(client);
    const seen: unknown[] = [];
    reader.onMessage = (data) => {
      const view = data as Buffer;
      seen.push([view.buffer === chunk.buffer, view.byteOffset - chunk.byteOffset, view.length]);
      return true;
    };
    expect(allocationsOf(() => reader.read(chunk))).toEqual([]);
    expect(seen).toEqual([
      [true, 2, 1],
      [true, 5, 2],
    ]);
  });

  it('delivers an assembled message in separate memory', () => {
    const reader = new Reader(client);
    const kept: Buffer[] = [];
    reader.onMessage = (data) => kept.push(data as Buffer) > 0;
    const stream = fromHex('02 03 61 62 63 80 01 64 02 03 65 66 67 80 01 68');
    const chunks = cutOctets(stream, [4, 5]);
    for (const chunk of chunks) reader.read(chunk);
    for (const chunk of chunks) chunk.fill(0);
    expect(kept.map(String)).toEqual(['abcd', 'efgh']);
  });

  it('stops behind a message if the sink returns false, and only there', () => {
    const reader = new Reader(client);
    reader.onMessage = () => false;
    const stream = fromHex('81 01 61 01 01 62 80 01 63 82 00');
    expect(reader.read(stream)).toBe(3);
    expect(reader.read(stream, 3)).toBe(9);
    expect(reader.read(stream, 9)).toBe(11);
    expect(reader.messages).toEqual(['text: 61', 'text: 62 63', 'binary: ']);
  });

  it('continues with the next message if its sink throws', () => {
    const stream = fromHex('81 01 61 01 01 62 80 01 63 82 01 64');
    for (const cut of [[], [1], [2, 3], [5, 3, 2]] as Cut[]) {
      const reader = new Reader(client);
      reader.onMessage = () => {
        throw new Error('thrown by the application');
      };
      let thrown = 0;
      for (const chunk of cutOctets(stream, cut)) {
        for (let at = 0; at < chunk.length; at = reader.frames.offset) {
          try {
            reader.read(chunk, at);
          } catch (error) {
            expect(error).toEqual(new Error('thrown by the application'));
            thrown++;
          }
        }
      }
      expect(thrown).toBe(3);
      expect(reader.messages).toEqual(['text: 61', 'text: 62 63', 'binary: 64']);
    }
  });

  it('discards an incomplete message on request', () => {
    const decoder = new MessageDecoder({
      message: (data, isBinary) => {
        expect([String(data), isBinary]).toEqual(['new', true]);
        return false;
      },
    });
    const header = (opcode: 0 | 1 | 2, fin: boolean, length: number): FrameHeader => ({
      opcode,
      fin,
      rsv1: false,
      length,
    });
    decoder.keepsFragments = true;
    decoder.frame(header(2, false, 3), Buffer.from('old'), 0, 3, 0);
    decoder.discard();
    decoder.keepsFragments = false;
    decoder.begin(header(1, false, 2), 2);
    decoder.part(header(1, false, 2), fromHex('61 c3'), 0, 2, 0);
    decoder.discard();
    expect(decoder.frame(header(2, true, 3), Buffer.from('new'), 0, 3, 0)).toBe(false);
    expect(decoder.frame(header(2, false, 1), Buffer.from('new'), 0, 1, 0)).toBe(true);
    expect(decoder.frame(header(0, true, 2), Buffer.from('new'), 1, 3, 0)).toBe(false);
  });

  it('reports whether the frames so far end between two messages', () => {
    const reader = new Reader(client);
    const states = [...fromHex('81 00 01 01 61 89 00 00 00 80 01 62 82 01 63')].map((octet) => {
      reader.read(Buffer.of(octet));
      return reader.decoder.isBetweenMessages ? '.' : 'm';
    });
    // A message in one frame counts from the last octet of its header on.
    expect(states.join('')).toBe('...mmmmmmmm..m.');
    reader.read(fromHex('02 00'));
    expect(reader.decoder.isBetweenMessages).toBe(false);
    reader.decoder.discard();
    expect(reader.decoder.isBetweenMessages).toBe(true);
  });

  it('passes each message to the sink at the time of its end', () => {
    const reader = new Reader(client);
    const first = reader.decoder.sink;
    const others: string[] = [];
    reader.read(fromHex('81 01 61 01 01 62'));
    reader.decoder.sink = { message: (data) => others.push(String(data)) > 0 };
    reader.read(fromHex('80 01 63'));
    reader.decoder.sink = first;
    reader.read(fromHex('81 01 64'));
    expect([reader.messages, others]).toEqual([['text: 61', 'text: 64'], ['bc']]);
  });

  it('decodes any messages unchanged, in any division', () => {
    fc.assert(
      fc.property(frameSequences, cuts, fc.boolean(), fc.boolean(), (frames, cut, toServer, keepsFragments) => {
        const role = toServer ? 'server' : 'client';
        const expected: string[] = [];
        let type = '';
        let parts: string[] = [];
        for (const { opcode, fin, payload } of frames) {
          if (opcode > 2) continue;
          if (opcode > 0) {
            type = opcode === 1 ? 'text' : 'binary';
            parts = [];
          }
          if (payload.length > 0) parts.push(Buffer.from(payload).toString('hex'));
          if (!fin) continue;
          const list = keepsFragments && type === 'binary';
          expected.push(
            `${type}: ${list ? `[${parts.map((part) => toHex(fromHex(part))).join(' | ')}]` : toHex(fromHex(parts.join('')))}`,
          );
        }
        const stream = Buffer.concat(frames.map((frame) => sentOctets(frame, role)));
        const result = decodeMessages(stream, cut, { role, skipUTF8Validation: true }, keepsFragments);
        expect(result).toEqual({ messages: expected, error: null });
      }),
      { numRuns: 300 },
    );
  });
});

describe('in fragments mode', () => {
  const options = { ...client };

  it.each(everyCut)('a binary message is a list of its non-empty fragments, %s', (cut) => {
    const stream = fromHex('02 02 61 62 00 00 89 00 00 01 63 80 03 64 65 66 82 01 67 82 00 02 00 80 00');
    expect(decodeMessages(stream, cut, options, true)).toEqual({
      messages: ['binary: [61 62 | 63 | 64 65 66]', 'binary: [67]', 'binary: []', 'binary: []'],
      error: null,
    });
  });

  it('text is delivered as a whole', () => {
    const stream = fromHex('01 02 61 62 80 01 63 81 01 64');
    for (const cut of everyCut) {
      expect(decodeMessages(stream, cut, options, true).messages).toEqual(['text: 61 62 63', 'text: 64']);
    }
  });

  it('a change applies to the next message', () => {
    const reader = new Reader(client);
    reader.read(fromHex('02 01 61'));
    reader.decoder.keepsFragments = true;
    reader.read(fromHex('80 01 62 02 01 63'));
    reader.decoder.keepsFragments = false;
    reader.read(fromHex('80 01 64 02 01 65 80 01 66'));
    expect(reader.messages).toEqual(['binary: 61 62', 'binary: [63 | 64]', 'binary: 65 66']);
  });

  it('a million fragments are not a million Buffers: up to the maximum they are separate, and the rest is joined to the last', () => {
    const count = 100_000;
    const reader = new Reader(client);
    reader.decoder.keepsFragments = true;
    let fragments: Buffer[] = [];
    reader.onMessage = (data) => {
      fragments = data as Buffer[];
      return true;
    };
    const body = Buffer.alloc(count * 3);
    for (let i = 0; i < count; i++) body.set([i === 0 ? 2 : i === count - 1 ? 0x80 : 0, 1, i * 7], i * 3);
    reader.read(body);
    expect(fragments.length).toBeGreaterThan(10_000);
    expect(fragments.length).toBeLessThan(50_000);
    expect(
      fragments.slice(0, 10_000).every((fragment, i) => fragment.length === 1 && fragment[0] === ((i * 7) & 255)),
    ).toBe(true);
    const all = Buffer.concat(fragments);
    expect(all.equals(Buffer.from(Array.from({ length: count }, (_, i) => i * 7)))).toBe(true);
  });
});

describe('text', () => {
  /** Invalid UTF-8, and the index of the first invalid octet. */
  const invalid: readonly [string, number][] = [
    ['ff', 0],
    ['61 80 61', 1],
    ['c0 80', 0],
    ['e0 80 80', 1],
    ['ed a0 80 61', 1],
    ['61 62 f4 90 80 80', 3],
    ['ce ba cf 8c cf 83 ce bc ce b5 ed a0 80 65 64 69 74 65 64', 11],
    [`${'61 '.repeat(60)}c3 28 ${'61 '.repeat(60).trim()}`, 61],
    [`${'c3 a9 '.repeat(30)}ff ${'61 '.repeat(60).trim()}`, 60],
  ];

  it.each(invalid)('that is not UTF-8 (%.60s) is refused at octet %i, inside a frame', (text, at) => {
    for (const role of ['server', 'client'] as const) {
      for (const before of [0, 60]) {
        const payload = Buffer.concat([Buffer.alloc(before, 'a'), fromHex(text)]);
        const stream = frameFor(role, 0x81, payload);
        const header = stream.length - payload.length;
        const reader = new Reader({ role });
        for (const octet of stream.subarray(0, header + before + at)) reader.read(Buffer.of(octet));
        expect(() => reader.read(Buffer.of(stream[header + before + at]!))).toThrow(invalidUtf8.message);
        // Whole, and in chunks that contain the invalid octet and later ones.
        for (const cut of ['whole', [header], [header + 1], [header + before + at], [2, 3, 7]] as Cut[]) {
          const result = decodeMessages(Buffer.concat([frameFor(role, 0x81, Buffer.from('ok')), stream]), cut, {
            role,
          });
          expect(result.messages).toEqual(['text: 6f 6b']);
          expect(result.error).toMatchObject(invalidUtf8);
        }
      }
    }
  });

  it.each(invalid)('that is not UTF-8 (%.60s) is refused at octet %i, across fragments', (text, at) => {
    const payload = fromHex(text);
    for (const size of [1, 2, 5]) {
      const reader = new Reader(client);
      const refused = () => {
        for (let from = 0; from < payload.length; from += size) {
          const part = payload.subarray(from, from + size);
          try {
            reader.read(fromHex('89 00'));
            reader.read(naiveFrame(from === 0 ? 0x01 : 0x00, part));
            reader.read(fromHex('00 00'));
          } catch (error) {
            expect(seenError(error)).toMatchObject(invalidUtf8);
            return from;
          }
        }
        return -1;
      };
      // Rejected in the fragment with the invalid octet, long before the message ends.
      expect(refused()).toBe(at - (at % size));
      expect(reader.messages).toEqual([]);
    }
  });

  it('refused in the middle of a frame is refused before the rest of the frame arrives', () => {
    const reader = new Reader(client);
    reader.read(naiveHeader(0x81, 1_000_000, null));
    reader.read(Buffer.alloc(1000, 'a'));
    expect(() => reader.read(fromHex('61 ff'))).toThrow(invalidUtf8.message);
  });

  it.each(['c3', 'e2 82', 'f0 9f 98'])(
    'that ends within a character (%s) is refused at the end of the message',
    (text) => {
      const payload = fromHex(text);
      for (const role of ['server', 'client'] as const) {
        for (const before of [0, 100]) {
          const cutOff = Buffer.concat([Buffer.alloc(before, 'a'), payload]);
          for (const cut of everyCut) {
            expect(decodeMessages(frameFor(role, 0x81, cutOff), cut, { role }).error).toMatchObject(invalidUtf8);
            // The end of a fragment is not the end of the message.
            const open = frameFor(role, 0x01, cutOff);
            expect(decodeMessages(open, cut, { role })).toEqual({ messages: [], error: null });
            const ended = Buffer.concat([open, frameFor(role, 0x80, Buffer.alloc(0))]);
            expect(decodeMessages(ended, cut, { role }).error).toMatchObject(invalidUtf8);
          }
        }
      }
    },
  );

  it('is accepted in any division into fragments and chunks', () => {
    const payload = Buffer.from(`κόσμε €😀${'é'.repeat(30)}😀`);
    for (let first = 0; first <= payload.length; first++) {
      const stream = Buffer.concat([
        frameFor('server', 0x01, payload.subarray(0, first)),
        frameFor('server', 0x89, fromHex('ff')),
        frameFor('server', 0x80, payload.subarray(first)),
      ]);
      for (const cut of [...everyCut, [first + 6], [3, first]] as Cut[]) {
        expect(decodeMessages(stream, cut, server)).toEqual({ messages: [`text: ${toHex(payload)}`], error: null });
      }
    }
  });

  it('starts anew with each message: an incomplete character of the last one has no effect', () => {
    const decoder = new MessageDecoder({ message: () => true });
    const header: FrameHeader = { opcode: 1, fin: false, rsv1: false, length: 1 };
    decoder.frame(header, fromHex('c3'), 0, 1, 0x80);
    decoder.discard();
    decoder.frame(header, fromHex('61'), 0, 1, 0x80);
    expect(decoder.frame({ ...header, opcode: 0, fin: true }, fromHex('62'), 0, 1, 0x80)).toBe(true);
  });

  it('keeps a byte order mark: it is part of the data', () => {
    const bom = fromHex('81 04 ef bb bf 61 01 02 ef bb 80 02 bf 61');
    for (const cut of everyCut) {
      expect(decodeMessages(bom, cut, client).messages).toEqual(['text: ef bb bf 61', 'text: ef bb bf 61']);
    }
  });

  it('is not checked if that is disabled, nor is binary data', () => {
    const text = fromHex('81 01 ff 01 01 ff 80 01 fe');
    const binary = fromHex('82 01 ff 02 01 ff 80 01 fe');
    for (const cut of everyCut) {
      expect(decodeMessages(text, cut, { ...client, skipUTF8Validation: true }).messages).toEqual([
        'text: ff',
        'text: ff fe',
      ]);
      expect(decodeMessages(binary, cut, client).messages).toEqual(['binary: ff', 'binary: ff fe']);
      expect(decodeMessages(text, cut, { ...client, skipUTF8Validation: false }).error).toMatchObject(invalidUtf8);
    }
  });

  it('is refused or accepted in the same way in any division', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60, size: 'max' }).map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 5 }),
      fc
        .tuple(fc.string({ unit: 'binary', maxLength: 60, size: 'max' }), fc.uint8Array({ maxLength: 3 }))
        .map(([text, octets]) => Buffer.concat([Buffer.from(text), octets, Buffer.from(text)])),
    );
    fc.assert(
      fc.property(texts, fc.nat(200), cuts, (text, first, cut) => {
        const stream = Buffer.concat([
          frameFor('server', 0x01, text.subarray(0, first)),
          frameFor('server', 0x80, text.subarray(first)),
        ]);
        const expected = decodeMessages(frameFor('server', 0x81, text), 'whole', server);
        let isUtf8 = true;
        try {
          new TextDecoder('utf-8', { fatal: true }).decode(text);
        } catch {
          isUtf8 = false;
        }
        expect(expected.error === null).toBe(isUtf8);
        expect(decodeMessages(stream, cut, server)).toEqual(expected);
        expect(decodeMessages(frameFor('server', 0x81, text), cut, server)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the memory of a message', () => {
  const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);

  /** Returns `count` fragments with `payload` octets each behind the first one; only the last is final. */
  function fragments(count: number, payload: number): Buffer {
    const frame = naiveFrame(0x00, Buffer.alloc(payload, 'a'));
    const stream = Buffer.alloc(count * frame.length, frame);
    stream[0] = 0x02;
    stream[stream.length - frame.length] = 0x80;
    return stream;
  }

  /** Reads octets in chunks of 64 KiB, as from a socket. */
  function read(reader: Reader, stream: Buffer): void {
    for (let at = 0; at < stream.length; at += 65_536) reader.read(stream.subarray(at, at + 65_536));
  }

  it.each([
    ['empty', 0],
    ['of one octet', 1],
  ])('is in proportion to its octets, not to its fragments: a million that are %s', (_title, payload) => {
    const count = 1_000_000;
    const stream = fragments(count, payload);
    const reader = new Reader(client);
    let length = -1;
    reader.onMessage = (data) => {
      length = (data as Buffer).length;
      return true;
    };
    const last = stream.length - 2 - payload;
    const before = memoryInUse();
    let after = before;
    const sizes = allocationsOf(() => {
      read(reader, stream.subarray(0, last));
      after = memoryInUse();
      reader.read(stream.subarray(last));
    });
    expect(length).toBe(count * payload);
    // An object for each fragment would take at least 16 MB.
    expect(after - before).toBeLessThan(3 * count * payload + 4_000_000);
    // Allocations limit copying: all memory blocks together are a small multiple of the message.
    expect(sum(sizes)).toBeLessThanOrEqual(4 * count * payload + 1024);
    expect(sizes.length).toBeLessThan(40);
  });

  it('takes time in proportion to the number of fragments', () => {
    const cost = (count: number) => {
      const streams = [fragments(count, 0), fragments(count, 1)];
      const reader = new Reader(client);
      const before = process.cpuUsage();
      for (const stream of streams) read(reader, stream);
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    cost(20_000);
    // Eight times the fragments. Quadratic work would take 64 times as long.
    expect(cost(320_000)).toBeLessThan(cost(40_000) * 32 + 50_000);
  });

  it('is enough for 4 MiB in 65 536 fragments of 64 octets, with the default settings', () => {
    const payload = sampleOctets(4_194_304);
    const stream = Buffer.concat(
      Array.from({ length: 65_536 }, (_, i) =>
        naiveFrame(i === 0 ? 0x02 : i === 65_535 ? 0x80 : 0x00, payload.subarray(i * 64, i * 64 + 64)),
      ),
    );
    const reader = new Reader(client);
    let message: Buffer | undefined;
    reader.onMessage = (data) => {
      message = data as Buffer;
      return true;
    };
    const sizes = allocationsOf(() => read(reader, stream));
    expect(message?.equals(payload)).toBe(true);
    expect(sum(sizes)).toBeLessThanOrEqual(4 * payload.length);
  });

  it('is not allocated for an announced length: a header of 100 MiB with one octet behind it', () => {
    for (const first of [0x82, 0x02, 0x81, 0x01]) {
      const reader = new Reader(client);
      const chunk = Buffer.concat([naiveHeader(first, 104_857_600, null), fromHex('61')]);
      expect(sum(allocationsOf(() => reader.read(chunk)))).toBeLessThanOrEqual(1024);
      expect(sum(allocationsOf(() => reader.read(fromHex('61'))))).toBeLessThanOrEqual(1024);
    }
    const reader = new Reader(client);
    const header = naiveHeader(0x82, 104_857_600, null);
    expect(allocationsOf(() => reader.read(header))).toEqual([]);
  });

  it('stays in proportion to the received octets, at every octet of a long frame and of many fragments', () => {
    for (const stream of [naiveFrame(0x82, Buffer.alloc(3_000_000)), fragments(3000, 1000)]) {
      for (const size of [7919, 65_536]) {
        const reader = new Reader(client);
        let largest = 0;
        const actual = Buffer.allocUnsafe;
        let came = 0;
        const spy = vi.spyOn(Buffer, 'allocUnsafe').mockImplementation((size) => {
          // At most 32 times the received octets, and at most four times from 1 MiB on.
          const limit = Math.max(128, Math.min(came * 32, Math.max(came * 4, 1_048_576)));
          largest = Math.max(largest, size / limit);
          return actual.call(Buffer, size);
        });
        for (let at = 0; at < stream.length; at += size) {
          came = at + size;
          reader.read(stream.subarray(at, at + size));
        }
        spy.mockRestore();
        expect(reader.messages).toHaveLength(1);
        expect(largest).toBeGreaterThan(0);
        expect(largest).toBeLessThanOrEqual(1);
      }
    }
  });

  it.each([naiveFrame(0x82, Buffer.alloc(300)), naiveFrame(0x02, Buffer.alloc(300))])(
    'that cannot be allocated, at the start or later, fails the connection and throws nothing else',
    (stream) => {
      for (const failing of [1, 2]) {
        const reader = new Reader(client);
        let calls = 0;
        const actual = Buffer.allocUnsafe;
        using _spy = vi.spyOn(Buffer, 'allocUnsafe').mockImplementation((size) => {
          if (++calls === failing) throw new RangeError('Array buffer allocation failed');
          return actual.call(Buffer, size);
        });
        const read = () => {
          for (let at = 0; at < stream.length; at++) reader.read(stream.subarray(at, at + 1));
        };
        expect(read).toThrow(expect.objectContaining({ code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', closeCode: 1009 }));
      }
    },
  );

  it('of a frame with a known length is not larger than that length', () => {
    for (const length of [1, 100, 1000, 70_000, 2_000_000]) {
      const reader = new Reader(client);
      const stream = naiveFrame(0x82, sampleOctets(length));
      let memory = -1;
      reader.onMessage = (data) => {
        memory = (data as Buffer).buffer.byteLength;
        return true;
      };
      const sizes = allocationsOf(() => {
        for (const chunk of [stream.subarray(0, stream.length >> 1), stream.subarray(stream.length >> 1)])
          reader.read(chunk);
      });
      expect(Math.max(...sizes)).toBeLessThanOrEqual(length);
      expect(memory).toBeGreaterThan(0);
    }
  });
});

import { once } from 'node:events';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import * as ws from 'ws';
import type * as goodwire from '../../src/index.ts';
import { PerMessageDeflate, Receiver } from '../../src/index.ts';
import { memoryInUse } from '../support/allocations.ts';
import { fromHex } from '../support/hex.ts';
import { implementations, listen, rawClient } from '../support/peers.ts';
import { rawServer, switching } from '../support/raw-server.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { until } from '../support/until.ts';

type Options = NonNullable<ConstructorParameters<typeof Receiver>[0]>;

// The types of ws lack these classes.
const { PerMessageDeflate: WsPerMessageDeflate, Receiver: WsReceiver } = ws as unknown as typeof goodwire;
const receivers = { goodwire: Receiver, ws: WsReceiver } as const;
const both = Object.entries(receivers);

/** Describes an error as programs see it, with its close code, which ws has under a symbol. */
function errorText(error: Error & { code?: string; closeCode?: number }): string {
  const symbol = Object.getOwnPropertySymbols(error).find((one) => one.description === 'status-code');
  const closeCode = error.closeCode ?? (symbol && Reflect.get(error, symbol));
  return `${error.code} ${error.message}${closeCode === undefined ? '' : ` ${closeCode}`}`;
}

/** Records all events of a Receiver, in order. */
function record(receiver: Receiver): string[] {
  const log: string[] = [];
  receiver.on('message', (data: unknown, isBinary: boolean) => log.push(`message ${shown(data)} ${isBinary}`));
  receiver.on('ping', (data: Buffer) => log.push(`ping ${shown(data)}`));
  receiver.on('pong', (data: Buffer) => log.push(`pong ${shown(data)}`));
  receiver.on('conclude', (code: number, reason: Buffer) => log.push(`conclude ${code} ${shown(reason)}`));
  receiver.on('error', (error: Error) => log.push(`error ${errorText(error)}`));
  receiver.on('finish', () => log.push('finish'));
  return log;
}

function shown(data: unknown): string {
  if (Buffer.isBuffer(data)) return data.toString('latin1');
  if (Array.isArray(data)) return `[${data.map(shown)}]`;
  if (data instanceof ArrayBuffer) return `ArrayBuffer ${Buffer.from(data).toString('latin1')}`;
  return `${data}`;
}

/**
 * Writes chunk by chunk, each after the previous one was consumed, until the Receiver accepts no more. Then waits for
 * its end. Returns the number of chunks consumed.
 */
async function write(receiver: Receiver, chunks: readonly Uint8Array[]): Promise<number> {
  let written = 0;
  for (const chunk of chunks) {
    if (receiver.destroyed || receiver.writableEnded) break;
    await new Promise<void>((resolve) => receiver.write(Buffer.from(chunk), () => resolve()));
    written++;
  }
  if (!receiver.destroyed && !receiver.writableEnded) receiver.end();
  if (!receiver.closed) await new Promise((resolve) => receiver.once('close', resolve));
  return written;
}

async function told(By: typeof Receiver, options: Options, chunks: readonly Uint8Array[]): Promise<string[]> {
  const receiver = new By(options);
  const log = record(receiver);
  await write(receiver, chunks);
  return log;
}

describe.each(both)('a Receiver of %s', (_name, By) => {
  test('is a Writable, by default unmasked and without limits', async () => {
    const receiver = new By();
    expect(receiver.writable).toBe(true);
    expect(receiver).toMatchObject({ _isServer: false, _binaryType: 'nodebuffer', _maxPayload: 0 });
    expect(await told(By, {}, [fromHex('81 02 68 69 89 01 70 8a 01 71 88 04 03 e8 6f 6b')])).toEqual([
      'message hi false',
      'ping p',
      'pong q',
      'conclude 1000 ok',
      'finish',
    ]);
  });

  test('unmasks on a server', async () => {
    expect(await told(By, { isServer: true }, [fromHex('81 85 37 fa 21 3d 7f 9f 4d 51 58')])).toEqual([
      'message Hello false',
      'finish',
    ]);
  });

  test.each([
    ['nodebuffer', 'message ab true'],
    ['arraybuffer', 'message ArrayBuffer ab true'],
    ['blob', 'message [object Blob] true'],
    ['fragments', 'message [a,b] true'],
  ] as const)('delivers binary messages as %s', async (binaryType, expected) => {
    expect((await told(By, { binaryType }, [fromHex('02 01 61 80 01 62')]))[0]).toBe(expected);
    const receiver = new By();
    receiver._binaryType = binaryType;
    const log = record(receiver);
    await write(receiver, [fromHex('02 01 61'), fromHex('80 01 62')]);
    expect(log[0]).toBe(expected);
  });

  test.each<[string, Options, string, string]>([
    ['a reserved opcode', {}, '83 00', 'WS_ERR_INVALID_OPCODE Invalid WebSocket frame: invalid opcode 3 1002'],
    ['a mask', {}, '81 81 01 02 03 04 60', 'WS_ERR_UNEXPECTED_MASK Invalid WebSocket frame: MASK must be clear 1002'],
    ['no mask', { isServer: true }, '81 01 61', 'WS_ERR_EXPECTED_MASK Invalid WebSocket frame: MASK must be set 1002'],
    ['RSV1', {}, 'c1 01 61', 'WS_ERR_UNEXPECTED_RSV_1 Invalid WebSocket frame: RSV1 must be clear 1002'],
    [
      'a long message',
      { maxPayload: 3 },
      '81 04 61',
      'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH Max payload size exceeded 1009',
    ],
    ['invalid UTF-8', {}, '81 01 ff', 'WS_ERR_INVALID_UTF8 Invalid WebSocket frame: invalid UTF-8 sequence 1007'],
    [
      'too many fragments',
      { maxFragments: 2 },
      '02 01 61 00 01 61 00 01 61',
      'WS_ERR_TOO_MANY_BUFFERED_PARTS Too many message fragments 1008',
    ],
    [
      'an invalid close code',
      {},
      '88 02 03 ed',
      'WS_ERR_INVALID_CLOSE_CODE Invalid WebSocket frame: invalid status code 1005 1002',
    ],
  ])('is destroyed by %s, with the error of that violation', async (_title, options, octets, expected) => {
    expect(await told(By, options, [fromHex(octets)])).toEqual([`error ${expected}`]);
  });

  test('does not check text with skipUTF8Validation', async () => {
    expect(await told(By, { skipUTF8Validation: true }, [fromHex('81 01 ff')])).toEqual([
      'message \xff false',
      'finish',
    ]);
  });

  test('emits each event in its own turn without allowSynchronousEvents', async () => {
    const receiver = new By({ allowSynchronousEvents: false });
    const log = record(receiver);
    receiver.on('message', () => setImmediate(() => log.push('turn')));
    await write(receiver, [fromHex('81 01 61 81 01 62 89 00')]);
    expect(log).toEqual(['message a false', 'turn', 'message b false', 'turn', 'ping ', 'finish']);
  });

  test('ignores data behind a close frame in the same chunk', async () => {
    expect(await told(By, {}, [fromHex('88 00 81 01 61')])).toEqual(['conclude 1005 ', 'finish']);
  });

  test('inflates messages with the extension, keeps the order, and accepts no more until that is done', async () => {
    const calls: [string, boolean][] = [];
    const extension = {
      decompress(data: Buffer, fin: boolean, callback: (error: Error | null, octets?: Buffer) => void) {
        calls.push([String(data), fin]);
        setImmediate(() => callback(null, Buffer.from(`<${data}>`)));
      },
    };
    const receiver = new By({ extensions: { 'permessage-deflate': extension } });
    const log = record(receiver);
    receiver.write(fromHex('41 01 61 89 01 70 80 02 62'));
    await write(receiver, [fromHex('63 82 01 64'), fromHex('c2 00 c1 01'), fromHex('65')]);
    expect(calls).toEqual([
      ['a', false],
      ['bc', true],
      ['', true],
      ['e', true],
    ]);
    expect(log).toEqual([
      'ping p',
      'message <a><bc> false',
      'message d true',
      'message <> true',
      'message <e> false',
      'finish',
    ]);
  });

  test.each(['nodebuffer', 'arraybuffer', 'fragments'] as const)(
    'delivers inflated messages as %s',
    async (binaryType) => {
      const extension = {
        decompress: (data: Buffer, _fin: boolean, callback: (error: Error | null, octets?: Buffer) => void) =>
          setImmediate(callback, null, data),
      };
      const log = await told(By, { binaryType, extensions: { 'permessage-deflate': extension } }, [
        fromHex('42 01 61 00 00 80 01 62 c1 01 63'),
      ]);
      const all = { nodebuffer: 'ab', arraybuffer: 'ArrayBuffer ab', fragments: '[a,b]' };
      expect(log).toEqual([`message ${all[binaryType]} true`, 'message c false', 'finish']);
    },
  );

  test('limits each inflated message to maxPayload, and delivers it in the turn of the extension’s callback', async () => {
    const log: string[] = [];
    const extension = {
      decompress: (data: Buffer, _fin: boolean, callback: (error: Error | null, octets?: Buffer) => void) =>
        setImmediate(() => {
          callback(null, Buffer.concat([data, data]));
          log.push('answered');
        }),
    };
    const options = { maxPayload: 3, allowSynchronousEvents: false, extensions: { 'permessage-deflate': extension } };
    const receiver = new By(options);
    receiver.on('message', (data: Buffer) => log.push(`message ${data}`));
    receiver.on('error', (error: Error) => log.push(errorText(error)));
    await write(receiver, ['c1 01 61', 'c1 01 62', '41 01 63 80 01 64'].map(fromHex));
    expect(log).toEqual([
      'message aa',
      'answered',
      'message bb',
      'answered',
      'answered',
      'answered',
      'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH Max payload size exceeded 1009',
    ]);
  });

  test('is destroyed by data that cannot be inflated, and by inflated text that is not UTF-8', async () => {
    const failure = Object.assign(new Error('bad'), { code: 'Z_DATA_ERROR' });
    const failing = {
      decompress: (_data: Buffer, _fin: boolean, callback: (error: Error) => void) => setImmediate(callback, failure),
    };
    const log = await told(By, { extensions: { 'permessage-deflate': failing } }, [fromHex('c1 01 61')]);
    expect(log).toEqual(['error Z_DATA_ERROR bad']);
    const garbage = {
      decompress: (_data: Buffer, _fin: boolean, callback: (error: null, octets: Buffer) => void) =>
        setImmediate(callback, null, fromHex('ff')),
    };
    expect(await told(By, { extensions: { 'permessage-deflate': garbage } }, [fromHex('c1 01 61')])).toEqual([
      'error WS_ERR_INVALID_UTF8 Invalid WebSocket frame: invalid UTF-8 sequence 1007',
    ]);
    expect(
      await told(By, { skipUTF8Validation: true, extensions: { 'permessage-deflate': garbage } }, [
        fromHex('c1 01 61'),
      ]),
    ).toEqual(['message \xff false', 'finish']);
  });
});

describe.each(both)('the fields and limits of a Receiver of %s', (_name, By) => {
  test.each([-1, Number.NaN, null, '3', 3.5])('accept the limit %j without an error', async (given) => {
    const limit = given as number;
    const options = { maxPayload: limit, maxFragments: limit, maxBufferedChunks: limit };
    expect(await told(By, options, [fromHex('02 01 61 00 01 62 80 01'), fromHex('63')])).toEqual([
      'message abc true',
      'finish',
    ]);
  });

  test('accept the limit "3" as 3', async () => {
    expect(await told(By, { maxPayload: '3' as unknown as number }, [fromHex('82 04')])).toEqual([
      'error WS_ERR_UNSUPPORTED_MESSAGE_LENGTH Max payload size exceeded 1009',
    ]);
  });

  test.each<[string, unknown, readonly string[], string]>([
    ['_maxPayload', 1, ['82 02 61 61'], 'error WS_ERR_UNSUPPORTED_MESSAGE_LENGTH Max payload size exceeded 1009'],
    ['_maxFragments', 1, ['02 00 80 00'], 'error WS_ERR_TOO_MANY_BUFFERED_PARTS Too many message fragments 1008'],
    [
      '_maxBufferedChunks',
      1,
      ['82 02', '61', '61'],
      'error WS_ERR_TOO_MANY_BUFFERED_PARTS Too many buffered chunks 1008',
    ],
    ['_skipUTF8Validation', true, ['81 01 ff'], 'message \xff false'],
    ['_binaryType', 'fragments', ['82 01 61'], 'message [a] true'],
    ['_binaryType', 'whatever', ['02 01 61 80 01 62'], 'message [a,b] true'],
  ])('%s can be set to %j', async (name, value, chunks, expected) => {
    for (const isBehindMessage of [false, true]) {
      const receiver = new By();
      const log = record(receiver);
      if (isBehindMessage) {
        receiver.once('message', () => Reflect.set(receiver, name, value));
        await write(receiver, [
          Buffer.concat([fromHex('81 00'), fromHex(chunks[0]!)]),
          ...chunks.slice(1).map(fromHex),
        ]);
        expect(log.slice(0, 2)).toEqual(['message  false', expected]);
      } else {
        Reflect.set(receiver, name, value);
        expect(Reflect.get(receiver, name)).toBe(value);
        await write(receiver, chunks.map(fromHex));
        expect(log[0]).toBe(expected);
      }
    }
  });

  test('_binaryType applies to the current message, if it only affects the delivery', async () => {
    const receiver = new By({ binaryType: 'fragments' });
    const log = record(receiver);
    receiver.write(fromHex('02 01 61 00 01 62'));
    receiver._binaryType = 'nodebuffer';
    await write(receiver, [fromHex('80 01 63')]);
    const other = new By();
    other.on('message', (data: unknown) => log.push(shown(data)));
    other.write(fromHex('02 01 61'));
    other._binaryType = 'arraybuffer';
    await write(other, [fromHex('80 01 62')]);
    expect(log).toEqual(['message abc true', 'finish', 'ArrayBuffer ab']);
  });

  test('_allowSynchronousEvents can be set', async () => {
    const receiver = new By();
    const log = record(receiver);
    receiver._allowSynchronousEvents = false;
    receiver.write(fromHex('81 01 61'));
    expect(log).toEqual([]);
    await write(receiver, []);
    expect(log).toEqual(['message a false', 'finish']);
  });

  test('_extensions can be set, and cleared', async () => {
    const receiver = new By();
    const log = record(receiver);
    receiver._extensions = {
      'permessage-deflate': { decompress: (data, _fin, callback) => setImmediate(callback, null, data) },
    };
    receiver.write(fromHex('c1 01 61'));
    await once(receiver, 'message');
    receiver._extensions = {};
    await write(receiver, [fromHex('c1 01 61')]);
    expect(log).toEqual([
      'message a false',
      'error WS_ERR_UNEXPECTED_RSV_1 Invalid WebSocket frame: RSV1 must be clear 1002',
    ]);
  });

  test('have no effect behind a close frame: later data is accepted and ignored', async () => {
    const receiver = new By({ maxPayload: 1 });
    const log = record(receiver);
    const taken = vi.fn();
    receiver.cork();
    receiver.write(fromHex('88 00'), taken);
    receiver.write(fromHex('82 02 61 61'), taken);
    receiver.uncork();
    await once(receiver, 'close');
    expect(log).toEqual(['conclude 1005 ', 'finish']);
    expect(taken.mock.calls.map(([error]) => error ?? null)).toEqual([null, null]);
  });

  test('let an empty chunk pass, also without other data', async () => {
    const chunks = ['', '81 02', '', '61', '', '62', ''].map(fromHex);
    expect(await told(By, {}, chunks)).toEqual(['message ab false', 'finish']);
  });
});

test('both Receivers emit the same for any frames, however they are divided, with any limits', async () => {
  const frame = fc
    .tuple(
      fc.constantFrom(0, 1, 2, 8, 9, 10, 3),
      fc.boolean(),
      fc.uint8Array({ maxLength: 20 }).map((octets) => Buffer.from(octets.map((octet) => 32 + (octet % 90)))),
      fc.constantFrom(0, 0, 0, 0, 0x40),
    )
    .map(([opcode, fin, payload, rsv]) => {
      const isClose = opcode === 8 && payload.length >= 2;
      if (isClose) payload.writeUInt16BE(1000 + (payload[0]! % 16));
      return Buffer.concat([Buffer.from([opcode | (fin ? 0x80 : 0) | rsv, payload.length]), payload]);
    });
  const options = fc.record(
    {
      maxPayload: fc.nat(30),
      maxFragments: fc.nat(4),
      maxBufferedChunks: fc.nat(5),
      allowSynchronousEvents: fc.boolean(),
      binaryType: fc.constantFrom('nodebuffer' as const, 'fragments' as const),
    },
    { requiredKeys: [] },
  );
  let errors = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(frame, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 6 })),
      options,
      async (frames, cuts, given) => {
        const octets = Buffer.concat(frames);
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < octets.length; at += cuts[i++] ?? 50)
          chunks.push(octets.subarray(at, at + (cuts[i] ?? 50)));
        const [ours, theirs] = await Promise.all([told(Receiver, given, chunks), told(receivers.ws, given, chunks)]);
        if (ours.some((line) => line.startsWith('error'))) errors++;
        // goodwire rejects an excess fragment at its header, and ws at the end of its payload. Until then ws may count
        // an excess chunk.
        const isEither = Boolean(given.maxFragments && given.maxBufferedChunks);
        const alike = (line: string) =>
          isEither ? line.replace(/Too many (?:message fragments|buffered chunks)/, 'Too many parts') : line;
        expect(ours.map(alike)).toEqual(theirs.map(alike));
      },
    ),
    {
      numRuns: 400,
      examples: [
        [
          ['02 00', '00 02 20 20'].map((octets) => Buffer.from(fromHex(octets))),
          [2, 2, 1],
          { maxFragments: 1, maxBufferedChunks: 1 },
        ],
      ],
    },
  );
  expect(errors).toBeGreaterThan(20);
});

test('both Receivers count the chunks of a frame equally, masked and of every length', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(0, 1, 5, 125, 126, 300), { minLength: 1, maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 12 }),
      async (lengths, cuts, maxBufferedChunks) => {
        const octets = Buffer.concat(
          lengths.map((length) => {
            const head = length < 126 ? [0x82, 0x80 | length] : [0x82, 0xfe, length >> 8, length & 255];
            return Buffer.concat([Buffer.from([...head, 1, 2, 3, 4]), Buffer.alloc(length, 7)]);
          }),
        );
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < octets.length; i++) {
          const size = cuts[i % cuts.length]!;
          chunks.push(octets.subarray(at, at + size));
          at += size;
        }
        const options = { isServer: true, maxBufferedChunks };
        const [ours, theirs] = [new Receiver(options), new WsReceiver(options)];
        const [log, theirLog] = [record(ours), record(theirs)];
        expect(await write(ours, chunks)).toBe(await write(theirs, chunks));
        expect(log).toEqual(theirLog);
      },
    ),
    { numRuns: 300 },
  );
});

test.each([
  ['ours', PerMessageDeflate],
  ['of ws', WsPerMessageDeflate],
])('a Receiver inflates with the class PerMessageDeflate, %s', async (_title, Deflate) => {
  const deflate = new Deflate({ isServer: true });
  deflate.accept([{}]);
  const log = await told(Receiver, { isServer: false, extensions: { 'permessage-deflate': deflate } }, [
    fromHex('c1 07 f2 48 cd c9 c9 07 00 41 03 f2 48 cd 80 04 c9 c9 07 00'),
  ]);
  deflate.cleanup();
  expect(log).toEqual(['message Hello false', 'message Hello false', 'finish']);
});

describe('differences of the Receiver of goodwire from that of ws', () => {
  test('emits nothing if it is destroyed while it inflates', async () => {
    let answer = () => {};
    const extension = {
      decompress(_data: Buffer, _fin: boolean, callback: (error: Error | null, octets?: Buffer) => void) {
        answer = () => callback(null, Buffer.from('late'));
      },
    };
    const receiver = new Receiver({ extensions: { 'permessage-deflate': extension } });
    const log = record(receiver);
    receiver.write(fromHex('c1 01 61'));
    receiver.destroy();
    await once(receiver, 'close');
    answer();
    await new Promise(setImmediate);
    expect(log).toEqual([]);
  });

  test('does not change the data written to it', async () => {
    const octets = fromHex('81 85 37 fa 21 3d 7f 9f 4d 51 58');
    const before = Buffer.from(octets);
    const receiver = new Receiver({ isServer: true });
    receiver.write(octets);
    await once(receiver.end(), 'close');
    expect(octets).toEqual(before);
  });

  test.each([true, false])(
    'delivers the messages after a listener that throws, allowSynchronousEvents %s',
    async (allowSynchronousEvents) => {
      using uncaught = captureUncaught();
      const receiver = new Receiver({ allowSynchronousEvents });
      const seen: string[] = [];
      receiver.on('message', (data: Buffer) => {
        seen.push(String(data));
        if (String(data) === 'a') throw new Error('in the listener');
      });
      try {
        receiver.write(fromHex('81 01 61 81 01 62'));
      } catch (error) {
        expect((error as Error).message).toBe('in the listener');
        seen.push('thrown');
      }
      await once(receiver.end(), 'close');
      expect(seen.filter((one) => one !== 'thrown')).toEqual(['a', 'b']);
      expect(uncaught.exceptions.length + seen.length).toBe(3);
    },
  );

  test('loses nothing if a listener for an inflated message throws', async () => {
    using uncaught = captureUncaught();
    const extension = {
      decompress: (data: Buffer, _fin: boolean, callback: (error: Error | null, octets?: Buffer) => void) =>
        callback(null, data),
    };
    const receiver = new Receiver({ extensions: { 'permessage-deflate': extension }, maxPayload: 5 });
    const log = record(receiver);
    receiver.once('message', () => {
      throw new Error('in the listener');
    });
    expect(() => receiver.write(fromHex('c1 01 61 c1 01 62'))).toThrow('in the listener');
    await once(receiver.end(), 'close');
    expect(log).toEqual(['message a false', 'message b false', 'finish']);
    expect(uncaught.exceptions).toEqual([]);
  });

  test('delivers buffered messages after a listener that throws, whose error becomes an uncaught exception', async () => {
    using uncaught = captureUncaught();
    const receiver = new Receiver();
    const log = record(receiver);
    receiver.on('message', (data: Buffer) => {
      if (String(data) === 'b') throw new Error('in the listener');
    });
    receiver.cork();
    for (const octets of ['81 01 61', '81 01 62 81 01 63', '81 01 64']) receiver.write(fromHex(octets));
    receiver.uncork();
    await write(receiver, [fromHex('81 01 65')]);
    expect(log).toEqual([...'abcde'].map((letter) => `message ${letter} false`).concat('finish'));
    expect(uncaught.exceptions.map(({ message }) => message)).toEqual(['in the listener']);
  });

  test('ends behind a close frame even if the listener throws', async () => {
    const receiver = new Receiver();
    const log = record(receiver);
    receiver.on('conclude', () => {
      throw new Error('in the listener');
    });
    const answered = vi.fn();
    expect(() => receiver.write(fromHex('88 00'), answered)).toThrow('in the listener');
    await once(receiver, 'close');
    expect(log).toEqual(['conclude 1005 ', 'finish']);
    expect(answered.mock.calls).toEqual([[null]]);
  });

  test('passes an error to the callback of a write if it is destroyed before everything was delivered', async () => {
    for (const [options, octets] of [
      [{ extensions: { 'permessage-deflate': { decompress: () => {} } } }, 'c1 01 61'],
      [{ allowSynchronousEvents: false }, '81 01 61'],
    ] as const) {
      const receiver = new Receiver(options);
      const log = record(receiver);
      const answered = vi.fn();
      receiver.write(fromHex(octets), answered);
      receiver.destroy();
      await once(receiver, 'close');
      await new Promise(setImmediate);
      expect(log).toEqual([]);
      expect(answered.mock.calls).toMatchObject([[{ code: 'ERR_STREAM_DESTROYED' }]]);
      const failed = new Receiver(options);
      failed.on('error', () => {}).write(fromHex(octets), answered);
      failed.destroy(new Error('why'));
      await new Promise((resolve) => failed.once('close', resolve));
      expect(answered.mock.calls[1]).toMatchObject([{ message: 'why' }]);
    }
  });

  test('delivers nothing more after a listener that destroys it', async () => {
    const receiver = new Receiver();
    const log = record(receiver);
    receiver.once('message', () => receiver.destroy());
    receiver.write(fromHex('81 01 61 81 01 62'));
    await once(receiver, 'close');
    expect(log).toEqual(['message a false']);
  });

  test.each([true, false])(
    'accepts a synchronous callback of the extension, allowSynchronousEvents %s',
    async (isAllowed) => {
      const extension = {
        decompress(data: Buffer, _fin: boolean, callback: (error: Error | null, octets?: Buffer) => void) {
          callback(null, data);
          // Only the first call counts.
          callback(null, Buffer.from('again'));
        },
      };
      const options = { allowSynchronousEvents: isAllowed, extensions: { 'permessage-deflate': extension } };
      expect(await told(Receiver, options, [fromHex('c1 01 61 41 01 62 80 01 63 81 01 64')])).toEqual([
        'message a false',
        'message bc false',
        'message d false',
        'finish',
      ]);
    },
  );

  test('delivers as a whole a message begun before binaryType became fragments; ws delivers its parts', async () => {
    for (const [By, expected] of [
      [Receiver, '[ab]'],
      [WsReceiver, '[a,b]'],
    ] as const) {
      const receiver = new By();
      const log = record(receiver);
      receiver.write(fromHex('02 01 61'));
      receiver._binaryType = 'fragments';
      await write(receiver, [fromHex('80 01 62')]);
      expect(log).toEqual([`message ${expected} true`, 'finish']);
    }
  });

  test('is destroyed by an extension that throws', async () => {
    const extension = {
      decompress() {
        throw new Error('out of memory');
      },
    };
    const log = await told(Receiver, { extensions: { 'permessage-deflate': extension } }, [
      fromHex('c1 01 61 81 01 62'),
    ]);
    expect(log).toEqual(['error undefined out of memory']);
  });

  test('treats an empty result as an empty message', async () => {
    const extension = {
      decompress: (_data: Buffer, _fin: boolean, callback: (error: Error | null) => void) =>
        setImmediate(callback, null),
    };
    expect(await told(Receiver, { extensions: { 'permessage-deflate': extension } }, [fromHex('c1 01 61')])).toEqual([
      'message  false',
      'finish',
    ]);
  });

  test('needs no more memory for a compressed frame in chunks of one byte than for its bytes', () => {
    const receiver = new Receiver({ extensions: { 'permessage-deflate': { decompress: () => {} } } });
    receiver.write(fromHex('c2 7f 00 00 00 00 00 03 0d 41'));
    const octet = Buffer.alloc(1);
    const before = memoryInUse();
    for (let i = 0; i < 200_000; i++) receiver.write(octet);
    // An object for each would take about 20 MB.
    expect(memoryInUse() - before).toBeLessThan(2_000_000);
    expect(receiver.writableLength).toBe(0);
  });

  test('refuses text at the first byte that cannot be UTF-8; ws waits for the end of the message', async () => {
    const chunks = [fromHex('01 01 ff'), fromHex('89 00'), fromHex('80 00')];
    const error = 'error WS_ERR_INVALID_UTF8 Invalid WebSocket frame: invalid UTF-8 sequence 1007';
    expect(await told(Receiver, {}, chunks)).toEqual([error]);
    expect(await told(WsReceiver, {}, chunks)).toEqual(['ping ', error]);
  });

  test('limits an inflated message to maxPayload, whatever the extension returns', async () => {
    const extension = {
      decompress: (_data: Buffer, _fin: boolean, callback: (error: Error | null, octets?: Buffer) => void) => {
        callback(null, Buffer.alloc(3, 'a'));
        callback(null, Buffer.alloc(3, 'a'));
      },
    };
    expect(
      await told(Receiver, { maxPayload: 5, extensions: { 'permessage-deflate': extension } }, [
        fromHex('41 01 61 80 01 62'),
      ]),
    ).toEqual(['error WS_ERR_UNSUPPORTED_MESSAGE_LENGTH Max payload size exceeded 1009']);
  });
});

describe.each(Object.entries(implementations))('the limits on parts, of a WebSocket of %s', (_name, by) => {
  test.each([
    [
      'maxFragments',
      { maxFragments: 2 },
      ['01 80 00000000', '00 80 00000000', '00 80 00000000'],
      'Too many message fragments',
    ],
    [
      'maxBufferedChunks',
      { maxBufferedChunks: 3 },
      ['82 8a 00000000', '61', '61', '61', '61', '61'],
      'Too many buffered chunks',
    ],
  ] as const)(
    '%s applies on a server: a message with more fails with 1008',
    async (_option, options, chunks, message) => {
      await using peers = await listen(by, 'tcp', options);
      const accepted = once(peers.server, 'connection');
      const raw = await rawClient(peers);
      raw.setNoDelay();
      const [served] = await accepted;
      const error = vi.fn();
      served.on('error', error);
      const closed = new Promise((resolve) => served.on('close', resolve));
      const answer = once(raw, 'data') as Promise<[Buffer]>;
      // Each chunk arrives separately: the next one is sent after the previous one was read.
      for (const chunk of chunks) {
        const read = served._socket.bytesRead;
        raw.write(fromHex(chunk));
        await until(() => served._socket.bytesRead > read || error.mock.calls.length > 0);
      }
      expect((await answer)[0]).toEqual(fromHex('88 02 03 f0'));
      raw.end();
      await closed;
      expect(error.mock.calls[0]?.[0]).toBeInstanceOf(RangeError);
      expect(error.mock.calls[0]?.[0]).toMatchObject({ code: 'WS_ERR_TOO_MANY_BUFFERED_PARTS', message });
    },
  );

  test.each([
    ['maxFragments', { maxFragments: 2 }, ['01 00', '00 00', '00 00'], 'Too many message fragments'],
    ['maxBufferedChunks', { maxBufferedChunks: 3 }, ['82 0a', '61', '61', '61', '61'], 'Too many buffered chunks'],
  ] as const)(
    '%s applies on a client: a message with more fails with 1008',
    async (_option, options, chunks, message) => {
      await using raw = await rawServer(({ accept }) => switching(accept));
      const client = new by.WebSocket(`ws://127.0.0.1:${raw.port}`, { perMessageDeflate: false, ...options });
      const error = vi.fn();
      client.on('error', error);
      const closed = new Promise((resolve) => client.on('close', resolve));
      await once(client, 'open');
      const [socket] = raw.connections as [Socket];
      socket.setNoDelay();
      const answer = once(socket, 'data') as Promise<[Buffer]>;
      const { _socket } = client as unknown as { _socket: Socket };
      for (const chunk of chunks) {
        const read = _socket.bytesRead;
        socket.write(fromHex(chunk));
        await until(() => _socket.bytesRead > read || error.mock.calls.length > 0);
      }
      const [frame] = await answer;
      expect(frame.subarray(0, 2)).toEqual(fromHex('88 82'));
      expect(frame.readUInt16BE(6) ^ frame.readUInt16BE(2)).toBe(1008);
      socket.end();
      await closed;
      expect(error.mock.calls[0]?.[0]).toBeInstanceOf(RangeError);
      expect(error.mock.calls[0]?.[0]).toMatchObject({ code: 'WS_ERR_TOO_MANY_BUFFERED_PARTS', message });
    },
  );

  test('maxBufferedChunks accepts exactly that number, message after message', async () => {
    await using raw = await rawServer(({ accept }) => switching(accept));
    const client = new by.WebSocket(`ws://127.0.0.1:${raw.port}`, { perMessageDeflate: false, maxBufferedChunks: 3 });
    const seen: string[] = [];
    client.on('message', (data) => seen.push(String(data)));
    await once(client, 'open');
    const [socket] = raw.connections as [Socket];
    socket.setNoDelay();
    const { _socket } = client as unknown as { _socket: Socket };
    for (const chunk of ['81 03', '61', '62', '63 81 03 64', '65', '66']) {
      const read = _socket.bytesRead;
      socket.write(fromHex(chunk));
      await until(() => _socket.bytesRead > read);
    }
    await until(() => seen.length === 2);
    expect(seen).toEqual(['abc', 'def']);
    client.terminate();
    await once(client, 'close');
  });
});

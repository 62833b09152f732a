import { randomBytes } from 'node:crypto';
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync, inflateRawSync, type Zlib } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Connection, type ConnectionEvents, type PeerError } from '../../src/connection/connection.ts';
import { type ConnectionOptions, ConnectionSettings } from '../../src/connection/connection-settings.ts';
import type { DeflateAgreement } from '../../src/extension/deflate-negotiation.ts';
import { InflateError } from '../../src/extension/inflate-error.ts';
import { FrameCollector, FrameDecoder } from '../../src/frame/frame-decoder.ts';
import { fromHex, toHex } from '../support/hex.ts';
import { type Cut, cutOctets, cuts, everyCut, exampleKey, naiveFrame } from '../support/octets.ts';

const withoutContext: DeflateAgreement = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const withContext = { ...withoutContext, serverNoContextTakeover: false, clientNoContextTakeover: false };
const agreements = [
  ['without context takeover', withoutContext],
  ['with context takeover', withContext],
] as const;

/** Connection that records its events. */
class End extends Connection {
  readonly told: string[];
  readonly payloads: Buffer[];
  readonly errors: PeerError[];

  constructor(options: ConnectionOptions | ConnectionSettings, more: Partial<ConnectionEvents> = {}) {
    const told: string[] = [];
    const payloads: Buffer[] = [];
    const errors: PeerError[] = [];
    super(options instanceof ConnectionSettings ? options : { nextMaskingKey: () => exampleKey, ...options }, {
      message: (data, isBinary) => {
        const list = Array.isArray(data) ? data : [data];
        payloads.push(Buffer.concat(list));
        told.push(`${isBinary ? 'binary' : 'text'} ${list.map((part) => part.length).join('+')}`.trim());
      },
      ping: (payload) => told.push(`ping ${payload}`.trim()),
      pong: (payload) => told.push(`pong ${payload}`.trim()),
      closeReceived: (code) => told.push(`close ${code}`),
      failure: (error) => {
        errors.push(error);
        told.push(`failure ${error.code} ${error.closeCode}`);
      },
      ...more,
    });
    this.told = told;
    this.payloads = payloads;
    this.errors = errors;
  }

  hears(text: string | Uint8Array, cut: Cut = 'whole'): this {
    for (const chunk of cutOctets(typeof text === 'string' ? fromHex(text) : text, cut)) this.receive(chunk);
    return this;
  }
}

const client = (agreement: DeflateAgreement = withoutContext, options: Partial<ConnectionOptions> = {}, more = {}) =>
  new End({ role: 'client', deflate: { agreement }, ...options }, more);
const server = (agreement: DeflateAgreement = withoutContext, options: Partial<ConnectionOptions> = {}) =>
  new End({ role: 'server', deflate: { agreement }, ...options });

const deflated = (message: Uint8Array | string, options: object = {}): Buffer =>
  deflateRawSync(message, { ...options, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
const fromServer = (first: number, payload: Uint8Array | string) => naiveFrame(first, Buffer.from(payload as string));
const text = '{"id":17,"name":"Ada Lovelace"} '.repeat(60);

function frames(outgoing: Uint8Array, role: 'client' | 'server') {
  const collector = new FrameCollector();
  new FrameDecoder({ role: role === 'client' ? 'server' : 'client', allowRsv1: true }).decode(outgoing, 0, collector);
  return collector.frames;
}

describe.each(agreements)('a connection with permessage-deflate %s receives', (_title, agreement) => {
  it.each([
    ['one block (§7.2.3.1)', 'c1 07 f2 48 cd c9 c9 07 00'],
    ['two frames (§7.2.3.1)', '41 03 f2 48 cd 80 04 c9 c9 07 00'],
    ['a block without compression (§7.2.3.3)', 'c1 0b 00 05 00 fa ff 48 65 6c 6c 6f 00'],
    ['a block with BFINAL set (§7.2.3.4)', 'c1 08 f3 48 cd c9 c9 07 00 00'],
    ['two blocks (§7.2.3.5)', 'c1 0d f2 48 05 00 00 00 ff ff ca c9 c9 07 00'],
    ['no compression at all', '81 05 48 65 6c 6c 6f'],
  ])('%s', (_case, stream) => {
    for (const cut of everyCut) {
      const end = client(agreement).hears(stream, cut);
      expect([end.told, end.payloads.map(String)]).toEqual([['text 5'], ['Hello']]);
    }
  });

  it('the empty message of §7.2.3.6, and an empty payload as an empty message', () => {
    for (const stream of ['c1 01 00', 'c2 00', '41 00 80 01 00', '41 00 80 00']) {
      for (const cut of everyCut) {
        const end = client(agreement).hears(stream, cut);
        expect([end.told.length, end.payloads.map(toHex)]).toEqual([1, ['']]);
      }
    }
  });

  it('control frames between the fragments of a compressed message', () => {
    const stream = '41 03 f2 48 cd 89 01 70 80 04 c9 c9 07 00 88 00';
    for (const cut of everyCut)
      expect(client(agreement).hears(stream, cut).told).toEqual(['ping p', 'text 5', 'close 1005']);
  });

  it.each([
    ['RSV1 on a continuation', '01 01 61 c0 01 62', 'failure WS_ERR_UNEXPECTED_RSV_1 1002'],
    ['RSV1 on the continuation of a compressed message', '41 01 f2 c0 01 48', 'failure WS_ERR_UNEXPECTED_RSV_1 1002'],
    ['RSV1 on a ping', 'c9 00', 'failure WS_ERR_UNEXPECTED_RSV_1 1002'],
    ['RSV1 on a close frame', 'c8 00', 'failure WS_ERR_UNEXPECTED_RSV_1 1002'],
    ['RSV2 beside RSV1', 'e1 00', 'failure WS_ERR_UNEXPECTED_RSV_2_3 1002'],
    ['octets that are not DEFLATE', 'c2 02 07 ff', 'failure Z_DATA_ERROR 1007'],
    ['a message that ends within a block', 'c2 03 f2 48 cd', 'failure Z_BUF_ERROR 1007'],
    ['text that is not UTF-8', 'c1 05 00 01 00 fe ff ff 00'.replace('05', '07'), 'failure WS_ERR_INVALID_UTF8 1007'],
  ])('fails on %s', (_case, stream, failure) => {
    for (const cut of everyCut) {
      const end = client(agreement).hears(stream, cut);
      expect([end.told, end.state]).toEqual([[failure], 'failed']);
    }
  });

  it('no compressed message without an agreement', () => {
    const end = new End({ role: 'client' }).hears('c1 07 f2 48 cd c9 c9 07 00');
    expect(end.told).toEqual(['failure WS_ERR_UNEXPECTED_RSV_1 1002']);
  });

  it('inflated messages up to the limit, each message by itself', () => {
    const bomb = deflated(Buffer.alloc(1_000_000));
    expect(bomb.length).toBeLessThan(1100);
    const end = client(agreement, { maxPayload: 2000 });
    const least = fromServer(0xc2, deflated(randomBytes(2000)).subarray(0));
    end
      .hears(fromServer(0xc2, deflated(Buffer.alloc(2000, 'a'))))
      .hears(fromServer(0xc2, deflated(Buffer.alloc(2000, 'b'))));
    expect(end.told).toEqual(['binary 2000', 'binary 2000']);
    // The compressed message itself is longer than the limit, which its header shows.
    expect(client(agreement, { maxPayload: 2000 }).hears(least.subarray(0, 4)).told).toEqual([
      'failure WS_ERR_UNSUPPORTED_MESSAGE_LENGTH 1009',
    ]);
    end.hears(fromServer(0xc2, bomb));
    expect(end.told.at(-1)).toBe('failure WS_ERR_UNSUPPORTED_MESSAGE_LENGTH 1009');
    expect(end.errors[0]).toMatchObject({
      detail: 'RFC 6455 §10.4: a message must not be longer than maxPayload; got 2001 or more (limit 2000)',
    });
  });

  it('any message if there is no limit', () => {
    const end = client(agreement, { maxPayload: 0 }).hears(fromServer(0xc2, deflated(Buffer.alloc(3_000_000))));
    expect(end.told).toEqual(['binary 3000000']);
  });

  it('a message under a limit that is changed inside it', () => {
    const settings = new ConnectionSettings({ role: 'client', deflate: { agreement } });
    const end = new End(settings);
    const payload = deflated(Buffer.alloc(3000));
    end.hears(fromServer(0x42, payload.subarray(0, 5)));
    end.changeSettings(new ConnectionSettings({ role: 'client', deflate: { agreement }, maxPayload: 2999 }));
    end.hears(fromServer(0x80, payload.subarray(5)));
    expect(end.told).toEqual(['failure WS_ERR_UNSUPPORTED_MESSAGE_LENGTH 1009']);
  });

  it('text without a check if validation is off', () => {
    const end = client(agreement, { skipUTF8Validation: true }).hears('c1 07 00 01 00 fe ff ff 00');
    expect(end.payloads.map(toHex)).toEqual(['ff']);
    const fragmented = client(agreement, { skipUTF8Validation: true }).hears('41 06 00 01 00 fe ff ff 80 01 00');
    expect(fragmented.payloads.map(toHex)).toEqual(['ff']);
  });

  it('binary messages as lists of one part in fragments mode', () => {
    const end = client(agreement);
    end.keepsFragments = true;
    end.hears('42 03 f2 48 cd 80 04 c9 c9 07 00').hears('c2 01 00');
    expect(end.told).toEqual(['binary 5', 'binary']);
  });
});

describe.each(agreements)('of a message in fragments, %s,', (_title, agreement) => {
  const fragments = (payload: Buffer, at: number) => [
    fromServer(0x41, payload.subarray(0, at)),
    fromServer(0x80, payload.subarray(at)),
  ];

  it('text that is not UTF-8 is refused at the fragment that shows it', () => {
    const payload = deflated(Buffer.from(`${'a'.repeat(20)}\u00ff`, 'latin1'), { level: 0 });
    const [first] = fragments(payload, payload.length - 1) as [Buffer];
    expect(client(agreement).hears(first).told).toEqual(['failure WS_ERR_INVALID_UTF8 1007']);
  });

  it('a character cut by fragments is accepted', () => {
    const payload = deflated('a🙂b', { level: 0 });
    for (let at = 1; at < payload.length; at++) {
      const end = client(agreement);
      for (const frame of fragments(payload, at)) end.hears(frame);
      expect(end.payloads.map(String)).toEqual(['a🙂b']);
    }
  });

  it('a message that is too long is refused at the fragment that shows it', () => {
    const [first] = fragments(deflated(Buffer.alloc(1_000_000, 'a')), 500) as [Buffer];
    expect(client(agreement, { maxPayload: 100_000 }).hears(first).told).toEqual([
      'failure WS_ERR_UNSUPPORTED_MESSAGE_LENGTH 1009',
    ]);
    // The peek does not reach this limit.
    expect(client(agreement).hears(first).told).toEqual([]);
  });

  it('data that is not DEFLATE is refused at the fragment that shows it', () => {
    expect(client(agreement).hears('42 02 07 ff').told).toEqual(['failure Z_DATA_ERROR 1007']);
  });

  it('the early checks cost no more than the message: there is one each time its length has doubled', () => {
    const payload = deflated(randomBytes(4096));
    const end = client(agreement);
    const { peek } = Object.getPrototypeOf(end.settings.deflate!.inflater()) as {
      peek: (...args: unknown[]) => unknown;
    };
    let looks = 0;
    const prototype = Object.getPrototypeOf(end.settings.deflate!.inflater());
    prototype.peek = function (...args: unknown[]) {
      looks++;
      return peek.apply(this, args);
    };
    try {
      end.hears(fromServer(0x42, payload.subarray(0, 1)));
      for (let at = 1; at < payload.length; at++) end.hears(fromServer(0x00, payload.subarray(at, at + 1)));
      end.hears('80 00');
    } finally {
      prototype.peek = peek;
    }
    expect(end.told).toEqual(['binary 4096']);
    expect(looks).toBe(Math.floor(Math.log2(payload.length)) + 1);
  });
});

describe.each(agreements)('a connection with permessage-deflate %s sends', (_title, agreement) => {
  it.each(['client', 'server'] as const)('data that streaming zlib inflates, as a %s', async (role) => {
    const stream = createInflateRaw();
    const end = new End({ role, deflate: { agreement } });
    const other = new End({ role: role === 'client' ? 'server' : 'client', deflate: { agreement } });
    const messages = [text, Buffer.from(text), text.slice(0, 1500), 'x'.repeat(5000)];
    for (const message of messages) end.send(message);
    const outgoing = end.takeOutgoing();
    other.hears(Buffer.from(outgoing));
    expect(other.payloads.map(String)).toEqual(messages.map(String));
    expect(outgoing.length).toBeLessThan(500 + 200);
    for (const [index, { payload, rsv1, opcode }] of frames(Buffer.from(outgoing), role).entries()) {
      expect([rsv1, opcode]).toEqual([true, index === 1 ? 2 : 1]);
      expect(String(await inflateOn(stream, payload))).toBe(String(messages[index]));
      if (agreement.serverNoContextTakeover) stream.reset();
    }
    stream.close();
  });

  it('only the first frame of a message with RSV1, and fragments that form one compressed message', () => {
    const end = server(agreement, { deflate: { agreement, threshold: 0 } });
    end.send(text, false, false);
    end.ping(Buffer.from('p'));
    end.send('', false, false);
    end.send(text, true, false);
    end.send('', false, true);
    end.send(text);
    const outgoing = end.takeOutgoing();
    expect(frames(Buffer.from(outgoing), 'server').map(({ opcode, rsv1, fin }) => [opcode, rsv1, fin])).toEqual([
      [1, true, false],
      [9, false, true],
      [0, false, false],
      [0, false, false],
      [0, false, true],
      [1, true, true],
    ]);
    const other = client(agreement).hears(outgoing);
    expect(other.payloads.map(String)).toEqual([text + text, text]);
  });

  it('messages without compression on request, also in fragments', () => {
    const end = server(agreement);
    end.send(text, false, true, false, false);
    end.send(text, false, false, false, false);
    end.send(text, false, true, false, true);
    const outgoing = end.takeOutgoing();
    expect(frames(Buffer.from(outgoing), 'server').map(({ rsv1, length }) => [rsv1, length])).toEqual([
      [false, text.length],
      [false, text.length],
      [false, text.length],
    ]);
  });
});

function inflateOn(stream: Zlib & NodeJS.ReadWriteStream, payload: Uint8Array): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const collect = (chunk: Buffer): unknown => chunks.push(chunk);
    stream.on('data', collect);
    stream.write(Buffer.concat([payload, fromHex('00 00 ff ff')]));
    (stream as unknown as { flush(done: () => void): void }).flush(() => {
      stream.off('data', collect);
      resolve(Buffer.concat(chunks));
    });
  });
}

describe('without context takeover', () => {
  it('messages shorter than the threshold in octets are sent uncompressed', () => {
    const end = server();
    for (const message of ['a'.repeat(1023), 'ä'.repeat(511), 'ä'.repeat(512), 'a'.repeat(1024)]) end.send(message);
    const outgoing = end.takeOutgoing();
    expect(frames(Buffer.from(outgoing), 'server').map(({ rsv1 }) => rsv1)).toEqual([false, false, true, true]);
  });

  it('a message that does not become shorter is sent uncompressed', () => {
    const end = server();
    end.send(randomBytes(2000));
    expect(frames(end.takeOutgoing(), 'server').map(({ rsv1, length }) => [rsv1, length])).toEqual([[false, 2000]]);
    // A message that has begun compressed must stay compressed.
    end.send(randomBytes(2000), true, false);
    expect(frames(end.takeOutgoing(), 'server')[0]).toMatchObject({ rsv1: true });
  });

  it('all connections with the same settings share the deflater and inflater', () => {
    const settings = new ConnectionSettings({ role: 'server', deflate: { agreement: withoutContext } });
    const ends = [new End(settings), new End(settings)];
    const other = client();
    for (let round = 0; round < 3; round++) {
      for (const end of ends) {
        end.send(text);
        other.hears(end.takeOutgoing());
      }
    }
    expect(other.payloads.map(String)).toEqual(Array(6).fill(text));
  });
});

describe('with context takeover', () => {
  it('small messages are shortened by references to earlier ones, and compressed', () => {
    const end = server(withContext);
    end.send('Hello');
    end.send('Hello');
    // §7.2.3.2
    expect(toHex(end.takeOutgoing())).toBe('c1 07 f2 48 cd c9 c9 07 00 c1 05 f2 00 11 00 00');
    const random = randomBytes(100);
    end.send(random);
    end.send(random);
    const outgoing = end.takeOutgoing();
    const seen = frames(Buffer.from(outgoing), 'server');
    expect(seen.map(({ rsv1 }) => rsv1)).toEqual([true, true]);
    expect(seen[0]!.length).toBeGreaterThan(100);
  });

  it('a message compressed by the owner is followed by one without references', () => {
    const end = server(withContext);
    const other = client(withContext);
    end.send(text);
    const large = Buffer.from(text.repeat(5));
    end.sendDeflated(deflated(large), large, true, true, false, true);
    end.send(text);
    other.hears(end.takeOutgoing());
    expect(other.payloads.map(String)).toEqual([text, text.repeat(5), text]);
  });

  it('a closed connection has freed its windows: the next message starts anew', () => {
    const end = client(withContext).hears('c1 07 f2 48 cd c9 c9 07 00');
    end.receiveEnd();
    expect(end.told).toEqual(['text 5']);
    expect(end.receive(fromHex('c1 05 f2 00 11 00 00'))).toBe(7);
    expect(end.told).toEqual(['text 5']);
  });
});

describe('an owner that inflates large messages', () => {
  const large = Buffer.alloc(300_000, 'abcdefghij');
  const frame = fromServer(0xc1, deflated(large));

  it.each(agreements)(
    'gets them %s, and the connection receives nothing behind one until the owner passes the result',
    (_title, agreement) => {
      const given: Buffer[] = [];
      const end: End = client(
        agreement,
        {},
        {
          inflate: (payload: Buffer, isBinary: boolean) => {
            given.push(Buffer.from(payload));
            end.told.push(`inflate ${isBinary}`);
          },
        },
      );
      const chunk = Buffer.concat([fromServer(0xc1, deflated(text)), frame, fromServer(0x89, 'p')]);
      expect(end.receive(chunk)).toBe(chunk.length - 3);
      expect(end.told).toEqual([`text ${text.length}`, 'inflate false']);
      const message = inflateRawSync(given[0] as Buffer, { finishFlush: constants.Z_SYNC_FLUSH });
      end.inflated(message, false);
      end.receive(chunk, chunk.length - 3);
      expect(end.told.slice(2)).toEqual(['text 300000', 'ping p']);
      // Later messages may refer to this one.
      end.hears(fromServer(0xc1, deflated(text)));
      expect(end.payloads.at(-1)?.toString()).toBe(text);
    },
  );

  it('also gets long messages before they are inflated', () => {
    let given = 0;
    const end = client(withoutContext, {}, { inflate: (payload: Buffer) => (given += payload.length) });
    const random = randomBytes(262_145);
    end.hears(fromServer(0xc2, deflated(random)));
    expect(given).toBeGreaterThan(262_144);
  });

  it('does not get messages that the limit refuses anyway', () => {
    const end = client(withoutContext, { maxPayload: 262_144 }, { inflate: () => end.told.push('inflate') });
    end.hears(frame);
    expect(end.told).toEqual(['failure WS_ERR_UNSUPPORTED_MESSAGE_LENGTH 1009']);
  });

  it('gets lists in fragments mode, and nothing once the connection has ended', () => {
    const end = client(withoutContext, {}, { inflate: () => {} });
    end.keepsFragments = true;
    end.hears(fromServer(0xc2, deflated(large)));
    end.inflated(large, true);
    expect(end.told).toEqual(['binary 300000']);
    end.receiveEnd();
    end.inflated(large, true);
    expect(end.told).toEqual(['binary 300000']);
  });

  it('can fail the connection for it', () => {
    const end = client(withoutContext, {}, { inflate: () => {} });
    end.hears(frame);
    end.fail(new InflateError('invalid block type', 'Z_DATA_ERROR', -3));
    expect([end.state, toHex(end.takeOutgoing()).slice(0, 5)]).toEqual(['failed', '88 82']);
  });

  it('is not called if there is no memory to inflate a message: that ends only the connection', () => {
    const end = client(withoutContext, {}, { inflate: () => {} });
    const inflater = end.settings.deflate!.inflater();
    const cause = new RangeError('Array buffer allocation failed');
    inflater.inflateUpTo = () => {
      throw cause;
    };
    end.hears('c1 07 f2 48 cd c9 c9 07 00');
    expect(end.told).toEqual(['failure WS_ERR_UNSUPPORTED_MESSAGE_LENGTH 1009']);
    expect(end.errors[0]?.cause).toBe(cause);
  });

  it('gets a chunk of many messages 256 KiB at a time', () => {
    const end = client(withoutContext, {}, { inflate: () => {} });
    const one = fromServer(0xc2, deflated(Buffer.alloc(200_000)));
    const chunk = Buffer.concat(Array(20).fill(one));
    const turns: number[] = [];
    for (let at = 0; at < chunk.length; at = end.receive(chunk, at)) turns.push(end.told.length);
    expect(turns).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    expect(end.told.length).toBe(20);
  });

  it('gets a chunk of many empty messages some hundreds at a time', () => {
    const end = client(withoutContext, {}, { inflate: () => {} });
    const chunk = Buffer.concat(Array(1000).fill(fromHex('c2 01 00')));
    expect(end.receive(chunk)).toBe(64 * 3);
    expect(end.isExhausted).toBe(true);
  });
});

describe('two endpoints', () => {
  const bits = fc.integer({ min: 8, max: 15 });
  const agreement = fc.record({
    serverNoContextTakeover: fc.boolean(),
    clientNoContextTakeover: fc.boolean(),
    serverMaxWindowBits: bits,
    clientMaxWindowBits: bits,
  });
  const payload = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.integer({ min: 0, max: 40_000 }).map((length) => text.repeat(24).slice(0, length)),
    fc.integer({ min: 0, max: 3000 }).map((length) => randomBytes(length)),
  );
  const message = fc.record({
    fragments: fc.array(payload, { minLength: 1, maxLength: 3 }),
    compresses: fc.boolean(),
    pings: fc.boolean(),
  });

  it('understand each other for any agreement, any messages and any division into chunks', () => {
    fc.assert(
      fc.property(
        agreement,
        fc.array(message, { maxLength: 6 }),
        fc.constantFrom('client' as const, 'server' as const),
        fc.constantFrom(0, 100, 1024),
        cuts,
        (agreed, messages, role, threshold, cut) => {
          const deflate = { agreement: agreed, threshold };
          const from = new End({ role, deflate });
          const to = new End({ role: role === 'client' ? 'server' : 'client', deflate });
          const expected: string[] = [];
          for (const { fragments, compresses, pings } of messages) {
            const isBinary = typeof fragments[0] !== 'string';
            const data = fragments.map((part) => Buffer.from(part as string));
            if (!isBinary && fragments.some((part) => typeof part !== 'string')) continue;
            data.forEach((part, index) => {
              from.send(part, isBinary, index === data.length - 1, undefined, compresses);
              if (pings) from.ping(Buffer.from('p'));
            });
            expected.push(toHex(Buffer.concat(data)));
          }
          to.hears(from.takeOutgoing(), cut);
          expect(to.errors).toEqual([]);
          expect(to.payloads.map(toHex)).toEqual(expected);
          from.receiveEnd();
          to.receiveEnd();
        },
      ),
      { numRuns: 150 },
    );
  });

  it('any octets give messages or one failure, never another error', () => {
    const first = fc.constantFrom(0xc1, 0xc2, 0x41, 0x42, 0x80, 0x00, 0x81);
    const piece = fc.tuple(
      first,
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        payload.map((data) => deflated(data)),
      ),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.constantFrom(withContext, withoutContext),
        cuts,
        (pieces, agreed, cut) => {
          const end = client(agreed, { maxPayload: 30_000 });
          end.hears(Buffer.concat(pieces.map(([octet, data]) => fromServer(octet, data.subarray(0, 60_000)))), cut);
          expect(end.errors.length).toBe(end.state === 'failed' ? 1 : 0);
          expect(end.payloads.every(({ length }) => length <= 30_000)).toBe(true);
          end.receiveEnd();
        },
      ),
      { numRuns: 300 },
    );
  });

  it('the output of streaming zlib is understood: the reference compressor', async () => {
    const stream = createDeflateRaw({ windowBits: 11 });
    const end = client({ ...withContext, serverMaxWindowBits: 11 });
    const messages = [text, text, 'a', text.repeat(30)];
    for (const one of messages) {
      const payload = await new Promise<Buffer>((resolve) => {
        const chunks: Buffer[] = [];
        const collect = (chunk: Buffer): unknown => chunks.push(chunk);
        stream.on('data', collect);
        stream.write(one);
        stream.flush(constants.Z_SYNC_FLUSH, () => {
          stream.off('data', collect);
          resolve(Buffer.concat(chunks).subarray(0, -4));
        });
      });
      end.hears(fromServer(0xc1, payload));
    }
    stream.close();
    expect(end.payloads.map(String)).toEqual(messages);
  });
});

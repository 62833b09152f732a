import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { deflateRawSync, inflateRawSync, constants as zlib } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InflateError, type WebSocket } from '../../src/index.ts';
import { areZlibSlotsFree, compressed, deflated, deflatedFrame } from '../support/deflating.ts';
import { fromClient } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import { closed } from '../support/life.ts';
import { connectPair, type Implementation, implementations, listen, type Peers } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { server as rawServer, switching } from '../support/raw-server.ts';
import { eventually } from '../support/until.ts';

const { goodwire, ws } = implementations;
const both = Object.entries(implementations).map(([name, by]) => ({ name, by }));

/** Returns text with repeating and random parts. */
function text(length: number, seed: number): string {
  let state = seed + 1;
  let out = '';
  while (out.length < length) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    out += state & 4 ? '{"kind":"position","latitude":' : state.toString(36);
  }
  return out.slice(0, length);
}

interface Asked {
  readonly status: number | undefined;
  /** `Sec-WebSocket-Extensions` of the response. */
  readonly extensions: string | undefined;
  readonly socket: Socket | null;
}

/** Requests an upgrade with these extensions. */
async function ask(peers: Peers, extensions: string): Promise<Asked> {
  const port = portOf(peers.httpServer);
  const asking = request({
    port,
    host: '127.0.0.1',
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version': 13,
      'Sec-WebSocket-Extensions': extensions,
    },
  });
  asking.end();
  return new Promise((resolve, reject) => {
    asking.on('error', reject);
    const answered = (response: IncomingMessage, socket: Socket | null) =>
      resolve({
        status: response.statusCode,
        extensions: response.headers['sec-websocket-extensions'],
        socket: socket?.on('error', () => {}) ?? null,
      });
    asking.on('upgrade', (response, socket) => answered(response, socket as Socket));
    asking.on('response', (response) => {
      response.resume();
      answered(response, null);
    });
  });
}

/** Opens a raw connection to a server that accepts the offer. Returns it and the server's end. */
async function raw(
  peers: Peers,
  extensions = 'permessage-deflate',
): Promise<{ socket: Socket; served: WebSocket; octets: () => Buffer }> {
  const accepted = once(peers.server, 'connection') as Promise<[WebSocket]>;
  const { socket } = await ask(peers, extensions);
  const [served] = await accepted;
  const chunks: Buffer[] = [];
  socket!.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { socket: socket!, served, octets: () => Buffer.concat(chunks) };
}

interface Seen {
  readonly rsv1: boolean;
  readonly payload: Buffer;
}

/** Returns the frames in data of a server. */
function framesIn(octets: Buffer): Seen[] {
  const frames: Seen[] = [];
  for (let at = 0; at < octets.length; ) {
    const rsv1 = (octets[at]! & 0x40) !== 0;
    let length = octets[at + 1]!;
    at += 2;
    if (length === 126) {
      length = octets.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(octets.readBigUInt64BE(at));
      at += 8;
    }
    frames.push({ rsv1, payload: octets.subarray(at, at + length) });
    at += length;
  }
  return frames;
}

/** Returns a server's message as sent on the wire. */
async function sent(by: Implementation, perMessageDeflate: object, send: (served: WebSocket) => void): Promise<Seen[]> {
  await using peers = await listen(by, 'tcp', { perMessageDeflate });
  const { socket, served, octets } = await raw(peers);
  send(served);
  served.close();
  await eventually(() => expect(framesIn(octets()).length).toBeGreaterThan(1));
  await eventually(() => expect(framesIn(octets()).at(-1)!.payload.length).toBe(0));
  socket.destroy();
  return framesIn(octets()).slice(0, -1);
}

interface Received {
  readonly messages: unknown[];
  readonly error: (Error & { code?: string }) | undefined;
  readonly code: number;
}

/** Returns the events of a server for received data. */
async function receive(by: Implementation, octets: Buffer, options: object = {}): Promise<Received> {
  await using peers = await listen(by, 'tcp', { perMessageDeflate: true, ...options });
  const { socket, served } = await raw(peers);
  const messages: unknown[] = [];
  let error: Error | undefined;
  served.on('message', (data, isBinary) => messages.push(isBinary ? data : String(data)));
  served.on('error', (thrown) => {
    error = thrown;
  });
  if ('binaryType' in options) served.binaryType = options.binaryType as 'fragments';
  const code = new Promise<number>((resolve) => served.on('close', resolve));
  socket.write(octets);
  socket.on('end', () => socket.end());
  return { messages, error: await code.then(() => error), code: await code };
}

const end = () => fromClient(8, Buffer.alloc(0));

describe('between both implementations', () => {
  const takeover = fc.option(fc.boolean(), { nil: undefined });
  // Most runs leave the window open, because ws refuses handshakes that request a window its server does not allow.
  const bits = fc.option(fc.integer({ min: 8, max: 15 }), { nil: undefined, freq: 1 });
  const options = fc.record({
    serverNoContextTakeover: takeover,
    clientNoContextTakeover: takeover,
    serverMaxWindowBits: bits,
    clientMaxWindowBits: bits,
    contextTakeover: takeover,
    threshold: fc.constantFrom(0, 100, 1024),
    concurrencyLimit: fc.constantFrom(1, 10),
    zlibDeflateOptions: fc.record({
      level: fc.integer({ min: -1, max: 9 }),
      memLevel: fc.integer({ min: 1, max: 9 }),
      strategy: fc.constantFrom(
        zlib.Z_DEFAULT_STRATEGY,
        zlib.Z_FILTERED,
        zlib.Z_HUFFMAN_ONLY,
        zlib.Z_RLE,
        zlib.Z_FIXED,
      ),
    }),
  });
  const message = fc.record({
    length: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 0, max: 3000 }) },
      { weight: 2, arbitrary: fc.integer({ min: 16_300, max: 16_500 }) },
      { weight: 1, arbitrary: fc.integer({ min: 262_000, max: 300_000 }) },
    ),
    seed: fc.integer({ min: 0, max: 1000 }),
    binary: fc.boolean(),
    compress: fc.boolean(),
    fragments: fc.integer({ min: 1, max: 4 }),
  });

  function send(socket: WebSocket, data: Buffer, binary: boolean, compress: boolean, fragments: number): void {
    const size = Math.ceil(data.length / fragments);
    for (let i = 1; i <= fragments; i++) {
      socket.send(data.subarray((i - 1) * size, i * size), { binary, compress, fin: i === fragments });
    }
  }

  test.each([
    { client: goodwire, server: goodwire, name: 'our client and our server' },
    { client: goodwire, server: ws, name: 'our client and the server of ws' },
    { client: ws, server: goodwire, name: 'the client of ws and our server' },
    { client: ws, server: ws, name: 'the client of ws and the server of ws' },
  ])('$name all options and messages work, or fail in the handshake', async ({ client: of, server: at }) => {
    let opened = 0;
    await fc.assert(
      fc.asyncProperty(options, options, fc.array(message, { maxLength: 8 }), async (offered, wanted, messages) => {
        await using peers = await listen(at, 'tcp', { perMessageDeflate: wanted });
        peers.server.on('connection', (socket: WebSocket) => {
          socket.on('message', (data, isBinary) => {
            const { compress, fragments } = messages[echoed++]!;
            send(socket, data as Buffer, isBinary, compress, fragments);
          });
        });
        let echoed = 0;
        const client = peers.connect(of, { perMessageDeflate: offered });
        const open = await Promise.race([
          once(client, 'open').then(
            () => true,
            () => false,
          ),
          once(client, 'close').then(() => false),
        ]);
        if (!open) return;
        opened++;
        const [served] = peers.server.clients;
        expect(served!.extensions).toBe(client.extensions);
        const received: [Buffer, boolean][] = [];
        let failure: Error | undefined;
        for (const socket of [client, served!])
          socket.on('error', (error) => {
            failure = error;
          });
        client.on('message', (data, isBinary) => received.push([data as Buffer, isBinary]));
        const expected = messages.map(({ length, seed, binary }) => [Buffer.from(text(length, seed)), binary] as const);
        for (const [i, [data, binary]] of expected.entries())
          send(client, data, binary, messages[i]!.compress, messages[i]!.fragments);
        await eventually(() => expect([failure, received.length]).toEqual([undefined, messages.length]));
        expect(received.every(([data, binary], i) => binary === expected[i]![1] && data.equals(expected[i]![0]))).toBe(
          true,
        );
      }),
      { numRuns: 50 },
    );
    expect(opened).toBeGreaterThan(10);
  });

  test.each([
    { client: goodwire, server: ws },
    { client: ws, server: goodwire },
  ])('windows of every size are respected in both directions', async ({ client: of, server: at }) => {
    for (let bits = 8; bits <= 15; bits++) {
      const options = { serverMaxWindowBits: bits, clientMaxWindowBits: bits, contextTakeover: true };
      await using peers = await listen(at, 'tcp', { perMessageDeflate: options });
      const { client, served } = await connectPair(peers, of, { perMessageDeflate: options });
      expect(client.extensions).toBe('permessage-deflate');
      served.on('message', (data) => served.send(data));
      for (let i = 0; i < 4; i++) {
        const data = Buffer.from(text(40_000 * i + 700, i % 2).repeat(2));
        client.send(data);
        const [back] = (await once(client, 'message')) as [Buffer];
        expect(back.equals(data)).toBe(true);
      }
    }
  });
});

describe.each(both)('$name', ({ by }) => {
  test('accepts nothing as a server by default, and offers client_max_window_bits as a client', async () => {
    await using peers = await listen(by);
    let offered: string | undefined;
    peers.httpServer.on('upgrade', (request: IncomingMessage) => {
      offered = request.headers['sec-websocket-extensions'];
    });
    const { client, served } = await connectPair(peers, by, { perMessageDeflate: true });
    expect(offered).toBe('permessage-deflate; client_max_window_bits');
    expect([client.extensions, served.extensions]).toEqual(['', '']);
  });

  test.each([
    [true, 'permessage-deflate; client_max_window_bits'],
    [{ serverNoContextTakeover: true }, 'permessage-deflate; server_no_context_takeover; client_max_window_bits'],
    [
      { clientNoContextTakeover: true, serverMaxWindowBits: 10 },
      'permessage-deflate; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits',
    ],
    [{ clientMaxWindowBits: 9 }, 'permessage-deflate; client_max_window_bits=9'],
    [false, undefined],
    [null, undefined],
    [0, undefined],
  ])('with %j it offers %s', async (perMessageDeflate, offer) => {
    await using peers = await listen(by);
    let offered: string | undefined;
    peers.httpServer.on('upgrade', (request: IncomingMessage) => {
      offered = request.headers['sec-websocket-extensions'];
    });
    await connectPair(peers, by, { perMessageDeflate });
    expect(offered).toBe(offer);
  });

  test.each([
    ['permessage-deflate', 'permessage-deflate'],
    ['permessage-deflate; client_max_window_bits', 'permessage-deflate'],
    ['permessage-deflate; client_max_window_bits=10', 'permessage-deflate; client_max_window_bits=10'],
    ['permessage-deflate; server_max_window_bits=10', 'permessage-deflate; server_max_window_bits=10'],
    [
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
    ],
    ['x-unknown, permessage-deflate', 'permessage-deflate'],
    ['x-unknown', undefined],
  ])('agrees to %s with %s', async (offer, answer) => {
    await using peers = await listen(by, 'tcp', { perMessageDeflate: { contextTakeover: true } as object });
    const { status, extensions, socket } = await ask(peers, offer);
    expect([status, extensions]).toEqual([101, answer]);
    socket!.destroy();
  });

  test('shows the agreement', async () => {
    const perMessageDeflate = { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 7 };
    await using peers = await listen(by, 'tcp', { perMessageDeflate });
    const { client, served } = await connectPair(peers, by, { perMessageDeflate });
    for (const socket of [client, served]) {
      expect(socket.extensions).toBe('permessage-deflate');
      const { _extensions: running } = socket as unknown as {
        _extensions: Record<string, { params: object; _threshold: number }>;
      };
      expect(Object.keys(running)).toEqual(['permessage-deflate']);
      const extension = running['permessage-deflate']!;
      expect(extension.params).toEqual({ server_no_context_takeover: true, client_no_context_takeover: true });
      expect(extension._threshold).toBe(7);
    }
    client.terminate();
    await closed(client);
    expect(client.extensions).toBe('permessage-deflate');
  });

  test('compresses from the threshold on, without context takeover', async () => {
    const options = { serverNoContextTakeover: true, threshold: 100 };
    const seen = await sent(by, options, (served) => {
      served.send('x'.repeat(99));
      served.send('x'.repeat(100));
      served.send('x'.repeat(1000), { compress: false });
      served.send('x'.repeat(1000));
    });
    expect(seen.map(({ rsv1 }) => rsv1)).toEqual([false, true, false, true]);
    const last = Buffer.concat([seen[3]!.payload, fromHex('00 00 ff ff')]);
    expect(String(inflateRawSync(last, { finishFlush: zlib.Z_SYNC_FLUSH }))).toBe('x'.repeat(1000));
  });

  test('compresses small messages, with references to earlier ones, with context takeover', async () => {
    const seen = await sent(by, { contextTakeover: true }, (served) => {
      served.send('a small message');
      served.send('a small message');
    });
    expect(seen.map(({ rsv1 }) => rsv1)).toEqual([true, true]);
    expect(seen[1]!.payload.length).toBeLessThan(seen[0]!.payload.length);
  });

  test('reports WS_ERR_UNSUPPORTED_MESSAGE_LENGTH for a bomb, and Z_DATA_ERROR for invalid data', async () => {
    const bomb = await receive(by, compressed('x'.repeat(10_000)), { maxPayload: 1000 });
    expect(bomb.error?.code).toBe('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
    expect(bomb.messages).toEqual([]);
    const corrupt = await receive(by, deflatedFrame(2, fromHex('ff ff ff ff')));
    expect(corrupt.error).toMatchObject({ code: 'Z_DATA_ERROR', errno: -3 });
    expect(corrupt.messages).toEqual([]);
  });

  test('refuses RSV1 without an agreement, and on frames that must not have it', async () => {
    const notAgreed = await receive(by, compressed('x'), { perMessageDeflate: false });
    expect(notAgreed.error?.code).toBe('WS_ERR_UNEXPECTED_RSV_1');
    const continuation = await receive(
      by,
      Buffer.concat([deflatedFrame(1, deflated('x'), { fin: false }), deflatedFrame(0, deflated('x'))]),
    );
    expect(continuation.error?.code).toBe('WS_ERR_UNEXPECTED_RSV_1');
    const control = await receive(by, deflatedFrame(9, fromHex('00')));
    expect(control.error?.code).toBe('WS_ERR_UNEXPECTED_RSV_1');
  });

  test('sends none of the messages still being compressed when it is terminated, and reports that', async () => {
    await using peers = await listen(by, 'tcp', { perMessageDeflate: { contextTakeover: true } as object });
    const { client } = await connectPair(peers, by, { perMessageDeflate: true });
    const errors: (Error | undefined)[] = [];
    client.send('x'.repeat(1_000_000), (error) => errors.push(error));
    client.terminate();
    await eventually(() => expect(errors.length).toBe(1));
    expect(errors[0]?.message).toBe('The socket was closed while data was being compressed');
  });
});

/** Tests each row of docs/ws-differences.md, section "Compression", with both implementations. */
describe('differences:', () => {
  async function ofBoth<T>(run: (by: Implementation) => Promise<T>): Promise<{ goodwire: T; ws: T }> {
    return { goodwire: await run(goodwire), ws: await run(ws) };
  }

  test('perMessageDeflate: true on a server', async () => {
    const agreed = (perMessageDeflate: object | boolean) =>
      ofBoth(async (by) => {
        await using peers = await listen(by, 'tcp', { perMessageDeflate });
        const { extensions, socket } = await ask(peers, 'permessage-deflate; client_max_window_bits');
        socket!.destroy();
        return extensions;
      });
    expect(await agreed(true)).toEqual({
      goodwire: 'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
      ws: 'permessage-deflate',
    });
    expect(await agreed({ contextTakeover: true })).toEqual({
      goodwire: 'permessage-deflate',
      ws: 'permessage-deflate',
    });
  });

  test.each([
    ['permessage-deflate; unknown', {}],
    ['permessage-deflate; client_no_context_takeover; client_no_context_takeover', {}],
    ['permessage-deflate; server_max_window_bits=16', {}],
    ['permessage-deflate; server_max_window_bits=10', { serverMaxWindowBits: 12 }],
  ])('an offer that cannot be accepted: %s', async (offer, perMessageDeflate) => {
    const answers = await ofBoth(async (by) => {
      await using peers = await listen(by, 'tcp', { perMessageDeflate });
      const { status, extensions, socket } = await ask(peers, offer);
      socket?.destroy();
      return [status, extensions];
    });
    expect(answers).toEqual({ goodwire: [101, undefined], ws: [400, undefined] });
  });

  test.each([
    [{ serverNoContextTakeover: true }, ''],
    [{ serverMaxWindowBits: 10 }, ''],
    [{ serverMaxWindowBits: 10 }, '; server_max_window_bits=12'],
  ])('a response to %j that is "permessage-deflate%s"', async (perMessageDeflate, parameters) => {
    const outcomes = await ofBoth(async (by) => {
      const answering = await rawServer(({ accept }) =>
        switching(accept, `Sec-WebSocket-Extensions: permessage-deflate${parameters}\r\n`),
      );
      const client = new by.WebSocket(`ws://127.0.0.1:${answering.port}/`, { perMessageDeflate } as object);
      const outcome = await Promise.race([
        new Promise<string>((resolve) => client.on('open', () => resolve('open'))),
        new Promise<string>((resolve) => client.on('error', ({ message }) => resolve(message))),
      ]);
      client.terminate();
      return outcome;
    });
    expect(outcomes).toEqual({ goodwire: 'Invalid Sec-WebSocket-Extensions header', ws: 'open' });
  });

  test('the level of messages from 4 KiB on without context takeover', async () => {
    const message = text(9000, 3);
    const lengthAt = (level: number) => deflateRawSync(message, { level, finishFlush: zlib.Z_SYNC_FLUSH }).length - 4;
    const lengths = (zlibDeflateOptions: object) =>
      ofBoth(async (by) => {
        const [frame] = await sent(by, { serverNoContextTakeover: true, zlibDeflateOptions }, (served) =>
          served.send(message),
        );
        return frame!.payload.length;
      });
    expect(lengthAt(1)).not.toBe(lengthAt(-1));
    expect(await lengths({})).toEqual({ goodwire: lengthAt(1), ws: lengthAt(-1) });
    expect(await lengths({ level: -1 })).toEqual({ goodwire: lengthAt(-1), ws: lengthAt(-1) });
  });

  test('a message that compression does not shorten', async () => {
    const data = Buffer.from(Array.from({ length: 2000 }, (_, i) => (i * i * 31 + (i >> 3) * 7) & 255));
    const noise = Buffer.concat([deflateRawSync(Buffer.from(text(4000, 5)), { level: 9 }), data.subarray(0, 1)]);
    const wasCompressed = await ofBoth(async (by) => {
      const [frame] = await sent(by, { serverNoContextTakeover: true, threshold: 0 }, (served) => served.send(noise));
      return frame!.rsv1;
    });
    expect(wasCompressed).toEqual({ goodwire: false, ws: true });
  });

  test('a large message with context takeover', async () => {
    const message = text(20_000, 7);
    const isShorterAgain = await ofBoth(async (by) => {
      const [first, second] = await sent(by, { contextTakeover: true }, (served) => {
        served.send(message);
        served.send(message);
      });
      return second!.payload.length < first!.payload.length / 4;
    });
    expect(isShorterAgain).toEqual({ goodwire: false, ws: true });
  });

  test('options for the streams of zlib', async () => {
    const lengths = await ofBoth(async (by) => {
      const zlibDeflateOptions = { flush: zlib.Z_FULL_FLUSH, chunkSize: 64 };
      const [frame] = await sent(by, { zlibDeflateOptions }, (served) => served.send('x'.repeat(9000)));
      return String(inflateRawSync(Buffer.concat([frame!.payload, fromHex('00 00 ff ff')]), { finishFlush: 2 })).length;
    });
    expect(lengths).toEqual({ goodwire: 9000, ws: 9000 });
  });

  test('a message that ends within a block', async () => {
    const octets = deflated('some text that is long enough to be cut, '.repeat(3)).subarray(0, -12);
    const received = await ofBoth(async (by) => {
      const { messages, error } = await receive(by, Buffer.concat([deflatedFrame(1, octets), end()]));
      return { code: error?.code, messages: messages.length };
    });
    expect(received.goodwire.messages).toBe(0);
    expect(received.goodwire.code).toMatch(/^Z_(?:BUF|DATA)_ERROR$/);
    expect(received.ws).toEqual({ code: undefined, messages: 1 });
  });

  test('data behind a final block', async () => {
    const octets = Buffer.concat([deflateRawSync('first, '), deflated('second')]);
    const received = await ofBoth(
      async (by) => (await receive(by, Buffer.concat([deflatedFrame(1, octets), end()]))).messages,
    );
    expect(received).toEqual({ goodwire: ['first, second'], ws: ['first, '] });
  });

  test("binaryType 'fragments'", async () => {
    const octets = Buffer.concat([deflated('first, '), fromHex('00 00 ff ff')]);
    const frames = () =>
      Buffer.concat([
        deflatedFrame(2, octets, { fin: false }),
        deflatedFrame(0, deflated('second'), { rsv1: false }),
        end(),
      ]);
    const received = await ofBoth(async (by) => (await receive(by, frames(), { binaryType: 'fragments' })).messages);
    expect(received.goodwire).toEqual([[Buffer.from('first, second')]]);
    expect((received.ws[0] as Buffer[]).map(String)).toEqual(['first, ', 'second']);
  });

  test('pause() while a message is being inflated', async () => {
    const delivered = await ofBoth(async (by) => {
      await using peers = await listen(by, 'tcp', { perMessageDeflate: true });
      const { socket, served } = await raw(peers);
      const { _socket: stream } = served as unknown as { _socket: Socket };
      let isPaused = false;
      const message = new Promise<string>((resolve) =>
        served.on('message', () => resolve(isPaused ? 'during the pause' : 'behind it')),
      );
      stream.once('data', () => {
        isPaused = true;
        served.pause();
      });
      socket.write(compressed('x'.repeat(300_000)));
      await eventually(() => expect(isPaused).toBe(true));
      // Long enough for one implementation, and irrelevant for the other.
      if (by === goodwire) {
        await eventually(() => expect(areZlibSlotsFree()).toBe(true));
        isPaused = false;
        served.resume();
      }
      const when = await message;
      socket.destroy();
      return when;
    });
    expect(delivered).toEqual({ goodwire: 'behind it', ws: 'during the pause' });
  });

  test('the error for corrupt data', async () => {
    const { goodwire: ours, ws: theirs } = await ofBoth((by) => receive(by, deflatedFrame(2, fromHex('ff ff ff ff'))));
    expect(ours.error).toBeInstanceOf(InflateError);
    expect(ours.error?.cause).toMatchObject({ code: 'Z_DATA_ERROR' });
    expect(theirs.error).not.toBeInstanceOf(InflateError);
    expect(ours.error?.message).toBe(theirs.error?.message);
  });

  test.each([
    [{ threshold: '10' }],
    [{ concurrencyLimit: '10' }],
    [{ serverMaxWindowBits: 16 }],
    [{ zlibDeflateOptions: { level: 10 } }],
  ])('invalid options: %j', async (perMessageDeflate) => {
    const thrown = await ofBoth(async (by) => {
      try {
        new by.WebSocketServer({ noServer: true, perMessageDeflate: perMessageDeflate as object });
        return 'nothing';
      } catch {
        return 'an error';
      }
    });
    expect(thrown).toEqual({ goodwire: 'an error', ws: 'nothing' });
  });
});

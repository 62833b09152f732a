import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as net from 'node:net';
import { Duplex, Readable, Transform, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { createWebSocketStream as createWsStream } from 'ws';
import { Patience } from '../../autobahn/patience.ts';
import type { WebSocket } from '../../src/index.ts';
import { createWebSocketStream } from '../../src/websocket/create-websocket-stream.ts';
import { fromClient } from '../support/from-client.ts';
import { connectPair, type Implementation, implementations, listen, rawClient } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { until } from '../support/until.ts';

interface Streams {
  readonly of: Implementation;
  readonly createWebSocketStream: typeof createWebSocketStream;
}

/** Sockets, and the function that creates streams on them. Users may mix implementations. */
const streams = {
  goodwire: { of: implementations.goodwire, createWebSocketStream },
  ws: { of: implementations.ws, createWebSocketStream: createWsStream as unknown as typeof createWebSocketStream },
  'goodwire, on sockets of ws': { of: implementations.ws, createWebSocketStream },
} as const satisfies Record<string, Streams>;

type DuplexOptions = NonNullable<Parameters<typeof createWebSocketStream>[1]>;

interface Ends extends AsyncDisposable {
  readonly client: WebSocket;
  readonly served: WebSocket;
  /** Stream on the client's socket. */
  readonly near: Duplex;
  /** Stream on the server's socket. */
  readonly far: Duplex;
}

/** Opens a stream on each end of a connection. */
async function open(by: Streams, options: DuplexOptions = {}, farOptions = options, farBy = by): Promise<Ends> {
  const { client, served, [Symbol.asyncDispose]: dispose } = await connected(by, farBy);
  const near = by.createWebSocketStream(client, options);
  const far = farBy.createWebSocketStream(served, farOptions);
  return { client, served, near, far, [Symbol.asyncDispose]: dispose };
}

/** Connects a pair of sockets, which are terminated at the end. */
async function connected(by: Streams, farBy = by, options: object = {}) {
  const peers = await listen(farBy.of);
  const { client, served } = await connectPair(peers, by.of, options);
  return { client, served, [Symbol.asyncDispose]: () => peers[Symbol.asyncDispose]() };
}

/** Returns a connecting client's socket, the server's end, and its received data. */
async function connecting(by: Streams) {
  const peers = await listen(by.of);
  const received: string[] = [];
  peers.server.on('connection', (served) => {
    served.on('message', (data) => received.push(data.toString()));
    served.on('close', (code) => received.push(`close ${code}`));
  });
  const client = peers.connect(by.of);
  return { client, received, peers, [Symbol.asyncDispose]: () => peers[Symbol.asyncDispose]() };
}

/** Records the events of a stream and its socket. */
function record(stream: Duplex, socket: WebSocket): string[] {
  const log: string[] = [];
  for (const event of ['end', 'finish', 'close'] as const) stream.on(event, () => log.push(event));
  stream.on('error', (error: Error & { code?: string }) => log.push(`error ${error.code ?? error.message}`));
  socket.on('close', (code) => log.push(`socket closed ${code}`));
  return log;
}

const closed = (socket: WebSocket) =>
  socket.readyState === 3 ? Promise.resolve() : new Promise<void>((resolve) => socket.on('close', () => resolve()));

/** Waits until both sockets are closed and no further event can follow. */
async function over({ client, served }: Pick<Ends, 'client' | 'served'>): Promise<void> {
  await Promise.all([closed(client), closed(served)]);
  for (let i = 0; i < 5; i++) await immediate();
}

const messagesOf = (socket: WebSocket): [string, boolean][] => {
  const messages: [string, boolean][] = [];
  socket.on('message', (data, isBinary) => messages.push([(data as Buffer).toString('latin1'), isBinary]));
  return messages;
};

/** Collects all data until the end. */
async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Resolves with false after `milliseconds` in which this process was not delayed. */
const lull = (milliseconds: number): Promise<false> =>
  new Promise((resolve) => void new Patience(milliseconds, () => resolve(false)));

/** Writes until the stream's buffer is full and stays full. Returns the number of bytes accepted. */
async function fill(stream: Writable, chunk: Buffer): Promise<number> {
  let octets = 0;
  let isMoving = true;
  while (isMoving) {
    isMoving = false;
    do {
      octets += chunk.length;
    } while (stream.write(chunk));
    const drained = once(stream, 'drain').then(() => true);
    isMoving = await Promise.race([drained, lull(200)]);
  }
  return octets;
}

describe.each<[string, Streams]>(Object.entries(streams))('createWebSocketStream() of %s: its options', (_name, by) => {
  test('returns a Duplex of binary data that may be half open, with the default limits of streams', async () => {
    await using ends = await open(by);
    const { near } = ends;
    expect(near).toBeInstanceOf(Duplex);
    expect(near).toMatchObject({
      allowHalfOpen: true,
      readable: true,
      readableEncoding: null,
      readableHighWaterMark: 16_384,
      readableObjectMode: false,
      writable: true,
      writableHighWaterMark: 16_384,
      writableObjectMode: false,
    });
  });

  test('passes on options of a Duplex', async () => {
    const options = {
      allowHalfOpen: false,
      encoding: 'hex',
      readableHighWaterMark: 5,
      writableHighWaterMark: 7,
    } as const;
    await using ends = await open(by, options);
    const { near } = ends;
    expect(near).toMatchObject({
      allowHalfOpen: false,
      readableEncoding: 'hex',
      readableHighWaterMark: 5,
      writableHighWaterMark: 7,
    });
    await using objects = await open(by, { readableObjectMode: true, highWaterMark: 3 });
    expect(objects.near).toMatchObject({
      readableObjectMode: true,
      readableHighWaterMark: 3,
      writableHighWaterMark: 3,
    });
  });

  test.each([{ objectMode: true }, { writableObjectMode: true }])('ignores %o', async (options) => {
    await using ends = await open(by, options);
    expect(ends.near).toMatchObject({ readableObjectMode: false, writableObjectMode: false });
    expect(() => ends.near.write({ an: 'object' })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
  });

  test.each([
    { autoDestroy: true, emitClose: true },
    { autoDestroy: false, emitClose: false },
  ])('closes in its own way, whatever the option %o', async (options) => {
    await using ends = await open(by, options);
    const near = record(ends.near.resume(), ends.client);
    ends.far.resume();
    ends.near.end();
    await over(ends);
    expect(near).toEqual(['finish', 'socket closed 1005', 'end', 'close']);
  });

  test('does not let methods of the caller replace its own', async () => {
    const used = vi.fn((...args: unknown[]) => void (args.at(-1) as (() => void) | undefined)?.());
    await using ends = await open(by, { read: used, write: used, final: used, destroy: used } as DuplexOptions, {});
    ends.far.end('to near');
    ends.near.end('to far');
    const [near, far] = await Promise.all([collect(ends.near), collect(ends.far)]);
    expect([`${near}`, `${far}`]).toEqual(['to near', 'to far']);
    expect(used).not.toHaveBeenCalled();
  });

  test('accepts a signal that destroys it and terminates the socket', async () => {
    const controller = new AbortController();
    await using ends = await open(by, { signal: controller.signal } as DuplexOptions, {});
    const near = record(ends.near, ends.client);
    const far = record(ends.far.resume(), ends.served);
    controller.abort();
    await over(ends);
    expect(near).toEqual(['socket closed 1006', 'error ABORT_ERR', 'close']);
    expect(far).toEqual(['socket closed 1006', 'end']);
  });
});

describe.each<[string, Streams]>(Object.entries(streams))('createWebSocketStream() of %s: writing', (_name, by) => {
  test('sends each chunk as a binary message, strings in their encoding, and empty ones too', async () => {
    await using ends = await open(by);
    const messages = messagesOf(ends.served);
    ends.near.write('é');
    ends.near.write('é', 'latin1');
    ends.near.write('ff00', 'hex');
    ends.near.setDefaultEncoding('base64').write('AQID');
    ends.near.write('');
    ends.near.write(Buffer.alloc(0));
    ends.near.write(new Uint8Array([1, 2]));
    ends.near.end(Buffer.from('end'));
    await closed(ends.served);
    const sent = ['\xc3\xa9', '\xe9', '\xff\0', '\x01\x02\x03', '', '', '\x01\x02', 'end'];
    expect(messages).toEqual(sent.map((text) => [text, true]));
  });

  test('sends strings as text with decodeStrings off', async () => {
    await using ends = await open(by, { decodeStrings: false });
    const messages = messagesOf(ends.served);
    ends.near.write('abc');
    ends.near.write('ff00', 'hex');
    ends.near.end(Buffer.from('octets'));
    await closed(ends.served);
    expect(messages).toEqual([
      ['abc', false],
      ['ff00', false],
      ['octets', true],
    ]);
  });

  test('keeps messages separate and in order that were corked, or queued behind each other', async () => {
    await using ends = await open(by);
    const messages = messagesOf(ends.served);
    const callbacks: number[] = [];
    const write = (i: number) => ends.near.write(`${i}`, () => callbacks.push(i));
    for (let i = 0; i < 50; i++) write(i);
    ends.near.cork();
    for (let i = 50; i < 100; i++) write(i);
    ends.near.uncork();
    ends.near.end();
    await closed(ends.served);
    const all = Array.from({ length: 100 }, (_, i) => i);
    expect(messages).toEqual(all.map((i) => [`${i}`, true]));
    expect(callbacks).toEqual(all);
  });

  test('is not writable while the peer does not read, and continues when it does', async () => {
    await using ends = await open(by);
    ends.served.pause();
    const chunk = randomBytes(100_000);
    const octets = await fill(ends.near, chunk);
    // The kernel's loopback buffers, a chunk in the stream and one in the socket.
    expect(octets).toBeLessThan(40_000_000);
    expect(ends.near.writableNeedDrain).toBe(true);
    expect(ends.client.bufferedAmount).toBeGreaterThan(0);
    expect(ends.client.bufferedAmount).toBeLessThan(400_000);
    expect(ends.near.writableLength).toBeLessThan(400_000);
    const drained = once(ends.near, 'drain');
    let received = 0;
    ends.far.on('data', (data: Buffer) => {
      received += data.length;
    });
    await drained;
    ends.near.end();
    await finished(ends.far, { writable: false });
    expect(received).toBe(octets);
  });

  test('does not call back before the data has been sent', async () => {
    await using ends = await open(by);
    ends.served.pause();
    await fill(ends.near, Buffer.alloc(1_000_000));
    const written = vi.fn();
    ends.near.write('last', written);
    // Long enough for a callback that does not wait for the peer. No event says that it is not called.
    await delay(50);
    expect(written).not.toHaveBeenCalled();
    ends.far.resume();
    await until(() => written.mock.calls.length > 0);
    expect(written.mock.calls[0]?.[0] ?? null).toBe(null);
    expect(ends.client.bufferedAmount).toBe(0);
  });
});

describe.each<[string, Streams]>(Object.entries(streams))(
  'createWebSocketStream() of %s: while the socket connects',
  (_name, by) => {
    test('written data waits for the connection, and so does the end', async () => {
      await using attempt = await connecting(by);
      const { client, received } = attempt;
      const stream = by.createWebSocketStream(client);
      client.on('open', () => log.unshift('open'));
      const log = record(stream.resume(), client);
      stream.write('a');
      stream.write('b');
      stream.end('c');
      expect(stream.writableLength).toBe(3);
      await until(() => received.length === 4 && stream.closed);
      expect(received).toEqual(['a', 'b', 'c', 'close 1005']);
      expect(log).toEqual(['open', 'finish', 'socket closed 1005', 'end', 'close']);
    });

    test('chunks that were corked wait, too', async () => {
      await using attempt = await connecting(by);
      const stream = by.createWebSocketStream(attempt.client);
      stream.cork();
      stream.write('a');
      stream.write('b');
      stream.uncork();
      await until(() => attempt.received.length === 2);
      expect(attempt.received).toEqual(['a', 'b']);
    });

    test('an end alone closes the socket as soon as it is open', async () => {
      await using attempt = await connecting(by);
      const stream = by.createWebSocketStream(attempt.client);
      const log = record(stream.resume(), attempt.client);
      stream.end();
      await until(() => stream.closed && attempt.received.length > 0);
      expect(attempt.received).toEqual(['close 1005']);
      expect(log).toEqual(['finish', 'socket closed 1005', 'end', 'close']);
    });

    test('destroying it aborts the attempt, and is an error', async () => {
      await using attempt = await connecting(by);
      const stream = by.createWebSocketStream(attempt.client);
      const log = record(stream, attempt.client);
      stream.destroy();
      expect(stream.destroyed).toBe(true);
      await until(() => stream.closed);
      const message = 'WebSocket was closed before the connection was established';
      expect(log).toEqual(['socket closed 1006', `error ${message}`, 'close']);
    });

    test.each(['close', 'terminate'] as const)('%s() on the socket destroys it with that error', async (method) => {
      await using attempt = await connecting(by);
      const stream = by.createWebSocketStream(attempt.client);
      const log = record(stream, attempt.client);
      attempt.client[method]();
      await until(() => stream.closed);
      const message = 'WebSocket was closed before the connection was established';
      expect(log).toEqual(['socket closed 1006', `error ${message}`, 'close']);
    });

    test('a connection that is refused destroys it with that error, once', async () => {
      const server = net.createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const port = portOf(server);
      await new Promise((resolve) => server.close(resolve));
      const client = new by.of.WebSocket(`ws://127.0.0.1:${port}/`);
      const stream = by.createWebSocketStream(client);
      const log = record(stream, client);
      stream.write('never sent');
      await expect(finished(stream)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await until(() => stream.closed);
      expect(log).toEqual(['socket closed 1006', 'error ECONNREFUSED', 'close']);
    });
  },
);

describe.each<[string, Streams]>(Object.entries(streams))('createWebSocketStream() of %s: reading', (_name, by) => {
  test('returns bytes, for text in UTF-8', async () => {
    await using ends = await open(by);
    ends.served.send('é');
    ends.served.send(Buffer.from([0xff, 0]));
    ends.served.close();
    expect(await collect(ends.near)).toEqual(Buffer.from([0xc3, 0xa9, 0xff, 0]));
  });

  test.each(['option', 'method'])(
    'decodes them with the encoding set by %s, also characters cut by messages',
    async (how) => {
      await using ends = await open(by, how === 'option' ? { encoding: 'utf8' } : {}, {});
      if (how === 'method') ends.near.setEncoding('utf8');
      const chunks: unknown[] = [];
      ends.near.on('data', (chunk) => chunks.push(chunk));
      for (const octet of Buffer.from('é€')) ends.served.send(Buffer.from([octet]));
      ends.served.send('text');
      ends.served.close();
      await once(ends.near, 'end');
      expect(chunks).toEqual(['é', '€', 'text']);
    },
  );

  test('returns each message as received in object mode, including empty ones: strings for text, Buffers for binary data', async () => {
    await using ends = await open(by, { readableObjectMode: true });
    const sent = ['', 'text', Buffer.alloc(0), Buffer.from('octets'), 'é'];
    for (const data of sent) ends.served.send(data);
    ends.served.close();
    const received: unknown[] = [];
    for await (const chunk of ends.near) received.push(chunk);
    expect(received).toEqual(sent);
  });

  test('is neither ended nor stalled by empty messages', async () => {
    await using ends = await open(by, { readableHighWaterMark: 2 });
    const stream = ends.near;
    const chunks: string[] = [];
    stream.on('data', (chunk) => chunks.push(`${chunk}`));
    let received = 0;
    ends.client.on('message', () => received++);
    const sendEmpty = () => {
      ends.served.send('');
      ends.served.send(Buffer.alloc(0));
    };
    sendEmpty();
    ends.served.send('a');
    await until(() => chunks.length === 1);
    sendEmpty();
    await until(() => received === 5);
    // The same with a full buffer.
    stream.pause();
    ends.served.send('bb');
    sendEmpty();
    ends.served.send('cc');
    sendEmpty();
    await until(() => stream.readableLength >= 2);
    stream.resume();
    await until(() => chunks.join('') === 'abbcc');
    sendEmpty();
    ends.served.send('d');
    await until(() => chunks.join('') === 'abbccd');
    expect(stream.readableEnded).toBe(false);
    ends.served.close();
    await once(stream, 'end');
    expect(chunks.join('')).toBe('abbccd');
  });

  test('stops the peer while the stream is not read, and loses nothing', async () => {
    await using ends = await open(by);
    const chunk = randomBytes(100_000);
    const sent = createHash('sha256');
    let octets = 0;
    // A sender that only checks bufferedAmount. Once the kernel's buffers are full, the amount stays the same.
    while (ends.served.bufferedAmount < 1_000_000 && octets < 100_000_000) {
      ends.served.send(chunk);
      sent.update(chunk);
      octets += chunk.length;
      await immediate();
    }
    // Long enough to read more than the limit. No event says that no more is read.
    await delay(50);
    expect(ends.served.bufferedAmount).toBeGreaterThanOrEqual(500_000);
    expect(ends.near.readableLength).toBeGreaterThan(0);
    expect(ends.near.readableLength).toBeLessThanOrEqual(400_000);
    expect(ends.client.isPaused).toBe(true);
    ends.served.close();
    const received = createHash('sha256');
    let count = 0;
    for await (const part of ends.near) {
      received.update(part as Buffer);
      count += (part as Buffer).length;
    }
    expect(count).toBe(octets);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    expect(ends.client.isPaused).toBe(false);
  });

  test('buffers no more than a chunk of the smallest messages, even if a peer sends very many', async () => {
    await using peers = await listen(by.of);
    const accepted = once(peers.server, 'connection') as Promise<[WebSocket]>;
    const raw = await rawClient(peers);
    const [served] = await accepted;
    const stream = by.createWebSocketStream(served, { readableObjectMode: true });
    const flood = Buffer.concat(Array.from({ length: 10_000 }, () => fromClient(2, 'x')));
    const rounds = 30;
    for (let i = 0; i < rounds; i++) raw.write(flood);
    raw.end(fromClient(8));
    await until(() => stream.readableLength >= 16);
    // Long enough to read more than the limit. No event says that no more is read.
    await delay(20);
    // One read returns at most 65 536 bytes, and such a message has 7.
    expect(stream.readableLength).toBeLessThan(20_000);
    let count = 0;
    let most = 0;
    for await (const chunk of stream) {
      count += (chunk as Buffer).length;
      most = Math.max(most, stream.readableLength);
    }
    expect(count).toBe(rounds * 10_000);
    expect(most).toBeLessThan(20_000);
  });

  test("keeps the application's listeners on the socket", async () => {
    await using ends = await connected(by);
    const before = messagesOf(ends.client);
    const stream = by.createWebSocketStream(ends.client);
    const after = messagesOf(ends.client);
    ends.served.send('a');
    ends.served.send(Buffer.from('b'));
    ends.served.close();
    expect(`${await collect(stream)}`).toBe('ab');
    const both = [
      ['a', false],
      ['b', true],
    ];
    expect([before, after]).toEqual([both, both]);
  });

  test('begins with the first message after its creation', async () => {
    await using ends = await connected(by);
    const first = once(ends.client, 'message');
    ends.served.send('missed');
    await first;
    const stream = by.createWebSocketStream(ends.client);
    ends.served.send('read');
    ends.served.close();
    expect(`${await collect(stream)}`).toBe('read');
  });

  test('misses nothing if the socket was paused until then', async () => {
    await using ends = await connected(by);
    ends.client.pause();
    ends.served.send('early');
    ends.served.close();
    // Usually long enough for all data to arrive. A paused socket emits no event for it.
    await delay(20);
    expect(`${await collect(by.createWebSocketStream(ends.client))}`).toBe('early');
  });

  test('misses nothing if it is created in the connection event', async () => {
    await using peers = await listen(by.of);
    const streamed = new Promise<Duplex>((resolve) => {
      peers.server.on('connection', (served) => resolve(by.createWebSocketStream(served)));
    });
    const client = peers.connect(by.of);
    const near = by.createWebSocketStream(client);
    near.end('at once');
    expect(`${await collect(await streamed)}`).toBe('at once');
  });

  test('can be destroyed inside a data event, and then reads nothing', async () => {
    await using ends = await open(by);
    const log = record(ends.near, ends.client);
    ends.near.on('data', (chunk) => {
      log.push(`data ${chunk}`);
      ends.near.destroy();
    });
    for (let i = 0; i < 5; i++) ends.served.send(`${i}`);
    ends.far.resume();
    await over(ends);
    expect(log).toEqual(['data 0', 'socket closed 1006', 'close']);
  });

  test('fails if the socket delivers a value that is not a chunk', async () => {
    await using ends = await open(by);
    ends.client.binaryType = 'arraybuffer';
    const log = record(ends.near, ends.client);
    ends.served.send(Buffer.alloc(3));
    ends.far.resume();
    await over(ends);
    expect(log).toEqual(['error ERR_INVALID_ARG_TYPE', 'socket closed 1006', 'close']);
  });

  test('can be iterated, and terminates the socket at the end of the loop', async () => {
    await using ends = await open(by, { readableObjectMode: true });
    const log = record(ends.near, ends.client);
    for (const text of ['a', 'b', 'c']) ends.served.send(text);
    const seen: unknown[] = [];
    for await (const chunk of ends.near) if (seen.push(chunk) === 2) break;
    expect(seen).toEqual(['a', 'b']);
    ends.far.resume();
    await over(ends);
    expect(log).toEqual(['socket closed 1006', 'error ABORT_ERR', 'close']);
  });

  test('converts to a pair of web streams', async () => {
    await using ends = await open(by);
    const { readable, writable } = Duplex.toWeb(ends.near);
    ends.far.pipe(ends.far);
    const writer = writable.getWriter();
    await writer.write(Buffer.from('there and '));
    await writer.write(Buffer.from('back'));
    const reader = readable.getReader();
    let text = '';
    while (text.length < 14) text += Buffer.from((await reader.read()).value as Uint8Array).toString();
    expect(text).toBe('there and back');
    const last = reader.read();
    await writer.close();
    expect(await last).toEqual({ done: true, value: undefined });
    await until(() => ends.near.closed && ends.far.closed);
  });

  test('converts to a web stream for reading', async () => {
    // Readable.toWeb() waits for both sides of a Duplex.
    await using ends = await open(by, { readableObjectMode: true, allowHalfOpen: false });
    ends.far.write('a');
    ends.served.send('b');
    ends.far.end();
    const chunks: unknown[] = [];
    for await (const chunk of Readable.toWeb(ends.near)) chunks.push(chunk);
    expect(chunks).toEqual([Buffer.from('a'), 'b']);
  });
});

type Act = (ends: Ends) => void;

/** Events on each side if both streams flow. */
const endings: readonly [title: string, act: Act, near: readonly string[], far: readonly string[]][] = [
  [
    'the client ends',
    ({ near }) => void near.end('x'),
    ['finish', 'socket closed 1005', 'end', 'close'],
    ['socket closed 1005', 'end'],
  ],
  [
    'the server ends',
    ({ far }) => void far.end('x'),
    ['socket closed 1005', 'end'],
    ['finish', 'socket closed 1005', 'end', 'close'],
  ],
  [
    'both end',
    ({ near, far }) => {
      near.end('x');
      far.end('y');
    },
    ['finish', 'socket closed 1005', 'end', 'close'],
    ['finish', 'socket closed 1005', 'end', 'close'],
  ],
  [
    'the server ends when the client has',
    ({ near, far }) => {
      far.on('end', () => far.end());
      near.end('x');
    },
    ['finish', 'socket closed 1005', 'end', 'close'],
    ['socket closed 1005', 'end', 'finish', 'close'],
  ],
  [
    'the client ends when the server has',
    ({ near, far }) => {
      near.on('end', () => near.end());
      far.end('x');
    },
    ['socket closed 1005', 'end', 'finish', 'close'],
    ['finish', 'socket closed 1005', 'end', 'close'],
  ],
  [
    'the server answers the end, too late',
    ({ near, far }) => {
      far.on('end', () => far.write('late'));
      near.end('x');
    },
    ['finish', 'socket closed 1005', 'end', 'close'],
    ['socket closed 1005', 'end', 'error WebSocket is not open: readyState 3 (CLOSED)', 'close'],
  ],
  [
    'the client is destroyed',
    ({ near }) => void near.destroy(),
    ['socket closed 1006', 'close'],
    ['socket closed 1006', 'end'],
  ],
  [
    'the client is destroyed with an error',
    ({ near }) => void near.destroy(new Error('boom')),
    ['socket closed 1006', 'error boom', 'close'],
    ['socket closed 1006', 'end'],
  ],
  [
    'the client is destroyed with two errors',
    ({ near }) => void near.destroy(new Error('first')).destroy(new Error('second')),
    ['socket closed 1006', 'error first', 'close'],
    ['socket closed 1006', 'end'],
  ],
  [
    'the server is destroyed',
    ({ far }) => void far.destroy(),
    ['socket closed 1006', 'end'],
    ['socket closed 1006', 'close'],
  ],
  [
    "the client's socket is terminated",
    ({ client }) => client.terminate(),
    ['socket closed 1006', 'end'],
    ['socket closed 1006', 'end'],
  ],
  [
    "the client's socket is closed",
    ({ client }) => client.close(4000, 'bye'),
    ['socket closed 4000', 'end'],
    ['socket closed 4000', 'end'],
  ],
  [
    "the server's socket is closed",
    ({ served }) => served.close(1011, 'bad'),
    ['socket closed 1011', 'end'],
    ['socket closed 1011', 'end'],
  ],
  [
    "the client's socket is closed, and then the stream ended",
    ({ client, near }) => {
      client.close(4001);
      near.end();
    },
    ['finish', 'socket closed 4001', 'end', 'close'],
    ['socket closed 4001', 'end'],
  ],
  [
    'the client writes after its end',
    ({ near }) => {
      near.end();
      near.write('x');
    },
    ['error ERR_STREAM_WRITE_AFTER_END', 'socket closed 1006', 'close'],
    ['socket closed 1005', 'end'],
  ],
  [
    'an error is emitted on the stream',
    ({ near }) => void near.emit('error', new Error('by hand')),
    ['error by hand', 'socket closed 1006', 'close'],
    ['socket closed 1006', 'end'],
  ],
  [
    'the server breaks the protocol',
    ({ served }) => void rawStream(served).write(Buffer.from([0x85, 0])),
    ['socket closed 1006', 'error WS_ERR_INVALID_OPCODE', 'close'],
    ['socket closed 1002', 'end'],
  ],
];

/** Returns the stream below a socket. */
const rawStream = (socket: WebSocket) => (socket as unknown as { readonly _socket: net.Socket })._socket;

describe.each<[string, Streams]>(Object.entries(streams))('createWebSocketStream() of %s: the end', (_name, by) => {
  test.each(endings)('%s', async (_title, act, near, far) => {
    await using ends = await open(by);
    const nearLog = record(ends.near.resume(), ends.client);
    const farLog = record(ends.far.resume(), ends.served);
    act(ends);
    await over(ends);
    expect(nearLog).toEqual(near);
    expect(farLog).toEqual(far);
  });

  test('the other direction ends automatically without allowHalfOpen', async () => {
    await using ends = await open(by, { allowHalfOpen: false });
    const near = record(ends.near.resume(), ends.client);
    const far = record(ends.far.resume(), ends.served);
    ends.near.end();
    await over(ends);
    expect(near).toEqual(['finish', 'socket closed 1005', 'end', 'close']);
    expect(far).toEqual(['socket closed 1005', 'end', 'finish', 'close']);
  });

  test('the stream is destroyed at end and finish, neither sooner nor later', async () => {
    await using ends = await open(by);
    const destroyed: [string, boolean][] = [];
    for (const event of ['end', 'finish', 'close']) {
      ends.near.on(event, () => destroyed.push([event, ends.near.destroyed]));
    }
    ends.near.resume();
    ends.near.end();
    await over(ends);
    expect(destroyed).toEqual([
      ['finish', false],
      ['end', true],
      ['close', true],
    ]);
  });

  test('an error is reported while the socket is closing', async () => {
    await using ends = await open(by);
    const seen = vi.fn();
    ends.near.on('error', () => seen(ends.near.destroyed, ends.client.readyState));
    ends.near.end();
    ends.near.write('x');
    await over(ends);
    expect(seen).toHaveBeenCalledExactlyOnceWith(true, 2);
  });

  test('unread data can be read after the close of the socket, before the end', async () => {
    await using ends = await open(by);
    const log = record(ends.near, ends.client);
    ends.far.resume();
    ends.far.end('data');
    await over(ends);
    expect(log).toEqual(['socket closed 1005']);
    expect(`${ends.near.read()}`).toBe('data');
    await once(ends.near, 'end');
    ends.near.end();
    await once(ends.near, 'close');
    expect(log).toEqual(['socket closed 1005', 'end', 'finish', 'close']);
  });

  test('an end loses nothing that the peer has sent, and finishes once that was read', async () => {
    await using ends = await open(by);
    const log = record(ends.near, ends.client);
    ends.far.resume();
    const sent = randomBytes(5_000_000);
    for (let at = 0; at < sent.length; at += 100_000) ends.served.send(sent.subarray(at, at + 100_000));
    await until(() => ends.near.readableLength > 0);
    ends.near.end();
    // Long enough for an event that does not wait for the data to be read.
    await delay(20);
    expect(log).toEqual([]);
    expect((await collect(ends.near)).equals(sent)).toBe(true);
    await over(ends);
    expect(log).toEqual(['finish', 'socket closed 1005', 'end', 'close']);
  });

  test('finish is not emitted before the peer has answered the close', async () => {
    await using ends = await open(by);
    const log = record(ends.near.resume(), ends.client);
    ends.served.pause();
    const ended = vi.fn();
    ends.near.end('x', ended);
    // Long enough for an event that does not wait for the peer.
    await delay(50);
    expect(log).toEqual([]);
    expect(ended).not.toHaveBeenCalled();
    ends.far.resume();
    await over(ends);
    expect(log).toEqual(['finish', 'socket closed 1005', 'end', 'close']);
    expect(ended).toHaveBeenCalledTimes(1);
  });

  test('finish need not wait for the close of the socket once the stream below has finished', async () => {
    await using ends = await open(by);
    const log = record(ends.near.resume(), ends.client);
    rawStream(ends.client).on('finish', () => ends.near.end());
    ends.served.close();
    await over(ends);
    expect(log).toEqual(['finish', 'socket closed 1005', 'end', 'close']);
  });

  test('a failed socket is left to close', async () => {
    await using ends = await open(by);
    const terminate = vi.spyOn(ends.client, 'terminate');
    record(ends.near.resume(), ends.client);
    rawStream(ends.served).write(Buffer.from([0x85, 0]));
    await over(ends);
    expect(ends.near.destroyed).toBe(true);
    expect(terminate).not.toHaveBeenCalled();
  });

  test('finish is emitted for an end after the close of the socket', async () => {
    await using ends = await open(by);
    const log = record(ends.near.resume(), ends.client);
    ends.served.close(1001);
    await over(ends);
    ends.near.end();
    await once(ends.near, 'close');
    expect(log).toEqual(['socket closed 1001', 'end', 'finish', 'close']);
  });

  test('a write after the close of the socket is an error', async () => {
    await using ends = await open(by);
    const log = record(ends.near.resume(), ends.client);
    ends.served.close(1001);
    await over(ends);
    const written = vi.fn();
    ends.near.write('x', written);
    await until(() => ends.near.closed);
    const error = 'WebSocket is not open: readyState 3 (CLOSED)';
    expect(log).toEqual(['socket closed 1001', 'end', `error ${error}`, 'close']);
    expect(written).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ message: error }));
  });

  test('a write while the peer closes is an error, once', async () => {
    await using ends = await open(by);
    const log = record(ends.near.resume(), ends.client);
    const flowing = once(ends.far, 'data');
    ends.far.resume();
    const write = () => {
      if (!ends.near.destroyed) ends.near.write('x', (error) => !error && setImmediate(write));
    };
    write();
    await flowing;
    ends.served.close(1001);
    await over(ends);
    await until(() => ends.near.closed);
    // The timing determines where the error is detected.
    const errors = log.filter((line) => line.startsWith('error'));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(/^error WebSocket is not open: readyState [23]/);
    expect(log.at(-1)).toBe('close');
  });

  test('the callbacks of all unsent writes get the error', async () => {
    await using ends = await open(by);
    ends.served.pause();
    const log = record(ends.near, ends.client);
    const told: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) ends.near.write(Buffer.alloc(20_000_000), (error) => told.push(error?.message));
    ends.near.destroy(new Error('boom'));
    await until(() => ends.near.closed && told.length >= 3);
    expect(told.slice(-3)).toEqual(['boom', 'boom', 'boom']);
    expect(log).toEqual(['socket closed 1006', 'error boom', 'close']);
  });

  test('a peer that vanishes during writing is an error', async () => {
    await using ends = await open(by);
    ends.served.pause();
    const log = record(ends.near, ends.client);
    const told: unknown[] = [];
    const count = 60;
    for (let i = 0; i < count; i++) ends.near.write(Buffer.alloc(1_000_000), (error) => told.push(error));
    await once(rawStream(ends.client), 'drain', { signal: AbortSignal.timeout(50) }).catch(() => {});
    rawStream(ends.served).resetAndDestroy();
    await until(() => ends.near.closed && told.length === count);
    expect(told.at(-1)).toBeInstanceOf(Error);
    expect(log).toHaveLength(3);
    expect([...log].sort()).toEqual(['close', expect.stringMatching(/^error /), 'socket closed 1006']);
  });

  test('an error without a listener is thrown, as for any stream', async () => {
    await using ends = await open(by);
    expect(() => ends.near.emit('error', new Error('unheard'))).toThrow('unheard');
    await until(() => ends.client.readyState === 3);
    expect(ends.near.destroyed).toBe(true);
  });
});

const megabytes = 1_000_000;

/** Yields unpredictable data, and updates its hash. */
function* source(octets: number, hash: ReturnType<typeof createHash>): Generator<Buffer> {
  let size = 1;
  for (let left = octets; left > 0; left -= size) {
    size = Math.min(left, (size * 7 + 13) % 150_000);
    const chunk = randomBytes(size);
    hash.update(chunk);
    yield chunk;
  }
}

const sides = Object.entries(streams) as [string, Streams][];
const pairs = sides.flatMap(([near, by]) => sides.map(([far, farBy]) => [near, far, by, farBy] as const));

describe('pipeline()', () => {
  test.each(pairs)('pipes data from %s to %s and back', async (_near, _far, by, farBy) => {
    await using ends = await open(by, {}, {}, farBy);
    // The end of the stream closes the socket in both directions, so the echo must be counted.
    const octets = 8 * megabytes;
    const sent = createHash('sha256');
    const received = createHash('sha256');
    let count = 0;
    const echo = pipeline(ends.far, new Transform({ transform: (chunk, _, done) => done(null, chunk) }), ends.far);
    const read = (async () => {
      for await (const chunk of ends.near.iterator({ destroyOnReturn: false })) {
        received.update(chunk as Buffer);
        count += (chunk as Buffer).length;
        if (count === octets) break;
      }
    })();
    await pipeline(Readable.from(source(octets, sent)), ends.near, { end: false });
    await read;
    ends.near.resume().end();
    await echo;
    await finished(ends.near);
    expect(count).toBe(octets);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
  });

  test.each(sides)('of %s succeeds in both directions', async (_name, by) => {
    await using ends = await open(by);
    const sent = createHash('sha256');
    const received = createHash('sha256');
    const sink = new Writable({
      write: (chunk, _, done) => {
        received.update(chunk);
        setImmediate(done);
      },
    });
    await Promise.all([pipeline(Readable.from(source(5 * megabytes, sent)), ends.near), pipeline(ends.far, sink)]);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
  });

  test.each(sides)('of %s fails with the error of its source, and terminates the socket', async (_name, by) => {
    await using ends = await open(by);
    const log = record(ends.near, ends.client);
    async function* broken() {
      yield 'a';
      await immediate();
      throw new Error('no more');
    }
    const far = collect(ends.far);
    await expect(pipeline(broken, ends.near)).rejects.toThrow('no more');
    expect(`${await far}`).toBe('a');
    await over(ends);
    expect(log).toEqual(['socket closed 1006', 'error no more', 'close']);
  });

  test.each(sides)('of %s fails with the error of its sink, and terminates the socket', async (_name, by) => {
    await using ends = await open(by);
    ends.far.resume();
    ends.served.send('a');
    const sink = new Writable({ write: (_chunk, _, done) => done(new Error('full')) });
    await expect(pipeline(ends.near, sink)).rejects.toThrow('full');
    await over(ends);
    expect(ends.near.destroyed).toBe(true);
    expect(ends.client.readyState).toBe(3);
  });

  test.each(sides)('of %s fails with the error of the peer', async (_name, by) => {
    await using ends = await open(by);
    const done = pipeline(ends.near, new Writable({ write: (_chunk, _, next) => next() }));
    const failed = expect(done).rejects.toMatchObject({ code: 'WS_ERR_INVALID_OPCODE' });
    rawStream(ends.served).write(Buffer.from([0x85, 0]));
    await failed;
  });

  test.each(sides)('of %s treats the close of the socket as the end, with any code', async (_name, by) => {
    for (const act of [(socket: WebSocket) => socket.close(1011), (socket: WebSocket) => socket.terminate()]) {
      await using ends = await open(by);
      const chunks: string[] = [];
      const sink = new Writable({
        write: (chunk, _, done) => {
          if (chunks.push(`${chunk}`) === 1) act(ends.served);
          done();
        },
      });
      ends.served.send('data');
      await pipeline(ends.near, sink);
      expect(chunks).toEqual(['data']);
    }
  });
});

describe.each(sides)('createWebSocketStream() of %s, read at any speed', (_name, by) => {
  test('delivers everything once and in order before the end, if the peer closes at once', async () => {
    const peers = await listen(by.of);
    const size = fc.oneof(fc.nat({ max: 10 }), fc.nat({ max: 3000 }), fc.noBias(fc.nat({ max: 200_000 })));
    const sizes = fc.array(size, { maxLength: 30, size: 'max' });
    const pauses = fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 10 });
    const limit = fc.integer({ min: 1, max: 100_000 });
    await fc.assert(
      fc.asyncProperty(sizes, pauses, limit, fc.boolean(), async (lengths, waits, highWaterMark, isServerWriting) => {
        const { client, served } = await connectPair(peers, by.of);
        const [from, to] = isServerWriting ? [served, client] : [client, served];
        const sender = by.createWebSocketStream(from);
        const receiver = by.createWebSocketStream(to, { highWaterMark });
        const messages = lengths.map((length) => randomBytes(length));
        for (const message of messages) sender.write(message);
        sender.end();
        const chunks: Buffer[] = [];
        for await (const chunk of receiver) {
          const wait = waits[chunks.push(chunk as Buffer) % waits.length] ?? 0;
          if (wait === 1) await immediate();
          // A slow reader is the subject of the test.
          if (wait > 1) await delay(wait);
        }
        expect(Buffer.concat(chunks).equals(Buffer.concat(messages))).toBe(true);
        expect(to.readyState).toBe(3);
        sender.destroy();
      }),
      { numRuns: 40 },
    );
    await peers[Symbol.asyncDispose]();
  });

  test('keeps messages whole and separate in object mode, with pauses anywhere', async () => {
    const peers = await listen(by.of);
    const message = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 50 }),
      fc.uint8Array({ maxLength: 50 }).map((octets) => Buffer.from(octets)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { maxLength: 60, size: 'max' }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 20 }),
        async (messages, pauses, highWaterMark) => {
          const { client, served } = await connectPair(peers, by.of);
          const stream = by.createWebSocketStream(client, { readableObjectMode: true, highWaterMark });
          const received: unknown[] = [];
          stream.on('data', (data) => {
            received.push(data);
            if (!pauses[received.length % pauses.length]) return;
            stream.pause();
            setImmediate(() => stream.resume());
          });
          for (const data of messages) served.send(data);
          served.close();
          await once(stream, 'end');
          expect(received).toEqual(messages);
          stream.destroy();
        },
      ),
      { numRuns: 40 },
    );
    await peers[Symbol.asyncDispose]();
  });
});

import { once } from 'node:events';
import { addAbortSignal, type Duplex, Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { WebSocket } from '../../src/index.ts';
import { createWebSocketStream } from '../../src/websocket/create-websocket-stream.ts';
import { fromClient } from '../support/from-client.ts';
import { connectPair, implementations, listen, memoryPair, type Peers, rawClient } from '../support/peers.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { until } from '../support/until.ts';

// What ws promises too is held in test/compat/stream.test.ts.

const { goodwire } = implementations;

interface Raw extends AsyncDisposable {
  readonly raw: Awaited<ReturnType<typeof rawClient>>;
  readonly served: WebSocket;
}

/** Returns a raw peer, and the server's end of its connection. */
async function serveRawClient(): Promise<Raw> {
  const peers = await listen(goodwire);
  const accepted = once(peers.server, 'connection') as Promise<[WebSocket]>;
  const raw = await rawClient(peers);
  const [served] = await accepted;
  return { raw, served, [Symbol.asyncDispose]: () => peers[Symbol.asyncDispose]() };
}

async function pair(options: object = {}) {
  const peers: Peers = await listen(goodwire);
  const { client, served } = await connectPair(peers, goodwire, options);
  return { client, served, [Symbol.asyncDispose]: () => peers[Symbol.asyncDispose]() };
}

function record(stream: Duplex): string[] {
  const log: string[] = [];
  for (const event of ['end', 'finish', 'close'] as const) stream.on(event, () => log.push(event));
  stream.on('error', (error) => log.push(`error ${error.message}`));
  return log;
}

describe('a stream over a socket that is closed already', () => {
  test('has an end, which it could wait for in vain', async () => {
    await using ends = await pair();
    ends.served.close();
    await once(ends.client, 'close');
    const stream = createWebSocketStream(ends.client);
    const log = record(stream.resume());
    await once(stream, 'end');
    stream.end();
    await once(stream, 'close');
    expect(log).toEqual(['end', 'finish', 'close']);
  });

  test('made while the close is being told, has an end too', async () => {
    await using ends = await pair();
    ends.served.close();
    await once(ends.client, 'close');
    const stream = await new Promise<Duplex>((resolve) => {
      ends.served.on('close', () => resolve(createWebSocketStream(ends.served)));
    });
    await finished(stream.resume(), { writable: false });
    expect(stream.readableEnded).toBe(true);
  });

  test('is not ended any more if it was destroyed as the close was told', async () => {
    await using ends = await pair();
    let stream: Duplex | null = null;
    ends.client.on('close', () => stream?.destroy());
    stream = createWebSocketStream(ends.client);
    const log = record(stream.resume());
    ends.served.close();
    await once(stream, 'close');
    await immediate();
    expect(log).toEqual(['close']);
  });

  test('can be destroyed', async () => {
    await using ends = await pair();
    ends.client.terminate();
    await once(ends.client, 'close');
    const stream = createWebSocketStream(ends.client);
    const log = record(stream);
    stream.destroy(new Error('boom'));
    await until(() => log.includes('close'));
    expect(log).toEqual(['error boom', 'close']);
  });
});

describe('a stream that was ended', () => {
  test('finishes behind the close of the socket if that is terminated meanwhile', async () => {
    await using ends = await pair();
    ends.served.pause();
    const stream = createWebSocketStream(ends.client);
    const log = record(stream.resume());
    stream.end('x');
    ends.client.terminate();
    await until(() => stream.closed);
    expect(log).toEqual(['end', 'finish', 'close']);
  });

  test('lets a pipeline go on though the peer does not take part in the close, and what was not read can be read', async () => {
    await using ends = await pair({ closeTimeout: 50 });
    ends.served.pause();
    const stream = createWebSocketStream(ends.client);
    const log = record(stream);
    ends.served.send('unread');
    await until(() => stream.readableLength > 0);
    await pipeline(Readable.from(['x']), stream);
    await until(() => log.length > 0);
    expect(log).toEqual(['finish']);
    expect(ends.client.readyState).toBe(3);
    expect(`${stream.read()}`).toBe('unread');
    await until(() => stream.closed);
    expect(log).toEqual(['finish', 'end', 'close']);
  });

  test('finishes where the connection was lost before', async () => {
    await using ends = await pair();
    const stream = createWebSocketStream(ends.served, { allowHalfOpen: false });
    const log = record(stream.resume());
    ends.served.terminate();
    await until(() => stream.closed);
    expect(log).toEqual(['end', 'finish', 'close']);
  });
});

describe('a stream over a socket that connects', () => {
  test('keeps the error that it is destroyed with, and all callbacks are called', async () => {
    const client = new WebSocket('ws://127.0.0.1:1/');
    const stream = createWebSocketStream(client);
    const log = record(stream);
    const told: string[] = [];
    stream.write('a', (error) => told.push(`a ${error?.message}`));
    stream.write('b', (error) => told.push(`b ${error?.message}`));
    stream.end((error?: Error | null) => told.push(`end ${error?.message}`));
    stream.destroy(new Error('boom'));
    await until(() => stream.closed);
    expect(told).toEqual(['a boom', 'b boom', 'end boom']);
    expect(stream.errored).toMatchObject({ message: 'boom' });
    expect(log).toEqual(['error boom', 'close']);
  });

  test('tells the callback of a write why it could not be sent', async () => {
    await using peers = await listen(goodwire);
    const client = peers.connect(goodwire);
    const stream = createWebSocketStream(client);
    const log = record(stream);
    const written = vi.fn();
    stream.write('a', written);
    stream.destroy();
    await until(() => stream.closed);
    const message = 'WebSocket was closed before the connection was established';
    expect(written).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ message }));
    expect(log).toEqual([`error ${message}`, 'close']);
  });

  test('sends nothing if the socket is terminated as it opens', async () => {
    await using peers = await listen(goodwire);
    const client = peers.connect(goodwire);
    client.on('open', () => client.terminate());
    const stream = createWebSocketStream(client);
    record(stream.resume());
    const written = vi.fn();
    stream.write('a', written);
    await until(() => stream.closed);
    expect(written).toHaveBeenCalledExactlyOnceWith(expect.any(Error));
  });
});

describe('options', () => {
  test('a signal that was aborted before destroys the stream at once, and terminates the socket', async () => {
    await using ends = await pair();
    const stream = createWebSocketStream(ends.client, { signal: AbortSignal.abort(new Error('why')) });
    const log = record(stream);
    await until(() => stream.closed);
    expect(log).toEqual(['error The operation was aborted', 'close']);
    expect(ends.client.readyState).toBe(3);
  });

  test('a signal may be given later, as to any stream', async () => {
    await using ends = await pair();
    const controller = new AbortController();
    const stream = addAbortSignal(controller.signal, createWebSocketStream(ends.client));
    const log = record(stream);
    controller.abort();
    await until(() => stream.closed);
    expect(log).toEqual(['error The operation was aborted', 'close']);
  });

  test('without a readable side, messages are let go', async () => {
    await using ends = await pair();
    const stream = createWebSocketStream(ends.client, { readable: false } as object);
    const log = record(stream);
    const message = once(ends.client, 'message');
    ends.served.send('not for the stream');
    await message;
    stream.end();
    await until(() => stream.closed);
    expect(log).toEqual(['finish', 'close']);
  });

  test('without a writable side, the end of the peer is the end of all', async () => {
    await using ends = await pair();
    const stream = createWebSocketStream(ends.client, { writable: false } as object);
    const log = record(stream.resume());
    ends.served.close();
    await until(() => stream.closed);
    expect(log).toEqual(['end', 'close']);
  });

  test('writev of the caller does not take the place of our own', async () => {
    await using ends = await pair();
    const writev = vi.fn();
    const stream = createWebSocketStream(ends.client, { writev });
    const messages: string[] = [];
    ends.served.on('message', (data) => messages.push(`${data}`));
    for (const text of ['a', 'b', 'c']) stream.write(text);
    stream.end();
    await once(ends.served, 'close');
    expect(messages).toEqual(['a', 'b', 'c']);
    expect(writev).not.toHaveBeenCalled();
  });
});

describe('writing', () => {
  test('many small chunks leave in few writes, a message each', async () => {
    await using ends = await pair();
    const { _socket: socket } = ends.client as unknown as { _socket: Duplex };
    const write = vi.spyOn(socket, 'write');
    const stream = createWebSocketStream(ends.client);
    let count = 0;
    ends.served.on('message', () => count++);
    for (let i = 0; i < 1000; i++) stream.write('x');
    await until(() => count === 1000);
    expect(write.mock.calls.length).toBeLessThanOrEqual(2);
  });

  test('an error in the middle is told to all whose octets may not have left', async () => {
    await using peer = await serveRawClient();
    peer.raw.pause();
    const stream = createWebSocketStream(peer.served);
    const log = record(stream);
    const told: (Error | null | undefined)[] = [];
    for (let i = 0; i < 40; i++) stream.write(Buffer.alloc(1_000_000), (error) => told.push(error));
    await until(() => peer.served.bufferedAmount > 0);
    peer.raw.resetAndDestroy();
    await until(() => stream.closed);
    await until(() => told.length === 40);
    expect(told.at(-1)).toBeInstanceOf(Error);
    expect(log).toEqual([expect.stringMatching(/^error /), 'close']);
  });
});

describe('a stream that was destroyed', () => {
  test('takes no more of what the socket delivers', async () => {
    await using ends = await pair();
    const stream = createWebSocketStream(ends.client);
    stream.destroy();
    ends.client.emit('message', Buffer.from('late'), true);
    expect(stream.readableLength).toBe(0);
    expect(ends.client.listenerCount('message')).toBe(0);
  });
});

describe('a million messages of one octet', () => {
  test('wait in the kernel: the stream has no more of them than its limit', async () => {
    await using peer = await serveRawClient();
    const stream = createWebSocketStream(peer.served, { readableObjectMode: true });
    const flood = Buffer.concat(Array.from({ length: 10_000 }, () => fromClient(1, 'x')));
    for (let i = 0; i < 100; i++) peer.raw.write(flood);
    peer.raw.end(fromClient(8));
    await until(() => stream.readableLength === stream.readableHighWaterMark);
    // Long enough to read more than the limit. No event says that no more is read.
    await delay(20);
    expect(stream.readableLength).toBe(stream.readableHighWaterMark);
    let count = 0;
    let most = 0;
    let strange = 0;
    for await (const chunk of stream) {
      count++;
      if (chunk !== 'x') strange++;
      most = Math.max(most, stream.readableLength);
    }
    expect({ count, strange }).toEqual({ count: 1_000_000, strange: 0 });
    expect(most).toBeLessThanOrEqual(stream.readableHighWaterMark);
  });
});

describe('a listener for data that throws', () => {
  test.each([
    ['octets', {}],
    ['messages', { readableObjectMode: true }],
  ])('is heard of as an uncaught exception, and no %s are lost', async (_title, options) => {
    await using ends = await pair();
    using uncaught = captureUncaught();
    const stream = createWebSocketStream(ends.client, options);
    const log = record(stream);
    const chunks: string[] = [];
    stream.on('data', (chunk) => {
      chunks.push(`${chunk}`);
      throw new Error(`at ${chunk}`);
    });
    const sent = Array.from({ length: 20 }, (_, i) => `${i};`);
    for (const text of sent) ends.served.send(text);
    ends.served.close();
    await until(() => log.includes('end'));
    expect(chunks).toEqual(sent);
    expect(uncaught.exceptions.map(({ message }) => message)).toEqual(sent.map((text) => `at ${text}`));
  });
});

describe('errors that nobody listens for', () => {
  test("do not end a server's process when the peer breaks the protocol", async () => {
    await using peer = await serveRawClient();
    using uncaught = captureUncaught();
    const stream = createWebSocketStream(peer.served);
    peer.raw.write(fromClient(5));
    await until(() => stream.closed);
    await immediate();
    expect(stream.errored).toMatchObject({ code: 'WS_ERR_INVALID_OPCODE' });
    expect(uncaught.exceptions).toEqual([]);
  });

  test("do not end a server's process when the peer has gone", async () => {
    await using peer = await serveRawClient();
    using uncaught = captureUncaught();
    const stream = createWebSocketStream(peer.served);
    peer.raw.destroy();
    await once(peer.served, 'close');
    stream.write('too late');
    await until(() => stream.closed);
    await immediate();
    expect(stream.errored).toMatchObject({ message: 'WebSocket is not open: readyState 3 (CLOSED)' });
    expect(uncaught.exceptions).toEqual([]);
  });

  test("are thrown all the same when they are the application's own", async () => {
    await using peer = await serveRawClient();
    using uncaught = captureUncaught();
    const destroyed = createWebSocketStream(peer.served);
    destroyed.destroy(new Error('of the application'));
    await until(() => uncaught.exceptions.length > 0);
    expect(uncaught.exceptions).toEqual([expect.objectContaining({ message: 'of the application' })]);
  });

  test('are thrown where a client chose its peer', async () => {
    await using ends = await pair();
    using uncaught = captureUncaught();
    const stream = createWebSocketStream(ends.client);
    const { _socket: socket } = ends.served as unknown as { _socket: Duplex };
    socket.write(Buffer.from([0x85, 0]));
    await until(() => uncaught.exceptions.length > 0);
    expect(uncaught.exceptions).toEqual([expect.objectContaining({ code: 'WS_ERR_INVALID_OPCODE' })]);
    expect(stream.destroyed).toBe(true);
  });
});

describe('a stream over a socket on a stream in memory', () => {
  test('carries octets both ways to the end', async () => {
    const { client, served } = memoryPair();
    const near = createWebSocketStream(client);
    const far = createWebSocketStream(served);
    const log = record(near.resume());
    const received: Buffer[] = [];
    far.on('data', (chunk) => received.push(chunk));
    near.write(Buffer.alloc(300_000, 1));
    near.end(Buffer.alloc(300_000, 2));
    await until(() => near.closed && far.readableEnded);
    const expected = Buffer.concat([Buffer.alloc(300_000, 1), Buffer.alloc(300_000, 2)]);
    expect(Buffer.concat(received).equals(expected)).toBe(true);
    expect(log).toEqual(['finish', 'end', 'close']);
  });
});

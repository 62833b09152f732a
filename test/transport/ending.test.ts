import { once } from 'node:events';
import * as net from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from '../../src/index.ts';
import { memoryInUse } from '../support/allocations.ts';
import { fromClient, fromServer } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import { connectPair, drain, implementations, listen, memoryPair, rawClient } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { rawServer, switching } from '../support/raw-server.ts';
import { until } from '../support/until.ts';

const { goodwire } = implementations;

afterEach(() => {
  vi.useRealTimers();
});

/** Returns our end of a connection on a stream in memory, and the raw other end. */
function onMemory(isServer: boolean, options: object = {}): { socket: WebSocket; raw: Duplex; stream: Duplex } {
  const [raw, stream] = duplexPair();
  const socket = new WebSocket(null, undefined, { isServer, ...options });
  socket.setSocket(stream, Buffer.alloc(0));
  return { socket, raw, stream };
}

describe('the end of a connection', () => {
  test('comes at once for a client whose server ends the stream behind its close frame', async () => {
    vi.useFakeTimers();
    const { client, served } = memoryPair();
    const closed = Promise.all([once(client, 'close'), once(served, 'close')]);
    client.close(1000);
    await closed;
    expect([client.wasClean, served.wasClean]).toEqual([true, true]);
    // No timer had to fire, and none is left.
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each(['client', 'served'] as const)(
    'comes soon on streams that do not destroy themselves: %s closes',
    async (closing) => {
      const streams = duplexPair({ autoDestroy: false });
      const client = new WebSocket(null, undefined, { isServer: false });
      const served = new WebSocket(null, undefined, {});
      client.setSocket(streams[0], Buffer.alloc(0));
      served.setSocket(streams[1], Buffer.alloc(0));
      const closed = Promise.all([once(client, 'close'), once(served, 'close')]);
      ({ client, served })[closing].close(1000, 'enough');
      expect(await closed).toEqual(Array(2).fill([1000, Buffer.from('enough')]));
      expect(streams.map(({ destroyed }) => destroyed)).toEqual([true, true]);
      expect(streams.map((stream) => stream.listenerCount('finish'))).toEqual([0, 0]);
    },
  );

  test('is forced by a client, too, whose server neither ends nor reads: a second for it to end, and closeTimeout after that', async () => {
    vi.useFakeTimers();
    const { socket, raw, stream } = onMemory(false, { closeTimeout: 5000 });
    const closed = vi.fn();
    socket.on('close', closed);
    const end = vi.spyOn(stream, 'end');
    raw.resume();
    raw.write(fromServer(8, fromHex('03 e9')));
    await vi.advanceTimersByTimeAsync(950);
    expect(end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(100);
    expect(end).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(4800);
    expect(closed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(300);
    expect(closed).toHaveBeenCalledExactlyOnceWith(1001, Buffer.alloc(0));
    expect(vi.getTimerCount()).toBe(0);
  });

  test('with a closeTimeout below a second is not waited for longer than that, twice', async () => {
    vi.useFakeTimers();
    const { socket, raw } = onMemory(false, { closeTimeout: 100 });
    const closed = vi.fn();
    socket.on('close', closed);
    raw.resume();
    raw.write(fromServer(8));
    await vi.advanceTimersByTimeAsync(250);
    expect(closed).toHaveBeenCalledExactlyOnceWith(1005, Buffer.alloc(0));
  });

  test('that a half-closed peer never completes is forced after closeTimeout', async () => {
    vi.useFakeTimers();
    const { socket, raw } = onMemory(true, { closeTimeout: 1000 });
    const closed = vi.fn();
    socket.on('close', closed);
    // The peer ends its side without a close frame, and does not read. A stream of duplexPair has no end until it is read.
    raw.end(fromClient(1, 'unfinished', false));
    raw.pause();
    await vi.advanceTimersByTimeAsync(0);
    expect(socket.readyState).toBe(2);
    await vi.advanceTimersByTimeAsync(1100);
    expect(closed).toHaveBeenCalledExactlyOnceWith(1006, Buffer.alloc(0));
    expect(vi.getTimerCount()).toBe(0);
  });

  test('by a half-closed peer still lets what was sent before go out', async () => {
    await using peers = await listen(goodwire);
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    served.send('one');
    served.send(Buffer.alloc(100_000, 2));
    raw.end();
    expect(await drain(raw)).toEqual(Buffer.concat([fromServer(1, 'one'), fromServer(2, Buffer.alloc(100_000, 2))]));
  });

  test('by a close() behind a Blob comes behind the Blob, and the peer may take its time', async () => {
    const { socket, raw } = onMemory(true);
    const octets: Buffer[] = [];
    raw.on('data', (chunk) => octets.push(chunk));
    socket.send(new Blob(['blob']));
    socket.close(1000);
    // The peer closes too, before the Blob is read.
    raw.write(fromClient(8, fromHex('0f a0')));
    raw.on('end', () => raw.end());
    const [code] = await once(socket, 'close');
    expect(code).toBe(4000);
    expect(Buffer.concat(octets)).toEqual(Buffer.concat([fromServer(2, 'blob'), fromServer(8, fromHex('03 e8'))]));
  });

  test('of a socket with messages held back by pause() delivers them before it is told', async () => {
    const { socket, raw, stream } = onMemory(true);
    const log: string[] = [];
    socket.on('message', (data) => log.push(`${data} ${socket.readyState}`));
    socket.on('close', (code) => log.push(`close ${code}`));
    socket.once('message', () => socket.pause());
    raw.write(Buffer.concat([fromClient(1, '1'), fromClient(1, '2')]));
    await immediate();
    raw.write(Buffer.concat([fromClient(1, '3'), fromClient(8, fromHex('03 e8'))]));
    await immediate();
    expect(log).toEqual(['1 1']);
    stream.destroy();
    await once(socket, 'close');
    expect(log).toEqual(['1 1', '2 2', '3 2', 'close 1000']);
  });

  test('tells the callbacks of what had been sent in its tick', async () => {
    const { socket, stream } = onMemory(true);
    const errors: unknown[] = [];
    stream.on('close', () => socket.readyState === 2 && socket.send('late', (error) => errors.push(error?.message)));
    socket.send('never', (error) => errors.push((error as NodeJS.ErrnoException).code));
    stream.destroy();
    await once(socket, 'close');
    await immediate();
    expect(errors).toContain('ERR_STREAM_DESTROYED');
  });

  test('counts what was not sent as buffered, for ever', async () => {
    const { socket, stream } = onMemory(true);
    let read = () => {};
    const blob = new Blob(['12345']);
    blob.arrayBuffer = () => new Promise((resolve) => (read = () => resolve(new ArrayBuffer(5))));
    const callback = vi.fn();
    socket.send(blob, callback);
    socket.send('67');
    stream.destroy();
    await once(socket, 'close');
    expect(socket.bufferedAmount).toBe(7);
    read();
    await immediate();
    expect(callback).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({
        message: 'The socket was closed while the blob was being read',
        code: 'ERR_STREAM_DESTROYED',
      }),
    );
    expect(socket.bufferedAmount).toBe(7);
    socket.send('890');
    expect(socket.bufferedAmount).toBe(10);
    expect(socket.readyState).toBe(3);
  });
});

describe('what is left over', () => {
  test('by 10 000 connections that were opened, used and closed is nothing: no handle, no timer, no listener', async () => {
    await using peers = await listen(goodwire, 'unix');
    peers.server.on('connection', (socket: WebSocket) => {
      socket.on('message', (data) => socket.send(data));
    });
    const streams: net.Socket[] = [];
    let open = 0;
    peers.httpServer.on('connection', (socket) => {
      open++;
      socket.on('close', () => open--);
      if (streams.length < 500) streams.push(socket);
    });
    const once1 = async (i: number) => {
      const socket = new WebSocket(peers.url);
      await new Promise((resolve, reject) => {
        socket.on('error', reject).on('close', resolve);
        socket.on('open', () => socket.send(`${i}`));
        socket.on('message', () => (i % 3 === 0 ? socket.terminate() : socket.close(1000)));
      });
    };
    const inUse = () =>
      process.getActiveResourcesInfo().filter((name) => /Timeout|Pipe|Socket|Immediate/.test(name)).length;
    await once1(0);
    const before = inUse();
    const total = 10_000;
    let next = 0;
    const worker = async () => {
      while (next < total) await once1(next++);
    };
    await Promise.all(Array.from({ length: 50 }, worker));
    await until(() => open === 0 && peers.server.clients.size === 0);
    await until(() => inUse() <= before);
    for (const stream of streams) {
      // Node's own sockets have a listener for 'end'.
      expect(['data', 'drain', 'end'].map((event) => stream.listenerCount(event))).toEqual([0, 0, 1]);
      expect(stream.destroyed).toBe(true);
      // Without a listener, an error that a stream emits after its close would be an uncaught exception.
      stream.emit('error', new Error('late'));
    }
  });

  test('of a closed WebSocket is small: its destroyed stream, which programs ask for addresses, and not what was half received', async () => {
    await using peers = await listen(goodwire, 'unix');
    const kept: WebSocket[] = [];
    const before = memoryInUse();
    for (let i = 0; i < 30; i++) {
      const { client, served } = await connectPair(peers, goodwire);
      // The message is unfinished, and its memory is allocated.
      client.send(Buffer.alloc(200_000), { fin: false });
      client.ping();
      await once(served, 'ping');
      const closed = [once(client, 'close'), once(served, 'close')];
      if (i % 2 === 0) client.terminate();
      else client.close();
      await Promise.all(closed);
      kept.push(client, served);
    }
    await immediate();
    memoryInUse();
    await immediate();
    memoryInUse();
    // Half a message of each socket would be 6 MB.
    expect(memoryInUse() - before).toBeLessThan(2_000_000);
    for (const socket of kept) {
      expect((socket as WebSocket & { _socket: Duplex })._socket.destroyed).toBe(true);
      expect(socket.readyState).toBe(3);
      expect(socket.bufferedAmount).toBe(0);
      socket.binaryType = 'fragments';
      socket.pause();
      socket.resume();
      socket.close();
      socket.terminate();
    }
  });
});

describe('a peer that dies after any octet', () => {
  const request =
    'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
  const frames = (frame: typeof fromClient) =>
    Buffer.concat([
      frame(1, 'whole'),
      frame(1, 'frag', false),
      frame(9, 'p'),
      frame(0, 'ment'),
      frame(8, fromHex('03 e8')),
    ]);

  test('brings no server down, and leaves no client behind', async () => {
    await using peers = await listen(goodwire);
    const log: string[] = [];
    let connections = 0;
    let closes = 0;
    peers.server.on('connection', (socket: WebSocket) => {
      connections++;
      socket.on('message', (data) => socket.send(data));
      socket.on('error', ({ message }) => log.push(message));
      socket.on('close', () => closes++);
    });
    const port = portOf(peers.httpServer);
    const octets = Buffer.concat([Buffer.from(request), frames(fromClient)]);
    for (let length = 1; length <= octets.length; length += length < request.length - 4 ? 9 : 1) {
      for (const reset of [true, false]) {
        const raw = net.connect(port, '127.0.0.1');
        raw.on('error', () => {});
        await once(raw, 'connect');
        await new Promise((resolve) => raw.write(octets.subarray(0, length), resolve));
        const closed = new Promise((resolve) => raw.on('close', resolve));
        if (reset) raw.resetAndDestroy();
        else raw.end();
        raw.resume();
        await closed;
      }
    }
    await until(() => closes === connections && peers.server.clients.size === 0);
    expect(connections).toBeGreaterThan(40);
    expect(log).toEqual([]);
  });

  test('closes a client once, with an error only before it was open', async () => {
    let length = 0;
    let reset = false;
    const tail = frames(fromServer);
    await using server = await rawServer(({ accept, socket }) => {
      const octets = Buffer.concat([Buffer.from(switching(accept)), tail]).subarray(0, length);
      socket.write(octets, () => (reset ? socket.resetAndDestroy() : socket.end()));
      return undefined;
    });
    const whole = switching('x'.repeat(28)).length;
    for (length = 1; length <= whole + tail.length; length += length < whole - 4 ? 9 : 1) {
      for (reset of [true, false]) {
        const socket = new WebSocket(`ws://127.0.0.1:${server.port}`);
        const log: string[] = [];
        for (const event of ['open', 'error', 'close']) socket.on(event, () => log.push(event));
        await new Promise((resolve) => socket.on('close', resolve));
        const expected = length < whole ? ['error', 'close'] : ['open', 'close'];
        // A reset may arrive before the response.
        if (reset && log[0] === 'error') expected[0] = 'error';
        expect([length, reset, ...log]).toEqual([length, reset, ...expected]);
      }
    }
    await server.allClosed();
  });
});

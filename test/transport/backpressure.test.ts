import { once } from 'node:events';
import { Duplex, duplexPair } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import * as tls from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import { WebSocket } from '../../src/index.ts';
import { fromClient, fromServer } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import { connectPair, implementations, listen, type Peers, rawClient, type Wire } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { until } from '../support/until.ts';

const { goodwire } = implementations;
const megabyte = 1_000_000;

/** Returns a raw peer that reads nothing, and the server's end of its connection. */
async function stalled(wire: Wire | 'memory'): Promise<AsyncDisposable & { raw: Duplex; served: WebSocket }> {
  if (wire === 'memory') {
    const [raw, stream] = duplexPair();
    const served = new WebSocket(null);
    served.setSocket(stream, Buffer.alloc(0));
    return {
      raw,
      served,
      async [Symbol.asyncDispose]() {
        served.terminate();
      },
    };
  }
  const peers = await listen(goodwire, wire);
  const accepted = once(peers.server, 'connection');
  const raw = await open(peers, wire);
  raw.pause();
  const [served] = (await accepted) as [WebSocket];
  return {
    raw,
    served,
    async [Symbol.asyncDispose]() {
      raw.destroy();
      await peers[Symbol.asyncDispose]();
    },
  };
}

async function open(peers: Peers, wire: Wire): Promise<Duplex> {
  if (wire === 'tcp') return rawClient(peers);
  const port = portOf(peers.httpServer);
  const raw = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  raw.on('error', () => {});
  raw.write(
    'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  await once(raw, 'data');
  return raw;
}

/** Reads a number of octets. */
function read(stream: Duplex, length: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let octets = 0;
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      octets += chunk.length;
      if (octets >= length) resolve(Buffer.concat(chunks));
    });
    stream.resume();
  });
}

describe.each(['tcp', 'tls', 'memory'] as const)('a reader that stalls, over %s', (wire) => {
  test('gets 30 MB of small messages octet for octet as they were sent, once it reads again', async () => {
    await using peer = await stalled(wire);
    const { raw, served } = peer;
    const expected: Buffer[] = [];
    let octets = 0;
    for (let i = 0; octets < 30 * megabyte; i++) {
      const message = Buffer.alloc((i * 37) % 700, i);
      served.send(message);
      // The application may use its buffer for something else at once.
      const frame = fromServer(2, message);
      message.fill(0);
      expected.push(frame);
      octets += frame.length;
      if (i % 500 === 0) await immediate();
      if (i % 10_000 === 0) served.send('');
      if (i % 10_000 === 0) octets += expected.push(fromServer(1)) && 2;
    }
    await immediate();
    const { bufferedAmount } = served;
    expect(bufferedAmount).toBeGreaterThan(10 * megabyte);
    expect(bufferedAmount).toBeLessThanOrEqual(octets);
    const callback = vi.fn();
    served.send('last', callback);
    const last = fromServer(1, 'last');
    const received = await read(raw, octets + last.length);
    expect(received.equals(Buffer.concat([...expected, last]))).toBe(true);
    await until(() => callback.mock.calls.length > 0);
    expect(callback).toHaveBeenCalledExactlyOnceWith();
    expect(served.bufferedAmount).toBe(0);
  });
});

describe('a flood of pings from a peer that does not read', () => {
  test('is answered with a bounded number of pongs, the latest among them, and all are seen by the application', async () => {
    await using peer = await stalled('tcp');
    const { raw, served } = peer;
    let pings = 0;
    served.on('ping', () => pings++);
    // More than the buffers of the kernel can hold.
    for (let i = 0; i < 100 && served.bufferedAmount === 0; i++) {
      served.send(Buffer.alloc(megabyte));
      await immediate();
    }
    const before = served.bufferedAmount;
    const count = 200_000;
    const flood = Buffer.concat(Array.from({ length: 1000 }, (_, i) => fromClient(9, `${i}`.padStart(100, '.'))));
    for (let i = 0; i < count / 1000; i++) if (!raw.write(flood)) await once(raw, 'drain');
    raw.write(fromClient(9, 'latest'));
    await until(() => pings === count + 1);
    // One chunk may be on its way when the congestion is noticed. Without the limit 20 MB of pongs would wait.
    expect(served.bufferedAmount - before).toBeLessThan(200_000);
    const latest = fromServer(10, 'latest');
    let tail = Buffer.alloc(0);
    const answered = new Promise<void>((resolve) => {
      raw.on('data', (chunk: Buffer) => {
        tail = Buffer.concat([tail, chunk]).subarray(-latest.length);
        if (tail.equals(latest)) resolve();
      });
    });
    raw.resume();
    await answered;
    expect(served.bufferedAmount).toBe(0);
    // After that each ping is answered again.
    raw.removeAllListeners('data');
    const next = once(raw, 'data');
    raw.write(fromClient(9, 'next'));
    expect((await next)[0]).toEqual(fromServer(10, 'next'));
  });

  test('does not silence a connection whose stream buffers so much that it never drains', async () => {
    class Deep extends Duplex {
      readonly written: Buffer[] = [];
      taken = () => {};
      override _read(): void {}
      override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
        this.written.push(Buffer.from(chunk));
        this.taken = () => {
          this.taken = () => {};
          callback();
        };
      }
    }
    const stream = new Deep({ writableHighWaterMark: 10 * megabyte });
    const served = new WebSocket(null);
    served.setSocket(stream, Buffer.alloc(0));
    served.send(Buffer.alloc(100_000));
    await immediate();
    for (let i = 0; i < 5; i++) {
      stream.taken();
      await immediate();
    }
    stream.push(fromClient(9, 'alive?'));
    await immediate();
    await immediate();
    stream.taken();
    expect(stream.written.at(-1)).toEqual(fromServer(10, 'alive?'));
    served.terminate();
  });

  test('ends with a close frame when the connection is closed meanwhile', async () => {
    await using peer = await stalled('tcp');
    const { raw, served } = peer;
    for (let i = 0; i < 100 && served.bufferedAmount === 0; i++) {
      served.send(Buffer.alloc(megabyte));
      await immediate();
    }
    const ping = once(served, 'ping');
    raw.write(fromClient(9, 'owed'));
    await ping;
    served.close(1000);
    let tail = Buffer.alloc(0);
    raw.on('data', (chunk: Buffer) => {
      tail = Buffer.concat([tail, chunk]).subarray(-4);
      if (tail.equals(fromHex('88 02 03 e8'))) raw.write(fromClient(8, fromHex('03 e8')));
    });
    raw.resume();
    const [code] = await once(served, 'close');
    expect(code).toBe(1000);
    expect(tail).toEqual(fromHex('88 02 03 e8'));
  });
});

describe('pause()', () => {
  test.each(['tcp', 'tls', 'unix'] as const)(
    'makes the peer wait over %s, and resume() loses nothing',
    async (wire) => {
      await using peers = await listen(goodwire, wire);
      const { client, served } = await connectPair(peers, goodwire);
      const messages: string[] = [];
      served.on('message', (data) => messages.push(String(data)));
      served.pause();
      expect(served.isPaused).toBe(true);
      const count = 12_000;
      for (let i = 0; i < count; i++) {
        client.send(`${i} `.padEnd(1000, '.'));
        if (i % 500 === 0) await immediate();
      }
      await immediate();
      expect(messages).toEqual([]);
      expect(client.bufferedAmount).toBeGreaterThan(megabyte);
      const all = new Promise<void>((resolve) => served.on('message', () => messages.length === count && resolve()));
      served.resume();
      await all;
      expect(messages.every((message, i) => message.startsWith(`${i} `))).toBe(true);
      expect(client.bufferedAmount).toBe(0);
    },
  );

  test('both ends, stuck in both directions, go on when they are resumed', async () => {
    await using peers = await listen(goodwire);
    const { client, served } = await connectPair(peers, goodwire);
    const sizes: [number, number] = [0, 0];
    const ends = [client, served];
    for (const [i, end] of ends.entries()) {
      end.on('message', (data) => {
        sizes[i as 0 | 1] += (data as Buffer).length;
      });
      end.pause();
    }
    for (let i = 0; i < 20; i++) {
      for (const end of ends) end.send(Buffer.alloc(megabyte, i));
      await immediate();
    }
    for (const end of ends) expect(end.bufferedAmount).toBeGreaterThan(megabyte);
    for (const end of ends) end.resume();
    await until(() => sizes.every((size) => size === 20 * megabyte));
    for (const end of ends) expect(end.bufferedAmount).toBe(0);
  });

  test('inside of a message holds back the rest of the chunk, and can be undone and done again for each message', async () => {
    const [raw, stream] = duplexPair();
    const served = new WebSocket(null);
    served.setSocket(stream, Buffer.alloc(0));
    const messages: string[] = [];
    served.on('message', (data) => {
      messages.push(String(data));
      served.pause();
    });
    raw.write(Buffer.concat(Array.from({ length: 5 }, (_, i) => fromClient(1, `${i}`))));
    raw.write(fromClient(1, '5'));
    for (let i = 0; i < 6; i++) {
      await immediate();
      expect(messages).toHaveLength(i + 1);
      served.resume();
      // A second call has no effect.
      served.resume();
    }
    await immediate();
    expect(messages).toEqual(['0', '1', '2', '3', '4', '5']);
    served.terminate();
  });

  test('after the close frame of the peer does not keep the connection from ending', async () => {
    const [raw, stream] = duplexPair();
    const served = new WebSocket(null);
    served.setSocket(stream, Buffer.alloc(0));
    raw.resume();
    raw.write(fromClient(8, fromHex('03 e8')));
    await immediate();
    expect(served.readyState).toBe(2);
    served.pause();
    raw.end();
    const [code] = await once(served, 'close');
    expect(code).toBe(1000);
    expect(served.isPaused).toBe(true);
  });

  test('and resume() in one go change nothing', async () => {
    await using peers = await listen(goodwire);
    const { client, served } = await connectPair(peers, goodwire);
    served.pause();
    served.resume();
    served.pause();
    served.resume();
    client.send('through');
    expect(String((await once(served, 'message'))[0])).toBe('through');
  });
});

import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import { ConnectionSettings } from '../../src/connection/connection-settings.ts';
import type { WebSocket } from '../../src/index.ts';
import { memoryInUse } from '../support/allocations.ts';
import { areZlibSlotsFree } from '../support/deflating.ts';
import { closed } from '../support/life.ts';
import { naiveFrame } from '../support/octets.ts';
import { connectPair, implementations, listen, memoryPair } from '../support/peers.ts';
import { eventually, settle } from '../support/until.ts';
import { heldPerOctet } from './measure.ts';

const { goodwire } = implementations;
const silent = { message() {}, ping() {}, pong() {}, closeReceived() {}, failure() {} };
const settings = new ConnectionSettings({ role: 'server' });
const open = () => new Connection(settings, silent);

const frames = (first: number, payload: string, times: number): Buffer =>
  Buffer.concat(Array<Buffer>(times).fill(naiveFrame(first, Buffer.from(payload), 0x01020304)));

const sockets: WebSocket[] = [];
afterEach(async () => {
  for (const socket of sockets) socket.terminate();
  await Promise.all(sockets.splice(0).map(closed));
});

describe('memory of an incomplete message', () => {
  test('case 10: a million empty fragments with pings between them need almost no memory', () => {
    const part = Buffer.concat([frames(0x00, '', 500), frames(0x89, '', 1)]);
    const { ratio } = heldPerOctet(part.length * 2000, () => {
      const connection = open();
      connection.receive(frames(0x01, '', 1));
      for (let i = 0; i < 2000; i++) {
        connection.receive(Buffer.from(part));
        connection.takeOutgoing();
      }
      expect(connection.isOpen).toBe(true);
      return connection;
    });
    // A Buffer for each would take at least twenty times as much.
    expect(ratio).toBeLessThan(0.4);
  });

  test('case 11: a million fragments of one byte need a small multiple of their bytes', () => {
    const part = frames(0x00, 'x', 1000);
    const { ratio } = heldPerOctet(1_000_000, () => {
      const connection = open();
      connection.receive(frames(0x02, 'x', 1));
      for (let i = 0; i < 1000; i++) connection.receive(Buffer.from(part));
      return connection;
    });
    // Relative to the payload; on the wire it is seven times as much.
    expect(ratio).toBeLessThan(4);
    expect(ratio).toBeGreaterThan(0.9);
  });

  test('case 11: a frame in chunks of one byte needs a small multiple of its bytes', () => {
    const octets = naiveFrame(0x82, Buffer.alloc(400_000, 1), 0x01020304);
    const { ratio } = heldPerOctet(octets.length, () => {
      const connection = open();
      for (let at = 0; at < octets.length - 1; at++) connection.receive(Buffer.of(octets[at]!));
      return connection;
    });
    expect(ratio).toBeLessThan(5);
    expect(ratio).toBeGreaterThan(0.9);
  });

  test('case 12: on a thousand connections, half a message each needs a small multiple of its bytes, and a header alone almost nothing', () => {
    const half = naiveFrame(0x82, Buffer.alloc(8000, 1), 0x01020304).subarray(0, 4000);
    const many = heldPerOctet(half.length * 1000, () =>
      Array.from({ length: 1000 }, () => {
        const connection = open();
        connection.receive(Buffer.from(half));
        return connection;
      }),
    );
    expect(many.ratio).toBeLessThan(5);
    const header = Buffer.from('82ff0000000005f5e10001020304', 'hex');
    const { ratio } = heldPerOctet(1000, () =>
      Array.from({ length: 1000 }, () => {
        const connection = open();
        connection.receive(Buffer.from(header));
        return connection;
      }),
    );
    // Octets per connection, which is an object with two decoders.
    expect(ratio).toBeLessThan(4000);
    expect(many.held).toHaveLength(1000);
  });
});

describe('memory for a peer that does not read', () => {
  test('case 36: a flood of pings is answered in memory that does not grow with the flood', async () => {
    const { client, served, servedStream } = memoryPair();
    sockets.push(client, served);
    let pings = 0;
    served.on('ping', () => pings++);
    const flood = frames(0x89, 'x'.repeat(100), 1000);
    // As from a network: the next chunk is read when this one was processed.
    const feed = async (times: number) => {
      for (let i = 0; i < times; i++) {
        const before = pings;
        servedStream.emit('data', Buffer.from(flood));
        while (pings < before + 1000) await new Promise(setImmediate);
      }
    };
    // The peer does not read, so written data stays in the stream.
    (client as unknown as { _socket: { pause(): void } })._socket.pause();
    await feed(5);
    const before = memoryInUse();
    const waiting = served.bufferedAmount;
    await feed(200);
    expect(pings).toBe(205_000);
    expect(served.bufferedAmount).toBeLessThan(waiting + 250_000);
    expect(memoryInUse() - before).toBeLessThan(2_000_000);
  });

  test('case 37: data queued for a slow peer is counted, and a peer that reads is not delayed', async () => {
    await using peers = await listen(goodwire);
    const slow = await connectPair(peers, goodwire);
    const fast = await connectPair(peers, goodwire);
    (slow.client as unknown as { _socket: { pause(): void } })._socket.pause();
    const item = randomBytes(16_384);
    let received = 0;
    fast.client.on('message', () => received++);
    const most = 8_388_608;
    let sent = 0;
    while (slow.served.bufferedAmount < most) {
      slow.served.send(item);
      sent++;
      const arrived = new Promise((resolve) => fast.client.once('message', resolve));
      fast.served.send(item);
      await arrived;
    }
    expect(received).toBe(sent);
    expect(slow.served.bufferedAmount).toBeLessThan(most + 100_000);
    slow.served.terminate();
    await closed(slow.served);
  });

  test('case 38: data that the application does not read stays with a peer that sends without reading', async () => {
    await using peers = await listen(goodwire);
    const { client, served } = await connectPair(peers, goodwire);
    for (const socket of [client, served]) socket.pause();
    const before = memoryInUse();
    const item = randomBytes(65_536);
    for (const socket of [client, served]) for (let i = 0; i < 100; i++) socket.send(item);
    // Long enough to read what should not be read. No event says that nothing is read.
    await new Promise((resolve) => setTimeout(resolve, 50));
    // On one side the queued data is the same memory a hundred times, and on the other it does not count.
    expect(memoryInUse() - before).toBeLessThan(100 * 65_536 * 2.5);
    const counts = [0, 0];
    const all = [client, served].map(
      (socket, i) =>
        new Promise<void>((resolve) => {
          socket.on('message', () => {
            counts[i]!++;
            if (counts[i] === 100) resolve();
          });
          socket.resume();
        }),
    );
    await Promise.all(all);
    expect(counts).toEqual([100, 100]);
  });
});

describe('memory after a connection', () => {
  test('case 24: a connection that ends with large messages at zlib leaves nothing behind', async () => {
    await using peers = await listen(goodwire, 'tcp', { perMessageDeflate: { threshold: 0 } });
    const large = Buffer.alloc(2_000_000, 'compressible ');
    const round = async () => {
      const pairs: { client: WebSocket; served: WebSocket }[] = [];
      for (let i = 0; i < 20; i++)
        pairs.push(await connectPair(peers, goodwire, { perMessageDeflate: { threshold: 0 } }));
      for (const { client, served } of pairs) {
        client.send(large);
        served.send(large);
      }
      await new Promise(setImmediate);
      for (const { client, served } of pairs) {
        client.terminate();
        served.terminate();
      }
      await Promise.all(pairs.flatMap(({ client, served }) => [closed(client), closed(served)]));
    };
    await round();
    // zlib completes calls in progress, and frees their states afterwards.
    await eventually(() => expect(areZlibSlotsFree()).toBe(true));
    await settle();
    const before = memoryInUse();
    for (let i = 0; i < 4; i++) await round();
    // zlib completes calls in progress.
    await eventually(() => expect(memoryInUse() - before).toBeLessThan(4_000_000));
  });
});

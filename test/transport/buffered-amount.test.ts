import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PreparedMessage, WebSocket } from '../../src/index.ts';
import { insideOf } from '../../src/websocket/websocket.ts';
import { holdZlibSlot } from '../support/deflating.ts';
import { fromClient } from '../support/from-client.ts';
import { connectPair, implementations, listen } from '../support/peers.ts';
import { eventually, settle } from '../support/until.ts';

/** A stream that keeps each write until {@link passOn}. */
class Stubborn extends Duplex {
  readonly #held: (() => void)[] = [];
  /** Number of octets of each write that was passed on to the kernel. */
  readonly chunks: number[] = [];

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#held.push(() => {
      this.chunks.push(chunk.length);
      callback();
    });
  }

  /** Passes the write that waits on. Returns false if none does. */
  passOn(): boolean {
    const next = this.#held.shift();
    next?.();
    return next !== undefined;
  }
}

function serverEnd(options: object = {}) {
  const stream = new Stubborn();
  const socket = new WebSocket(null, undefined, options);
  socket.setSocket(stream, Buffer.alloc(0), options);
  return { stream, socket };
}

const agreement = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

describe('bufferedAmount', () => {
  test('is the payload of messages in this tick and in the stream; limits count all octets', async () => {
    const { stream, socket } = serverEnd();
    const held = () => insideOf(socket).transport!.heldOctets;
    const amounts = () => [socket.bufferedAmount, held()];
    socket.send('12345');
    expect(amounts()).toEqual([5, 7]);
    socket.ping('p');
    socket.pong('pp');
    expect(amounts()).toEqual([5, 14]);
    await settle();
    expect(amounts()).toEqual([5, 14]);
    socket.send('é'.repeat(100));
    expect(amounts()).toEqual([205, 14 + 204]);
    await settle();
    stream.passOn();
    expect(amounts()).toEqual([200, 204]);
    await settle();
    socket.close(1000, 'reason');
    expect(socket.bufferedAmount).toBe(200);
    await settle();
    stream.passOn();
    expect(amounts()).toEqual([0, 10]);
    await settle();
    stream.passOn();
    expect(amounts()).toEqual([0, 0]);
    socket.terminate();
  });

  test('is the payload before compression, at once or on the thread pool', async () => {
    const { stream, socket } = serverEnd({ perMessageDeflate: { threshold: 0 }, deflate: agreement });
    const held = () => insideOf(socket).transport!.heldOctets;
    socket.send('a'.repeat(10_000));
    expect(socket.bufferedAmount).toBe(10_000);
    expect(held()).toBeLessThan(100);
    {
      using _ = holdZlibSlot();
      socket.send('b'.repeat(20_000));
      socket.send('behind');
      socket.ping('not counted');
      socket.send(new Blob(['123']));
      expect(socket.bufferedAmount).toBe(10_000 + 20_000 + 6 + 3);
    }
    await eventually(() => expect(insideOf(socket).transport!.connection.outgoingLength).toBe(0));
    await eventually(() => expect(insideOf(socket).transport!.connection.holdsClose).toBe(false));
    expect(socket.bufferedAmount).toBe(30_009);
    await settle();
    while (stream.passOn()) await settle();
    expect([socket.bufferedAmount, held()]).toEqual([0, 0]);
    socket.terminate();
  });

  test.each([
    ['a prepared message', (socket: WebSocket) => socket.send(new PreparedMessage('12345')), 5],
    [
      'a prepared message that is compressed',
      (socket: WebSocket) => socket.send(new PreparedMessage('1'.repeat(900))),
      900,
    ],
    ['a fragment', (socket: WebSocket) => socket.send('123', { fin: false }), 3],
    [
      'octets that are not copied',
      (socket: WebSocket) => socket.send(Buffer.alloc(70_000), { compress: false }),
      70_000,
    ],
    ['the elements of a view', (socket: WebSocket) => socket.send(new Uint16Array(4)), 8],
    ['a number', (socket: WebSocket) => socket.send(1234), 4],
    ['a masked message', (socket: WebSocket) => socket.send('12', { mask: true }), 2],
    ['nothing', (socket: WebSocket) => socket.send(''), 0],
  ])('counts %s with its payload', async (_title, send, payload) => {
    const { stream, socket } = serverEnd({ perMessageDeflate: { threshold: 100 }, deflate: agreement });
    send(socket);
    expect(socket.bufferedAmount).toBe(payload);
    await settle();
    expect(socket.bufferedAmount).toBe(payload);
    while (stream.passOn()) await settle();
    expect(socket.bufferedAmount).toBe(0);
    socket.terminate();
  });

  test('never falls once the stream is destroyed, and goes on counting what is sent too late', async () => {
    const { stream, socket } = serverEnd();
    socket.send('12345');
    await settle();
    socket.send('123');
    await settle();
    stream.passOn();
    await settle();
    expect(socket.bufferedAmount).toBe(3);
    socket.send('67');
    socket.terminate();
    expect(socket.bufferedAmount).toBe(5);
    await settle();
    expect([socket.readyState, socket.bufferedAmount]).toEqual([3, 5]);
    socket.send('8');
    socket.ping('90');
    expect(socket.bufferedAmount).toBe(8);
  });

  test('counts what a stream that has ended does not take', async () => {
    const { stream, socket } = serverEnd();
    stream.end();
    socket.send('12345');
    await settle();
    expect(socket.bufferedAmount).toBe(5);
    stream.destroy();
    await settle();
    expect([socket.readyState, socket.bufferedAmount]).toEqual([3, 5]);
  });

  test('is what a model says, for any messages and any stream', async () => {
    const send = fc.record({ length: fc.integer({ min: 0, max: 20_000 }), isText: fc.boolean() });
    const step = fc.oneof(
      { weight: 3, arbitrary: send },
      fc.constantFrom('ping' as const, 'next tick' as const, 'take' as const, 'message' as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { stream, socket } = serverEnd();
        // Answers inside an event leave in the event's own flush.
        socket.on('message', () => socket.send('answer'));
        /** Octets and payload of all frames in order, as they were sent. */
        const frames: [octets: number, payload: number][] = [];
        const add = (length: number) => frames.push([length + (length < 126 ? 2 : length < 65_536 ? 4 : 10), length]);
        const expected = () => {
          let left = stream.chunks.reduce((sum, octets) => sum + octets, 0);
          let sum = 0;
          for (const [octets, payload] of frames) {
            // A frame that is not with the kernel completely counts completely.
            if (left < octets) sum += payload;
            left -= octets;
          }
          return sum;
        };
        for (const one of steps) {
          if (one === 'ping') {
            socket.ping('abc');
            frames.push([5, 0]);
          } else if (one === 'message') {
            const before = frames.length;
            stream.push(fromClient(1, 'q'));
            await settle();
            add(6);
            expect(frames.length).toBe(before + 1);
          } else if (one === 'take') {
            stream.passOn();
          } else if (one === 'next tick') {
            await settle();
          } else {
            socket.send(one.isText ? 'x'.repeat(one.length) : Buffer.alloc(one.length));
            add(one.length);
          }
          expect(socket.bufferedAmount).toBeGreaterThanOrEqual(expected());
        }
        await settle();
        const total = frames.reduce((sum, [octets]) => sum + octets, 0);
        while (stream.passOn()) await settle();
        expect(stream.chunks.reduce((sum, octets) => sum + octets, 0)).toBe(total);
        expect(socket.bufferedAmount).toBe(0);
        socket.terminate();
      }),
      { numRuns: 50 },
    );
  });

  test.each(['tcp', 'tls', 'unix'] as const)('over %s is 0 once the kernel has everything', async (wire) => {
    await using peers = await listen(implementations.goodwire, wire);
    const { client, served } = await connectPair(peers, implementations.goodwire);
    client.pause();
    const chunk = Buffer.alloc(262_144);
    let all = 0;
    const send = () => {
      all += chunk.length;
      return new Promise<void>((resolve) => served.send(chunk, () => resolve()));
    };
    // Until the kernel takes no more, which is soon while nobody reads. Its buffers have other sizes on each machine.
    for (let i = 0; i < 2000 && served.bufferedAmount === 0; i++) {
      void send();
      await settle();
    }
    const taken = send();
    expect(served.bufferedAmount).toBeGreaterThan(chunk.length);
    expect(served.bufferedAmount).toBeLessThanOrEqual(all);
    expect(served.bufferedAmount % 262_144).toBe(0);
    client.resume();
    await taken;
    expect(served.bufferedAmount).toBe(0);
  });
});

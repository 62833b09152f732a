import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { WebSocket } from '../../src/index.ts';
import { fromClient, fromServer } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import { ChunkStream } from '../support/memory-stream.ts';
import { memoryPair } from '../support/peers.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { until } from '../support/until.ts';

const nothing = Buffer.alloc(0);

/** Returns a server's end on a stream, and a log of its events in order. */
function serverEndOn(stream: Duplex, head = nothing, options: object = {}): { socket: WebSocket; log: string[] } {
  const socket = new WebSocket(null);
  const log: string[] = [];
  socket.on('message', (data, isBinary) => log.push(`${isBinary ? 'binary' : 'text'} ${data}`));
  socket.on('ping', (data) => log.push(`ping ${data}`));
  socket.on('pong', (data) => log.push(`pong ${data}`));
  socket.on('error', (error) => log.push(`error ${error.message}`));
  socket.on('close', (code, reason) => log.push(`close ${code} ${reason}`));
  socket.setSocket(stream, head, options);
  return { socket, log };
}

interface Destroyed {
  readonly stream: Duplex;
  readonly socket: WebSocket;
}

/** Keeps the thread busy for a number of milliseconds. */
function spin(time: number): void {
  const end = performance.now() + time;
  while (performance.now() < end);
}

const conversation = [
  fromClient(1, 'text – 足够'),
  fromClient(2, Buffer.alloc(0)),
  fromClient(9, 'ping'),
  fromClient(1, 'frag', false),
  fromClient(10, 'pong'),
  fromClient(0, '', false),
  fromClient(0, 'ments'),
  fromClient(2, 'x'.repeat(300)),
  fromClient(8, Buffer.concat([fromHex('0f a1'), Buffer.from('end – 完')])),
];
const told = [
  'text text – 足够',
  'binary ',
  'ping ping',
  'pong pong',
  'text fragments',
  `binary ${'x'.repeat(300)}`,
  'close 4001 end – 完',
];

test.each(['end', 'close'])(
  'a stream that tells of its %s inside of a message does not hang the process',
  async (event) => {
    const stream = new ChunkStream();
    const { socket, log } = serverEndOn(stream);
    socket.once('message', () => {
      stream.emit('data', fromClient(1, 'inside'));
      stream.emit(event);
    });
    const closed = once(socket, 'close');
    stream.push(fromClient(1, 'first'));
    stream.push(null);
    await closed;
    expect(log).toEqual(['text first', 'close 1006 ']);
  },
);

describe('what a stream delivers', () => {
  test.each([1, 2, 3, 7, 64, 100_000])(
    'is the same in chunks of %i octets, each in an event of its own',
    async (size) => {
      const stream = new ChunkStream();
      const { socket, log } = serverEndOn(stream);
      const octets = Buffer.concat(conversation);
      for (let at = 0; at < octets.length; at += size) stream.push(Buffer.from(octets.subarray(at, at + size)));
      stream.push(null);
      await once(socket, 'close');
      expect(log).toEqual(told);
      expect(Buffer.concat(stream.written)).toEqual(
        Buffer.concat([
          fromServer(10, 'ping'),
          fromServer(8, Buffer.concat([fromHex('0f a1'), Buffer.from('end – 完')])),
        ]),
      );
    },
  );

  test.each([1, 5, 100_000])('is the same with allowSynchronousEvents off, in chunks of %i octets', async (size) => {
    const stream = new ChunkStream();
    const { socket, log } = serverEndOn(stream, nothing, { allowSynchronousEvents: false });
    const octets = Buffer.concat(conversation);
    for (let at = 0; at < octets.length; at += size) stream.push(Buffer.from(octets.subarray(at, at + size)));
    stream.push(null);
    await once(socket, 'close');
    expect(log).toEqual(told);
  });

  test('is delivered on a later tick, also what came behind the opening handshake', async () => {
    const stream = new ChunkStream();
    stream.push(Buffer.from(Buffer.concat(conversation.slice(1))));
    stream.push(null);
    const { socket, log } = serverEndOn(stream, Buffer.from(conversation[0]!));
    expect(log).toEqual([]);
    await once(socket, 'close');
    expect(log).toEqual(told);
  });

  test('stays in order where the answer to a write comes inside of it', async () => {
    // A read() delivers the octets that wait. A large message leaves at once, so its answer is pushed inside that read().
    const stream = new ChunkStream();
    const { socket, log } = serverEndOn(stream);
    const three = fromClient(1, 'three');
    let answer = Buffer.concat([three.subarray(8), fromClient(1, 'answer')]);
    stream._write = (_chunk, _encoding, callback) => {
      if (answer.length > 0) stream.push(answer);
      answer = nothing;
      callback();
    };
    socket.once('message', () => socket.send(Buffer.alloc(300_000)));
    stream.push(Buffer.concat([fromClient(1, 'one'), fromClient(1, 'two'), three.subarray(0, 8)]));
    await immediate();
    expect(log).toEqual(['text one', 'text two', 'text three', 'text answer']);
    socket.terminate();
  });

  test('in the middle of a write is whole and in order, however the answers are cut', async () => {
    const stream = new ChunkStream();
    const { socket, log } = serverEndOn(stream);
    const answers = Buffer.concat(Array.from({ length: 50 }, (_, i) => fromClient(1, `answer ${i}`)));
    let at = 0;
    let isIn = 0;
    let deepest = 0;
    stream._write = (_chunk, _encoding, callback) => {
      isIn++;
      deepest = Math.max(deepest, isIn);
      for (let n = 0; n < 5 && at < answers.length; n++, at += 7)
        stream.push(Buffer.from(answers.subarray(at, at + 7)));
      isIn--;
      callback();
    };
    socket.on('message', () => socket.send(Buffer.alloc(300_000)));
    stream.push(Buffer.concat([fromClient(1, 'one'), fromClient(1, 'two'), fromClient(1, 'three')]));
    await until(() => log.length >= 53);
    expect(log).toEqual([
      'text one',
      'text two',
      'text three',
      ...Array.from({ length: 50 }, (_, i) => `text answer ${i}`),
    ]);
    socket.terminate();
  });

  test.each(['resume', 'end', 'close'])(
    'of a stream that ignores pause() waits, and is delivered in order before the end (%s)',
    async (event) => {
      const stream = new ChunkStream();
      stream.pause = () => stream;
      const { socket, log } = serverEndOn(stream);
      socket.once('message', () => socket.pause());
      stream.push(Buffer.concat([fromClient(1, '1'), fromClient(1, '2'), fromClient(1, '3').subarray(0, 3)]));
      await immediate();
      stream.push(fromClient(1, '3').subarray(3));
      stream.push(fromClient(1, '4'));
      await immediate();
      expect(log).toEqual(['text 1']);
      if (event === 'end') {
        stream.push(null);
        await once(stream, 'end');
        // The end waits for resume() too, as with a socket of Node, which does not read while it is paused.
        expect([log, socket.readyState]).toEqual([['text 1'], 1]);
      }
      if (event === 'close') stream.destroy();
      else socket.resume();
      await until(() => log.length >= 4);
      expect(log.slice(0, 4)).toEqual(['text 1', 'text 2', 'text 3', 'text 4']);
      if (event !== 'resume') await until(() => log.includes('close 1006 '));
      socket.terminate();
    },
  );

  test.each([
    [
      'a string: was setEncoding() called?',
      (stream: ChunkStream) => stream.setEncoding('latin1').push(fromClient(1, 'x')),
    ],
    ['a value of type number', (stream: ChunkStream) => stream.emit('data', 7)],
  ])('that is not octets ends its WebSocket with an error that says what came (%s)', async (what, deliver) => {
    const stream = new ChunkStream();
    const { socket, log } = serverEndOn(stream);
    const errors: Error[] = [];
    socket.on('error', (error) => errors.push(error));
    deliver(stream);
    await until(() => log.includes('close 1006 '));
    expect(errors.map(({ message }) => message)).toEqual([
      `The stream of a WebSocket must deliver Buffers; it delivered ${what}`,
    ]);
    expect(stream.destroyed).toBe(true);
  });

  // A stream that fails or whose closing takes too long is destroyed, while most of its messages wait for their turn.
  test.each([
    ['fails', { hasPaused: false }, ({ stream }: Destroyed): unknown => stream.destroy(new Error('reset'))],
    ['fails', { hasPaused: true }, ({ stream }: Destroyed): unknown => stream.destroy(new Error('reset'))],
    ['takes too long to close', { hasPaused: true }, ({ socket }: Destroyed): unknown => socket.close()],
  ] as const)('before it %s is delivered before the close: %o', async (_, { hasPaused }, end) => {
    const stream = new ChunkStream();
    const { socket, log } = serverEndOn(stream, nothing, { closeTimeout: 1 });
    // More than the budgets of a turn, for all messages together.
    socket.on('message', () => spin(0.2));
    socket.once('message', () => {
      setImmediate(() => {
        if (hasPaused) socket.pause();
        expect(log.length).toBeLessThan(1000);
        end({ stream, socket });
      });
    });
    stream.push(Buffer.concat(Array.from({ length: 1000 }, (_, i) => fromClient(1, `${i}`))));
    await once(socket, 'close');
    expect(log).toEqual([...Array.from({ length: 1000 }, (_, i) => `text ${i}`), 'close 1006 ']);
  });

  test('before an end that came in a pause is delivered at resume(), also if the stream destroys itself and never closes', async () => {
    const stream = new ChunkStream({ allowHalfOpen: false });
    stream.pause = () => stream;
    stream._destroy = () => {};
    const { socket, log } = serverEndOn(stream, nothing, { closeTimeout: 1 });
    socket.pause();
    stream.push(fromClient(1, 'a'));
    stream.push(null);
    await until(() => stream.destroyed);
    expect(log).toEqual([]);
    socket.resume();
    await once(socket, 'close');
    expect(log).toEqual(['text a', 'close 1006 ']);
  });

  test('for several whose listeners pause and resume at each message does not keep the event loop', async () => {
    const logs = [1, 2, 3].map(() => {
      const stream = new ChunkStream();
      const { socket, log } = serverEndOn(stream);
      socket.on('message', () => {
        socket.pause();
        queueMicrotask(() => socket.resume());
      });
      stream.push(Buffer.concat(Array.from({ length: 10_000 }, () => fromClient(1, ''))));
      return log;
    });
    const total = () => logs.reduce((sum, { length }) => sum + length, 0);
    await until(() => total() > 0);
    await immediate();
    expect(total()).toBeLessThan(15_000);
    await until(() => total() === 30_000);
  });

  test('of a peer that has ended and floods small messages is delivered up to the next pause', async () => {
    const stream = new ChunkStream();
    const { socket, log } = serverEndOn(stream);
    let paused = 0;
    socket.on('message', () => {
      paused++;
      socket.pause();
      setImmediate(() => {
        // One message for each resume(), also when the end is known.
        expect(log.length).toBe(paused);
        socket.resume();
      });
    });
    stream.push(Buffer.concat(Array.from({ length: 100 }, (_, i) => fromClient(1, `${i}`))));
    stream.push(null);
    await until(() => log.includes('close 1006 '));
    expect(log).toEqual([...Array.from({ length: 100 }, (_, i) => `text ${i}`), 'close 1006 ']);
  });
});

describe('a stream', () => {
  test('that is closed already closes the WebSocket that it is given to', async () => {
    const [stream] = duplexPair();
    stream.destroy();
    await once(stream, 'close');
    const { socket, log } = serverEndOn(stream);
    expect(socket.readyState).toBe(1);
    await once(socket, 'close');
    expect(log).toEqual(['close 1006 ']);
  });

  test('whose peer has ended it already is ended, and closes', async () => {
    const [stream, other] = duplexPair();
    other.end();
    stream.resume();
    await once(stream, 'end');
    const { socket, log } = serverEndOn(stream);
    other.resume();
    await once(socket, 'close');
    expect(log).toEqual(['close 1006 ']);
  });

  test('that is being destroyed closes the WebSocket once', async () => {
    const [stream] = duplexPair();
    stream.destroy();
    const { socket, log } = serverEndOn(stream);
    await once(socket, 'close');
    await immediate();
    expect(log).toEqual(['close 1006 ']);
  });

  test('that reports an error and goes on is destroyed', async () => {
    const stream = new ChunkStream({ autoDestroy: false });
    const { socket, log } = serverEndOn(stream);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    stream.emit('error', new Error('odd'));
    expect(socket.readyState).toBe(2);
    await closed;
    expect(stream.destroyed).toBe(true);
    expect(log).toEqual(['close 1006 ']);
  });

  test('that reports an error after it has closed brings nothing down', async () => {
    const stream = new ChunkStream();
    const { socket, log } = serverEndOn(stream);
    socket.terminate();
    await once(socket, 'close');
    stream.emit('error', new Error('late'));
    expect(log).toEqual(['close 1006 ']);
  });

  test('whose write() throws is destroyed, the callbacks are told, and sends of others in the same tick go out', async () => {
    const stream = new ChunkStream();
    stream.write = () => {
      throw new Error('no write');
    };
    const { socket } = serverEndOn(stream);
    const { client, served } = memoryPair();
    const callback = vi.fn();
    socket.send('a', callback);
    socket.send('b', callback);
    client.send('unharmed');
    const closed = once(socket, 'close');
    expect(String((await once(served, 'message'))[0])).toBe('unharmed');
    await closed;
    expect(callback.mock.calls).toEqual([[new Error('no write')], [new Error('no write')]]);
    client.terminate();
  });

  test('whose writing fails tells the callbacks of the error, those of later sends, too', async () => {
    const stream = new ChunkStream();
    stream._write = (_chunk, _encoding, callback) => callback(new Error('pipe broke'));
    const { socket } = serverEndOn(stream);
    const errors: (string | undefined)[] = [];
    socket.send('a', (error) => errors.push(error?.message));
    await immediate();
    socket.send('b', (error) => errors.push(error?.message));
    for (let i = 0; i < 5; i++) await immediate();
    expect(errors[0]).toBe('pipe broke');
    expect(errors).toHaveLength(2);
    expect(errors[1]).toMatch(/WebSocket is not open: readyState 3/);
  });

  test('that has been ended below us tells the callback of a send', async () => {
    const stream = new ChunkStream();
    const { socket } = serverEndOn(stream);
    stream.end();
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => socket.send('a', resolve));
    expect(error?.code).toBe('ERR_STREAM_DESTROYED');
    socket.terminate();
  });

  test('of octets that are no Buffers is read, too', async () => {
    const stream = new ChunkStream({ objectMode: true });
    const { log } = serverEndOn(stream);
    stream.push(new Uint8Array(Buffer.concat([fromClient(1, 'a'), fromClient(1, 'b')])));
    await immediate();
    expect(log).toEqual(['text a', 'text b']);
  });
});

describe('a listener that throws', () => {
  test('on a stream in memory harms nobody but its own application: the sender goes on, and nothing is lost', async () => {
    using uncaught = captureUncaught();
    const { client, served } = memoryPair();
    const messages: string[] = [];
    served.on('message', (data) => {
      messages.push(String(data));
      if (messages.length === 1) throw new Error('mine');
    });
    const callback = vi.fn();
    client.send('1', callback);
    client.send('2');
    await immediate();
    client.send('3');
    await immediate();
    expect(messages).toEqual(['1', '2', '3']);
    expect(callback).toHaveBeenCalledExactlyOnceWith();
    expect([client.readyState, served.readyState]).toEqual([1, 1]);
    expect(uncaught.exceptions).toEqual([new Error('mine')]);
    client.terminate();
  });

  test('does not keep what had arrived before the end from being delivered', async () => {
    using uncaught = captureUncaught();
    const stream = new ChunkStream();
    const { socket, log } = serverEndOn(stream);
    socket.on('message', () => {
      throw new Error('each');
    });
    socket.pause();
    stream.push(Buffer.concat([fromClient(1, '1'), fromClient(1, '2'), fromClient(1, '3')]));
    await immediate();
    stream.destroy();
    await once(socket, 'close');
    expect(log).toEqual(['text 1', 'text 2', 'text 3', 'close 1006 ']);
    await immediate();
    expect(uncaught.exceptions).toHaveLength(3);
  });
});

test('whatever the owner pauses, resumes, throws and sends inside of events, all that a flooding peer has sent comes once and in order', async () => {
  using uncaught = captureUncaught();
  const step = fc.record({
    frames: fc.integer({ min: 0, max: 400 }),
    cut: fc.integer({ min: 1, max: 6000 }),
    next: fc.constantFrom('nothing', 'turn', 'pause', 'resume', 'resume and turn'),
  });
  const script = fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 8 }),
    ignoresPause: fc.boolean(),
    defers: fc.boolean(),
    every: fc.integer({ min: 1, max: 300 }),
    act: fc.constantFrom('nothing', 'pause', 'pause and resume', 'throw', 'send'),
    end: fc.constantFrom('end', 'destroy', 'close frame'),
  });
  await fc.assert(
    fc.asyncProperty(script, async ({ steps, ignoresPause, defers, every, act, end }) => {
      const stream = new ChunkStream();
      if (ignoresPause) stream.pause = () => stream;
      const socket = new WebSocket(null);
      socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: !defers });
      const received: number[] = [];
      let closes = 0;
      socket.on('close', () => closes++);
      socket.on('message', (data) => {
        received.push(Number(data));
        if (received.length % every !== 0) return;
        if (act === 'pause' || act === 'pause and resume') socket.pause();
        if (act === 'pause') setImmediate(() => socket.resume());
        if (act === 'pause and resume') socket.resume();
        if (act === 'send' && socket.readyState === WebSocket.OPEN) socket.send('answer');
        if (act === 'throw') throw new Error('of a listener');
      });
      let sent = 0;
      for (const { frames, cut, next } of steps) {
        const octets = Buffer.concat(Array.from({ length: frames }, () => fromClient(1, `${sent++}`)));
        for (let at = 0; at < octets.length; at += cut) stream.push(Buffer.from(octets.subarray(at, at + cut)));
        if (next === 'pause') socket.pause();
        if (next.startsWith('resume')) socket.resume();
        if (next.endsWith('turn')) await immediate();
      }
      if (end === 'close frame') stream.push(fromClient(8, fromHex('03 e8')));
      if (end !== 'destroy') stream.push(null);
      socket.resume();
      if (end === 'destroy') {
        // Destroyed at once, a stream would lose what it holds itself.
        await until(() => received.length === sent || !socket.isPaused);
        await until(() => stream.readableLength === 0);
        stream.destroy();
      }
      const resuming = setInterval(() => socket.resume(), 1);
      await until(() => closes > 0);
      clearInterval(resuming);
      expect(received).toEqual(Array.from({ length: sent }, (_, i) => i));
      expect(closes).toBe(1);
    }),
    { numRuns: 60 },
  );
  expect(uncaught.exceptions.every(({ message }) => message === 'of a listener')).toBe(true);
});

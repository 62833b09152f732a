import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { WebSocket } from '../../src/index.ts';
import { firstFrames } from '../../src/transport/fair-turns.ts';
import { insideOf } from '../../src/websocket/websocket.ts';
import { fromClient, fromServer } from '../support/from-client.ts';
import { connectPair, implementations, listen, rawClient } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';

const { goodwire } = implementations;

/** A stream that records the chunks of each `_write` or `_writev`: one entry is one write to the kernel. */
class Notebook extends Duplex {
  readonly writes: Buffer[] = [];
  /** The last chunk, not copied. */
  last: Buffer | null = null;
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.writes.push(Buffer.from(chunk));
    this.last = chunk;
    this.emit('written');
    callback();
  }
  override _writev(chunks: { chunk: Buffer }[], callback: () => void): void {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)));
    callback();
  }
}

function serverEnd(): { stream: Notebook; socket: WebSocket } {
  const stream = new Notebook();
  const socket = new WebSocket(null);
  socket.setSocket(stream, Buffer.alloc(0));
  return { stream, socket };
}

/** Waits for two turns of the event loop. Every batch is flushed by then. */
async function quiet(): Promise<void> {
  await immediate();
  await immediate();
}

describe('one write', () => {
  test('carries all answers to the messages of one chunk, pongs and the close frame among them', async () => {
    const { stream, socket } = serverEnd();
    socket.on('message', (data) => socket.send(String(data)));
    // No more frames than are processed before the clock is read. More may take more than one turn.
    const frames = Array.from({ length: firstFrames - 2 }, (_, i) => fromClient(1, `m${i}`));
    stream.push(Buffer.concat([...frames, fromClient(9, 'p'), fromClient(8)]));
    await quiet();
    const answers = frames.map((_, i) => fromServer(1, `m${i}`));
    expect(stream.writes).toEqual([Buffer.concat([...answers, fromServer(10, 'p'), fromServer(8)])]);
  });

  test('carries all that is sent in one tick, and leaves at its end', async () => {
    const { stream, socket } = serverEnd();
    for (let i = 0; i < 50; i++) socket.send(`m${i}`);
    socket.ping('p');
    socket.close(1000);
    expect(stream.writes).toEqual([]);
    await Promise.resolve();
    await immediate();
    expect(stream.writes).toHaveLength(1);
    expect(stream.writes[0]).toEqual(
      Buffer.concat([
        ...Array.from({ length: 50 }, (_, i) => fromServer(1, `m${i}`)),
        fromServer(9, 'p'),
        fromServer(8, Buffer.from([3, 232])),
      ]),
    );
    socket.terminate();
  });

  test('carries a large message at once and with what was sent before: its octets may be changed then', async () => {
    const { stream, socket } = serverEnd();
    const large = Buffer.alloc(20_000, 'L');
    const expected = [
      Buffer.concat([fromServer(1, 'before'), fromServer(2, Buffer.from(large))]),
      fromServer(1, 'after'),
    ];
    socket.send('before');
    socket.send(large);
    large.fill(0);
    socket.send('after');
    await immediate();
    expect(stream.writes).toEqual(expected);
    socket.terminate();
  });

  test('gives a stream that is not a socket of Node a copy, of which no other chunk has the memory', async () => {
    const { stream, socket } = serverEnd();
    const given: Buffer[] = [];
    stream.on('written', () => given.push(stream.last!));
    const large = Buffer.alloc(20_000, 'L');
    for (const data of ['one', 'two', large]) {
      socket.send(data);
      await immediate();
    }
    expect(given.map(({ length }) => length)).toEqual([5, 5, 20_004]);
    const memory = [...given, large].map(({ buffer }) => buffer);
    expect(new Set(memory).size).toBe(memory.length);
    expect(given.map(({ buffer, length }) => buffer.byteLength - length)).toEqual([0, 0, 0]);
    socket.terminate();
  });

  test('carries what is sent inside of a message over TCP, to another socket, too', async () => {
    await using peers = await listen(goodwire);
    const sockets: WebSocket[] = [];
    peers.server.on('connection', (socket) => sockets.push(socket));
    const writes: number[] = [];
    peers.httpServer.on('connection', (socket: Duplex) => {
      const index = writes.push(0) - 1;
      const write = socket.write.bind(socket);
      socket.write = ((...args: Parameters<Duplex['write']>) => {
        writes[index]!++;
        return write(...args);
      }) as Duplex['write'];
    });
    const first = await rawClient(peers);
    const second = await rawClient(peers);
    sockets[0]!.on('message', (data) => {
      for (const socket of sockets) {
        socket.send(String(data));
        socket.send(String(data));
      }
    });
    writes.fill(0);
    const both = [once(first, 'data'), once(second, 'data')];
    first.write(Buffer.concat([fromClient(1, 'a'), fromClient(1, 'b')]));
    const answer = Buffer.concat(['a', 'a', 'b', 'b'].map((text) => fromServer(1, text)));
    for (const one of both) expect((await one)[0]).toEqual(answer);
    expect(writes).toEqual([1, 1]);
  });

  test('is not waited for where a tick sends more than 256 KiB', () => {
    const { stream, socket } = serverEnd();
    const chunk = Buffer.alloc(8000);
    for (let i = 0; i < 32; i++) socket.send(chunk);
    expect(stream.writes).toEqual([]);
    socket.send(chunk);
    expect(stream.writes.length).toBe(1);
    expect(socket.bufferedAmount).toBe(0);
    socket.terminate();
  });

  test('keeps the order over the border of 256 KiB, inside of a message', async () => {
    const { stream, socket } = serverEnd();
    const sent = Array.from({ length: 100 }, (_, i) => Buffer.alloc(8000, i));
    socket.on('message', () => {
      for (const one of sent) socket.send(one);
    });
    stream.push(fromClient(1, 'go'));
    await quiet();
    expect(Buffer.concat(stream.writes).equals(Buffer.concat(sent.map((one) => fromServer(2, one))))).toBe(true);
  });
});

test('timers that a test of the application fakes and never fires do not keep answers back, then or later', async () => {
  for (const fake of [true, false]) {
    const { stream, socket } = serverEnd();
    socket.on('message', (data) => socket.send(String(data)));
    if (fake) vi.useFakeTimers({ toFake: ['setImmediate', 'setTimeout', 'performance'] });
    const written = once(stream, 'written');
    stream.push(fromClient(1, 'echo'));
    await written;
    vi.useRealTimers();
    expect(stream.writes).toEqual([fromServer(1, 'echo')]);
    socket.terminate();
  }
});

test('the callback of a send comes when the stream has taken it', async () => {
  const { stream, socket } = serverEnd();
  let taken = () => {};
  stream._write = (_chunk, _encoding, callback) => {
    taken = callback;
  };
  const callback = vi.fn();
  socket.send('12345', callback);
  await immediate();
  expect(callback).not.toHaveBeenCalled();
  taken();
  await immediate();
  expect(callback).toHaveBeenCalledExactlyOnceWith();
  socket.terminate();
});

describe('the memory of a batch', () => {
  test('is not used again while a stream that is no socket may still hold it', async () => {
    const { stream, socket } = serverEnd();
    const kept: Buffer[] = [];
    // A stream in memory passes the chunk on without a copy.
    stream._write = (chunk, _encoding, callback) => {
      kept.push(chunk);
      callback();
    };
    const others = Array.from({ length: 20 }, serverEnd);
    const expected: Buffer[] = [];
    for (let i = 0; i < 200; i++) {
      socket.send(`message ${i}`);
      expected.push(fromServer(1, `message ${i}`));
      for (const other of others) other.socket.send('something else');
      await immediate();
    }
    expect(Buffer.concat(kept)).toEqual(Buffer.concat(expected));
    for (const one of [socket, ...others.map((other) => other.socket)]) one.terminate();
  });

  test('is shared by sockets whose octets the kernel has, and never mixed up', async () => {
    await using peers = await listen(goodwire);
    const pairs: Awaited<ReturnType<typeof connectPair>>[] = [];
    for (let i = 0; i < 8; i++) pairs.push(await connectPair(peers, goodwire));
    const received = pairs.map(({ client }) => {
      const messages: string[] = [];
      client.on('message', (data) => messages.push(String(data)));
      return messages;
    });
    const done = pairs.map(
      ({ client }) => new Promise((resolve) => client.on('message', (data) => String(data) === 'end' && resolve(0))),
    );
    for (let round = 0; round < 30; round++) {
      for (const [i, { served }] of pairs.entries()) {
        for (let n = 0; n < 1 + ((round * i) % 7); n++)
          served.send(`${i} ${round} ${n} ${'x'.repeat((round * 97) % 3000)}`);
      }
      if (round % 3 === 0) await immediate();
    }
    for (const { served } of pairs) served.send('end');
    await Promise.all(done);
    for (const [i, messages] of received.entries()) {
      const expected: string[] = [];
      for (let round = 0; round < 30; round++) {
        for (let n = 0; n < 1 + ((round * i) % 7); n++)
          expected.push(`${i} ${round} ${n} ${'x'.repeat((round * 97) % 3000)}`);
      }
      expect(messages).toEqual([...expected, 'end']);
    }
  });
});

test('the memory of a batch is not kept by TLS sockets that have sent it', async () => {
  await using peers = await listen(goodwire, 'tls');
  const pairs: Awaited<ReturnType<typeof connectPair>>[] = [];
  for (let i = 0; i < 12; i++) pairs.push(await connectPair(peers, goodwire));
  let slabs = 0;
  const actual = Buffer.allocUnsafeSlow;
  using _spy = vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation((size) => {
    if (size === 65_536) slabs++;
    return actual.call(Buffer, size);
  });
  for (const { client, served } of pairs) {
    served.on('message', (data) => served.send(String(data)));
    const answered = once(client, 'message');
    client.send('x');
    await answered;
  }
  expect(slabs).toBeLessThanOrEqual(2);
});

describe('process.exit()', () => {
  const program = (when: string) => `
    import { WebSocket } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
    const socket = new WebSocket(process.argv[1]);
    ${when}
  `;
  const programs = {
    'in the tick of a send': `socket.on('open', () => { socket.send('last words'); process.exit(); });`,
    'inside of a message': `socket.on('message', () => { socket.send('last words'); process.exit(); });`,
    'after a send to two sockets': `socket.on('open', () => {
      socket.send('last');
      socket.send(' words');
      process.exit();
    });`,
    'in a listener of exit': `socket.on('open', () => {
      process.on('exit', () => socket.send('last words'));
      process.exit();
    });`,
    'in a timer': `socket.on('open', () => setTimeout(() => { socket.send('last words'); process.exit(); }, 1));`,
  };

  test.each(Object.entries(programs))('%s lets the message leave', async (_name, when) => {
    // A peer in this process, which sends a message first and collects the answers.
    const octets: Buffer[] = [];
    const { WebSocketServer } = goodwire;
    const listener = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(listener, 'listening');
    const closed = new Promise<void>((resolve) => {
      listener.on('connection', (socket) => {
        socket.send('hello');
        socket.on('message', (data) => octets.push(data as Buffer));
        socket.on('close', () => resolve());
      });
    });
    const port = portOf(listener);
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program(when), `ws://127.0.0.1:${port}`], {
      stdio: 'inherit',
    });
    const [code] = await once(child, 'exit');
    await closed;
    expect(code).toBe(0);
    expect(Buffer.concat(octets).toString()).toBe('last words');
    await new Promise((resolve) => listener.close(resolve));
  });
});

describe('answers of one turn of the event loop', () => {
  /** Two hundred sockets that answer each message. Each gets several messages in the same turn, and again later. */
  async function conversations(handle: () => void): Promise<Notebook[]> {
    const streams = Array.from({ length: 200 }, () => {
      const { stream, socket } = serverEnd();
      socket.on('message', (data) => {
        handle();
        socket.send(String(data));
      });
      return stream;
    });
    for (let round = 0; round < 5; round++) {
      for (const stream of streams) stream.push(fromClient(1, `r${round}`));
      await quiet();
    }
    return streams;
  }

  const answers = Buffer.concat(Array.from({ length: 5 }, (_, round) => fromServer(1, `r${round}`)));

  test('all leave, from more connections than may wait for each other', async () => {
    for (const stream of await conversations(() => {})) expect(Buffer.concat(stream.writes)).toEqual(answers);
  });

  test('all leave, where handlers take longer than anybody may wait', async () => {
    let calls = 0;
    const streams = await conversations(() => {
      // Every tenth listener blocks for a while.
      const until = performance.now() + (calls++ % 10 === 0 ? 0.5 : 0);
      while (performance.now() < until);
    });
    for (const stream of streams) expect(Buffer.concat(stream.writes)).toEqual(answers);
  });

  test('all leave, where one connection alone speaks for a long time', async () => {
    const { stream, socket } = serverEnd();
    socket.on('message', (data) => socket.send(String(data)));
    const sent: Buffer[] = [];
    for (let i = 0; i < 700; i++) {
      stream.push(fromClient(1, `m${i}`));
      sent.push(fromServer(1, `m${i}`));
      await immediate();
    }
    await quiet();
    expect(Buffer.concat(stream.writes)).toEqual(Buffer.concat(sent));
  });
});

describe('frames that many share', () => {
  const transportOf = (socket: WebSocket) => insideOf(socket).transport!;

  test('leave at once and as they are, behind what was sent before', () => {
    const { stream, socket } = serverEnd();
    socket.send('first');
    const frame = fromServer(1, 'shared');
    transportOf(socket).sendShared([frame]);
    expect(stream.writes).toEqual([fromServer(1, 'first'), frame]);
    transportOf(socket).sendShared([frame, frame]);
    expect(Buffer.concat(stream.writes.slice(2))).toEqual(Buffer.concat([frame, frame]));
  });

  test('reach a stream that is none of Node as a copy: it may change or keep what it gets', () => {
    const { stream, socket } = serverEnd();
    const given: Uint8Array[] = [];
    const { write } = stream;
    stream.write = ((chunk: Uint8Array, ...rest: never[]) => {
      given.push(chunk);
      return Reflect.apply(write, stream, [chunk, ...rest]);
    }) as typeof write;
    for (const length of [10, 10_000]) {
      const frame = fromServer(1, 'a'.repeat(length));
      transportOf(socket).sendShared([frame]);
      transportOf(socket).sendShared([frame, frame]);
      expect(Buffer.concat(given)).toEqual(Buffer.concat([frame, frame, frame]));
      expect(given.filter(({ buffer }) => buffer === frame.buffer)).toEqual([]);
      given.length = 0;
    }
  });

  test('are refused inside of a fragmented message, and once the connection closes', () => {
    const { socket } = serverEnd();
    const transport = transportOf(socket);
    socket.send('begun', { fin: false });
    expect(() => transport.sendShared([fromServer(1, 'shared')])).toThrow('fragmented');
    socket.send('over');
    socket.close();
    expect(() => transport.sendShared([fromServer(1, 'shared')])).toThrow('closeSent');
  });

  test('wait behind a Blob that is being read', async () => {
    const { stream, socket } = serverEnd();
    socket.send(new Blob(['blob']) as never);
    transportOf(socket).sendShared([fromServer(1, 'shared')]);
    expect(stream.writes).toEqual([]);
    while (Buffer.concat(stream.writes).length < 14) await immediate();
    expect(Buffer.concat(stream.writes)).toEqual(Buffer.concat([fromServer(2, 'blob'), fromServer(1, 'shared')]));
  });

  test('destroy a stream whose write() throws, and nothing else', () => {
    const { stream, socket } = serverEnd();
    stream.write = () => {
      throw new Error('no');
    };
    transportOf(socket).sendShared([fromServer(1, 'shared')]);
    expect(stream.destroyed).toBe(true);
    transportOf(socket).sendShared([fromServer(1, 'shared')]);
  });
});

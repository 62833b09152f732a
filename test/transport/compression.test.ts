import { createHook } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { PreparedMessage, WebSocket } from '../../src/index.ts';
import { TransportSettings } from '../../src/transport/transport.ts';
import {
  areTurnsFree,
  compressed,
  deflated,
  deflatedFrame,
  holdTurn,
  noTakeover,
  takeover,
} from '../support/deflating.ts';
import { fromClient } from '../support/from-client.ts';
import { closed } from '../support/life.ts';
import { connectPair, hex, implementations, listen, memoryPair, rawClient } from '../support/peers.ts';
import { captureUncaught } from '../support/uncaught.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const { goodwire } = implementations;
const nothing = Buffer.alloc(0);
/** Goes to zlib's threads, to be compressed and to be inflated. */
const large = 'The quick brown fox. '.repeat(20_000);
const agreements = [
  { name: 'without context takeover', deflate: noTakeover, perMessageDeflate: true },
  { name: 'with context takeover', deflate: takeover, perMessageDeflate: { contextTakeover: true } },
];

/** A Duplex whose other side is the test: `written` is what came out of it. */
class Loose extends Duplex {
  readonly written: Buffer[] = [];
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error) => void): void {
    this.written.push(Buffer.from(chunk));
    callback();
  }
}

/** Data in few words. */
function brief(data: unknown): string {
  const text = String(data);
  return text.length > 40 ? `${text.slice(0, 9)} (${text.length})` : text;
}

const largeInBrief = brief(large);

/** What a socket tells, in order. */
function record(socket: WebSocket): string[] {
  const log: string[] = [];
  socket.on('message', (data) => log.push(`message ${brief(data)}`));
  socket.on('ping', (data) => log.push(`ping ${data}`));
  socket.on('error', (error) => log.push(`error ${(error as { code?: string }).code ?? error.message}`));
  socket.on('close', (code, reason) => log.push(`close ${code} ${reason}`.trimEnd()));
  return log;
}

/** A server's end on a stream. One message at a time is with zlib's threads, so that {@link holdTurn} holds it up. */
function serve(options: object = {}): { stream: Loose; socket: WebSocket; log: string[] } {
  const stream = new Loose();
  const socket = new WebSocket(null);
  const log = record(socket);
  socket.setSocket(stream, nothing, { deflate: noTakeover, perMessageDeflate: { concurrencyLimit: 1 }, ...options });
  return { stream, socket, log };
}

async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await immediate();
}

/** Until nothing uses zlib's threads any more. */
const idle = () => vi.waitFor(() => expect(areTurnsFree()).toBe(true), { timeout: 20_000, interval: 5 });

const until = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 5 });

describe.each(agreements)('$name', ({ deflate, perMessageDeflate }) => {
  const both = { deflate, perMessageDeflate: { concurrencyLimit: 1 } };

  test('messages of all kinds and sizes keep their order, with control frames among them', async () => {
    await using peers = await listen(goodwire, 'tcp', { perMessageDeflate });
    const { client, served } = await connectPair(peers, goodwire, { perMessageDeflate: true });
    expect([client.extensions, served.extensions]).toEqual(['permessage-deflate', 'permessage-deflate']);
    const sizes = [0, 1, 1023, 1024, 16_383, 16_384, 16_385, 70_000, 262_143, 262_144, 262_145, 1_100_000];
    const digest = (data: unknown, kind: unknown) =>
      `${kind} ${createHash('sha1')
        .update(data as Buffer)
        .digest('hex')}`;

    const run = async (from: WebSocket, to: WebSocket): Promise<void> => {
      const expected: string[] = [];
      const received: string[] = [];
      to.on('message', (data, isBinary) => received.push(digest(data, isBinary)));
      to.on('ping', (data) => received.push(`ping ${data}`));
      to.on('pong', (data) => String(data).startsWith('our') && received.push(`pong ${data}`));
      for (const [i, size] of sizes.entries()) {
        const text = `${i} `.padEnd(size, 'some text, ').slice(0, size);
        const octets = Buffer.from(text);
        for (const [data, options] of [
          [text, {}],
          [octets, {}],
          [octets, { compress: false }],
          [new Blob([octets]), {}],
          [octets, { binary: false }],
        ] as const) {
          from.send(data, options);
          expected.push(digest(octets, !(data === text || 'binary' in options)));
        }
        from.send(octets, { fin: false });
        from.ping(`between ${i}`);
        from.send(octets, { fin: false });
        from.send('', { fin: false });
        from.send('end', { fin: true });
        from.pong(`our ${i}`);
        expected.push(
          `ping between ${i}`,
          digest(Buffer.concat([octets, octets, Buffer.from('end')]), true),
          `pong our ${i}`,
        );
      }
      from.close(1000, 'all was sent');
      await closed(to);
      expect(received).toEqual(expected);
    };
    await run(client, served);

    const again = await connectPair(peers, goodwire, { perMessageDeflate: true });
    await run(again.served, again.client);
    await idle();
  });

  test('up to 16 KiB are compressed at once, and more on the threads', async () => {
    const { client, served } = memoryPair({ client: both, server: both });
    const log = record(served);
    {
      using _ = holdTurn();
      client.send('a'.repeat(16_384));
      await until(() => expect(log).toEqual(['message aaaaaaaaa (16384)']));
      client.send('a'.repeat(16_385));
      client.send('not compressed', { compress: false });
      client.ping('ping');
      await turns();
      expect(log.length).toBe(1);
      expect(client.bufferedAmount).toBe(16_385 + 14 + 4);
    }
    await until(() =>
      expect(log.slice(1)).toEqual(['message aaaaaaaaa (16385)', 'message not compressed', 'ping ping']),
    );
    client.terminate();
  });

  test('up to 256 KiB are inflated at once, and more on the threads', async () => {
    const { stream, socket, log } = serve(both);
    {
      using _ = holdTurn();
      stream.push(compressed('a'.repeat(262_144)));
      await until(() => expect(log).toEqual(['message aaaaaaaaa (262144)']));
      stream.push(compressed('a'.repeat(262_145)));
      stream.push(fromClient(1, 'behind'));
      await turns();
      expect(log.length).toBe(1);
    }
    await until(() => expect(log.slice(1)).toEqual(['message aaaaaaaaa (262145)', 'message behind']));
    socket.terminate();
  });

  test('fragments of any size make one message', async () => {
    const { client, served } = memoryPair({ client: both, server: both });
    const log = record(served);
    const [first] = await Promise.all([
      once(served, 'message'),
      client.send(large, { fin: false }),
      client.send('small', { fin: false }),
      client.send('', { fin: false }),
      client.send(large, { fin: false }),
      client.send(large, { fin: true }),
      client.send('small again'),
    ]);
    expect(String(first[0]) === `${large}small${large}${large}`).toBe(true);
    await until(() => expect(log.length).toBe(2));
    expect(log[1]).toBe('message small again');
    client.terminate();
  });

  test('what is small is understood behind what was large', async () => {
    const { client, served } = memoryPair({ client: both, server: both });
    const received: string[] = [];
    served.on('message', (data) => received.push(String(data)));
    const messages = [
      'small',
      large,
      'small',
      'small quick fox',
      large.slice(5),
      large.slice(0, 9000),
      large,
      large,
      'small',
    ];
    for (const message of messages) client.send(message);
    await until(() => expect(received.length).toBe(messages.length));
    expect(received.every((message, i) => message === messages[i])).toBe(true);
    client.terminate();
  });

  test('a dictionary is of use to small messages, and does no harm to large ones', async () => {
    const dictionary = Buffer.from('{"kind":"position","latitude":');
    const options = {
      deflate,
      perMessageDeflate: { zlibDeflateOptions: { dictionary }, zlibInflateOptions: { dictionary }, threshold: 0 },
    };
    const { client, served, servedStream } = memoryPair({ client: options, server: options });
    let octets = 0;
    servedStream.on('data', (chunk: Buffer) => {
      octets += chunk.length;
    });
    const received: string[] = [];
    for (const socket of [client, served]) socket.on('error', (error) => received.push(error.message));
    served.on('message', (data) => received.push(String(data)));
    client.send(dictionary.toString());
    await until(() => expect(received).toEqual([dictionary.toString()]));
    expect(octets).toBeLessThan(dictionary.length);

    const messages = [
      '{"kind":"position","latitude":1}',
      `{"kind":"position","latitude":${large}`,
      'x',
      large,
      '{"kind":"latitude"}',
    ];
    for (const message of messages) client.send(message);
    await until(() => expect(received.length).toBe(1 + messages.length));
    expect(received.slice(1).every((message, i) => message === messages[i])).toBe(true);
    client.terminate();
  });

  test('large messages before the first small one do no harm to a dictionary either', async () => {
    const dictionary = Buffer.from('{"kind":"position","latitude":');
    const options = {
      deflate,
      perMessageDeflate: { zlibDeflateOptions: { dictionary }, zlibInflateOptions: { dictionary } },
    };
    const { client, served } = memoryPair({ client: options, server: options });
    const log = record(served);
    for (const message of [large, '{"kind":"position","latitude":1}', large]) client.send(message);
    await until(() => expect(log.length).toBe(3));
    expect(log).toEqual([
      `message ${largeInBrief}`,
      'message {"kind":"position","latitude":1}',
      `message ${largeInBrief}`,
    ]);
    client.terminate();
  });

  describe('while a large message is being inflated', () => {
    // Made anew each time: who receives it unmasks it in place.
    const conversation = () => Buffer.concat([compressed(large), fromClient(1, 'next')]);
    const told = [`message ${largeInBrief}`, 'message next'];

    test('pause() and resume() before it is there do not hold it up', async () => {
      const { stream, socket, log } = serve(both);
      {
        using _ = holdTurn();
        stream.push(conversation());
        await turns();
        socket.pause();
        await turns();
        socket.resume();
        socket.resume();
        await turns();
        expect(log).toEqual([]);
      }
      await until(() => expect(log).toEqual(told));
      socket.terminate();
    });

    test('pause() holds it back until resume()', async () => {
      const { stream, socket, log } = serve(both);
      {
        using _ = holdTurn();
        stream.push(conversation());
        await turns();
        socket.pause();
      }
      await idle();
      await turns();
      expect(log).toEqual([]);
      socket.resume();
      await until(() => expect(log).toEqual(told));
      socket.terminate();
    });

    test('pause() inside of it holds back what comes behind it', async () => {
      const { stream, socket, log } = serve(both);
      socket.once('message', () => socket.pause());
      stream.push(conversation());
      await until(() => expect(log).toEqual(told.slice(0, 1)));
      await turns();
      expect(log.length).toBe(1);
      socket.resume();
      await until(() => expect(log).toEqual(told));
      socket.terminate();
    });

    /** By hand, as streams do that ignore a pause. */
    async function tell(stream: Loose, event: string): Promise<void> {
      if (event === 'end') stream.emit('end');
      await turns();
      stream.destroy();
      await turns();
    }

    test.each(['end', 'close'])('%s of the stream during a pause delivers what had come before', async (event) => {
      const { stream, socket, log } = serve(both);
      {
        using _ = holdTurn();
        stream.push(conversation());
        await turns();
        socket.pause();
      }
      await idle();
      await tell(stream, event);
      await closed(socket);
      expect(log).toEqual([...told, 'close 1006']);
    });

    test.each(['end', 'close'])('%s of the stream is told behind it', async (event) => {
      const { stream, socket, log } = serve(both);
      {
        using _ = holdTurn();
        // Paused, so that the stream has all of it at once, and its end too.
        socket.pause();
        stream.push(conversation());
        if (event === 'end') stream.push(null);
        await turns();
        socket.resume();
        await turns();
        if (event === 'close') stream.destroy();
        await turns();
        expect(log).toEqual([]);
      }
      await closed(socket);
      expect(log).toEqual([...told, 'close 1006']);
      await idle();
    });

    test.each(['end', 'close'])('pause() and then %s of the stream does not lose it', async (event) => {
      const { stream, socket, log } = serve(both);
      {
        using _ = holdTurn();
        stream.push(conversation());
        await turns();
        socket.pause();
        await tell(stream, event);
        expect(log).toEqual([]);
      }
      await closed(socket);
      expect(log).toEqual([...told, 'close 1006']);
    });

    test('an error of the stream cancels it, and nothing behind it is delivered', async () => {
      const { stream, socket, log } = serve(both);
      using _ = holdTurn();
      stream.push(conversation());
      await turns();
      stream.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
      await closed(socket);
      expect(log).toEqual(['close 1006']);
    });

    test('terminate() cancels it', async () => {
      const { stream, socket, log } = serve(both);
      {
        using _ = holdTurn();
        stream.push(conversation());
        await turns();
        socket.terminate();
        await closed(socket);
      }
      await idle();
      await turns();
      expect(log).toEqual(['close 1006']);
    });

    test.each(['terminate', 'time'])('%s ends a socket whose stream has closed already', async (by) => {
      const { stream, socket, log } = serve({ ...both, closeTimeout: 1 });
      using _ = holdTurn();
      stream.push(conversation());
      await turns();
      if (by === 'time') socket.close();
      stream.destroy();
      await turns();
      if (by === 'terminate') {
        expect(log).toEqual([]);
        socket.terminate();
      }
      await closed(socket);
      await turns();
      expect(log).toEqual(['close 1006']);
    });

    test('close() is sent at once, and the message still delivered', async () => {
      const { stream, socket, log } = serve(both);
      {
        using _ = holdTurn();
        stream.push(Buffer.concat([conversation(), fromClient(8, hex('03 e8'))]));
        await turns();
        socket.close(1000, 'bye');
        await turns();
        expect(Buffer.concat(stream.written)).toEqual(hex('88 05 03 e8 62 79 65'));
        expect(log).toEqual([]);
      }
      stream.on('finish', () => stream.push(null));
      await closed(socket);
      expect(log).toEqual([...told, 'close 1000']);
    });

    test.each(['close', 'terminate'] as const)('%s() inside of the message ends the connection', async (how) => {
      const { stream, socket, log } = serve(both);
      socket.once('message', () => socket[how]());
      stream.push(Buffer.concat([compressed(large), compressed(large), fromClient(8, nothing)]));
      stream.on('finish', () => stream.push(null));
      await closed(socket);
      const message = `message ${largeInBrief}`;
      expect(log).toEqual(how === 'close' ? [message, message, 'close 1005'] : [message, 'close 1006']);
      await idle();
    });

    test('what a listener throws reaches the process, and nobody else', async () => {
      using uncaught = captureUncaught();
      const { stream, socket, log } = serve(both);
      socket.once('message', () => {
        throw new Error('of the listener');
      });
      stream.push(conversation());
      await until(() => expect(log).toEqual(told));
      expect(uncaught.exceptions.map(({ message }) => message)).toEqual(['of the listener']);
      socket.terminate();
    });

    test('with allowSynchronousEvents off each message has a turn of its own', async () => {
      const { stream, socket, log } = serve({ ...both, allowSynchronousEvents: false });
      let inTurn = 0;
      let most = 0;
      socket.on('message', () => {
        most = Math.max(most, ++inTurn);
        setImmediate(() => {
          inTurn = 0;
        });
      });
      stream.push(
        Buffer.concat([fromClient(1, 'first'), compressed('a'.repeat(2000)), conversation(), conversation()]),
      );
      await until(() => expect(log).toEqual(['message first', 'message aaaaaaaaa (2000)', ...told, ...told]));
      expect(most).toBe(1);
      socket.terminate();
    });

    test('what is sent inside of it is written, in order', async () => {
      const { client, served } = memoryPair({ client: both, server: both });
      const log = record(client);
      served.on('message', (data, isBinary) => {
        served.send(data, { binary: isBinary });
        served.send('answered');
      });
      client.send(large);
      client.send(large);
      const told = [`message ${largeInBrief}`, 'message answered'];
      await until(() => expect(log).toEqual([...told, ...told]));
      client.terminate();
    });
  });

  test('a peer that half-closes behind a large message has it delivered before the end is told', async () => {
    await using peers = await listen(goodwire, 'tcp', { perMessageDeflate });
    const accepted = once(peers.server, 'connection') as Promise<[WebSocket]>;
    const raw = await rawClient(peers, 'permessage-deflate');
    const [socket] = await accepted;
    const log = record(socket);
    raw.end(Buffer.concat([compressed(large), compressed('x'.repeat(9000)), compressed(large)]));
    await closed(socket);
    expect(log).toEqual([
      `message ${largeInBrief}`,
      'message xxxxxxxxx (9000)',
      `message ${largeInBrief}`,
      'close 1006',
    ]);
  });

  test('a peer that resets the connection behind a large message leaves nothing', async () => {
    await using peers = await listen(goodwire, 'tcp', { perMessageDeflate });
    for (let i = 0; i < 20; i++) {
      const accepted = once(peers.server, 'connection') as Promise<[WebSocket]>;
      const raw = await rawClient(peers, 'permessage-deflate');
      const [socket] = await accepted;
      const log = record(socket);
      await new Promise<void>((resolve) => raw.write(compressed(Buffer.alloc(8_000_000)), () => resolve()));
      raw.resetAndDestroy();
      await closed(socket);
      expect(log.filter((line) => line.startsWith('close'))).toEqual(['close 1006']);
      expect(log.at(-1)).toBe('close 1006');
    }
    await idle();
  });

  describe('while a large message is being compressed', () => {
    /** Calls of the callbacks of three messages, of which the first is large. */
    function sendThree(socket: WebSocket): string[] {
      const calls: string[] = [];
      for (const [name, data] of [
        ['large', large],
        ['small', 'small'],
        ['blob', new Blob(['blob'])],
      ] as const)
        socket.send(data, (error) =>
          calls.push(`${name} ${error === undefined ? 'sent' : (error as { code?: string }).code}`),
        );
      return calls;
    }

    test('close() waits until it was sent', async () => {
      const { client, served } = memoryPair({ client: both, server: both });
      const log = record(served);
      let calls: string[];
      {
        using _ = holdTurn();
        calls = sendThree(client);
        client.close(4000, 'all');
        await turns();
        expect(log).toEqual([]);
      }
      await closed(served);
      expect(log).toEqual([`message ${largeInBrief}`, 'message small', 'message blob', 'close 4000 all']);
      await until(() => expect(calls).toEqual(['large sent', 'small sent', 'blob sent']));
    });

    test("the peer's close frame is answered behind it", async () => {
      const { client, served } = memoryPair({ client: both, server: both });
      const log = record(served);
      let calls: string[];
      {
        using _ = holdTurn();
        calls = sendThree(client);
        served.close(4000);
        await turns();
        expect(client.readyState).toBe(WebSocket.CLOSING);
      }
      await closed(served);
      expect(log).toEqual([`message ${largeInBrief}`, 'message small', 'message blob', 'close 4000']);
      await until(() => expect(calls).toEqual(['large sent', 'small sent', 'blob sent']));
    });

    test.each(['terminate', 'reset', 'end'])('%s of the connection fails what waits, each once', async (how) => {
      const { client, clientStream } = memoryPair({ client: both, server: both });
      const log = record(client);
      let calls: string[];
      {
        using _ = holdTurn();
        calls = sendThree(client);
        await turns();
        if (how === 'terminate') client.terminate();
        else if (how === 'reset') clientStream.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
        else clientStream.destroy();
        await closed(client);
        await until(() => expect(calls.length).toBe(3));
      }
      await idle();
      await turns();
      const code = 'ERR_STREAM_DESTROYED';
      expect(calls).toEqual([`large ${code}`, `small ${code}`, `blob ${code}`]);
      expect(log).toEqual(['close 1006']);
    });

    test('octets that are changed behind send() are sent as they were', async () => {
      const { client, served } = memoryPair({ client: both, server: both });
      const log = record(served);
      const octets = Buffer.from(large);
      client.send(octets);
      client.send(octets.subarray(0, 20));
      octets.fill('-');
      await until(() => expect(log).toEqual([`message ${largeInBrief}`, `message ${large.slice(0, 20)}`]));
      client.terminate();
    });
  });
});

describe('a message that zlib fails to compress', () => {
  // Options as they pass no check of ours: what zlib says then stands for its want of memory.
  const settings = new TransportSettings({
    role: 'server',
    deflate: { agreement: noTakeover, zlibDeflateOptions: { level: 99 } },
  });

  test.each([
    ['that is large', (socket: WebSocket, callback: (error?: Error) => void) => socket.send(large, callback)],
    [
      'that was prepared',
      (socket: WebSocket, callback: (error?: Error) => void) => socket.send(new PreparedMessage(large), callback),
    ],
  ])('%s ends its connection, and nothing else', async (_name, send) => {
    using uncaught = captureUncaught();
    const { socket, log } = serve({ settings });
    const errors: (Error | undefined)[] = [];
    send(socket, (error) => errors.push(error));
    socket.send('behind it', (error) => errors.push(error));
    await closed(socket);
    await until(() => expect(errors.length).toBe(2));
    expect(errors[0]).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(errors[1]).toMatchObject({ code: 'ERR_STREAM_DESTROYED' });
    expect(log).toEqual(['error ERR_OUT_OF_RANGE', 'close 1006']);
    expect(uncaught).toMatchObject({ exceptions: [], rejections: [] });
    await idle();
  });

  test('that was prepared can be tried again', async () => {
    const message = new PreparedMessage(large);
    const failing = serve({ settings });
    failing.socket.send(message, () => {});
    await closed(failing.socket);
    const again = serve({ settings });
    again.socket.send(message, () => {});
    await closed(again.socket);
    expect([failing.log, again.log]).toEqual(Array(2).fill(['error ERR_OUT_OF_RANGE', 'close 1006']));
  });
});

describe('one connection does not keep others waiting', () => {
  /** Inflates to a quarter of what is inflated before others have their turn. */
  const quarter = Buffer.alloc(250_000);

  test.each(['goes on', 'ends'])('whose peer %s behind a chain of small bombs', async (how) => {
    const { stream, socket } = serve();
    let received = 0;
    let inTurn = 0;
    let most = 0;
    socket.on('message', () => {
      received++;
      most = Math.max(most, ++inTurn);
    });
    socket.pause();
    stream.push(Buffer.concat(Array.from({ length: 100 }, () => compressed(quarter))));
    if (how === 'ends') stream.push(null);
    socket.resume();
    for (let turn = 0; received < 100 && turn < 1000; turn++) {
      await immediate();
      inTurn = 0;
    }
    expect(received).toBe(100);
    // One more than the share, where it ends within a message; and two shares may lie between two of these turns.
    expect(most).toBeLessThanOrEqual(10);
    if (how === 'goes on') socket.terminate();
    else await closed(socket);
  });

  test('who is served while it is being held back may close, pause and end as ever', async () => {
    const chain = () => Buffer.concat(Array.from({ length: 40 }, () => compressed(quarter)));
    for (const how of ['pause', 'terminate', 'close', 'reset'] as const) {
      const { stream, socket, log } = serve();
      stream.push(chain());
      await until(() => expect(log.length).toBeGreaterThan(0));
      const before = log.length;
      expect(before).toBeLessThan(40);
      if (how === 'pause') {
        socket.pause();
        await turns();
        expect(log.length).toBe(before);
        socket.resume();
        await until(() => expect(log.length).toBe(40));
        socket.terminate();
        continue;
      }
      if (how === 'terminate') socket.terminate();
      else if (how === 'close') stream.destroy();
      else stream.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
      await closed(socket);
      expect(log.length).toBe(how === 'close' ? 41 : before + 1);
      expect(log.at(-1)).toBe('close 1006');
    }
  });

  test('an echo goes on over a socket beside it', async () => {
    await using peers = await listen(goodwire, 'tcp', { perMessageDeflate: true });
    const accepted = once(peers.server, 'connection') as Promise<[WebSocket]>;
    const hostile = await rawClient(peers, 'permessage-deflate');
    const [bombed] = await accepted;
    let exploded = 0;
    bombed.on('message', () => exploded++);
    const { client, served } = await connectPair(peers, goodwire, { perMessageDeflate: true });
    served.on('message', (data) => served.send(data));
    hostile.write(Buffer.concat(Array.from({ length: 600 }, () => compressed(quarter))));
    await until(() => expect(exploded).toBeGreaterThan(0));
    for (let i = 0; i < 10; i++) {
      client.send('x'.repeat(2000));
      await once(client, 'message');
    }
    // Each has taken some turns, in which a share of four was inflated, and not all that there is.
    expect(exploded).toBeLessThan(600);
    hostile.destroy();
  });

  test('peeking into fragments takes of the share too', async () => {
    const { stream, socket } = serve();
    const octets = deflated(Buffer.alloc(240_000));
    // The message is over with its first fragment: what comes with the last is a block of no octets.
    const message = () =>
      Buffer.concat([
        deflatedFrame(2, Buffer.concat([octets, hex('00 00 ff ff')]), { fin: false }),
        deflatedFrame(0, hex('00'), { rsv1: false }),
      ]);
    let received = 0;
    let inTurn = 0;
    let most = 0;
    socket.on('message', () => {
      received++;
      most = Math.max(most, ++inTurn);
    });
    stream.push(Buffer.concat(Array.from({ length: 40 }, message)));
    for (let turn = 0; received < 40 && turn < 1000; turn++) {
      await immediate();
      inTurn = 0;
    }
    expect(received).toBe(40);
    expect(most).toBeLessThanOrEqual(6);
    socket.terminate();
  });

  test('final blocks take of the share too, as each costs a stream of zlib', async () => {
    const { stream, socket } = serve();
    let received = 0;
    let inTurn = 0;
    let most = 0;
    socket.on('message', () => {
      received++;
      most = Math.max(most, ++inTurn);
    });
    stream.push(Buffer.concat(Array.from({ length: 30 }, () => deflatedFrame(2, Buffer.alloc(2040, hex('03 00'))))));
    for (let turn = 0; received < 30 && turn < 1000; turn++) {
      await immediate();
      inTurn = 0;
    }
    expect(received).toBe(30);
    expect(most).toBeLessThanOrEqual(4);
    socket.terminate();
  });

  test('large messages of many connections have their turns in the order in which they came, as many at once as may be', async () => {
    const order: number[] = [];
    const sockets = Array.from({ length: 30 }, (_, i) => {
      const { stream, socket } = serve({ perMessageDeflate: { concurrencyLimit: 2 } });
      socket.on('message', () => order.push(i));
      return { stream, socket };
    });
    {
      using _ = holdTurn();
      {
        using _ = holdTurn();
        for (const { stream } of sockets) stream.push(compressed(large));
        await turns();
        expect(order).toEqual([]);
      }
      // With one turn held there is one for all of them: they are served one by one.
      await until(() => expect(order.length).toBe(30));
    }
    expect(order).toEqual(Array.from({ length: 30 }, (_, i) => i));
    for (const { socket } of sockets) socket.terminate();
  });
});

describe.each(agreements)('what a hostile peer compresses, $name', ({ deflate }) => {
  const limited = (maxPayload: number) => ({ deflate, maxPayload });
  const whole = (data: Uint8Array, opcode = 2) => deflatedFrame(opcode, data);
  /** A message in fragments of so many octets. */
  const inFragments = (data: Uint8Array, size: number, opcode = 2) => {
    const frames: Buffer[] = [];
    for (let at = 0; at < data.length; at += size) {
      const isFirst = at === 0;
      const fin = at + size >= data.length;
      frames.push(deflatedFrame(isFirst ? opcode : 0, data.subarray(at, at + size), { fin, rsv1: isFirst }));
    }
    return Buffer.concat(frames);
  };
  const tail = hex('00 00 ff ff');
  const final = (data: Uint8Array) => deflateRawSync(data);
  const badText = Buffer.concat([Buffer.from('text '), hex('ff'), Buffer.from('x'.repeat(300_000))]);

  test.each([
    ['a bomb', limited(1000), () => whole(deflated(Buffer.alloc(1_000_000))), 1009],
    [
      'a bomb that is large when it is compressed',
      limited(5_000_000),
      () => whole(deflated(Buffer.alloc(2 ** 29))),
      1009,
    ],
    ['a bomb of one octet too many', limited(1000), () => whole(deflated(Buffer.alloc(1001))), 1009],
    ['a large bomb of one octet too many', limited(1_000_000), () => whole(deflated(Buffer.alloc(1_000_001))), 1009],
    ['a bomb in fragments', limited(1000), () => inFragments(deflated(Buffer.alloc(1_000_000)), 10), 1009],
    ['a large bomb in fragments', limited(5_000_000), () => inFragments(deflated(Buffer.alloc(2 ** 27)), 9000), 1009],
    [
      'a chain of small ones and one that is none',
      limited(1000),
      () =>
        Buffer.concat([
          ...Array.from({ length: 1000 }, () => whole(deflated(Buffer.alloc(1000)))),
          whole(deflated(Buffer.alloc(1001))),
        ]),
      1009,
    ],
    [
      'a bomb behind final blocks',
      limited(1000),
      () => whole(Buffer.concat([final(Buffer.alloc(600)), deflated(Buffer.alloc(600))])),
      1009,
    ],
    [
      'a large bomb behind final blocks',
      limited(1_000_000),
      () => whole(Buffer.concat([final(Buffer.alloc(600_000)), deflated(Buffer.alloc(600_000))])),
      1009,
    ],
    [
      'more than the limit before it is inflated',
      limited(1000),
      () => whole(Buffer.concat(Array(300).fill(hex('00 00 00 ff ff')))),
      1009,
    ],
    ['octets that are not DEFLATE', {}, () => whole(hex('ff ff ff ff')), 1007],
    [
      'octets that are not DEFLATE, in the first fragment',
      {},
      () => deflatedFrame(2, hex('ff ff ff ff'), { fin: false }),
      1007,
    ],
    ['many octets that are not DEFLATE', {}, () => whole(Buffer.alloc(300_000, 0xff)), 1007],
    [
      'octets that are not DEFLATE behind many that are',
      {},
      () => whole(Buffer.concat([deflated(large), tail, hex('ff ff')])),
      1007,
    ],
    ['a message that ends within a block', {}, () => whole(deflated(large.slice(0, 9000)).subarray(0, -9)), 1007],
    ['a large message that ends within a block', {}, () => whole(deflated(large).subarray(0, -9)), 1007],
    ['a reference to before the beginning', {}, () => whole(hex('f2 00 11 00 00')), 1007],
    ['too many final blocks', {}, () => whole(Buffer.concat(Array(1100).fill(hex('03 00')))), 1007],
    [
      'too many final blocks behind much',
      {},
      () => whole(Buffer.concat([final(Buffer.from(large)), ...Array(1100).fill(hex('03 00'))])),
      1007,
    ],
    ['text that is not UTF-8', {}, () => whole(deflated(badText.subarray(0, 100)), 1), 1007],
    [
      'text that is not UTF-8 in the first fragment',
      {},
      () => deflatedFrame(1, Buffer.concat([deflated(badText.subarray(0, 100)), tail]), { fin: false }),
      1007,
    ],
    [
      'large text that is not UTF-8 at its beginning, before it is too long',
      limited(400_000),
      () => whole(deflated(Buffer.concat([badText, Buffer.alloc(1_000_000)])), 1),
      1007,
    ],
    [
      'large text that ends within a character',
      {},
      () => whole(deflated(Buffer.concat([Buffer.alloc(300_000, 'x'), hex('e6 b1')])), 1),
      1007,
    ],
  ] as const)('%s', async (_name, options, frames, code) => {
    const { stream, socket, log } = serve({ deflate, ...options });
    let failure: (Error & { closeCode?: number }) | undefined;
    socket.on('error', (error) => {
      failure = error;
    });
    stream.push(Buffer.concat([frames(), fromClient(1, 'behind it')]));
    await until(() => expect(failure).toBeDefined());
    expect(failure).toMatchObject({ closeCode: code });
    await until(() => expect(stream.writableFinished).toBe(true));
    expect(Buffer.concat(stream.written)).toEqual(
      Buffer.concat([hex('88 02'), hex(code.toString(16).padStart(4, '0'))]),
    );
    stream.push(null);
    await closed(socket);
    expect(log.filter((line) => line.startsWith('close') || line.startsWith('error')).length).toBe(2);
    expect(log.at(-1)).toBe('close 1006');
    expect(log.includes('message behind it')).toBe(false);
    await idle();
  });

  test('final blocks are read, and what follows them', async () => {
    const { stream, socket, log } = serve({ deflate });
    const parts = ['one ', 'two ', 'three ', large];
    stream.push(
      whole(Buffer.concat([...parts.slice(0, 2).map((part) => final(Buffer.from(part))), deflated('three')]), 1),
    );
    stream.push(whole(final(Buffer.from('final')), 1));
    stream.push(whole(Buffer.concat([final(Buffer.from('final')), hex('00')]), 1));
    stream.push(whole(Buffer.concat(parts.map((part) => final(Buffer.from(part)))), 1));
    stream.push(compressed(`${large}${large}`));
    await until(() => expect(log.length).toBe(5));
    expect(log).toEqual([
      'message one two three',
      'message final',
      'message final',
      `message one two t (${large.length + 14})`,
      `message The quick (${large.length * 2})`,
    ]);
    socket.terminate();
  });

  test('the limit may be passed while compressed, as long as it holds', async () => {
    const { stream, socket, log } = serve(limited(600));
    // 100 empty blocks, 500 octets, and then 5 more octets of text.
    stream.push(whole(Buffer.concat([...Array(100).fill(hex('00 00 00 ff ff')), deflated('hello')]), 1));
    await until(() => expect(log).toEqual(['message hello']));
    socket.terminate();
  });

  test('a message octet by octet costs no more than it has', async () => {
    const { stream, socket, log } = serve({ deflate });
    const frames = Buffer.concat([inFragments(deflated(large), 1, 1), compressed('x'.repeat(3000))]);
    for (let at = 0; at < frames.length; at++) stream.push(frames.subarray(at, at + 1));
    await until(() => expect(log).toEqual([`message ${largeInBrief}`, 'message xxxxxxxxx (3000)']));
    socket.terminate();
  });

  test('bombs cost no more memory than the limit', async () => {
    const { stream, socket } = serve(limited(4_000_000));
    const bomb = compressed(Buffer.alloc(2 ** 28));
    socket.on('error', () => {});
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }, 1);
    stream.push(bomb);
    await until(() => expect(stream.writableFinished).toBe(true));
    clearInterval(timer);
    // Four of the limit: what has come out, what zlib is making, and what nobody has collected yet. The bomb has 67 of it.
    expect(most).toBeLessThan(16_000_000);
    stream.push(null);
    await closed(socket);
  });
});

describe('what a connection holds', () => {
  /** How many states of zlib are made meanwhile. */
  async function statesMade(work: () => Promise<void>): Promise<number> {
    let made = 0;
    const hook = createHook({
      init: (_id, type) => {
        if (type === 'ZLIB') made++;
      },
    }).enable();
    try {
      await work();
    } finally {
      hook.disable();
    }
    return made;
  }

  async function talk(deflate: typeof noTakeover, connections: number): Promise<void> {
    const options = { deflate };
    const pairs = Array.from({ length: connections }, () => memoryPair({ client: options, server: options }));
    let answered = 0;
    for (const { client, served } of pairs) {
      served.on('message', (data) => served.send(data));
      client.on('message', () => answered++);
      client.send('{"kind":"position"} '.repeat(100));
    }
    await until(() => expect(answered).toBe(connections));
    for (const { client, served } of pairs) {
      client.terminate();
      served.terminate();
    }
  }

  test('without context takeover is nothing of zlib', async () => {
    await talk(noTakeover, 1);
    expect(await statesMade(() => talk(noTakeover, 2000))).toBe(0);
  });

  test('with context takeover is a state for each direction', async () => {
    expect(await statesMade(() => talk(takeover, 200))).toBe(200 * 4);
  });
});

test('10 000 connections that close with work pending leave nothing behind', async () => {
  const rounds = 100;
  const perRound = 100;
  using uncaught = captureUncaught();
  const chunk = deflated(Buffer.alloc(262_145));
  const toBeSent = Buffer.alloc(16_385, 'some text, ');
  const heap = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  let called = 0;
  let failed = 0;
  let closes = 0;
  let late = 0;
  let heapInTheMiddle = 0;
  for (let round = 0; round < rounds; round++) {
    const { deflate } = agreements[round % 2]!;
    const all: Promise<void>[] = [];
    for (let i = 0; i < perRound; i++) {
      const { stream, socket } = serve({ deflate, perMessageDeflate: { concurrencyLimit: 4 } });
      let isClosed = false;
      socket.on('message', () => {
        if (isClosed) late++;
      });
      socket.on('close', () => {
        closes++;
        isClosed = true;
      });
      stream.push(deflatedFrame(2, chunk));
      stream.push(deflatedFrame(2, chunk));
      socket.send(toBeSent, (error) => {
        called++;
        if (error !== undefined) failed++;
      });
      socket.send('behind it', () => called++);
      all.push(closed(socket));
      const end = () => {
        if (i % 4 === 0) socket.terminate();
        else if (i % 4 === 1) stream.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
        else if (i % 4 === 2) stream.destroy();
        else socket.once('message', () => socket.terminate());
      };
      if (i % 3 === 0) end();
      else if (i % 3 === 1) process.nextTick(end);
      else setImmediate(end);
    }
    await Promise.all(all);
    if (round === rounds / 2) {
      await idle();
      collectGarbage();
      heapInTheMiddle = heap();
    }
  }
  await idle();
  await until(() => expect(called).toBe(rounds * perRound * 2));
  expect({ closes, late }).toEqual({ closes: rounds * perRound, late: 0 });
  expect(failed).toBeGreaterThan(rounds);
  expect(uncaught).toMatchObject({ exceptions: [], rejections: [] });
  collectGarbage();
  // Each of the 5000 connections since then would have to leave more than 2 KB.
  expect(heap() - heapInTheMiddle).toBeLessThan(10_000_000);
}, 120_000);

test.each([
  ['for a message that is being compressed', large, 'data was being compressed'],
  ['for a Blob', new Blob([large]), 'the blob was being read'],
])('what waits %s says so if the connection closes', async (_name, first, meanwhile) => {
  const { socket } = serve();
  using _ = holdTurn();
  const errors: (string | undefined)[] = [];
  socket.send(first, { compress: typeof first === 'string' }, (error) => errors.push(error?.message));
  socket.send('behind it', (error) => errors.push(error?.message));
  socket.terminate();
  await until(() => expect(errors).toEqual(Array(2).fill(`The socket was closed while ${meanwhile}`)));
});

test('a prepared message never becomes a fragment of another one, also where it waits', async () => {
  const { client, served } = memoryPair({ client: { deflate: takeover }, server: { deflate: takeover } });
  for (const [from, to] of [
    [client, served],
    [served, client],
  ] as const) {
    const log = record(to);
    const outcomes: string[] = [];
    const note = (name: string) => (error?: Error) =>
      outcomes.push(`${name} ${error === undefined ? 'sent' : 'failed'}`);
    from.send(new Blob(['first ']), { fin: false }, note('first'));
    from.send(new PreparedMessage('prepared'), note('prepared'));
    from.send('last', { fin: true }, note('last'));
    await until(() => expect(log).toEqual(['message first last']));
    expect(outcomes).toEqual(expect.arrayContaining(['first sent', 'prepared failed', 'last sent']));
  }
  client.terminate();
});

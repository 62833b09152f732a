import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { PreparedMessage, WebSocket } from '../../src/index.ts';
import { TransportSettings } from '../../src/transport/transport-settings.ts';
import { insideOf } from '../../src/websocket/websocket.ts';
import { compressed, holdZlibSlot, noTakeover, takeover } from '../support/deflating.ts';
import { fromClient } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import { closed } from '../support/life.ts';
import type { ChunkStream } from '../support/memory-stream.ts';
import { connectPair, implementations, listen, memoryPair, rawClient } from '../support/peers.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { eventually, settle } from '../support/until.ts';
import { agreements, idle, large, largeInBrief, record, serverEnd } from './compressing.ts';

const { goodwire } = implementations;
const nothing = Buffer.alloc(0);

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
      using _ = holdZlibSlot();
      client.send('a'.repeat(16_384));
      await eventually(() => expect(log).toEqual(['message aaaaaaaaa (16384)']));
      client.send('a'.repeat(16_385));
      client.send('not compressed', { compress: false });
      client.ping('ping');
      await settle(20);
      expect(log.length).toBe(1);
      expect(client.bufferedAmount).toBe(16_385 + 14);
      expect(insideOf(client).transport!.heldOctets).toBe(16_385 + 14 + 4);
    }
    await eventually(() =>
      expect(log.slice(1)).toEqual(['message aaaaaaaaa (16385)', 'message not compressed', 'ping ping']),
    );
    client.terminate();
  });

  test('up to 256 KiB are inflated at once, and more on the threads', async () => {
    const { stream, socket, log } = serverEnd(both);
    {
      using _ = holdZlibSlot();
      stream.push(compressed('a'.repeat(262_144)));
      await eventually(() => expect(log).toEqual(['message aaaaaaaaa (262144)']));
      stream.push(compressed('a'.repeat(262_145)));
      stream.push(fromClient(1, 'behind'));
      await settle(20);
      expect(log.length).toBe(1);
    }
    await eventually(() => expect(log.slice(1)).toEqual(['message aaaaaaaaa (262145)', 'message behind']));
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
    await eventually(() => expect(log.length).toBe(2));
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
    await eventually(() => expect(received.length).toBe(messages.length));
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
    await eventually(() => expect(received).toEqual([dictionary.toString()]));
    expect(octets).toBeLessThan(dictionary.length);

    const messages = [
      '{"kind":"position","latitude":1}',
      `{"kind":"position","latitude":${large}`,
      'x',
      large,
      '{"kind":"latitude"}',
    ];
    for (const message of messages) client.send(message);
    await eventually(() => expect(received.length).toBe(1 + messages.length));
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
    await eventually(() => expect(log.length).toBe(3));
    expect(log).toEqual([
      `message ${largeInBrief}`,
      'message {"kind":"position","latitude":1}',
      `message ${largeInBrief}`,
    ]);
    client.terminate();
  });

  describe('while a large message is being inflated', () => {
    // Made anew each time, because the receiver unmasks the octets in place.
    const conversation = () => Buffer.concat([compressed(large), fromClient(1, 'next')]);
    const told = [`message ${largeInBrief}`, 'message next'];

    test('pause() and resume() before it is there do not hold it up', async () => {
      const { stream, socket, log } = serverEnd(both);
      {
        using _ = holdZlibSlot();
        stream.push(conversation());
        await settle(20);
        socket.pause();
        await settle(20);
        socket.resume();
        socket.resume();
        await settle(20);
        expect(log).toEqual([]);
      }
      await eventually(() => expect(log).toEqual(told));
      socket.terminate();
    });

    test('pause() holds it back until resume()', async () => {
      const { stream, socket, log } = serverEnd(both);
      {
        using _ = holdZlibSlot();
        stream.push(conversation());
        await settle(20);
        socket.pause();
      }
      await idle();
      await settle(20);
      expect(log).toEqual([]);
      socket.resume();
      await eventually(() => expect(log).toEqual(told));
      socket.terminate();
    });

    test('pause() inside of it holds back what comes behind it', async () => {
      const { stream, socket, log } = serverEnd(both);
      socket.once('message', () => socket.pause());
      stream.push(conversation());
      await eventually(() => expect(log).toEqual(told.slice(0, 1)));
      await settle(20);
      expect(log.length).toBe(1);
      socket.resume();
      await eventually(() => expect(log).toEqual(told));
      socket.terminate();
    });

    /** Emits 'data' by hand, as a stream does that ignores pause(). */
    async function tell(stream: ChunkStream, event: string): Promise<void> {
      if (event === 'end') stream.emit('end');
      await settle(20);
      stream.destroy();
      await settle(20);
    }

    test.each(['end', 'close'])('%s of the stream during a pause delivers what had come before', async (event) => {
      const { stream, socket, log } = serverEnd(both);
      {
        using _ = holdZlibSlot();
        stream.push(conversation());
        await settle(20);
        socket.pause();
      }
      await idle();
      await tell(stream, event);
      await closed(socket);
      expect(log).toEqual([...told, 'close 1006']);
    });

    test.each(['end', 'close'])('%s of the stream is told behind it', async (event) => {
      const { stream, socket, log } = serverEnd(both);
      {
        using _ = holdZlibSlot();
        // Paused, so that the stream has all octets and its end before the first is delivered.
        socket.pause();
        stream.push(conversation());
        if (event === 'end') stream.push(null);
        await settle(20);
        socket.resume();
        await settle(20);
        if (event === 'close') stream.destroy();
        await settle(20);
        expect(log).toEqual([]);
      }
      await closed(socket);
      expect(log).toEqual([...told, 'close 1006']);
      await idle();
    });

    test.each(['end', 'close'])('pause() and then %s of the stream does not lose it', async (event) => {
      const { stream, socket, log } = serverEnd(both);
      {
        using _ = holdZlibSlot();
        stream.push(conversation());
        await settle(20);
        socket.pause();
        await tell(stream, event);
        expect(log).toEqual([]);
      }
      await closed(socket);
      expect(log).toEqual([...told, 'close 1006']);
    });

    test('an error of the stream cancels it, and nothing behind it is delivered', async () => {
      const { stream, socket, log } = serverEnd(both);
      using _ = holdZlibSlot();
      stream.push(conversation());
      await settle(20);
      stream.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
      await closed(socket);
      expect(log).toEqual(['close 1006']);
    });

    test('terminate() cancels it', async () => {
      const { stream, socket, log } = serverEnd(both);
      {
        using _ = holdZlibSlot();
        stream.push(conversation());
        await settle(20);
        socket.terminate();
        await closed(socket);
      }
      await idle();
      await settle(20);
      expect(log).toEqual(['close 1006']);
    });

    test.each(['terminate', 'time'])('%s ends a socket whose stream has closed already', async (by) => {
      const { stream, socket, log } = serverEnd({ ...both, closeTimeout: 1 });
      using _ = holdZlibSlot();
      stream.push(conversation());
      await settle(20);
      if (by === 'time') socket.close();
      stream.destroy();
      await settle(20);
      if (by === 'terminate') {
        expect(log).toEqual([]);
        socket.terminate();
      }
      await closed(socket);
      await settle(20);
      expect(log).toEqual(['close 1006']);
    });

    test('close() is sent at once, and the message still delivered', async () => {
      const { stream, socket, log } = serverEnd(both);
      {
        using _ = holdZlibSlot();
        stream.push(Buffer.concat([conversation(), fromClient(8, fromHex('03 e8'))]));
        await settle(20);
        socket.close(1000, 'bye');
        await settle(20);
        expect(Buffer.concat(stream.written)).toEqual(fromHex('88 05 03 e8 62 79 65'));
        expect(log).toEqual([]);
      }
      stream.on('finish', () => stream.push(null));
      await closed(socket);
      expect(log).toEqual([...told, 'close 1000']);
    });

    test.each(['close', 'terminate'] as const)('%s() inside of the message ends the connection', async (how) => {
      const { stream, socket, log } = serverEnd(both);
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
      const { stream, socket, log } = serverEnd(both);
      socket.once('message', () => {
        throw new Error('of the listener');
      });
      stream.push(conversation());
      await eventually(() => expect(log).toEqual(told));
      expect(uncaught.exceptions.map(({ message }) => message)).toEqual(['of the listener']);
      socket.terminate();
    });

    test('with allowSynchronousEvents off each message has a turn of its own', async () => {
      const { stream, socket, log } = serverEnd({ ...both, allowSynchronousEvents: false });
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
      await eventually(() => expect(log).toEqual(['message first', 'message aaaaaaaaa (2000)', ...told, ...told]));
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
      await eventually(() => expect(log).toEqual([...told, ...told]));
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
    /** Calls of the callbacks of three messages. The first message is large. */
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
        using _ = holdZlibSlot();
        calls = sendThree(client);
        client.close(4000, 'all');
        await settle(20);
        expect(log).toEqual([]);
      }
      await closed(served);
      expect(log).toEqual([`message ${largeInBrief}`, 'message small', 'message blob', 'close 4000 all']);
      await eventually(() => expect(calls).toEqual(['large sent', 'small sent', 'blob sent']));
    });

    test("the peer's close frame is answered behind it", async () => {
      const { client, served } = memoryPair({ client: both, server: both });
      const log = record(served);
      let calls: string[];
      {
        using _ = holdZlibSlot();
        calls = sendThree(client);
        served.close(4000);
        await settle(20);
        expect(client.readyState).toBe(WebSocket.CLOSING);
      }
      await closed(served);
      expect(log).toEqual([`message ${largeInBrief}`, 'message small', 'message blob', 'close 4000']);
      await eventually(() => expect(calls).toEqual(['large sent', 'small sent', 'blob sent']));
    });

    test.each(['terminate', 'reset', 'end'])('%s of the connection fails what waits, each once', async (how) => {
      const { client, clientStream } = memoryPair({ client: both, server: both });
      const log = record(client);
      let calls: string[];
      {
        using _ = holdZlibSlot();
        calls = sendThree(client);
        await settle(20);
        if (how === 'terminate') client.terminate();
        else if (how === 'reset') clientStream.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
        else clientStream.destroy();
        await closed(client);
        await eventually(() => expect(calls.length).toBe(3));
      }
      await idle();
      await settle(20);
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
      await eventually(() => expect(log).toEqual([`message ${largeInBrief}`, `message ${large.slice(0, 20)}`]));
      client.terminate();
    });
  });
});

describe('a message that zlib fails to compress', () => {
  // Options that our checks would refuse. zlib's error for them replaces an error for lack of memory, which a test cannot cause.
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
    const { socket, log } = serverEnd({ settings });
    const errors: (Error | undefined)[] = [];
    send(socket, (error) => errors.push(error));
    socket.send('behind it', (error) => errors.push(error));
    await closed(socket);
    await eventually(() => expect(errors.length).toBe(2));
    expect(errors[0]).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    expect(errors[1]).toMatchObject({ code: 'ERR_STREAM_DESTROYED' });
    expect(log).toEqual(['error ERR_OUT_OF_RANGE', 'close 1006']);
    expect(uncaught).toMatchObject({ exceptions: [], rejections: [] });
    await idle();
  });

  test('that was prepared can be tried again', async () => {
    const message = new PreparedMessage(large);
    const failing = serverEnd({ settings });
    failing.socket.send(message, () => {});
    await closed(failing.socket);
    const again = serverEnd({ settings });
    again.socket.send(message, () => {});
    await closed(again.socket);
    expect([failing.log, again.log]).toEqual(Array(2).fill(['error ERR_OUT_OF_RANGE', 'close 1006']));
  });
});

test.each([
  ['for a message that is being compressed', large, 'data was being compressed'],
  ['for a Blob', new Blob([large]), 'the blob was being read'],
])('what waits %s says so if the connection closes', async (_name, first, meanwhile) => {
  const { socket } = serverEnd();
  using _ = holdZlibSlot();
  const errors: (string | undefined)[] = [];
  socket.send(first, { compress: typeof first === 'string' }, (error) => errors.push(error?.message));
  socket.send('behind it', (error) => errors.push(error?.message));
  socket.terminate();
  await eventually(() => expect(errors).toEqual(Array(2).fill(`The socket was closed while ${meanwhile}`)));
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
    await eventually(() => expect(log).toEqual(['message first last']));
    expect(outcomes).toEqual(expect.arrayContaining(['first sent', 'prepared failed', 'last sent']));
  }
  client.terminate();
});

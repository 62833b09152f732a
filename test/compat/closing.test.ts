import { once } from 'node:events';
import { createServer } from 'node:http';
import * as net from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { fromClient, fromServer } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import { closed, record } from '../support/life.ts';
import { connectPair, type Implementation, implementations, listen, rawClient } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { acceptFor, rawServer, switching } from '../support/raw-server.ts';
import { withTimeLimit } from '../support/time-limit.ts';
import { until } from '../support/until.ts';

// biome-ignore lint/suspicious/noExplicitAny: values of any type that programs may pass
type Anything = any;

/** Returns a raw peer of a server's end. */
async function served(by: Implementation, options: object = {}) {
  const peers = await listen(by, 'tcp', options);
  const accepted = once(peers.server, 'connection');
  let stream: net.Socket | undefined;
  peers.httpServer.on('connection', (socket) => (stream = socket));
  const raw = await rawClient(peers);
  raw.setNoDelay();
  const [socket] = (await accepted) as [WebSocket];
  const octets: Buffer[] = [];
  raw.on('data', (chunk) => octets.push(chunk));
  return {
    raw,
    socket,
    wire: () => Buffer.concat(octets),
    stream: () => stream!,
    async [Symbol.asyncDispose]() {
      raw.destroy();
      socket.on('error', () => {});
      await peers[Symbol.asyncDispose]();
    },
  };
}

const badCode = new TypeError('First argument must be a valid error code number');

describe.each(Object.entries(implementations))('a WebSocket of %s', (_name, by) => {
  test.each([0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 1.5, Number.NaN, '1000', null, true])(
    'refuses close(%j) with the same message, and stays open',
    async (code) => {
      await using peers = await listen(by);
      const { client } = await connectPair(peers, by);
      expect(() => client.close(code as Anything)).toThrow(badCode);
      expect(client.readyState).toBe(1);
    },
  );

  test('refuses reasons that are too long, and those that are neither strings nor binary data', async () => {
    await using peers = await listen(by);
    const { client } = await connectPair(peers, by);
    const tooLong = new RangeError('The message must not be greater than 123 bytes');
    for (const reason of ['x'.repeat(124), 'é'.repeat(62), Buffer.alloc(124)]) {
      expect(() => client.close(1000, reason)).toThrow(tooLong);
    }
    for (const reason of [new Uint16Array(2), new Float32Array(2)] as Anything[]) {
      expect(() => client.close(1000, reason)).toThrow(
        new TypeError('Second argument must be a string or a Uint8Array'),
      );
    }
    for (const reason of [null, [65]] as Anything[]) expect(() => client.close(1000, reason)).toThrow(TypeError);
    expect(client.readyState).toBe(1);
  });

  test.each([
    ['nothing', [], 1005, ''],
    ['undefined', [undefined], 1005, ''],
    ['a reason without a code', [undefined, 'ignored'], 1005, ''],
    ['a code', [1000], 1000, ''],
    ['an empty reason', [1000, ''], 1000, ''],
    ['a string', [4999, 'é'], 4999, 'é'],
    ['a Buffer', [3000, Buffer.from('buf')], 3000, 'buf'],
    ['octets', [1012, new Uint8Array([65, 66])], 1012, 'AB'],
    ['a number for a reason', [1000, 5], 1000, ''],
    ['an object for a reason', [1000, {}], 1000, ''],
    ['a reason of 123 octets', [1014, 'x'.repeat(123)], 1014, 'x'.repeat(123)],
  ])('sends the arguments of close(): %s', async (_kind, args, code, reason) => {
    await using peers = await listen(by);
    const { client, served } = await connectPair(peers, by);
    const seen = Promise.all([once(client, 'close'), once(served, 'close')]);
    (client.close as (...args: unknown[]) => void).apply(client, args);
    expect(client.readyState).toBe(2);
    for (const event of await seen) expect(event).toEqual([code, Buffer.from(reason)]);
  });

  test.each(['close', 'terminate'] as const)('aborts connecting on %s(), reported on a later tick', async (how) => {
    const silent = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const port = portOf(silent);
    const socket = new by.WebSocket(`ws://127.0.0.1:${port}`);
    const log = record(socket);
    // The code is not checked, because there is no peer to receive it.
    if (how === 'close') socket.close(999);
    else socket.terminate();
    expect(socket.readyState).toBe(2);
    socket.close();
    expect(log).toEqual([]);
    await closed(socket);
    socket.close();
    socket.terminate();
    await immediate();
    expect(log).toEqual(['error WebSocket was closed before the connection was established [2]', 'close 1006  [3]']);
    silent.close();
  });

  test('reports a refused connection to listeners of both kinds, error before close', async () => {
    const socket = new by.WebSocket('ws://127.0.0.1:1');
    const log: unknown[] = [];
    socket.onerror = ({ type, message, error }) => log.push([type, message === error.message, socket.readyState]);
    socket.onclose = ({ type, code, reason, wasClean }) => log.push([type, code, reason, wasClean, socket.readyState]);
    await closed(socket);
    expect(log).toEqual([
      ['error', true, 2],
      ['close', 1006, '', false, 3],
    ]);
  });

  test('can be closed by a listener of upgrade, before it opens', async () => {
    await using server = await rawServer(({ accept }) => switching(accept));
    for (const how of ['close', 'terminate'] as const) {
      const socket = new by.WebSocket(`ws://127.0.0.1:${server.port}`);
      const log = record(socket);
      socket.on('upgrade', () => socket[how]());
      await closed(socket);
      expect(log).toEqual(['error WebSocket was closed before the connection was established [2]', 'close 1006  [3]']);
    }
    await server.allClosed();
  });

  test('can be closed by its listener of open, and still delivers messages that the peer sent before its close frame', async () => {
    await using peers = await listen(by);
    peers.server.on('connection', (socket: WebSocket) => socket.send('hello'));
    const socket = peers.connect(by);
    socket.on('open', () => socket.close(1000));
    const log = record(socket);
    await closed(socket);
    expect(log).toEqual(['open [2]', 'message hello [2]', 'close 1000  [3]']);
  });

  test('closed by a listener of message continues to deliver until the peer has closed', async () => {
    await using peer = await served(by);
    const { raw, socket, wire } = peer;
    const log = record(socket);
    socket.once('message', () => socket.close(1001));
    raw.write(
      Buffer.concat([fromClient(1, 'a'), fromClient(9, 'p'), fromClient(1, 'b'), fromClient(8, fromHex('03 e8'))]),
    );
    await closed(socket);
    // The ping arrived after our close frame was sent, so there is no pong.
    expect(log).toEqual(['message a [1]', 'ping p [2]', 'message b [2]', 'close 1000  [3]']);
    expect(wire()).toEqual(fromServer(8, fromHex('03 e9')));
  });

  test.each(['ping', 'pong', 'error', 'close'] as const)(
    'can be closed and terminated by a listener of %s',
    async (event) => {
      const frames = {
        ping: fromClient(9),
        pong: fromClient(10),
        error: fromClient(3),
        close: fromClient(8, fromHex('03 e8')),
      };
      for (const how of ['close', 'terminate'] as const) {
        await using peer = await served(by);
        const { raw, socket } = peer;
        const log = record(socket);
        socket.once(event, () => socket[how]());
        raw.write(frames[event]);
        if (how === 'close' && event === 'ping') raw.write(fromClient(8));
        if (how === 'close' && event === 'pong') raw.write(fromClient(8));
        raw.once('close', () => {});
        await closed(socket);
        await immediate();
        expect(log.filter((line) => line.startsWith('close'))).toHaveLength(1);
        expect(log.at(-1)).toMatch(/^close .*\[3\]$/);
      }
    },
  );

  test('calls the callbacks of a send inside of error and close listeners with an error', async () => {
    await using peer = await served(by);
    const { raw, socket } = peer;
    const messages: string[] = [];
    const send = () => socket.send('too late', (error) => messages.push((error as Error).message));
    socket.on('error', send);
    socket.on('close', send);
    raw.write(fromClient(3));
    await closed(socket);
    await immediate();
    expect(messages).toEqual([
      'WebSocket is not open: readyState 2 (CLOSING)',
      'WebSocket is not open: readyState 3 (CLOSED)',
    ]);
  });

  test.each([
    ['', 1005, ''],
    ['03 e8', 1000, ''],
    ['0b b8', 3000, ''],
    ['03 f4', 1012, ''],
    ['03 e8 f0 9f 91 80', 1000, '👀'],
  ])('answers a close frame that contains "%s" with the same, and reports %i', async (octets, code, reason) => {
    await using peer = await served(by);
    const { raw, socket, wire } = peer;
    const log = record(socket);
    raw.write(Buffer.concat([fromClient(8, fromHex(octets)), fromClient(1, 'ignored')]));
    await closed(socket);
    expect(log).toEqual([`close ${code} ${reason} [3]`]);
    expect(wire()).toEqual(fromServer(8, fromHex(octets)));
  });

  test.each([
    ['RSV2', 'f1 80 00000000', 'WS_ERR_UNEXPECTED_RSV_2_3', 1002],
    ['RSV1', 'c1 80 00000000', 'WS_ERR_UNEXPECTED_RSV_1', 1002],
    ['a reserved opcode', '83 80 00000000', 'WS_ERR_INVALID_OPCODE', 1002],
    ['no mask', '81 00', 'WS_ERR_EXPECTED_MASK', 1002],
    ['a fragmented ping', '09 80 00000000', 'WS_ERR_EXPECTED_FIN', 1002],
    ['a long ping', '89 fe 00 7e 00000000', 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002],
    ['a continuation of nothing', '80 80 00000000', 'WS_ERR_INVALID_OPCODE', 1002],
    ['a length of 2^53', '81 ff 00200000 00000000', 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', 1009],
    ['a length of 256 MiB', '81 ff 00000000 10000000', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009],
    ['text that is not UTF-8', '81 82 00000000 c328', 'WS_ERR_INVALID_UTF8', 1007],
    ['a close frame of one octet', '88 81 00000000 03', 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002],
    ['close code 1005', '88 82 00000000 03ed', 'WS_ERR_INVALID_CLOSE_CODE', 1002],
    ['a reason that is not UTF-8', '88 83 00000000 03e8ff', 'WS_ERR_INVALID_UTF8', 1007],
    ['a message inside a message', '01 80 00000000 81 80 00000000', 'WS_ERR_INVALID_OPCODE', 1002],
  ])('fails the connection for %s, then closes with 1006', async (_fault, octets, errorCode, closeCode) => {
    await using peer = await served(by);
    const { raw, socket, wire } = peer;
    const log = record(socket);
    raw.write(Buffer.concat([fromHex(octets), fromClient(1, 'ignored')]));
    await closed(socket);
    expect(log).toEqual([`error ${errorCode} [2]`, 'close 1006  [3]']);
    expect(wire()).toEqual(fromServer(8, Buffer.from([closeCode >> 8, closeCode & 255])));
  });

  test('while closing, fails the connection on a violation of the peer, without a second close frame', async () => {
    await using peer = await served(by);
    const { raw, socket, wire } = peer;
    const log = record(socket);
    socket.close(1001, 'bye');
    await once(raw, 'data');
    raw.write(Buffer.concat([fromClient(3), fromClient(1, 'ignored')]));
    await closed(socket);
    expect(log).toEqual(['error WS_ERR_INVALID_OPCODE [2]', 'close 1006  [3]']);
    expect(wire()).toEqual(fromServer(8, Buffer.concat([fromHex('03 e9'), Buffer.from('bye')])));
  });

  test('fails, also on the client, on a masked close frame', async () => {
    for (const [octets, code] of [
      ['81 80 00000000', 'WS_ERR_UNEXPECTED_MASK'],
      ['c1 00', 'WS_ERR_UNEXPECTED_RSV_1'],
    ] as const) {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const answer = new Promise<Buffer>((resolve) => {
        server.on('upgrade', (request, socket) => {
          socket.on('data', resolve);
          socket.on('end', () => socket.end());
          socket.write(switching(acceptFor(request.headers['sec-websocket-key'] as string)));
          socket.write(fromHex(octets));
        });
      });
      const socket = new by.WebSocket(`ws://127.0.0.1:${portOf(server)}`);
      const log = record(socket);
      await closed(socket);
      expect(log).toEqual(['open [1]', `error ${code} [2]`, 'close 1006  [3]']);
      expect((await answer).subarray(0, 2)).toEqual(fromHex('88 82'));
      server.close();
    }
  });

  test('delivers frames that arrive with the response and the end of the stream', async () => {
    for (const [frames, last] of [
      [fromServer(8, fromHex('03 e8')), 'close 1000  [3]'],
      [Buffer.alloc(0), 'close 1006  [3]'],
    ] as const) {
      await using server = await rawServer(({ accept, socket }) => {
        socket.end(Buffer.concat([Buffer.from(switching(accept)), fromServer(1, 'a'), fromServer(1, 'b'), frames]));
        return undefined;
      });
      const socket = new by.WebSocket(`ws://127.0.0.1:${server.port}`);
      const log = record(socket);
      await closed(socket);
      expect(log).toEqual(['open [1]', 'message a [1]', 'message b [1]', last]);
    }
  });

  test.each([
    ['the end of the stream', (raw: net.Socket) => raw.end()],
    ['the end inside a frame', (raw: net.Socket) => raw.end(fromClient(1, 'abc').subarray(0, 7))],
    ['a reset', (raw: net.Socket) => raw.resetAndDestroy()],
  ])('reports %s as 1006, without an error', async (_kind, act) => {
    await using peer = await served(by);
    const { raw, socket } = peer;
    const log = record(socket);
    act(raw);
    await closed(socket);
    expect(log).toEqual(['close 1006  [3]']);
  });

  test('delivers received messages before the end if it was paused', async () => {
    const run = async (end: 'close' | 'reset', closeTimeout: number) => {
      await using peer = await served(by, { closeTimeout });
      const { raw, socket, stream } = peer;
      const log = record(socket);
      socket.pause();
      raw.write(
        Buffer.concat([fromClient(1, 'a'), end === 'close' ? fromClient(8, fromHex('03 e8')) : Buffer.alloc(0)]),
      );
      await until(() => stream().readableLength >= 7);
      if (end === 'close') socket.close(1001);
      else raw.resetAndDestroy();
      await closed(socket);
      expect(log).toEqual(['message a [2]', end === 'close' ? 'close 1000  [3]' : 'close 1006  [3]']);
      if (end === 'close') expect(socket.isPaused).toBe(true);
    };
    for (const end of ['close', 'reset'] as const) await withTimeLimit(100, (limit) => run(end, limit));
  });

  test('pause() and resume() have an effect only while open or closing', async () => {
    await using peers = await listen(by);
    const socket = peers.connect(by);
    socket.pause();
    expect(socket.isPaused).toBe(false);
    await once(socket, 'open');
    socket.pause();
    expect(socket.isPaused).toBe(true);
    socket.resume();
    expect(socket.isPaused).toBe(false);
    socket.close();
    socket.pause();
    expect(socket.isPaused).toBe(true);
    socket.resume();
    await closed(socket);
    socket.pause();
    expect(socket.isPaused).toBe(false);
  });

  test('both ends report a clean close after both close frames, regardless of the initiator, and otherwise an unclean one', async () => {
    for (const how of ['client', 'server', 'both', 'cut'] as const) {
      await using peers = await listen(by);
      const { client, served } = await connectPair(peers, by);
      const clean: boolean[] = [];
      const all = [client, served].map(
        (socket) =>
          new Promise<void>((resolve) => {
            socket.onclose = ({ wasClean }) => {
              clean.push(wasClean);
              resolve();
            };
          }),
      );
      if (how === 'client' || how === 'both') client.close();
      if (how === 'server' || how === 'both') served.close();
      if (how === 'cut') client.terminate();
      await Promise.all(all);
      expect([how, ...clean]).toEqual([how, how !== 'cut', how !== 'cut']);
    }
  });

  test('a peer that sends during our close is read until the timeout', async () => {
    await withTimeLimit(100, async (closeTimeout) => {
      await using peer = await served(by, { closeTimeout });
      const { raw, socket, wire } = peer;
      const log = record(socket);
      socket.close(1001, 'bye');
      raw.write(Buffer.concat([fromClient(1, 'a'), fromClient(9, 'p'), fromClient(1, 'b')]));
      await closed(socket);
      expect(log).toEqual(['message a [2]', 'ping p [2]', 'message b [2]', 'close 1006  [3]']);
      expect(wire()).toEqual(fromServer(8, Buffer.concat([fromHex('03 e9'), Buffer.from('bye')])));
    });
  });
});

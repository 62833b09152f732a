import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { fromHex } from '../support/hex.ts';
import { type Implementation, implementations } from '../support/peers.ts';
import { agree, type RawServer, server, switching } from '../support/raw-server.ts';
import { settle } from '../support/until.ts';
import { client, watch } from '../support/watch.ts';

type Options = NonNullable<Parameters<typeof client>[2]>;

/** Opens a client. Returns it and the data that its server receives. */
async function open(by: Implementation, options: Options) {
  const raw = await server(agree);
  const socket = client(by, url(raw), options);
  await once(socket, 'open');
  const peer = raw.connections[0]!;
  const chunks: Buffer[] = [];
  peer.on('data', (chunk) => chunks.push(chunk));
  const received = async (length: number) => {
    while (Buffer.concat(chunks).length < length) await once(peer, 'data');
    return Buffer.concat(chunks);
  };
  return { socket, peer, received };
}

/** Returns a client whose server sends these bytes directly behind its response. */
async function told(by: Implementation, octets: string, options: Options): Promise<WebSocket> {
  const raw = await server(({ accept }) => Buffer.concat([Buffer.from(switching(accept)), fromHex(octets)]));
  return client(by, url(raw), options);
}

const url = ({ port }: RawServer) => `ws://127.0.0.1:${port}/`;

describe.each(Object.entries(implementations))('generateMask of a client of %s', (_name, by) => {
  test('fills four bytes for each masked frame with a payload', async () => {
    const calls: unknown[] = [];
    const generateMask = (...parameters: [Buffer]) => {
      const [mask] = parameters;
      calls.push([parameters.length, Buffer.isBuffer(mask), mask.length]);
      mask.set([1, 2, 3, calls.length]);
    };
    const { socket, received } = await open(by, { generateMask });
    socket.send('abcd');
    socket.send(Buffer.alloc(0));
    socket.ping();
    socket.pong('x');
    socket.send('abcd', { mask: false });
    socket.send('a', { fin: false });
    socket.send('b');
    socket.close(1000);
    const expected = fromHex(
      `81 84 01020301 60606065   82 80 01020302   89 80 01020303   8a 81 01020304 79
       81 04 61626364   01 81 01020305 60   80 81 01020306 63   88 82 01020307 02ea`,
    );
    expect(await received(expected.length)).toEqual(expected);
    expect(calls).toEqual(Array(7).fill([1, true, 4]));
  });

  test('must fill them synchronously: later changes affect the next frame', async () => {
    const generateMask = (mask: Buffer) => void setImmediate(() => mask.fill(9));
    const { socket, received } = await open(by, { generateMask });
    socket.send('abcd');
    await settle();
    socket.send('abcd');
    const expected = fromHex('81 84 00000000 61626364   81 84 09090909 686b6a6d');
    expect(await received(expected.length)).toEqual(expected);
  });

  test('may throw, out of send, ping and pong', async () => {
    const mistake = new Error('mine');
    const generateMask = () => {
      throw mistake;
    };
    const { socket } = await open(by, { generateMask });
    for (const call of [() => socket.send('a'), () => socket.send(''), () => socket.ping(), () => socket.pong('a')])
      expect(call).toThrow(mistake);
    expect([socket.readyState, socket.bufferedAmount]).toEqual([1, 0]);
  });
});

describe.each(Object.entries(implementations))('an option of a client of %s:', (_name, by) => {
  test.each([true, false, {}, { threshold: 5, clientMaxWindowBits: 10 }, null, undefined])(
    'perMessageDeflate %j connects without compression if the server does not support it',
    async (perMessageDeflate) => {
      const { socket } = await open(by, { perMessageDeflate: perMessageDeflate as boolean });
      expect([socket.readyState, socket.extensions]).toEqual([1, '']);
    },
  );

  test.each<[maxPayload: unknown, isStopped: boolean]>([
    [2, true],
    [3, false],
    ['2', true],
    [2.9, true],
    [0, false],
    [-1, false],
    ['nonsense', false],
    [null, false],
    [Number.NaN, false],
  ])('maxPayload %j stops a message of three bytes: %j', async (maxPayload, isStopped) => {
    const socket = await told(by, '82 03 010203', { maxPayload: maxPayload as number });
    const { log, closed } = watch(socket);
    socket.on('message', (data) => {
      log.push(`message ${(data as Buffer).toString('hex')}`);
      socket.terminate();
    });
    await closed;
    const stopped = 'error RangeError: Max payload size exceeded (WS_ERR_UNSUPPORTED_MESSAGE_LENGTH) [2]';
    expect(log.slice(2, -1)).toEqual([isStopped ? stopped : 'message 010203']);
  });

  test('maxPayload, if exceeded, is reported to the server as 1009', async () => {
    const { peer, received } = await open(by, { maxPayload: 2, generateMask: (mask) => void mask.fill(0) });
    peer.write(fromHex('82 03 010203'));
    expect(await received(8)).toEqual(fromHex('88 82 00000000 03f1'));
  });

  test.each([
    [true, '8a 81 00000000 61'],
    [undefined, '8a 81 00000000 61'],
    [false, ''],
  ])('autoPong %j answers a ping with "%s", before the next message of ours', async (autoPong, answer) => {
    const options = autoPong === undefined ? {} : { autoPong };
    const { socket, peer, received } = await open(by, { ...options, generateMask: (mask) => void mask.fill(0) });
    peer.write(fromHex('89 01 61'));
    await once(socket, 'ping');
    socket.send('b');
    const expected = fromHex(`${answer} 81 81 00000000 62`);
    expect(await received(expected.length)).toEqual(expected);
  });

  test.each<[allowSynchronousEvents: boolean | undefined, expected: string[]]>([
    [true, ['a', 'b', 'tick a', 'tick b']],
    [undefined, ['a', 'b', 'tick a', 'tick b']],
    [false, ['a', 'tick a', 'b', 'tick b']],
  ])('allowSynchronousEvents %j delivers two messages of one chunk in the order %j', async (allowed, expected) => {
    const options = allowed === undefined ? {} : { allowSynchronousEvents: allowed };
    const socket = await told(by, '81 01 61  81 01 62', options);
    const order: string[] = [];
    socket.on('message', (data) => {
      order.push(String(data));
      process.nextTick(() => order.push(`tick ${data}`));
    });
    while (order.length < 4) await settle();
    expect(order).toEqual(expected);
  });

  test.each<[skipUTF8Validation: boolean, expected: string]>([
    [true, 'message ff'],
    [false, 'WS_ERR_INVALID_UTF8'],
  ])('skipUTF8Validation %j delivers "%s" for a byte that is not valid text', async (skipUTF8Validation, expected) => {
    const socket = await told(by, '81 01 ff', { skipUTF8Validation });
    const seen = new Promise((resolve) => {
      socket.on('message', (data) => resolve(`message ${(data as Buffer).toString('hex')}`));
      socket.on('error', (error: Error & { code?: string }) => resolve(error.code));
    });
    expect(await seen).toBe(expected);
  });

  test('closeTimeout cuts off a server that does not answer a close frame', async () => {
    const { socket } = await open(by, { closeTimeout: 30 });
    const begun = performance.now();
    socket.close();
    expect((await once(socket, 'close'))[0]).toBe(1006);
    expect(performance.now() - begun).toBeGreaterThan(25);
  });
});

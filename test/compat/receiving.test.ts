import { on, once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { fromClient, fromServer } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import { connectPair, implementations, listen, rawClient } from '../support/peers.ts';
import { memoryServer, switching } from '../support/raw-server.ts';
import { until } from '../support/until.ts';

/** Describes the type and content of received data. */
async function described(data: unknown): Promise<string> {
  if (Buffer.isBuffer(data)) return `Buffer ${data}`;
  if (data instanceof ArrayBuffer) return `ArrayBuffer ${Buffer.from(data)}`;
  if (data instanceof Blob) return `Blob ${await data.text()}`;
  if (Array.isArray(data)) return `[${data.map(String).join(',')}]`;
  return `${typeof data} ${data}`;
}

describe.each(Object.entries(implementations))('a WebSocket of %s', (_name, by) => {
  test.each([
    ['nodebuffer', ['Buffer whole', 'Buffer ', 'Buffer abcd', 'Buffer ', `Buffer ${'x'.repeat(5000)}`]],
    [
      'arraybuffer',
      ['ArrayBuffer whole', 'ArrayBuffer ', 'ArrayBuffer abcd', 'ArrayBuffer ', `ArrayBuffer ${'x'.repeat(5000)}`],
    ],
    ['blob', ['Blob whole', 'Blob ', 'Blob abcd', 'Blob ', `Blob ${'x'.repeat(5000)}`]],
    ['fragments', ['[whole]', '[]', '[ab,cd]', '[]', `[${'x'.repeat(5000)}]`]],
  ] as const)('delivers binary data according to binaryType %s, and text always the same', async (type, expected) => {
    await using peers = await listen(by);
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    served.binaryType = type;
    expect(served.binaryType).toBe(type);
    served.binaryType = 'bogus' as 'blob';
    expect(served.binaryType).toBe(type);
    const emitted: unknown[] = [];
    const events: unknown[] = [];
    served.on('message', (data, isBinary) => emitted.push(isBinary ? data : `text ${data}`));
    served.onmessage = ({ data }) => events.push(data);
    raw.write(
      Buffer.concat([
        fromClient(2, 'whole'),
        fromClient(1, 'text'),
        fromClient(2),
        fromClient(2, 'ab', false),
        fromClient(0, '', false),
        fromClient(0, 'cd'),
        fromClient(2, '', false),
        fromClient(0),
        fromClient(1, 'a', false),
        fromClient(0, 'b'),
      ]),
    );
    const large = fromClient(2, 'x'.repeat(5000));
    raw.write(large.subarray(0, 100));
    await until(() => emitted.length === 6);
    raw.write(large.subarray(100));
    await until(() => emitted.length === 7);
    const texts = { at1: 'string text text', at5: 'string text ab' };
    expect(await Promise.all(emitted.map(described))).toEqual([
      expected[0],
      texts.at1,
      expected[1],
      expected[2],
      expected[3],
      texts.at5,
      expected[4],
    ]);
    expect(await Promise.all(events.map(described))).toEqual([
      expected[0],
      'string text',
      expected[1],
      expected[2],
      expected[3],
      'string ab',
      expected[4],
    ]);
  });

  test('with allowSynchronousEvents off delivers each event in its own turn, in order', async () => {
    await using peers = await listen(by, 'tcp', { allowSynchronousEvents: false });
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const log: string[] = [];
    let turns = 0;
    const note = (text: string) => {
      log.push(text);
      turns++;
      // If two events shared a turn, or the second came first in the next turn, it would precede these marks.
      process.nextTick(() => log.push('.'));
      queueMicrotask(() => log.push('.'));
      setImmediate(() => log.push('!'));
    };
    served.on('message', (data) => note(`message ${data}`));
    served.on('ping', (data) => note(`ping ${data}`));
    served.on('pong', (data) => note(`pong ${data}`));
    raw.write(
      Buffer.concat([
        fromClient(1, 'a'),
        fromClient(9, 'b'),
        fromClient(10, 'c'),
        fromClient(2, 'd'),
        fromClient(8, fromHex('03 e8')),
      ]),
    );
    const [code] = await once(served, 'close');
    expect(code).toBe(1000);
    expect(turns).toBe(4);
    const rest = ['.', '.', '!'];
    // The kernel determines whether the last immediate precedes the end.
    expect(log.slice(0, 15)).toEqual([
      'message a',
      ...rest,
      'ping b',
      ...rest,
      'pong c',
      ...rest,
      'message d',
      '.',
      '.',
    ]);
    raw.destroy();
  });

  test('a message that comes with the response is lost behind `await once(open)`, unless a listener was added before', async () => {
    const greeting = fromServer(1, 'welcome');
    const { createConnection } = memoryServer(({ accept }) =>
      Buffer.concat([Buffer.from(switching(accept)), greeting]),
    );
    const late: string[] = [];
    const careless = new by.WebSocket('ws://a.example/', { createConnection } as object);
    await once(careless, 'open');
    careless.on('message', (data) => late.push(String(data)));

    const careful = new by.WebSocket('ws://a.example/', { createConnection } as object);
    const messages = on(careful, 'message');
    await once(careful, 'open');
    const { value } = await messages.next();
    expect(String(value[0])).toBe('welcome');
    expect(late).toEqual([]);
    careless.terminate();
    careful.terminate();
  });

  test('uses the options at the time of the connection: a server may change them between connections', async () => {
    await using peers = await listen(by, 'tcp', { maxPayload: 10 });
    const first = await connectPair(peers, by);
    Object.assign(peers.server.options, { maxPayload: 3, autoPong: false });
    const second = await connectPair(peers, by);
    // The first socket received the message that was current when it was sent.
    const message = once(first.served, 'message');
    const pong = once(first.client, 'pong');
    first.client.send('abcd');
    first.client.ping();
    await Promise.all([message, pong]);
    const ping = once(second.served, 'ping');
    const error = once(second.served, 'error').catch((thrown) => [thrown]);
    const ponged = vi.fn();
    second.client.on('pong', ponged);
    second.client.ping();
    await ping;
    const seen = new Promise<NodeJS.ErrnoException>((resolve) => second.served.on('error', resolve));
    second.client.send('abcd');
    expect((await seen).code).toBe('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
    await error;
    expect((await once(second.client, 'close'))[0]).toBe(1009);
    expect(ponged).not.toHaveBeenCalled();
  });

  test.each([
    [0, 'no limit'],
    [-1, 'no limit'],
    [5, 5],
    ['5', 5],
    [5.9, 5],
  ])('uses maxPayload %j as %s', async (maxPayload, limit) => {
    await using peers = await listen(by, 'tcp', { maxPayload: maxPayload as number });
    const { client, served } = await connectPair(peers, by);
    const errors: string[] = [];
    served.on('error', ({ message }) => errors.push(message));
    const events = new Promise((resolve) =>
      served.on('message', (data) => String(data) === 'sixsix' && resolve(0)).on('close', resolve),
    );
    client.send('fives');
    client.send('sixsix');
    await events;
    expect(errors).toEqual(limit === 5 ? ['Max payload size exceeded'] : []);
  });

  test('with skipUTF8Validation checks neither text nor close reasons', async () => {
    await using peers = await listen(by, 'tcp', { skipUTF8Validation: true });
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const message = once(served, 'message');
    const closed = once(served, 'close');
    raw.write(Buffer.concat([fromClient(1, fromHex('c3 28')), fromClient(8, fromHex('03 e8 ff'))]));
    expect(await message).toEqual([fromHex('c3 28'), false]);
    expect(await closed).toEqual([1000, fromHex('ff')]);
    raw.destroy();
  });
});

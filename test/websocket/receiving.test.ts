import { once } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from '../../src/index.ts';
import { fromClient } from '../support/from-client.ts';
import { connectPair, hex, implementations, listen, memoryPair, rawClient } from '../support/peers.ts';
import { captureUncaught } from '../support/uncaught.ts';

const { goodwire } = implementations;

/** What came as which type, readable. */
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
  ] as const)('delivers binary data as binaryType %s says, and text as it always does', async (type, expected) => {
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
    await vi.waitUntil(() => emitted.length === 6, { interval: 1 });
    raw.write(large.subarray(100));
    await vi.waitUntil(() => emitted.length === 7, { interval: 1 });
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

  test('with allowSynchronousEvents off delivers each event in a turn of its own, in order', async () => {
    await using peers = await listen(by, 'tcp', { allowSynchronousEvents: false });
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const log: string[] = [];
    let turns = 0;
    const note = (text: string) => {
      log.push(text);
      turns++;
      // Where two events shared a turn, the second would come before these.
      process.nextTick(() => log.push('.'));
      queueMicrotask(() => log.push('.'));
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
        fromClient(8, hex('03 e8')),
      ]),
    );
    const [code] = await once(served, 'close');
    expect(code).toBe(1000);
    expect(turns).toBe(4);
    expect(log).toEqual(['message a', '.', '.', 'ping b', '.', '.', 'pong c', '.', '.', 'message d', '.', '.']);
    raw.destroy();
  });

  test('takes the options as they are when a client comes: a server may change them between two', async () => {
    await using peers = await listen(by, 'tcp', { maxPayload: 10 });
    const first = await connectPair(peers, by);
    Object.assign(peers.server.options, { maxPayload: 3, autoPong: false });
    const second = await connectPair(peers, by);
    // The first has what was said when it came.
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
  ])('takes maxPayload %j for %s', async (maxPayload, limit) => {
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

  test('with skipUTF8Validation looks neither at text nor at close reasons', async () => {
    await using peers = await listen(by, 'tcp', { skipUTF8Validation: true });
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const message = once(served, 'message');
    const closed = once(served, 'close');
    raw.write(Buffer.concat([fromClient(1, hex('c3 28')), fromClient(8, hex('03 e8 ff'))]));
    expect(await message).toEqual([hex('c3 28'), false]);
    expect(await closed).toEqual([1000, hex('ff')]);
    raw.destroy();
  });

  test('masks with the keys that generateMask gives', async () => {
    await using peers = await listen(by);
    const generateMask = vi.fn((mask: Buffer) => {
      mask.fill(7);
    });
    const { client, served } = await connectPair(peers, by, { generateMask });
    const message = once(served, 'message');
    client.send('masked');
    expect(String((await message)[0])).toBe('masked');
    expect(generateMask).toHaveBeenCalledOnce();
    expect(generateMask.mock.calls[0]![0]).toHaveLength(4);
  });
});

describe('what ws does not promise', () => {
  test('a maxPayload above 4 GiB is what it says, and not its lower 32 bits', async () => {
    await using peers = await listen(goodwire, 'tcp', { maxPayload: 2 ** 32 + 5 });
    for (const [length, code] of [
      ['00000001 00000005', undefined],
      ['00000001 00000006', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'],
    ] as const) {
      const accepted = once(peers.server, 'connection');
      const raw = await rawClient(peers);
      const [served] = (await accepted) as [WebSocket];
      const errors: unknown[] = [];
      served.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code));
      const closed = new Promise((resolve) => served.on('close', resolve));
      raw.end(hex(`82 ff ${length} 00000000 01`));
      await closed;
      expect(errors).toEqual(code === undefined ? [] : [code]);
      raw.destroy();
    }
  });

  test('settings are made once for all clients, as long as no option is changed', async () => {
    await using peers = await listen(goodwire);
    const setSocket = vi.spyOn(WebSocket.prototype, 'setSocket');
    try {
      await connectPair(peers, goodwire);
      await connectPair(peers, goodwire);
      for (const [name, value] of [
        ['maxPayload', 5],
        ['maxFragments', 5],
        ['skipUTF8Validation', true],
        ['autoPong', false],
        ['closeTimeout', 5],
        ['allowSynchronousEvents', false],
      ] as const) {
        Object.assign(peers.server.options, { [name]: value });
        await connectPair(peers, goodwire);
      }
      const settings = setSocket.mock.calls
        .map(([, , options]) => options?.settings)
        .filter((one) => one !== undefined);
      expect(settings).toHaveLength(8);
      expect(settings[0]).toBe(settings[1]);
      expect(new Set(settings).size).toBe(7);
    } finally {
      setSocket.mockRestore();
    }
  });

  test.each([true, false])(
    'a listener that throws loses no message behind it (allowSynchronousEvents %s)',
    async (sync) => {
      using uncaught = captureUncaught();
      await using peers = await listen(goodwire, 'tcp', { allowSynchronousEvents: sync });
      const accepted = once(peers.server, 'connection');
      const raw = await rawClient(peers);
      const [served] = (await accepted) as [WebSocket];
      const log: string[] = [];
      for (const event of ['message', 'ping', 'pong']) {
        served.on(event, (data) => {
          log.push(String(data));
          throw new Error(`at ${data}`);
        });
      }
      raw.write(
        Buffer.concat([
          fromClient(1, 'a'),
          fromClient(9, 'b'),
          fromClient(10, 'c'),
          fromClient(1, 'd'),
          fromClient(8, hex('03 e8')),
        ]),
      );
      expect((await once(served, 'close'))[0]).toBe(1000);
      expect(log).toEqual(['a', 'b', 'c', 'd']);
      expect(uncaught.exceptions.map(({ message }) => message)).toEqual(['at a', 'at b', 'at c', 'at d']);
      raw.destroy();
    },
  );

  test('binaryType "fragments" chosen inside of a fragmented message counts from the next one on', async () => {
    const { client, served } = memoryPair();
    const seen: unknown[] = [];
    served.on('message', (data) => seen.push(data));
    client.send(Buffer.from('a'), { fin: false });
    await immediate();
    served.binaryType = 'fragments';
    client.send(Buffer.from('b'), { fin: true });
    client.send(Buffer.from('c'), { fin: false });
    client.send(Buffer.from('d'));
    await immediate();
    await immediate();
    expect(seen).toEqual([Buffer.from('ab'), [Buffer.from('c'), Buffer.from('d')]]);
    client.terminate();
  });

  test('an ArrayBuffer holds the message and nothing of its neighbours', async () => {
    const { client, served } = memoryPair();
    served.binaryType = 'arraybuffer';
    const sizes: number[] = [];
    served.on('message', (data) => sizes.push((data as ArrayBuffer).byteLength));
    for (const size of [0, 1, 100, 5000, 70_000]) client.send(Buffer.alloc(size));
    await vi.waitUntil(() => sizes.length === 5, { interval: 1 });
    expect(sizes).toEqual([0, 1, 100, 5000, 70_000]);
    client.terminate();
  });

  test('a class of the application that extends WebSocket is what a server makes', async () => {
    class Mine extends WebSocket {
      readonly extra = 'mine';
    }
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', WebSocket: Mine });
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    const [served] = (await once(server, 'connection')) as [Mine];
    expect(served.extra).toBe('mine');
    expect(served).toBeInstanceOf(Mine);
    await once(client, 'open');
    client.terminate();
    await new Promise((resolve) => server.close(resolve));
  });
});

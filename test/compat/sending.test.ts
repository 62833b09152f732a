import { once } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { fromClient, fromServer } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import { connectPair, implementations, listen, rawClient } from '../support/peers.ts';
import { withTimeLimit } from '../support/time-limit.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { until } from '../support/until.ts';

// biome-ignore lint/suspicious/noExplicitAny: values of any type that programs may pass
type Anything = any;

const words = new Uint16Array([1, 2, 3, 4]).subarray(1, 3);
const view = new DataView(new Uint8Array([9, 8, 7, 6]).buffer, 1, 2);

function shared(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(3);
  new Uint8Array(buffer).set([1, 2, 3]);
  return buffer;
}

/** Data to send, and its expected bytes and type on arrival. */
const kinds: readonly [name: string, data: () => Anything, octets: Buffer, isBinary: boolean][] = [
  ['a string', () => 'hé', Buffer.from('hé'), false],
  ['a lone surrogate', () => 'a\ud800', Buffer.from('a\ufffd'), false],
  ['an empty string', () => '', Buffer.alloc(0), false],
  ['a number', () => 42, Buffer.from('42'), false],
  ['0', () => 0, Buffer.from('0'), false],
  ['NaN', () => Number.NaN, Buffer.from('NaN'), false],
  ['a Buffer', () => Buffer.from('b'), Buffer.from('b'), true],
  ['an ArrayBuffer', () => new Uint8Array([1, 2]).buffer, fromHex('01 02'), true],
  ['a SharedArrayBuffer', shared, fromHex('01 02 03'), true],
  ['words at an offset', () => words, fromHex('02 00 03 00'), true],
  ['doubles', () => new Float64Array([1.5]), fromHex('00 00 00 00 00 00 f8 3f'), true],
  ['a DataView at an offset', () => view, fromHex('08 07'), true],
  ['a Blob', () => new Blob(['blob']), Buffer.from('blob'), true],
  ['an array of octets', () => [1, 2, 300], fromHex('01 02 2c'), true],
  ['something like an array', () => ({ length: 2, 0: 1, 1: 2 }), fromHex('01 02'), true],
  ['the JSON of a Buffer', () => ({ type: 'Buffer', data: [1, 2] }), fromHex('01 02'), true],
  ['an object with a valueOf', () => ({ valueOf: () => 'vo' }), Buffer.from('vo'), true],
  ['an object that becomes a string', () => ({ [Symbol.toPrimitive]: () => 'tp' }), Buffer.from('tp'), true],
  ['undefined', () => undefined, Buffer.alloc(0), true],
  ['null', () => null, Buffer.alloc(0), true],
  ['false', () => false, Buffer.alloc(0), true],
];

const refused: readonly [name: string, data: Anything][] = [
  ['true', true],
  ['an object', {}],
  ['a symbol', Symbol('x')],
  ['a bigint', 10n],
  ['a function', () => {}],
];

describe.each(Object.entries(implementations))('a WebSocket of %s', (_name, implementation) => {
  test('sends every kind of data, from the client and from the server', async () => {
    await using peers = await listen(implementation);
    const { client, served } = await connectPair(peers, implementation);
    for (const [from, to] of [
      [client, served],
      [served, client],
    ] as const) {
      for (const [name, data, octets, isBinary] of kinds) {
        const message = once(to, 'message');
        from.send(data());
        expect([name, ...(await message)]).toEqual([name, octets, isBinary]);
      }
      const asText = once(to, 'message');
      from.send(Buffer.from('as text'), { binary: false });
      expect(await asText).toEqual([Buffer.from('as text'), false]);
      const asBinary = once(to, 'message');
      from.send('as binary', { binary: true });
      expect(await asBinary).toEqual([Buffer.from('as binary'), true]);
    }
  });

  test.each(refused)('refuses to send %s with a TypeError, and stays open', async (_kind, data) => {
    await using peers = await listen(implementation);
    const { client, served } = await connectPair(peers, implementation);
    expect(() => client.send(data)).toThrow(TypeError);
    // For ping() a function is the callback.
    if (typeof data !== 'function') expect(() => client.ping(data)).toThrow(TypeError);
    const message = once(served, 'message');
    client.send('still open');
    expect(String((await message)[0])).toBe('still open');
  });

  test('sends pings and pongs of every kind of data with up to 125 bytes', async () => {
    await using peers = await listen(implementation, 'tcp', { autoPong: false });
    const { client, served } = await connectPair(peers, implementation);
    for (const kind of ['ping', 'pong'] as const) {
      for (const [name, data, octets] of kinds) {
        const event = once(served, kind);
        client[kind](data());
        expect([name, ...(await event)]).toEqual([name, octets]);
      }
      for (const long of [
        'x'.repeat(126),
        Buffer.alloc(126),
        'é'.repeat(63),
        new Blob(['x'.repeat(126)]),
      ] as Anything[]) {
        expect(() => client[kind](long)).toThrow(new RangeError('The data size must not be greater than 125 bytes'));
      }
      const longest = once(served, kind);
      client[kind]('é'.repeat(62));
      expect((await longest)[0]).toEqual(Buffer.from('é'.repeat(62)));
    }
  });

  test('accepts the callback of a ping or pong in every position, and calls it without an error', async () => {
    await using peers = await listen(implementation);
    const { client } = await connectPair(peers, implementation);
    for (const kind of ['ping', 'pong'] as const) {
      const call = client[kind].bind(client) as (...args: unknown[]) => void;
      for (const args of [[], ['data'], ['data', true], ['data', undefined], [undefined, undefined]]) {
        const error = await new Promise((resolve) => call(...args, resolve));
        expect(error ?? undefined).toBeUndefined();
      }
    }
  });

  test('accepts missing options, and null as the callback', async () => {
    await using peers = await listen(implementation);
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const octets: Buffer[] = [];
    raw.on('data', (chunk) => octets.push(chunk));
    const send = served.send.bind(served) as (...args: unknown[]) => void;
    send('a', {});
    send('b', null);
    send('c', undefined);
    send('d', { compress: true });
    send('e', { binary: true, fin: true }, null);
    send('f', { mask: false });
    send('g', { fin: false });
    send('h', { fin: false, binary: true });
    const last = new Promise((resolve) => send(Buffer.from('i'), resolve));
    expect((await last) ?? undefined).toBeUndefined();
    const expected = fromHex(
      '81 01 61  81 01 62  81 01 63  81 01 64  82 01 65  81 01 66  01 01 67  00 01 68  80 01 69',
    );
    await until(() => Buffer.concat(octets).length >= expected.length);
    expect(Buffer.concat(octets)).toEqual(expected);
  });

  test('throws from send, ping and pong while it is connecting', () => {
    const socket = new implementation.WebSocket('ws://127.0.0.1:1');
    socket.on('error', () => {});
    for (const name of ['send', 'ping', 'pong'] as const) {
      const callback = vi.fn();
      expect(() => socket[name]('x', callback)).toThrow(new Error('WebSocket is not open: readyState 0 (CONNECTING)'));
      expect(callback).not.toHaveBeenCalled();
    }
    expect(socket.bufferedAmount).toBe(0);
  });

  test('passes the error to the callback of data that is too late, and counts its bytes as buffered', async () => {
    await withTimeLimit(200, async (closeTimeout) => {
      await using peers = await listen(implementation, 'tcp', { closeTimeout });
      const accepted = once(peers.server, 'connection');
      const raw = await rawClient(peers);
      const [served] = (await accepted) as [WebSocket];
      served.close(1000);
      await once(raw, 'data');
      for (const state of ['2 (CLOSING)', '3 (CLOSED)']) {
        let { bufferedAmount } = served;
        const message = `WebSocket is not open: readyState ${state}`;
        const late: [name: 'send' | 'ping' | 'pong', data: Anything, octets: number][] = [
          ['send', 'é', 2],
          ['send', 5, 1],
          ['send', Buffer.alloc(10), 10],
          ['send', words, 4],
          ['send', [1, 2], 2],
          ['send', new Blob(['four']), 4],
          ['send', undefined, 0],
          ['send', false, 0],
          ['ping', 'abc', 3],
          ['ping', undefined, 0],
          ['ping', 'x'.repeat(200), 200],
          ['pong', new Blob(['x']), 1],
        ];
        for (const [name, data, octets] of late) {
          let isSync = true;
          const error = new Promise((resolve) =>
            served[name](data, (thrown) => resolve([isSync, (thrown as Error).message])),
          );
          isSync = false;
          bufferedAmount += octets;
          expect([name, data, served.bufferedAmount]).toEqual([name, data, bufferedAmount]);
          expect(await error).toEqual([false, message]);
        }
        expect(() => served.send({} as Anything)).toThrow(TypeError);
        served.send('no callback');
        served.send('null', {}, null as Anything);
        if (state.startsWith('2')) await once(served, 'close');
      }
      raw.destroy();
    });
  });

  test('sends Blobs in order: later data waits, including a ping and close()', async () => {
    await using peers = await listen(implementation);
    const { client, served } = await connectPair(peers, implementation);
    const log: string[] = [];
    served.on('message', (data, isBinary) => log.push(`${data} ${isBinary}`));
    served.on('ping', (data) => log.push(`ping ${data}`));
    served.on('close', (code, reason) => log.push(`close ${code} ${reason}`));
    const called: string[] = [];
    const callback = (name: string) => (error?: Error | null) => called.push(error ? `${name} ${error.message}` : name);
    client.send('1', callback('1'));
    client.send(new Blob(['two']), callback('two'));
    client.send('3', callback('3'));
    client.ping('4', undefined, callback('4'));
    client.send(new Blob(['fi']), { binary: false, fin: false }, callback('fi'));
    client.send(new Blob(['ve']), callback('ve'));
    client.close(1000, 'bye');
    expect(client.readyState).toBe(2);
    client.send('late', callback('late'));
    await Promise.all([once(client, 'close'), once(served, 'close')]);
    expect(log).toEqual(['1 false', 'two true', '3 false', 'ping 4', 'five false', 'close 1000 bye']);
    expect(called.filter((name) => !name.startsWith('late'))).toEqual(['1', 'two', '3', '4', 'fi', 've']);
    expect(called).toContain('late WebSocket is not open: readyState 2 (CLOSING)');
  });

  test('sends earlier data, with a Blob among it, before its close frame if the peer closes', async () => {
    await using peers = await listen(implementation);
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const octets: Buffer[] = [];
    raw.on('data', (chunk) => octets.push(chunk));
    served.on('message', () => {
      served.send(new Blob(['blob']));
      served.send('behind');
    });
    raw.write(Buffer.concat([fromClient(1, 'go'), fromClient(8, fromHex('03 e8'))]));
    expect((await once(served, 'close'))[0]).toBe(1000);
    expect(Buffer.concat(octets)).toEqual(
      Buffer.concat([fromServer(2, 'blob'), fromServer(1, 'behind'), fromServer(8, fromHex('03 e8'))]),
    );
  });

  test('ends with the error of a Blob that cannot be read, after delivery of earlier data', async () => {
    await using peers = await listen(implementation);
    const { client, served } = await connectPair(peers, implementation);
    const log: unknown[] = [];
    client.on('error', (error) => log.push([error.message, client.readyState]));
    client.on('close', (code) => log.push(['close', code, client.readyState]));
    const messages: string[] = [];
    served.on('message', (data) => messages.push(String(data)));
    const cause = new Error('cannot be read');
    const blob = Object.assign(new Blob(['x']), { arrayBuffer: () => Promise.reject(cause) });
    const callbacks = vi.fn();
    client.send('before');
    client.send(blob, callbacks);
    client.send('after', callbacks);
    await Promise.all([new Promise((resolve) => client.on('close', resolve)), once(served, 'close')]);
    expect(log).toEqual([
      ['cannot be read', 2],
      ['close', 1006, 3],
    ]);
    expect(messages).toEqual(['before']);
    expect(callbacks.mock.calls[0]).toEqual([cause]);
    expect(callbacks.mock.calls[1]).toEqual([expect.any(Error)]);
  });

  test('throws such an error as an uncaught exception if a client has no error listener', async () => {
    using uncaught = captureUncaught();
    await using peers = await listen(implementation);
    const { client } = await connectPair(peers, implementation);
    client.send(Object.assign(new Blob(['x']), { arrayBuffer: () => Promise.reject(new Error('nobody listens')) }));
    await new Promise((resolve) => client.on('close', resolve));
    await immediate();
    expect(uncaught.exceptions).toEqual([new Error('nobody listens')]);
    expect(uncaught.rejections).toEqual([]);
  });

  test('is not affected if a small Buffer, also of a ping, is changed after the call', async () => {
    await using peers = await listen(implementation);
    const { client, served } = await connectPair(peers, implementation);
    for (const [from, to] of [
      [client, served],
      [served, client],
    ] as const) {
      const events = [once(to, 'message'), once(to, 'ping')];
      const message = Buffer.from('as it was');
      const ping = Buffer.from('ping');
      from.send(message);
      message.fill('?');
      from.ping(ping);
      ping.fill('?');
      expect((await Promise.all(events)).map(([data]) => String(data))).toEqual(['as it was', 'ping']);
    }
  });
});

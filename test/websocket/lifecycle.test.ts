import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ProtocolError, WebSocket } from '../../src/index.ts';
import { fromClient } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import { connectPair, drain, implementations, listen, memoryPair, rawClient } from '../support/peers.ts';
import { reachedLimits } from '../support/reached-limits.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { eventually } from '../support/until.ts';

const { goodwire } = implementations;

afterEach(() => {
  vi.useRealTimers();
});

describe('closing', () => {
  test('a client leaves it to the server to end the TCP connection, and ends it after a second if the server does not', async () => {
    const { client, servedStream } = memoryPair();
    const ended = vi.fn();
    servedStream.removeAllListeners('data').removeAllListeners('end').on('end', ended);
    const octets: Buffer[] = [];
    servedStream.on('data', (chunk) => octets.push(chunk));
    vi.useFakeTimers();
    client.close(1000);
    await vi.advanceTimersByTimeAsync(0);
    servedStream.write(fromHex('88 02 03 e8'));
    await vi.advanceTimersByTimeAsync(900);
    expect(Buffer.concat(octets).length).toBe(8);
    expect(ended).not.toHaveBeenCalled();
    const closed = once(client, 'close');
    await vi.advanceTimersByTimeAsync(200);
    expect(ended).toHaveBeenCalledOnce();
    servedStream.end();
    expect((await closed)[0]).toBe(1000);
    expect(client.wasClean).toBe(true);
  });

  test('a peer that never answers our close frame is cut off after closeTimeout', async () => {
    vi.useFakeTimers();
    const { served, clientStream } = memoryPair({ server: { closeTimeout: 5000 } });
    clientStream.removeAllListeners('data');
    clientStream.resume();
    const closed = vi.fn();
    served.on('close', closed);
    served.close(1000);
    await vi.advanceTimersByTimeAsync(4900);
    expect(closed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    expect(closed).toHaveBeenCalledExactlyOnceWith(1006, Buffer.alloc(0));
    expect(served.wasClean).toBe(false);
  });

  test('a closeTimeout that no timer can count is the longest that one can, and not a millisecond', async () => {
    vi.useFakeTimers();
    const { served, clientStream } = memoryPair({ server: { closeTimeout: Number.POSITIVE_INFINITY } });
    clientStream.removeAllListeners('data').resume();
    const closed = vi.fn();
    served.on('close', closed);
    served.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(closed).not.toHaveBeenCalled();
    served.terminate();
  });

  test('the default closeTimeout is 30 seconds', async () => {
    vi.useFakeTimers();
    const { served, clientStream } = memoryPair();
    clientStream.removeAllListeners('data').resume();
    const closed = vi.fn();
    served.on('close', closed);
    served.close();
    await vi.advanceTimersByTimeAsync(29_900);
    expect(closed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    expect(closed).toHaveBeenCalledOnce();
  });

  test('a peer that ends its side without a close frame is reported as 1006', async () => {
    await using peers = await listen(goodwire);
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const closed = once(served, 'close');
    raw.end();
    expect((await closed)[0]).toBe(1006);
    await drain(raw);
  });

  test('what was sent before close() and terminate() still goes out', async () => {
    await using peers = await listen(goodwire);
    for (const end of ['close', 'terminate'] as const) {
      const { client, served } = await connectPair(peers, goodwire);
      const messages: string[] = [];
      client.on('message', (data) => messages.push(String(data)));
      const closed = once(client, 'close');
      served.send('one');
      served.send('two');
      served[end]();
      await closed;
      expect(messages).toEqual(['one', 'two']);
    }
  });

  test('messages that the peer sent before it saw our close frame are still delivered, as in ws', async () => {
    const { client, served } = memoryPair();
    const messages: string[] = [];
    served.on('message', (data) => {
      messages.push(`${data} ${served.readyState}`);
      served.close(1000);
    });
    const closed = once(served, 'close');
    for (const text of ['1', '2', '3']) client.send(text);
    await closed;
    expect(messages).toEqual(['1 1', '2 2', '3 2']);
  });

  test('terminate() inside a message ends the delivery at once', async () => {
    const { client, served } = memoryPair();
    const messages: string[] = [];
    served.on('message', (data) => {
      messages.push(String(data));
      served.terminate();
    });
    const closed = once(served, 'close');
    for (const text of ['1', '2', '3']) client.send(text);
    await closed;
    expect(messages).toEqual(['1']);
  });

  test('close() and terminate() can be called in every state, and any number of times', async () => {
    const { client, served } = memoryPair();
    const closed = vi.fn();
    client.on('close', closed);
    const ended = once(client, 'close');
    client.close(1000, 'x');
    client.close(4000);
    client.close();
    client.terminate();
    client.terminate();
    await ended;
    served.terminate();
    client.close();
    client.terminate();
    await immediate();
    expect(closed).toHaveBeenCalledOnce();
    expect(client.readyState).toBe(3);
  });

  test.each([[999], [1004], [1005], [1006], [1015], [1016], [2999], [5000], [1.5], [Number.NaN]])(
    'close(%d) is refused, and the socket stays open',
    (code) => {
      const { client } = memoryPair();
      expect(() => client.close(code)).toThrow(TypeError);
      expect(client.readyState).toBe(1);
      client.terminate();
    },
  );

  test('a reason of 124 octets is refused, one of 123 is not, counted in UTF-8', async () => {
    const { client, served } = memoryPair();
    expect(() => client.close(1000, `${'é'.repeat(61)}xx`)).toThrow(RangeError);
    expect(client.readyState).toBe(1);
    const closed = once(served, 'close');
    client.close(1000, `${'é'.repeat(61)}x`);
    expect(String((await closed)[1])).toBe(`${'é'.repeat(61)}x`);
  });

  test('the close event comes after an error of the protocol, both exactly once, and the peer gets the right code', async () => {
    await using peers = await listen(goodwire);
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const events: unknown[] = [];
    served.on('error', (error: Error & { code?: string }) => events.push(['error', error.code, served.readyState]));
    served.on('close', (code) => events.push(['close', code, served.readyState]));
    served.on('message', () => events.push('message'));
    const rest = drain(raw);
    // A frame with RSV2, and behind it a valid message that must not be delivered.
    raw.write(fromHex('a1 80 00 00 00 00 81 80 00 00 00 00'));
    raw.write(fromHex('81 80 00 00 00 00'));
    expect(await rest).toEqual(fromHex('88 02 03 ea'));
    const closed = once(served, 'close');
    raw.end();
    await closed;
    expect(events).toEqual([
      ['error', 'WS_ERR_UNEXPECTED_RSV_2_3', 2],
      ['close', 1006, 3],
    ]);
  });

  test('a peer that goes on sending after a failure is not listened to, and cut off in the end', async () => {
    vi.useFakeTimers();
    const { served, clientStream } = memoryPair({ server: { closeTimeout: 1000 } });
    clientStream.removeAllListeners('data').resume();
    const message = vi.fn();
    const closed = vi.fn();
    served.on('message', message).on('close', closed);
    clientStream.write(fromHex('83 80 00 00 00 00'));
    for (let i = 0; i < 50; i++) {
      clientStream.write(Buffer.alloc(1000, 0x81));
      await vi.advanceTimersByTimeAsync(30);
    }
    expect(message).not.toHaveBeenCalled();
    expect(closed).toHaveBeenCalledOnce();
  });
});

describe('a server-accepted socket', () => {
  test('without a listener for errors survives a peer that breaks the protocol, and the error is published', async () => {
    await using peers = await listen(goodwire);
    const published: { error: { code?: string }; isHandled: boolean }[] = [];
    const listener = (message: unknown) => published.push(message as (typeof published)[0]);
    subscribe('goodwire:websocket:error', listener);
    try {
      const accepted = once(peers.server, 'connection');
      const raw = await rawClient(peers);
      const [served] = (await accepted) as [WebSocket];
      // Not once(), which would add a listener for errors.
      const closed = new Promise((resolve) => served.on('close', resolve));
      raw.write(fromHex('c1 80 00 00 00 00'));
      await drain(raw);
      raw.end();
      await closed;
      expect(published.map(({ error, isHandled }) => [error.code, isHandled])).toEqual([
        ['WS_ERR_UNEXPECTED_RSV_1', false],
      ]);
    } finally {
      unsubscribe('goodwire:websocket:error', listener);
    }
  });

  test('is closed with 1006 when the peer resets the connection, and no error event is emitted', async () => {
    await using peers = await listen(goodwire);
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const error = vi.fn();
    served.on('error', error);
    const closed = once(served, 'close');
    raw.resetAndDestroy();
    expect((await closed)[0]).toBe(1006);
    expect(error).not.toHaveBeenCalled();
  });
});

describe('a limit that the peer exceeds', () => {
  test.each([
    ['maxPayload', { maxPayload: 10 }, '82 8b 00 00 00 00', { limit: 'maxPayload', value: 10, received: 11 }],
    [
      'maxFragments',
      { maxFragments: 2 },
      '01 80 00 00 00 00 00 80 00 00 00 00 00 80 00 00 00 00',
      { limit: 'maxFragments', value: 2, received: 3 },
    ],
  ] as const)('is published: %s', async (_name, options, octets, message) => {
    const limits = reachedLimits();
    await using peers = await listen(goodwire, 'tcp', options);
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const closed = new Promise((resolve) => served.on('close', resolve));
    raw.write(fromHex(octets));
    await drain(raw);
    raw.end();
    await closed;
    expect(limits).toEqual([{ ...message, websocket: served }]);
  });

  test('is in the error, and nothing else that is not in ws', async () => {
    await using peers = await listen(goodwire, 'tcp', { maxPayload: 10 });
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const failed = once(served, 'error');
    raw.write(fromHex('82 8b 00 00 00 00'));
    const [error] = (await failed) as [ProtocolError];
    raw.destroy();
    expect(error.exceeded).toEqual({ limit: 10, received: 11 });
    expect(Object.keys(error)).not.toContain('exceeded');
  });
});

describe('a listener that throws', () => {
  test('loses none of the messages behind it', async () => {
    using uncaught = captureUncaught();
    const { client, served } = memoryPair();
    const messages: string[] = [];
    served.on('message', (data) => {
      messages.push(String(data));
      if (messages.length === 1) throw new Error(`no ${data}`);
    });
    for (const text of ['1', '2', '3', '4']) client.send(text);
    const closed = once(served, 'close');
    client.close(1000);
    expect((await closed)[0]).toBe(1000);
    expect(messages).toEqual(['1', '2', '3', '4']);
    expect(uncaught.exceptions).toEqual([new Error('no 1')]);
  });

  test('at several messages of one chunk, the last among them, does not stop the connection', async () => {
    using uncaught = captureUncaught();
    await using peers = await listen(implementations.goodwire);
    const accepted = once(peers.server, 'connection');
    const raw = await rawClient(peers);
    const [served] = (await accepted) as [WebSocket];
    const messages: string[] = [];
    const third = new Promise((resolve) => {
      served.on('message', (data) => {
        if (messages.push(String(data)) === 3) resolve(0);
        throw new Error(`no ${data}`);
      });
    });
    raw.write(Buffer.concat([fromClient(1, '1'), fromClient(1, '2')]));
    await eventually(() => expect(messages).toHaveLength(2));
    raw.write(fromClient(1, '3'));
    await third;
    expect(messages).toEqual(['1', '2', '3']);
    await eventually(() =>
      expect(uncaught.exceptions.map(String)).toEqual(['Error: no 1', 'Error: no 2', 'Error: no 3']),
    );
  });

  test('in a send callback does not keep the other callbacks from being called', async () => {
    const { client } = memoryPair();
    const uncaught = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve));
    try {
      const second = new Promise<void>((resolve) => {
        client.send('a', () => {
          throw new Error('first');
        });
        client.send('b', () => resolve());
      });
      await second;
      expect(await uncaught).toEqual(new Error('first'));
    } finally {
      process.setUncaughtExceptionCaptureCallback(null);
    }
    client.terminate();
  });
});

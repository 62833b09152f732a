import { EventEmitter, once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { CloseEvent, WebSocket } from '../../src/index.ts';
import { connectPair, implementations, listen } from '../support/peers.ts';

// biome-ignore lint/suspicious/noExplicitAny: values of any type that programs may pass
type Anything = any;

describe.each(Object.entries(implementations))('the listeners of a WebSocket of %s', (_name, implementation) => {
  async function pair(
    run: (client: WebSocket, say: (data: string | Buffer) => Promise<void>, served: WebSocket) => Promise<void>,
  ) {
    await using peers = await listen(implementation);
    const { client, served } = await connectPair(peers, implementation);
    const say = async (data: string | Buffer) => {
      const pong = once(client, 'ping');
      served.send(data);
      served.ping();
      await pong;
    };
    await run(client, say, served);
  }

  test('of both kinds are called in the order of addition', async () => {
    await pair(async (client, say) => {
      const log: string[] = [];
      client.addEventListener('message', () => log.push('1 added'));
      client.on('message', () => log.push('2 on'));
      client.onmessage = () => log.push('3 attribute');
      client.addEventListener('message', { handleEvent: () => log.push('4 object') });
      client.prependListener('message', () => log.push('0 prepended'));
      await say('x');
      expect(log).toEqual(['0 prepended', '1 added', '2 on', '3 attribute', '4 object']);
    });
  });

  test('receive an event with the right type, target, this and data', async () => {
    await pair(async (client, say) => {
      const seen: unknown[] = [];
      client.addEventListener('message', function (event) {
        seen.push([event.type, event.target === client, this === client, event.data, event.constructor.name]);
      });
      const object = {
        handleEvent(event: Anything) {
          seen.push([event.type, this === object]);
        },
      };
      client.addEventListener('message', object);
      await say('text');
      await say(Buffer.from('binary'));
      expect(seen).toEqual([
        ['message', true, true, 'text', 'MessageEvent'],
        ['message', true],
        ['message', true, true, Buffer.from('binary'), 'MessageEvent'],
        ['message', true],
      ]);
    });
  });

  test('are added once, however often, and called once with the once option', async () => {
    await pair(async (client, say) => {
      const log: string[] = [];
      const listener = () => log.push('listener');
      const object = { handleEvent: () => log.push('object') };
      client.addEventListener('message', listener);
      client.addEventListener('message', listener);
      client.addEventListener('message', object, { once: true });
      client.addEventListener('message', object);
      client.addEventListener('message', () => log.push('boolean options'), true as Anything);
      expect(client.listenerCount('message')).toBe(3);
      await say('1');
      expect(log).toEqual(['listener', 'object', 'boolean options']);
      await say('2');
      expect(log.slice(3)).toEqual(['listener', 'boolean options']);
    });
  });

  test('are removed by removeEventListener, but not an attribute with the same function', async () => {
    await pair(async (client, say) => {
      const log: string[] = [];
      const listener = () => log.push('called');
      client.addEventListener('message', listener, { once: true });
      client.removeEventListener('message', listener);
      client.removeEventListener('message', listener);
      client.removeEventListener('bogus' as Anything, listener);
      expect(client.listenerCount('message')).toBe(0);
      client.onmessage = listener;
      client.addEventListener('message', listener);
      client.removeEventListener('message', listener);
      expect(client.onmessage).toBe(listener);
      await say('x');
      expect(log).toEqual(['called']);
      client.removeAllListeners();
      expect(client.eventNames()).toEqual([]);
      expect(client.onmessage).toBe(null);
    });
  });

  test('in an attribute are replaced, and removed by null; only functions count', async () => {
    await pair(async (client, say) => {
      const log: string[] = [];
      expect([client.onopen, client.onmessage, client.onclose, client.onerror]).toEqual([null, null, null, null]);
      client.onmessage = () => log.push('first');
      client.on('message', () => log.push('on'));
      const second = () => log.push('second');
      client.onmessage = second;
      expect(client.onmessage).toBe(second);
      await say('x');
      // The new listener is appended, and does not take the place of the old one.
      expect(log).toEqual(['on', 'second']);
      client.onmessage = null;
      expect(client.onmessage).toBe(null);
      for (const none of ['text', 5, { handleEvent() {} }] as Anything[]) {
        client.onmessage = none;
        expect(client.onmessage).toBe(null);
      }
    });
  });

  test('can be added only for open, message, close and error', async () => {
    await pair(async (client) => {
      const before = client.eventNames();
      for (const type of ['ping', 'upgrade', 'bogus', '__proto__', 'constructor'] as Anything[]) {
        client.addEventListener(type, () => {});
      }
      expect(client.eventNames()).toEqual(before);
      expect(() => client.addEventListener('message', () => {}, null as Anything)).toThrow(TypeError);
    });
  });

  test('receive a close event with code, reason and wasClean, also in the attribute', async () => {
    await pair(async (client, _say, served) => {
      const seen: unknown[] = [];
      const note = (event: CloseEvent) => {
        const { type, code, reason, wasClean, target } = event;
        seen.push([type, code, reason, wasClean, target === client, event.constructor.name]);
      };
      client.addEventListener('close', note);
      client.onclose = note;
      const closed = once(client, 'close');
      served.close(4000, 'why – 为什么');
      await closed;
      const expected = ['close', 4000, 'why – 为什么', true, true, 'CloseEvent'];
      expect(seen).toEqual([expected, expected]);
    });
  });

  test('receive events emitted by the application, as with every EventEmitter', async () => {
    await pair(async (client) => {
      const log: unknown[] = [];
      client.onmessage = ({ data }) => log.push(data);
      client.onerror = ({ message, error }) => log.push([message, error]);
      client.onopen = ({ type }) => log.push(type);
      client.onclose = ({ code, reason }) => log.push([code, reason]);
      const error = new Error('own');
      client.emit('message', Buffer.from('own'), false);
      client.emit('error', error);
      client.emit('open');
      client.emit('close', 1000, Buffer.from('own'));
      expect(log).toEqual(['own', ['own', error], 'open', [1000, 'own']]);
      client.onclose = null;
    });
  });

  test('a socket is an EventEmitter with the constants of its states, and shows its attributes', async () => {
    await pair(async (client, _say, served) => {
      expect(client).toBeInstanceOf(EventEmitter);
      expect(client.constructor.name).toBe('WebSocket');
      const states = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
      for (const [name, value] of Object.entries(states)) {
        expect([client[name as 'OPEN'], implementation.WebSocket[name as 'OPEN']]).toEqual([value, value]);
      }
      const enumerable: string[] = [];
      for (const name in client) enumerable.push(name);
      expect(enumerable).toEqual(
        expect.arrayContaining([
          ...Object.keys(states),
          'binaryType',
          'bufferedAmount',
          'extensions',
          'isPaused',
          'protocol',
          'readyState',
          'url',
          'onopen',
          'onmessage',
          'onclose',
          'onerror',
          'addEventListener',
          'removeEventListener',
          'on',
          'emit',
        ]),
      );
      expect(served.url).toBeUndefined();
      // Applications add their own properties to sockets.
      Object.assign(client, { isAlive: true });
      expect((client as Anything).isAlive).toBe(true);
    });
  });
});

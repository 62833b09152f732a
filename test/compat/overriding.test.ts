import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { fromClient } from '../support/from-client.ts';
import { closed } from '../support/life.ts';
import { connectPair, type Implementation, implementations, listen, rawClient } from '../support/peers.ts';

type Method = 'pong' | 'close';
type Call = [method: Method, ...args: unknown[]];

/** Puts a method in the place of one of a socket's methods. It records each call, and passes it on if `passesOn` says so. */
type Override = (
  by: Implementation,
  method: Method,
  calls: Call[],
  passesOn?: boolean,
) => { WebSocket?: typeof WebSocket; afterwards?(socket: WebSocket): void };

function wrapped(of: WebSocket, method: Method, calls: Call[], passesOn: boolean) {
  const former = of[method] as (...args: unknown[]) => void;
  return function (this: WebSocket, ...args: unknown[]) {
    calls.push([
      method,
      ...args.map((one) => (Buffer.isBuffer(one) ? String(one) : typeof one === 'function' ? 'callback' : one)),
    ]);
    if (passesOn) former.apply(this, args);
  };
}

const overrides: Record<string, Override> = {
  'on the instance': (_by, method, calls, passesOn = true) => ({
    afterwards: (socket) => Object.assign(socket, { [method]: wrapped(socket, method, calls, passesOn) }),
  }),
  'in a subclass': (by, method, calls, passesOn = true) => {
    class Sub extends by.WebSocket {}
    Object.defineProperty(Sub.prototype, method, {
      value: wrapped(by.WebSocket.prototype, method, calls, passesOn),
    });
    return { WebSocket: Sub as unknown as typeof WebSocket };
  },
  'on the prototype': (by, method, calls, passesOn = true) => {
    const { prototype } = by.WebSocket;
    const former = Object.getOwnPropertyDescriptor(prototype, method)!;
    Object.defineProperty(prototype, method, { ...former, value: wrapped(prototype, method, calls, passesOn) });
    onTestFinished(() => void Object.defineProperty(prototype, method, former));
    return {};
  },
};

describe.each(Object.entries(implementations))(
  'a method of a WebSocket of %s that the application overrides',
  (_name, by) => {
    describe.each(Object.entries(overrides))('%s', (where, override) => {
      /** Returns a served socket with the override, and its client. */
      async function pairWith(method: Method, calls: Call[], passesOn = true) {
        const { WebSocket: Sub, afterwards } = override(by, method, calls, passesOn);
        const peers = await listen(by, 'tcp', Sub === undefined ? {} : { WebSocket: Sub });
        onTestFinished(() => peers[Symbol.asyncDispose]());
        const pair = await connectPair(peers, by);
        afterwards?.(pair.served);
        // On the prototype also the client has the override. Its calls are not those of the server's end.
        return { ...pair, ofServed: () => calls.filter(([one]) => one === method) };
      }

      test('pong() answers a ping', async () => {
        const calls: Call[] = [];
        const { client, served, ofServed } = await pairWith('pong', calls);
        const pinged: string[] = [];
        served.on('ping', () => pinged.push(`${ofServed().length} calls before the event`));
        const answered = once(client, 'pong');
        client.ping('why');
        expect(String((await answered)[0])).toBe('why');
        expect(ofServed()).toEqual([['pong', 'why', false, 'callback']]);
        expect(pinged).toEqual(['1 calls before the event']);
      });

      test('pong() that does nothing leaves a ping without an answer', async () => {
        const calls: Call[] = [];
        const { client, served, ofServed } = await pairWith('pong', calls, false);
        const pongs: string[] = [];
        client.on('pong', (data) => pongs.push(String(data)));
        const told = once(client, 'message');
        served.on('ping', () => served.send('behind'));
        client.ping('why');
        await told;
        expect(pongs).toEqual([]);
        expect(ofServed()).toEqual([['pong', 'why', false, 'callback']]);
      });

      test.each([
        ['with a code and a reason', (client: WebSocket) => client.close(3000, 'so'), ['close', 3000, 'so'], 3000],
        ['without a code', (client: WebSocket) => client.close(), ['close'], 1005],
      ])('close() answers a close frame %s', async (_title, begin, call, code) => {
        const calls: Call[] = [];
        const { client, served, ofServed } = await pairWith('close', calls);
        calls.length = 0;
        const ends = Promise.all([once(client, 'close'), once(served, 'close')]);
        begin(client);
        const before = where === 'on the prototype' ? 1 : 0;
        const [[clientCode], [servedCode]] = await ends;
        expect([clientCode, servedCode]).toEqual([code, code]);
        // A client that has begun the closing handshake has its own `close` called once more.
        expect(ofServed()[before]).toEqual(call);
      });

      test('close() is called with the close code when the peer violates the protocol', async () => {
        const calls: Call[] = [];
        const { WebSocket: Sub, afterwards } = override(by, 'close', calls);
        await using peers = await listen(by, 'tcp', Sub === undefined ? {} : { WebSocket: Sub });
        const accepted = once(peers.server, 'connection');
        const raw = await rawClient(peers);
        const [served] = (await accepted) as [WebSocket];
        afterwards?.(served);
        const events: string[] = [];
        served.on('error', () => events.push(`error after ${calls.length} calls`));
        const end = closed(served);
        raw.write(fromClient(3, ''));
        await end;
        raw.destroy();
        expect(calls[0]).toEqual(['close', 1002]);
        expect(events).toEqual(['error after 1 calls']);
      });
    });

    test('close() that calls the former one later lets the socket send until then', async () => {
      await using peers = await listen(by);
      const { client, served } = await connectPair(peers, by);
      const states: number[] = [];
      const messages: string[] = [];
      client.on('message', (data) => messages.push(String(data)));
      const { close } = served;
      Object.assign(served, {
        close(code: number, reason: Buffer) {
          states.push(served.readyState);
          served.send('last words');
          setImmediate(() => {
            served.send('really the last');
            close.call(served, code, reason);
            states.push(served.readyState);
          });
        },
      });
      const ends = Promise.all([once(client, 'close'), once(served, 'close')]);
      client.close(3000, 'so');
      expect((await ends).map(([code, reason]) => [code, String(reason)])).toEqual([
        [3000, 'so'],
        [3000, 'so'],
      ]);
      expect(messages).toEqual(['last words', 'really the last']);
      expect(states).toEqual([1, 2]);
    });
  },
);

import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { fromClient } from '../support/from-client.ts';
import { closed } from '../support/life.ts';
import { connectPair, implementations, listen, rawClient } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';

// Undocumented uses of a WebSocket by programs, which must keep working.

/** Socket with the fields that packages use; see test/compat/internals.test.ts. */
interface Reached {
  _socket: Duplex;
  _sender: { sendFrame(list: unknown[], callback?: unknown): void };
  _receiver: { _maxPayload: number; _binaryType: string; on(event: string, listener: () => void): unknown };
  _closeTimeout: number;
  _autoPong: boolean;
}
const reach = (socket: WebSocket) => socket as unknown as WebSocket & Reached;

/** Resolves with the messages of a socket after `count` messages. */
function messagesOf(socket: WebSocket, count: number): Promise<Buffer[]> {
  return new Promise((resolve) => {
    const messages: Buffer[] = [];
    socket.on('message', (data) => {
      if (messages.push(data as Buffer) === count) resolve(messages);
    });
  });
}

describe.each(Object.entries(implementations))('a program with a WebSocket of %s', (_name, by) => {
  test('replaces nextTick and setImmediate for a moment, as test frameworks do, without effect', async () => {
    await using peers = await listen(by);
    const [first, second] = [await connectPair(peers, by), await connectPair(peers, by)];
    const received = [messagesOf(first.served, 2), messagesOf(second.served, 1)];
    const { nextTick } = process;
    const immediate = globalThis.setImmediate;
    process.nextTick = () => {};
    globalThis.setImmediate = (() => {}) as unknown as typeof setImmediate;
    first.client.send('during');
    process.nextTick = nextTick;
    globalThis.setImmediate = immediate;
    first.client.send('after');
    second.client.send('another');
    expect((await Promise.all(received)).flat().map(String)).toEqual(['during', 'after', 'another']);
  });

  test.each([100, 8192, 8193, 20_000, 65_536, 100_000])(
    'reuses one Buffer of %i bytes for each message',
    async (size) => {
      await using peers = await listen(by);
      const { client, served } = await connectPair(peers, by);
      for (const [from, to] of [
        [client, served],
        [served, client],
      ] as const) {
        const received = messagesOf(to, 5);
        const buffer = Buffer.alloc(size);
        for (let i = 1; i <= 5; i++) from.send(buffer.fill(i));
        buffer.fill(0);
        expect((await received).map((data) => [data.length, data[0], data.at(-1)])).toEqual(
          [1, 2, 3, 4, 5].map((i) => [size, i, i]),
        );
      }
    },
  );

  test('reuses one Buffer for its answers, in the message event', async () => {
    await using peers = await listen(by);
    const { client, served } = await connectPair(peers, by);
    const buffer = Buffer.alloc(20_000);
    served.on('message', (data) => served.send(buffer.fill(Number(data))));
    const received = messagesOf(client, 3);
    for (const number of ['1', '2', '3']) client.send(number);
    expect((await received).map((data) => [data.length, data[0], data.at(-1)])).toEqual(
      [1, 2, 3].map((i) => [20_000, i, i]),
    );
  });

  test('ends the stream below after sending in the same tick, or writes to it', async () => {
    await using peers = await listen(by);
    const { client, served } = await connectPair(peers, by);
    const received = messagesOf(client, 3);
    served.send('first');
    reach(served)._socket.write(Buffer.from([0x81, 1, 0x61]));
    served.send('bye');
    reach(served)._socket.end();
    expect((await received).map(String)).toEqual(['first', 'a', 'bye']);
  });

  test('has the asynchronous context of each send in its callback', async () => {
    await using peers = await listen(by);
    const { client, served } = await connectPair(peers, by);
    const context = new AsyncLocalStorage<number>();
    const seen: unknown[] = [];
    const all = new Promise<void>((resolve) => {
      const note = () => {
        if (seen.push(context.getStore()) === 5) resolve();
      };
      for (const id of [1, 2, 3]) context.run(id, () => client.send('a', note));
      served.once('message', () => context.run(4, () => served.send('b', note)));
      context.run(5, () => client.ping('', undefined, note));
    });
    await all;
    expect([...seen].sort()).toEqual([1, 2, 3, 4, 5]);
  });

  test('changes an option of one socket in its own constructor, and of no other', async () => {
    let count = 0;
    class Chosen extends by.WebSocket {
      constructor(...args: ConstructorParameters<typeof WebSocket>) {
        super(...args);
        if (count++ === 0) {
          reach(this)._closeTimeout = 55;
          reach(this)._autoPong = false;
        }
      }
    }
    await using peers = await listen(by, 'tcp', { WebSocket: Chosen as unknown as typeof WebSocket });
    const first = await connectPair(peers, by);
    const second = await connectPair(peers, by);
    expect([first, second].map(({ served }) => reach(served)._closeTimeout)).toEqual([55, 30_000]);
    expect([first, second].map(({ served }) => reach(served)._autoPong)).toEqual([false, true]);
    expect(peers.server.options).toMatchObject({ closeTimeout: 30_000, autoPong: true });
    const ponged = vi.fn();
    first.client.on('pong', ponged);
    first.client.ping();
    first.client.send('behind');
    await once(first.served, 'message');
    second.client.ping();
    await once(second.client, 'pong');
    expect(ponged).not.toHaveBeenCalled();
  });

  test('replaces internal objects', async () => {
    const socket = reach(new by.WebSocket(null, undefined, {}));
    socket._socket = { remoteAddress: '192.0.2.1' } as unknown as Duplex;
    expect(socket._socket).toEqual({ remoteAddress: '192.0.2.1' });
    const server = new by.WebSocketServer({ noServer: true }) as unknown as { _server: unknown };
    server._server = 'mine';
    expect(server._server).toBe('mine');
  });

  test('raises _maxPayload in a message event, for messages of the same chunk', async () => {
    await using peers = await listen(by, 'tcp', { maxPayload: 100 });
    const accepted = once(peers.server, 'connection') as Promise<[WebSocket]>;
    const raw = await rawClient(peers);
    const [served] = await accepted;
    served.once('message', () => {
      reach(served)._receiver._maxPayload = 1000;
    });
    const received = messagesOf(served, 3);
    raw.write(Buffer.concat([fromClient(1, 'auth'), fromClient(1, 'x'.repeat(500)), fromClient(1, 'y'.repeat(500))]));
    expect((await received).map(({ length }) => length)).toEqual([4, 500, 500]);
    raw.destroy();
  });

  test('adds listeners to the _receiver, and sets its binary type', async () => {
    await using peers = await listen(by);
    const { served } = await connectPair(peers, by);
    reach(served)._receiver.on('conclude', () => {});
    reach(served)._receiver._binaryType = 'arraybuffer';
    expect(reach(served)._receiver._binaryType).toBe('arraybuffer');
  });

  test('sends frames of its own between the fragments of a message, with no callback or with null', async () => {
    await using peers = await listen(by);
    const { client, served } = await connectPair(peers, by);
    const received = messagesOf(client, 1);
    const pinged = once(client, 'ping');
    served.send('a', { fin: false });
    reach(served)._sender.sendFrame([Buffer.from([0x89, 1, 0x70])], null);
    reach(served)._sender.sendFrame([Buffer.from([0x00, 1]), Buffer.from('b')]);
    served.send('c', { fin: true });
    expect((await received).map(String)).toEqual(['abc']);
    expect(String((await pinged)[0])).toBe('p');
    expect(() => reach(served)._sender.sendFrame([5])).toThrow(TypeError);
    const end = closed(served);
    client.close(1000);
    await end;
  });

  test('calls handleUpgrade() with a request of its own', async () => {
    const server = new by.WebSocketServer({ noServer: true });
    const tcp = createServer((socket) => {
      const request = Object.assign(new IncomingMessage(socket), {
        method: 'GET',
        url: '/',
        headers: {
          upgrade: 'websocket',
          connection: 'Upgrade',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        },
      });
      server.handleUpgrade(request, socket, Buffer.alloc(0), (websocket) => websocket.terminate());
    });
    tcp.listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const port = portOf(tcp);
    const socket = connect(port, '127.0.0.1');
    const [head] = await once(socket, 'data');
    expect(String(head)).toMatch(/^HTTP\/1\.1 101 /);
    socket.destroy();
    await new Promise((resolve) => tcp.close(resolve));
  });

  test('cannot change OPEN', () => {
    for (const object of [by.WebSocket, by.WebSocket.prototype]) {
      expect(() => Object.assign(object, { OPEN: 9 })).toThrow(TypeError);
      expect(Reflect.deleteProperty(object, 'OPEN')).toBe(false);
    }
  });
});

test('a callback behind a Blob has the asynchronous context of its send, too', async () => {
  await using peers = await listen(implementations.goodwire);
  const { client } = await connectPair(peers, implementations.goodwire);
  const context = new AsyncLocalStorage<number>();
  const blobs: unknown[] = [];
  await new Promise<void>((resolve) => {
    for (const id of [1, 2]) {
      context.run(id, () =>
        client.send(new Blob(['x']), () => {
          if (blobs.push(context.getStore()) === 2) resolve();
        }),
      );
    }
  });
  expect(blobs).toEqual([1, 2]);
});

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { Duplex, duplexPair, PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { isInSlab } from '../../src/frame/slab-pool.ts';
import type { WebSocket } from '../../src/index.ts';
import { isNodeSocket, writesAtOnce } from '../../src/transport/node-socket.ts';
import { connectPair, implementations, listen, type Wire } from '../support/peers.ts';

const { goodwire } = implementations;

type Inside = Record<'write' | '_write' | '_writev' | '_writeGeneric', (...given: unknown[]) => unknown> & {
  _handle: Record<'writeBuffer' | 'writev', (...given: unknown[]) => unknown>;
};

const streamOf = (socket: WebSocket): Socket => (socket as unknown as { _socket: Socket })._socket;
const insideOf = (socket: Socket): Inside => socket as unknown as Inside;

describe.each(['tcp', 'tls', 'unix'] as const)('a socket of Node over %s', (wire: Wire) => {
  test('is one at both ends, and is none once it is destroyed', async () => {
    await using peers = await listen(goodwire, wire);
    const { client, served } = await connectPair(peers, goodwire);
    const streams = [client, served].map(streamOf);
    expect(streams.map(isNodeSocket)).toEqual([true, true]);
    const closed = [client, served].map((socket) => once(socket, 'close'));
    client.terminate();
    await Promise.all(closed);
    expect(streams.map(isNodeSocket)).toEqual([false, false]);
  });

  test.each(['write', '_write', '_writev', '_writeGeneric'] as const)(
    'is none while it has a %s of its own',
    async (name) => {
      await using peers = await listen(goodwire, wire);
      const { served } = await connectPair(peers, goodwire);
      const inside = insideOf(streamOf(served));
      const nodes = inside[name];
      inside[name] = (...given) => nodes.apply(inside, given);
      expect(isNodeSocket(streamOf(served))).toBe(false);
      inside[name] = nodes.bind(inside);
      expect(isNodeSocket(streamOf(served))).toBe(false);
      Reflect.deleteProperty(inside, name);
      expect(isNodeSocket(streamOf(served))).toBe(true);
    },
  );

  test('is none while its class has a write() of its own', async () => {
    await using peers = await listen(goodwire, wire);
    const { served } = await connectPair(peers, goodwire);
    const stream = streamOf(served);
    const { write } = stream;
    const prototype = Object.getPrototypeOf(stream);
    Object.setPrototypeOf(stream, Object.create(prototype, { write: { value: write.bind(stream), writable: true } }));
    expect(isNodeSocket(stream)).toBe(false);
    Object.setPrototypeOf(stream, prototype);
    expect(isNodeSocket(stream)).toBe(true);
  });

  test.each(['writeBuffer', 'writev'] as const)('is none while its handle has a %s of its own', async (name) => {
    await using peers = await listen(goodwire, wire);
    const { served } = await connectPair(peers, goodwire);
    const { _handle: handle } = insideOf(streamOf(served));
    const native = handle[name];
    for (const own of [
      (...given: unknown[]) => native.apply(handle, given),
      native.bind(handle),
      new Proxy(native, {}),
      undefined,
    ]) {
      handle[name] = own as typeof native;
      expect(isNodeSocket(streamOf(served))).toBe(false);
    }
    Reflect.deleteProperty(handle, name);
    expect(isNodeSocket(streamOf(served))).toBe(true);
  });

  test('is none while another object stands in the place of its handle', async () => {
    await using peers = await listen(goodwire, wire);
    const { served } = await connectPair(peers, goodwire);
    const inside = insideOf(streamOf(served));
    const handle = inside._handle;
    const own = (...given: unknown[]) => handle.writeBuffer(...given);
    for (const other of [{}, { writeBuffer: own, writev: own }, null, undefined]) {
      inside._handle = other as Inside['_handle'];
      expect(isNodeSocket(streamOf(served))).toBe(false);
    }
    inside._handle = handle;
    expect(isNodeSocket(streamOf(served))).toBe(true);
  });
});

describe('a socket of Node', () => {
  test.each(['write', '_write', '_writev', '_writeGeneric'] as const)(
    'is none while Socket.prototype has another %s, or the class that it inherits it from',
    async (name) => {
      await using peers = await listen(goodwire);
      const { served } = await connectPair(peers, goodwire);
      expect(isNodeSocket(streamOf(served))).toBe(true);
      for (const { prototype } of [Socket, Duplex] as unknown as { prototype: Inside }[]) {
        const before = Object.getOwnPropertyDescriptor(prototype, name);
        const nodes = prototype[name];
        prototype[name] = function (this: unknown, ...given) {
          return nodes.apply(this, given);
        };
        const isShadowed = prototype === (Duplex as unknown as { prototype: Inside }).prototype && name !== 'write';
        expect(isNodeSocket(streamOf(served))).toBe(isShadowed);
        if (before === undefined) Reflect.deleteProperty(prototype, name);
        else Object.defineProperty(prototype, name, before);
        expect(isNodeSocket(streamOf(served))).toBe(true);
      }
    },
  );

  test.each([
    ['a stream that passes on', () => new PassThrough()],
    ['a pair in memory', () => duplexPair()[0]],
    ['a socket that is not connected', () => new Socket()],
    ['an object without anything', () => ({}) as Duplex],
  ])('is not %s', (_name, create) => {
    expect(isNodeSocket(create())).toBe(false);
  });

  test('that is busy gets memory of its own: what is put in its way later would see it', async () => {
    await using peers = await listen(goodwire, 'tls');
    const { client, served } = await connectPair(peers, goodwire);
    const stream = streamOf(served);
    const received: string[] = [];
    client.on('message', (data) => received.push(String(data)));
    served.send('at once');
    await Promise.resolve();
    // A TLS socket writes at the end of a turn, never at once.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(stream.writableLength).toBeGreaterThan(0);
    served.send('behind it');
    await new Promise<void>((resolve) => process.nextTick(resolve));
    const inside = insideOf(stream);
    const nodes = inside._write;
    const seen: Buffer[] = [];
    inside._write = (...given) => {
      seen.push(given[0] as Buffer);
      return nodes.apply(inside, given);
    };
    await once(client, 'message');
    if (received.length < 2) await once(client, 'message');
    expect(received).toEqual(['at once', 'behind it']);
    expect(seen.map((chunk) => [chunk.toString('latin1', 2), isInSlab(chunk)])).toEqual([['behind it', false]]);
  });
});

describe('a write that Node keeps for later', () => {
  /** Sends a message in this state of the stream. Returns the chunks that a function gets which is put in its way after the send. */
  async function keptOf(socket: WebSocket, name: '_write' | '_writeGeneric'): Promise<[string, boolean][]> {
    const stream = streamOf(socket);
    socket.send('later');
    await new Promise<void>((resolve) => process.nextTick(resolve));
    const inside = insideOf(stream);
    const nodes = inside[name];
    const seen: Buffer[] = [];
    const called = new Promise<void>((resolve) => {
      inside[name] = (...given) => {
        seen.push(given.find((one) => one instanceof Uint8Array) as Buffer);
        resolve();
        return nodes.apply(inside, given);
      };
    });
    stream.uncork();
    await called;
    return seen.map((chunk) => [chunk.toString('latin1', 2), isInSlab(chunk)]);
  }

  test('is none for a slab: behind a write of nothing, which adds nothing to writableLength', async () => {
    await using peers = await listen(goodwire, 'tls');
    const { served } = await connectPair(peers, goodwire);
    const stream = streamOf(served);
    expect(writesAtOnce(stream)).toBe(true);
    stream.write('');
    expect([stream.writableLength, writesAtOnce(stream)]).toEqual([0, false]);
    expect(await keptOf(served, '_write')).toEqual([['later', false]]);
  });

  test.each(['tcp', 'tls', 'unix'] as const)(
    'is none for a slab: while the application has corked it, %s',
    async (wire) => {
      await using peers = await listen(goodwire, wire);
      const { served } = await connectPair(peers, goodwire);
      const stream = streamOf(served);
      expect(writesAtOnce(stream)).toBe(true);
      stream.cork();
      expect(writesAtOnce(stream)).toBe(false);
      expect(await keptOf(served, '_write')).toEqual([['later', false]]);
    },
  );

  test('is none for a slab: while the socket connects', async () => {
    await using peers = await listen(goodwire);
    const stream = connect(Number(new URL(peers.url).port), '127.0.0.1').on('error', () => {});
    const socket = new goodwire.WebSocket(null as never, undefined, { isServer: true } as never);
    socket.on('error', () => {});
    (socket as unknown as { setSocket(...given: unknown[]): void }).setSocket(stream, Buffer.alloc(0), {});
    expect([stream.connecting, isNodeSocket(stream), writesAtOnce(stream)]).toEqual([true, true, false]);
    expect(await keptOf(socket, '_writeGeneric')).toEqual([['later', false]]);
    stream.destroy();
  });
});

// A tracer may patch Node before goodwire is loaded. The search for Node's own functions then meets the patch.
describe('functions that were put into Node before goodwire was loaded', () => {
  const program = (patch: string) => `
    const { Socket } = require('node:net'), { Duplex } = require('node:stream');
    const seen = [];
    ${patch}
    const { WebSocket, WebSocketServer } = require('./dist/index.cjs');
    const { isNodeSocket } = require('./dist/cjs/transport/node-socket.js');
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
      let left = 0;
      const { port } = server.address();
      server.on('connection', (socket, { url }) => {
        if (url === '/a') console.log(isNodeSocket(socket._socket));
        socket.on('message', (data) => socket.send(url + String(data)));
      });
      for (const name of ['a', 'b']) {
        const client = new WebSocket('ws://127.0.0.1:' + port + '/' + name);
        let times = 0;
        left++;
        client.on('open', () => client.send('0'));
        client.on('message', (data) => {
          if (String(data) !== '/' + name + times) throw new Error(name + ' got ' + data);
          if (++times < 20) client.send(String(times));
          else client.close();
        });
        client.on('close', () => {
          if (times < 20) throw new Error(name + ' got ' + times + ' messages of 20');
          if (--left === 0) process.exit();
        });
      }
    });`;
  const wrap = (object: string, name: string) =>
    `{ const nodes = ${object}.prototype.${name}; ${object}.prototype.${name} = function (...given) { return nodes.apply(this, given); }; }`;
  const delay = (object: string, name: string) =>
    `{ const nodes = ${object}.prototype.${name}; ${object}.prototype.${name} = function (...given) {
      (this.chain ??= []).push(() => nodes.apply(this, given));
      if (this.chain.length === 1) setImmediate(function next(socket) { socket.chain[0](); socket.chain.shift(); if (socket.chain.length > 0) setImmediate(next, socket); }, this);
      return true; }; }`;

  test.each([
    ['none', '', 'true'],
    ['Duplex.prototype.write', wrap('Duplex', 'write'), 'false'],
    ['Socket.prototype.write', wrap('Socket', 'write'), 'false'],
    ['Socket.prototype._write', wrap('Socket', '_write'), 'false'],
    ['Socket.prototype._writev', wrap('Socket', '_writev'), 'false'],
    ['Socket.prototype._writeGeneric', wrap('Socket', '_writeGeneric'), 'false'],
    ['Socket.prototype.write, which delays', delay('Socket', 'write'), 'false'],
    ['Socket.prototype._writeGeneric, which delays', delay('Socket', '_writeGeneric'), 'false'],
    // A Proxy may get a trap later.
    [
      'a Proxy of Socket.prototype._write',
      'Socket.prototype._write = new Proxy(Socket.prototype._write, {});',
      'false',
    ],
    // Its observers get the arguments of the function, although the trace has only functions of Node.
    [
      'performance.timerify() of Socket.prototype._write',
      'Socket.prototype._write = performance.timerify(Socket.prototype._write);',
      'false',
    ],
    [
      'a Proxy of Socket.prototype._write that looks',
      'Socket.prototype._write = new Proxy(Socket.prototype._write, { apply: (...given) => Reflect.apply(...given) });',
      'false',
    ],
    // As in Jest with jsdom, where a Buffer is no instance of the global Uint8Array.
    ['a Uint8Array of another realm', 'globalThis.Uint8Array = class extends Uint8Array {};', 'true'],
    ['an own Error.prepareStackTrace', 'Error.prepareStackTrace = () => "nothing"; Error.stackTraceLimit = 0;', 'true'],
  ])('are found, and messages arrive: %s', (_name, patch, isNodes) => {
    const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', program(patch)], { encoding: 'utf8' });
    expect([stdout.trim(), stderr, status]).toEqual([isNodes, '', 0]);
  });
});

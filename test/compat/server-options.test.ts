import { once } from 'node:events';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { ServerOptions } from '../../src/server/server-options.ts';
import type { WebSocket } from '../../src/websocket/websocket.ts';
import { textFrame } from '../support/from-client.ts';
import { closing } from '../support/life.ts';
import { MemoryStream } from '../support/memory-stream.ts';
import { injectedRequest } from '../support/opening-request.ts';
import { implementations } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { dialed, serve, serveHttp } from '../support/serve.ts';
import { eventually } from '../support/until.ts';

const noHead = Buffer.alloc(0);

/** Records the events of a socket that a server accepted on a stream in memory. */
function tell(websocket: WebSocket): unknown[] {
  const told: unknown[] = [];
  websocket.on('message', (data) => told.push(String(data)));
  websocket.on('ping', () => told.push('ping'));
  websocket.on('error', (error: Error & { code?: string }) => told.push(error.code));
  return told;
}

describe.each(Object.entries(implementations))('the options of a server of %s', (_name, by) => {
  const noServer = (options: object = {}) => new by.WebSocketServer({ noServer: true, ...options } as ServerOptions);

  /** Returns a server's end on a stream in memory. */
  function accept(options: object) {
    const stream = new MemoryStream();
    const server = noServer(options);
    let websocket!: WebSocket;
    server.handleUpgrade(injectedRequest(), stream, noHead, (accepted) => {
      websocket = accepted;
    });
    return { server, stream, websocket, [Symbol.dispose]: () => void stream.destroy() };
  }

  describe('where to listen', () => {
    const message = 'One and only one of the "port", "server", or "noServer" options must be specified';

    test.each<[string, unknown]>([
      ['no options', undefined],
      ['null', null],
      ['none of port, server and noServer', {}],
      ['a port that is null', { port: null }],
      ['a port that is undefined', { port: undefined }],
      ['noServer false', { noServer: false }],
      ['port and server', { port: 0, server: http.createServer() }],
      ['port and noServer', { port: 0, noServer: true }],
      ['server and noServer', { server: http.createServer(), noServer: true }],
      ['all three', { port: 0, server: http.createServer(), noServer: true }],
    ])('%s is a TypeError', (_title, options) => {
      expect(() => new by.WebSocketServer(options as ServerOptions)).toThrow(new TypeError(message));
    });

    test.each<[string, object]>([
      ['a port with the others switched off', { port: 0, host: '127.0.0.1', server: null, noServer: false }],
      ['a port as text', { port: '0', host: '127.0.0.1' }],
      ['a host by its name', { port: 0, host: 'localhost' }],
      ['a backlog', { port: 0, host: '127.0.0.1', backlog: 3 }],
      ['no host', { port: 0, host: undefined }],
    ])('%s is accepted', async (_title, options) => {
      const server = new by.WebSocketServer(options as ServerOptions);
      await once(server, 'listening');
      expect(portOf(server)).toBeGreaterThan(0);
      await new Promise((resolve) => server.close(resolve));
    });

    test.each([-1, 65_536, 1.5, ''])('the port %j is the RangeError of Node', (port) => {
      expect(() => new by.WebSocketServer({ port: port as number })).toThrow(
        expect.objectContaining({ name: 'RangeError', code: 'ERR_SOCKET_BAD_PORT' }),
      );
    });

    test('a path of the file system is accepted as a port', async () => {
      const path = join(tmpdir(), `goodwire-${process.pid}-${_name}.sock`);
      const server = new by.WebSocketServer({ port: path as unknown as number });
      await once(server, 'listening');
      expect(server.address()).toBe(path);
      await new Promise((resolve) => server.close(resolve));
    });

    test('the callback is called when it listens, before the listeners, and only with a port', async () => {
      const calls: unknown[] = [];
      const server = new by.WebSocketServer(
        { port: 0, host: '127.0.0.1' },
        function (this: unknown, ...args: unknown[]) {
          // The callback is a listener of Node's HTTP server.
          calls.push(['callback', args.length, this === server]);
        },
      );
      server.on('listening', function (this: unknown, ...args: unknown[]) {
        calls.push(['event', args.length, this === server]);
      });
      await once(server, 'listening');
      await new Promise((resolve) => server.close(resolve));
      expect(calls).toEqual([
        ['callback', 0, false],
        ['event', 0, true],
      ]);

      const never = vi.fn();
      new by.WebSocketServer({ noServer: true }, never);
      const given = http.createServer();
      new by.WebSocketServer({ server: given }, never);
      await using _listening = await serveHttp(given);
      expect(never).not.toHaveBeenCalled();
    });
  });

  describe('as stored', () => {
    test('include every default', () => {
      const {
        WebSocket: Class,
        maxBufferedChunks,
        maxFragments,
        ...options
      } = noServer().options as never as Record<string, unknown>;
      expect(options).toEqual({
        allowSynchronousEvents: true,
        autoPong: true,
        backlog: null,
        clientTracking: true,
        closeTimeout: 30_000,
        handleProtocols: null,
        host: null,
        maxPayload: 104_857_600,
        maxPendingAutoPongs: 60,
        noServer: true,
        path: null,
        perMessageDeflate: false,
        port: null,
        server: null,
        skipUTF8Validation: false,
        verifyClient: null,
      });
      expect(Class).toBe(by.WebSocket);
      expect([typeof maxBufferedChunks, typeof maxFragments]).toEqual(['number', 'number']);
    });

    test('are a copy, with unknown options in it', () => {
      const mark = Symbol('mark');
      const given = { noServer: true, maxPayload: 5, own: 1, nothing: undefined, [mark]: 2 };
      const { options } = new by.WebSocketServer(given);
      expect(options).not.toBe(given);
      expect(options).toMatchObject({ maxPayload: 5, own: 1, nothing: undefined, [mark]: 2 });
      expect('nothing' in options).toBe(true);
      expect(given).toEqual({ noServer: true, maxPayload: 5, own: 1, nothing: undefined, [mark]: 2 });
    });

    test('contain an empty object for perMessageDeflate true, and otherwise the given value', () => {
      const kept = (perMessageDeflate: unknown) => noServer({ perMessageDeflate }).options.perMessageDeflate;
      const own = { threshold: 5 };
      expect([kept(true), kept(false), kept(null)]).toEqual([{}, false, null]);
      expect(kept(own)).toBe(own);
    });

    test('are read again for each socket', async () => {
      const server = noServer();
      const upgrade = () =>
        new Promise<string>((resolve) => {
          const stream = new MemoryStream();
          stream.on('close', () => resolve(stream.written.slice(9, 12)));
          server.handleUpgrade(injectedRequest({}, { socket: stream }), stream, noHead, (websocket) => {
            websocket.on('error', (error: Error & { code?: string }) => {
              resolve(String(error.code));
              stream.destroy();
            });
          });
          stream.push(Buffer.from(textFrame('two'), 'latin1'));
        });
      server.options.maxPayload = 2;
      expect(await upgrade()).toBe('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
      server.options.path = '/elsewhere';
      expect(await upgrade()).toBe('400');
      server.options = { ...server.options, path: '/', verifyClient: () => false } as typeof server.options;
      expect(await upgrade()).toBe('401');
    });
  });

  describe('clientTracking', () => {
    test.each([true, 1])('%j creates an empty Set', (clientTracking) => {
      expect(noServer({ clientTracking }).clients).toEqual(new Set());
    });

    test.each([false, null, 0, ''])('%j creates no Set of clients', (clientTracking) => {
      expect('clients' in noServer({ clientTracking })).toBe(false);
    });

    test('off, sockets work as usual', async () => {
      await using served = await serve(by, { clientTracking: false });
      served.server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
      const { client } = await dialed(by, served);
      client.send('hello');
      expect(String((await once(client, 'message'))[0])).toBe('hello');
      client.close();
      await once(client, 'close');
    });
  });

  describe('maxPayload', () => {
    test.each<[unknown, boolean]>([
      [2, true],
      [3, false],
      ['2', true],
      [2.9, true],
      [0, false],
      [-1, false],
      ['nonsense', false],
      [null, false],
      [Number.NaN, false],
      [Number.POSITIVE_INFINITY, false],
    ])('of %j stops a message of three bytes: %j', async (maxPayload, isStopped) => {
      using accepted = accept({ maxPayload });
      const told = tell(accepted.websocket);
      accepted.stream.push(Buffer.from(textFrame('two'), 'latin1'));
      await eventually(() => expect(told).toEqual([isStopped ? 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' : 'two']));
    });

    test('is reported to the client as 1009', async () => {
      await using served = await serve(by, { maxPayload: 2 });
      const { client, socket } = await dialed(by, served);
      const failed = once(socket, 'error');
      client.send('two');
      const [[error], [code]] = await Promise.all([failed, once(client, 'close')]);
      expect([error.code, code]).toEqual(['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009]);
    });
  });

  test.each<[boolean, string]>([
    [true, '8a 00'],
    [false, ''],
  ])('autoPong %j answers a ping with %j', async (autoPong, answer) => {
    using accepted = accept({ autoPong });
    const told = tell(accepted.websocket);
    const head = accepted.stream.octets().length;
    accepted.stream.push(Buffer.from([0x89, 0x80, 0, 0, 0, 0]));
    await eventually(() => expect(told).toEqual(['ping']));
    await new Promise(setImmediate);
    expect(accepted.stream.octets().subarray(head)).toEqual(Buffer.from(answer.replace(' ', ''), 'hex'));
  });

  test.each<[boolean, string[]]>([
    [true, ['one', 'two', 'tick one', 'tick two']],
    [false, ['one', 'tick one', 'two', 'tick two']],
  ])('allowSynchronousEvents %j delivers two messages of one chunk in the order %j', async (allowed, expected) => {
    using accepted = accept({ allowSynchronousEvents: allowed });
    const order: string[] = [];
    accepted.websocket.on('message', (data) => {
      order.push(String(data));
      process.nextTick(() => order.push(`tick ${data}`));
    });
    accepted.stream.push(Buffer.from(textFrame('one') + textFrame('two'), 'latin1'));
    await eventually(() => expect(order).toEqual(expected));
  });

  test.each<[boolean, unknown]>([
    [true, '\ufffd'],
    [false, 'WS_ERR_INVALID_UTF8'],
  ])('skipUTF8Validation %j delivers %j for a byte that is not valid text', async (skipUTF8Validation, expected) => {
    using accepted = accept({ skipUTF8Validation });
    const told = tell(accepted.websocket);
    accepted.stream.push(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff]));
    await eventually(() => expect(told).toEqual([expected]));
  });

  test('closeTimeout cuts off a peer that does not answer a close frame', async () => {
    using accepted = accept({ closeTimeout: 30 });
    const closed = once(accepted.websocket, 'close');
    const begun = performance.now();
    accepted.websocket.close();
    expect(accepted.websocket.readyState).toBe(2);
    expect((await closed)[0]).toBe(1006);
    expect(performance.now() - begun).toBeGreaterThan(25);
  });

  describe('WebSocket', () => {
    test('is the class of the sockets, constructed with the options of the server', async () => {
      const seen: unknown[] = [];
      class Mine extends by.WebSocket {
        constructor(address: null, protocols: undefined, options: object) {
          super(address, protocols, options);
          seen.push(address, protocols, options, this.readyState);
        }
        greet() {
          this.send('hello from me');
        }
      }
      await using served = await serve(by, { WebSocket: Mine as unknown as typeof WebSocket });
      served.server.on('connection', (socket) => (socket as unknown as Mine).greet());
      const accepted = once(served.server, 'connection');
      const client = new by.WebSocket(`ws://127.0.0.1:${served.port}`);
      const [[socket], [data]] = await Promise.all([accepted, once(client, 'message')]);
      expect(String(data)).toBe('hello from me');
      expect(socket).toBeInstanceOf(Mine);
      expect(seen).toEqual([null, undefined, served.server.options, 0]);
      expect(seen[2]).toBe(served.server.options);
    });

    test('may override inherited methods', async () => {
      const order: string[] = [];
      class Loud extends by.WebSocket {
        override send(data: unknown): void {
          super.send(String(data).toUpperCase());
        }
        override emit(event: string | symbol, ...args: unknown[]): boolean {
          order.push(String(event));
          return super.emit(event, ...args);
        }
      }
      await using served = await serve(by, { WebSocket: Loud as unknown as typeof WebSocket });
      served.server.on('connection', (socket) => {
        order.push('connection');
        socket.on('message', (data) => socket.send(data as Buffer));
      });
      const { client, socket } = await dialed(by, served);
      client.send('quiet');
      expect(String((await once(client, 'message'))[0])).toBe('QUIET');
      client.close();
      await closing(socket);
      // Events about new listeners are irrelevant for this test.
      expect(order.filter((event) => event !== 'newListener')).toEqual(['open', 'connection', 'message', 'close']);
    });
  });

  test('leave the server open to properties of the application, such as path', () => {
    const server = noServer();
    server.path = '/mine';
    Object.assign(server, { own: 1 });
    expect(server).toMatchObject({ path: '/mine', own: 1 });
    expect(server.shouldHandle(injectedRequest())).toBe(true);
  });
});

describe.each(Object.entries(implementations))('address() of a server of %s', (name, by) => {
  test('is null before it is bound, then that of the HTTP server, and null from close() on', async () => {
    const server = new by.WebSocketServer({ port: 0, host: 'localhost' });
    expect(server.address()).toBeNull();
    await once(server, 'listening');
    expect(server.address()).toEqual({
      address: expect.any(String),
      family: expect.any(String),
      port: expect.any(Number),
    });
    const closed = once(server, 'close');
    server.close();
    expect(server.address()).toBeNull();
    await closed;
    expect(server.address()).toBeNull();
  });

  test('is that of an external server', async () => {
    const given = http.createServer();
    const server = new by.WebSocketServer({ server: given });
    expect(server.address()).toBeNull();
    await using _served = await serveHttp(given);
    expect(server.address()).toEqual(given.address());
    server.close();
    expect(server.address()).toBeNull();
    expect(given.listening).toBe(true);
  });

  test('is the path of a Unix socket', async () => {
    const path = join(tmpdir(), `goodwire-address-${process.pid}-${name}.sock`);
    const given = http.createServer().listen(path);
    await once(given, 'listening');
    expect(new by.WebSocketServer({ server: given }).address()).toBe(path);
    await new Promise((resolve) => given.close(resolve));
  });

  test('throws with noServer, before and after close()', async () => {
    const server = new by.WebSocketServer({ noServer: true });
    const error = new Error('The server is operating in "noServer" mode');
    expect(() => server.address()).toThrow(error);
    await new Promise((resolve) => server.close(resolve));
    expect(() => server.address()).toThrow(error);
  });
});

import { EventEmitter, once } from 'node:events';
import http, { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import type { WebSocket } from '../../src/websocket/websocket.ts';
import { connect, exchange, exchangeHead } from '../support/exchange.ts';
import { textFrame } from '../support/from-client.ts';
import { closing } from '../support/life.ts';
import { MemoryStream } from '../support/memory-stream.ts';
import { accept, injectedRequest, requestText } from '../support/opening-request.ts';
import { implementations } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { dial, dialed, serve, serveHttp } from '../support/serve.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { eventually, settle } from '../support/until.ts';

describe.each(Object.entries(implementations))('a server of %s', (_name, by) => {
  test('emits the events of a connection in one order, on the server and in the class of the socket', async () => {
    const order: string[] = [];
    class Mine extends by.WebSocket {
      constructor(address: null, protocols: undefined, options: object) {
        super(address, protocols, options);
        order.push(`made ${this.readyState}`);
        this.on('open', () => order.push(`open ${this.readyState} ${server.clients.size}`));
        this.on('close', () => order.push(`socket close ${this.readyState}`));
      }
    }
    class Server extends by.WebSocketServer {
      override shouldHandle(request: IncomingMessage) {
        order.push('shouldHandle');
        return super.shouldHandle(request);
      }
      override handleUpgrade(...args: Parameters<InstanceType<typeof by.WebSocketServer>['handleUpgrade']>) {
        order.push('handleUpgrade');
        super.handleUpgrade(...args);
      }
    }
    const server = new Server({
      port: 0,
      host: '127.0.0.1',
      WebSocket: Mine as unknown as typeof WebSocket,
      verifyClient: () => order.push('verifyClient') > 0,
      handleProtocols: () => {
        order.push('handleProtocols');
        return 'b';
      },
    });
    server.on('listening', () => order.push('listening'));
    server.on('headers', () => order.push('headers'));
    server.on('connection', (socket) => {
      order.push(`connection ${socket.protocol} ${socket.readyState} ${server.clients.size}`);
      socket.on('message', (data) => order.push(`message ${data}`));
    });
    server.on('close', () => order.push('close'));
    await once(server, 'listening');
    using client = dial(by, portOf(server), '/', ['a', 'b']);
    client.on('open', () => {
      order.push('client open');
      client.send('hello');
      client.close();
    });
    const [socket] = await once(server, 'connection');
    await closing(socket);
    await new Promise((resolve) => server.close(resolve));
    expect(order).toEqual([
      'listening',
      'handleUpgrade',
      'shouldHandle',
      'verifyClient',
      'made 0',
      'handleProtocols',
      'headers',
      'open 1 0',
      'connection b 1 1',
      'client open',
      'message hello',
      'socket close 3',
      'close',
    ]);
  });

  test('emits only these events', async () => {
    const emitted: unknown[] = [];
    class Server extends by.WebSocketServer {
      override emit(event: string | symbol, ...args: unknown[]): boolean {
        // Events about listeners are irrelevant for this test.
        if (!String(event).endsWith('Listener')) emitted.push([event, args.length]);
        return super.emit(event, ...args);
      }
    }
    const server = new Server({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    emitted.length = 0;
    const port = portOf(server);
    await exchange(port, requestText({ headers: { Upgrade: 'x' } }));
    expect(emitted).toEqual([]);
    await exchangeHead(port, requestText());
    await new Promise((resolve) => server.close(resolve));
    expect(emitted).toEqual([
      ['headers', 2],
      ['connection', 2],
      ['close', 0],
    ]);
  });

  describe('connection', () => {
    test('has an open socket of the class WebSocket, and its request', async () => {
      await using served = await serve(by);
      const { server } = served;
      const seen: unknown[] = [];
      server.on('connection', function (this: unknown, ...args) {
        const [socket, request] = args;
        seen.push(this === server, args.length, request instanceof IncomingMessage, request.url);
        seen.push(socket.constructor === by.WebSocket, socket.readyState, socket.url, socket.binaryType);
        seen.push(socket.protocol, socket.extensions, socket.isPaused, socket.bufferedAmount);
        seen.push('upgradeReq' in socket, Object.isExtensible(socket), socket.listenerCount('message'));
        seen.push(server.clients.has(socket));
      });
      using client = dial(by, served.port, '/hello?you');
      await Promise.all([once(server, 'connection'), once(client, 'open')]);
      expect(seen).toEqual([
        ...[true, 2, true, '/hello?you'],
        ...[true, 1, undefined, 'nodebuffer'],
        ...['', '', false, 0],
        ...[false, true, 0],
        true,
      ]);
    });

    test('has the same request as verifyClient, handleProtocols and headers, with their changes', async () => {
      const requests: (IncomingMessage & { own?: number })[] = [];
      await using served = await serve(by, {
        verifyClient: ({ req }) => {
          Object.assign(req, { own: 1 });
          return requests.push(req) > 0;
        },
        handleProtocols: (_protocols, request) => {
          requests.push(request);
          return 'a';
        },
      });
      served.server.on('headers', (_headers, request) => requests.push(request));
      const connected = once(served.server, 'connection');
      using _client = dial(by, served.port, '/', ['a']);
      const [, request] = await connected;
      expect(requests).toHaveLength(3);
      expect(new Set(requests)).toEqual(new Set([request]));
      expect(request.own).toBe(1);
    });

    test('is emitted inside the upgrade event of the HTTP server, before the client opens', async () => {
      await using http = await serveHttp();
      const server = new by.WebSocketServer({ server: http.httpServer });
      const order: string[] = [];
      http.httpServer.prependListener('upgrade', () => order.push('upgrade'));
      server.on('connection', () => order.push('connection'));
      http.httpServer.on('upgrade', () => order.push('upgrade, later listener'));
      using client = dial(by, http.port);
      client.on('open', () => order.push('client open'));
      await once(client, 'open');
      expect(order).toEqual(['upgrade', 'connection', 'upgrade, later listener', 'client open']);
    });

    test('loses no message that arrived with the request, if the listener is added at once', async () => {
      await using served = await serve(by);
      const messages: string[] = [];
      const closed = new Promise((resolve) => {
        served.server.on('connection', (socket) => {
          socket.on('message', (data) => messages.push(String(data)));
          socket.on('close', resolve);
        });
      });
      const client = await connect(served.port);
      client.end(requestText() + textFrame('one') + textFrame('two'), 'latin1');
      await closed;
      expect(messages).toEqual(['one', 'two']);
    });

    test('may send and close before the client has opened', async () => {
      await using served = await serve(by);
      served.server.on('connection', (socket) => {
        socket.send('first');
        socket.close(4000, 'second');
      });
      using client = dial(by, served.port);
      const told: unknown[] = [];
      client.on('open', () => told.push('open'));
      client.on('message', (data) => told.push(String(data)));
      const [code, reason] = await once(client, 'close');
      expect([...told, code, String(reason)]).toEqual(['open', 'first', 4000, 'second']);
    });

    test('is not followed by an open event of its socket', async () => {
      await using served = await serve(by);
      const opened = vi.fn();
      served.server.on('connection', (socket) => {
        socket.on('open', opened);
        socket.onopen = opened;
      });
      const { socket } = await dialed(by, served);
      await settle();
      expect([socket.readyState, opened.mock.calls]).toEqual([1, []]);
    });

    test('may throw, and the socket stays open', async () => {
      using uncaught = captureUncaught();
      await using served = await serve(by);
      const accepted = once(served.server, 'connection');
      served.server.on('connection', () => {
        throw new Error('mine');
      });
      using client = dial(by, served.port);
      const [[socket]] = await Promise.all([accepted, once(client, 'open')]);
      expect([socket.readyState, served.server.clients.has(socket)]).toEqual([1, true]);
      expect(uncaught.exceptions).toEqual([new Error('mine')]);
    });
  });

  describe('clients', () => {
    test('contain a socket from before connection until before its listeners for close', async () => {
      await using served = await serve(by);
      const { server } = served;
      const sizes: unknown[] = [];
      server.on('headers', () => sizes.push(['headers', server.clients.size]));
      server.on('connection', (socket) => {
        sizes.push(['connection', server.clients.size]);
        socket.on('close', () => sizes.push(['close', server.clients.size]));
        socket.prependListener('close', () => sizes.push(['prepended', server.clients.size]));
        socket.onclose = () => sizes.push(['onclose', server.clients.size]);
      });
      const { client, socket } = await dialed(by, served);
      expect([...server.clients]).toEqual([socket]);
      const closed = once(socket, 'close');
      socket.close();
      expect([socket.readyState, server.clients.size]).toEqual([2, 1]);
      await Promise.all([closed, once(client, 'close')]);
      expect(sizes).toEqual([
        ['headers', 0],
        ['connection', 1],
        ['prepended', 1],
        ['close', 0],
        ['onclose', 0],
      ]);
    });

    test('lose a socket that was terminated after it has closed', async () => {
      await using served = await serve(by);
      const { socket } = await dialed(by, served);
      socket.terminate();
      expect(served.server.clients.size).toBe(1);
      await once(socket, 'close');
      expect(served.server.clients.size).toBe(0);
    });

    test('keep a socket even if the application has removed all of its listeners', async () => {
      await using served = await serve(by);
      const { client, socket } = await dialed(by, served);
      socket.removeAllListeners();
      client.close();
      await once(client, 'close');
      await eventually(() => expect(socket.readyState).toBe(3));
      expect([...served.server.clients]).toEqual([socket]);
    });

    test('can be used to send to all', async () => {
      await using served = await serve(by);
      const pairs = [await dialed(by, served), await dialed(by, served), await dialed(by, served)];
      const received = Promise.all(pairs.map(({ client }) => once(client, 'message')));
      for (const client of served.server.clients) if (client.readyState === by.WebSocket.OPEN) client.send('all');
      expect((await received).map(([data]) => String(data))).toEqual(['all', 'all', 'all']);
    });
  });

  describe('headers', () => {
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept}`,
    ];

    test('passes the lines of the response to every listener in turn, which may change them', async () => {
      await using served = await serve(by);
      const { server } = served;
      const seen: unknown[] = [];
      server.on('headers', function (this: unknown, headers, request) {
        seen.push([this === server, [...headers], request.url]);
        headers.push('Set-Cookie: a=1', 'Set-Cookie: b=2');
      });
      server.on('headers', (headers) => {
        seen.push(headers.length);
        headers.push(`X-Last: ${headers.length}`);
      });
      const head = await exchangeHead(
        served.port,
        requestText({ url: '/x', headers: { 'Sec-WebSocket-Protocol': 'a, b' } }),
      );
      const all = [...lines, 'Sec-WebSocket-Protocol: a'];
      expect(seen).toEqual([[true, all, '/x'], 7]);
      expect(head.split('\r\n')).toEqual([...all, 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-Last: 7']);
    });

    test('may replace the lines', async () => {
      await using served = await serve(by);
      const others = ['HTTP/1.1 101 Web Socket Protocol Handshake', 'Upgrade: WebSocket', 'X-Empty:'];
      served.server.once('headers', (headers) => headers.splice(0, headers.length, ...others));
      expect((await exchangeHead(served.port, requestText())).split('\r\n')).toEqual(others);
      expect((await exchangeHead(served.port, requestText())).split('\r\n')).toEqual(lines);
    });

    test('is not emitted for a refusal', async () => {
      await using served = await serve(by, { verifyClient: () => false });
      const headers = vi.fn();
      served.server.on('headers', headers);
      await exchange(served.port, requestText());
      expect(headers).not.toHaveBeenCalled();
    });
  });

  describe('listening and error', () => {
    test('a port in use is an error, and close() calls back then', async () => {
      await using taken = await serve(by);
      const server = new by.WebSocketServer({ port: taken.port, host: '127.0.0.1' });
      const listening = vi.fn();
      server.on('listening', listening);
      const [error] = await once(server, 'error');
      expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', port: taken.port });
      expect(server.address()).toBeNull();
      const answers: unknown[] = [];
      const closed = once(server, 'close');
      server.close((...args) => answers.push(args));
      await closed;
      expect(answers).toEqual([[]]);
      expect(listening).not.toHaveBeenCalled();
    });

    test('a port in use ends the process if there is no error listener', async () => {
      using uncaught = captureUncaught();
      await using taken = await serve(by);
      const server = new by.WebSocketServer({ port: taken.port, host: '127.0.0.1' });
      await eventually(() => expect(uncaught.exceptions).toHaveLength(1));
      expect(uncaught.exceptions[0]).toMatchObject({ code: 'EADDRINUSE' });
      server.close();
    });

    test('those of an external server are passed on, until close()', async () => {
      await using taken = await serve(by);
      const given = http.createServer();
      const server = new by.WebSocketServer({ server: given });
      const told: unknown[] = [];
      server.on('listening', function (this: unknown, ...args: unknown[]) {
        told.push(['listening', this === server, args.length]);
      });
      server.on('error', function (this: unknown, error) {
        told.push([(error as Error & { code: string }).code, this === server]);
      });
      given.listen(taken.port, '127.0.0.1');
      await once(server, 'error');
      given.listen(0, '127.0.0.1');
      await once(server, 'listening');
      expect(told).toEqual([
        ['EADDRINUSE', true],
        ['listening', true, 0],
      ]);
      server.close();
      expect(() => given.emit('error', new Error('nobody listens any more'))).toThrow('nobody listens any more');
      expect(told).toHaveLength(2);
      await new Promise((resolve) => given.close(resolve));
    });

    test('any emitter of upgrade events works as a server', () => {
      const given = new EventEmitter();
      const server = new by.WebSocketServer({ server: given as unknown as http.Server });
      const told: string[] = [];
      server.on('listening', () => told.push('listening')).on('connection', () => told.push('connection'));
      given.emit('listening');
      const stream = new MemoryStream();
      given.emit('upgrade', injectedRequest(), stream, Buffer.alloc(0));
      expect(told).toEqual(['listening', 'connection']);
      stream.destroy();
      server.close();
      expect(given.eventNames()).toEqual([]);
    });
  });

  describe('wsClientError', () => {
    test('passes the error, the socket and the request, and leaves the response to the listener', async () => {
      await using served = await serve(by);
      const { server } = served;
      const seen: unknown[] = [];
      server.on('wsClientError', function (this: unknown, ...args: [Error, Duplex, IncomingMessage]) {
        const [error, socket, request] = args;
        seen.push(this === server, args.length, error instanceof Error, error.message);
        seen.push(request.socket === socket, request.method, request.url, socket.writable);
        socket.end('HTTP/1.1 418 Teapot\r\n\r\nmine');
      });
      const connection = vi.fn();
      server.on('connection', connection);
      expect(await exchange(served.port, requestText({ method: 'POST', url: '/x' }))).toBe(
        'HTTP/1.1 418 Teapot\r\n\r\nmine',
      );
      expect(seen).toEqual([true, 3, true, 'Invalid HTTP method', true, 'POST', '/x', true]);
      expect(connection).not.toHaveBeenCalled();
    });

    test.each<[string, Parameters<typeof requestText>[0]]>([
      ['Invalid HTTP method', { method: 'POST' }],
      ['Invalid Upgrade header', { headers: { Upgrade: 'h2c' } }],
      ['Missing or invalid Sec-WebSocket-Key header', { headers: { 'Sec-WebSocket-Key': 'short' } }],
      ['Missing or invalid Sec-WebSocket-Version header', { headers: { 'Sec-WebSocket-Version': '7' } }],
      ['Invalid Sec-WebSocket-Protocol header', { headers: { 'Sec-WebSocket-Protocol': 'a, a' } }],
      [
        'Invalid or unacceptable Sec-WebSocket-Extensions header',
        { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate;' } },
      ],
    ])('has the message "%s"', async (message, request) => {
      await using served = await serve(by, { perMessageDeflate: true });
      const messages: string[] = [];
      served.server.on('wsClientError', (error, socket) => {
        messages.push(error.message);
        socket.destroy();
      });
      await exchangeHead(served.port, requestText(request));
      expect(messages).toEqual([message]);
    });

    test.each([
      ['the path', { path: '/elsewhere' }],
      ['verifyClient', { verifyClient: () => false }],
    ])('is not emitted for clients that %s refuses', async (_title, options) => {
      await using served = await serve(by, options);
      const told = vi.fn();
      served.server.on('wsClientError', told);
      expect(await exchange(served.port, requestText())).toMatch(/^HTTP\/1\.1 4/);
      expect(told).not.toHaveBeenCalled();
    });

    test('leaves the socket open if the listener does nothing', async () => {
      await using served = await serve(by);
      const told = once(served.server, 'wsClientError');
      const client = await connect(served.port);
      const received: string[] = [];
      client.on('data', (chunk) => received.push(String(chunk)));
      client.write(requestText({ method: 'POST' }));
      const [, socket] = (await told) as [Error, Duplex];
      await settle();
      expect([socket.destroyed, socket.writable, received, client.readyState]).toEqual([false, true, [], 'open']);
      client.destroy();
      socket.destroy();
    });

    test('may destroy the socket with an error, which is ignored', async () => {
      using uncaught = captureUncaught();
      await using served = await serve(by);
      const closed = new Promise((resolve) => {
        served.server.on('wsClientError', (error, socket) => socket.on('close', resolve).destroy(error));
      });
      expect(await exchangeHead(served.port, requestText({ method: 'POST' }))).toBe('');
      await closed;
      expect(uncaught.exceptions).toEqual([]);
    });

    test('may pass the socket to another server', async () => {
      const first = new by.WebSocketServer({ noServer: true });
      const second = new by.WebSocketServer({ noServer: true });
      const stream = new MemoryStream();
      const callback = vi.fn();
      first.on('wsClientError', (_error, socket, request) => {
        request.headers.upgrade = 'websocket';
        second.handleUpgrade(request, socket, Buffer.alloc(0), callback);
      });
      first.handleUpgrade(injectedRequest({ upgrade: 'nonsense' }), stream, Buffer.alloc(0), () => {});
      expect(callback).toHaveBeenCalledOnce();
      await settle();
      expect(stream.written).toMatch(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\n$/);
      stream.destroy();
    });

    test('is not emitted for data that is not HTTP: that is the clientError of the HTTP server', async () => {
      await using http = await serveHttp();
      const server = new by.WebSocketServer({ server: http.httpServer });
      const told = vi.fn();
      server.on('wsClientError', told);
      expect(await exchange(http.port, 'GET / HTTP/1.1\r\nHost x\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
      expect(told).not.toHaveBeenCalled();
    });
  });
});

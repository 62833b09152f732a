import { once } from 'node:events';
import http from 'node:http';
import { describe, expect, test, vi } from 'vitest';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { connect, exchange, exchangeHead } from '../support/exchange.ts';
import { closing } from '../support/life.ts';
import { MemoryStream } from '../support/memory-stream.ts';
import { injectedRequest, requestText } from '../support/opening-request.ts';
import { implementations } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { dial, dialed, serve, serveHttp } from '../support/serve.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { settle } from '../support/until.ts';

const refused503 = /^HTTP\/1\.1 503 Service Unavailable\r\n[\s\S]*\r\n\r\nService Unavailable$/;

describe.each(Object.entries(implementations))('close() of a server of %s', (_name, by) => {
  const noServer = (options: object = {}) => new by.WebSocketServer({ noServer: true, ...options } as ServerOptions);

  /** Returns a server with a client on a stream in memory; `leave` is the client's end. */
  function withClient(options: object = {}) {
    const server = noServer(options);
    const stream = new MemoryStream();
    server.handleUpgrade(injectedRequest(), stream, Buffer.alloc(0), (websocket) => websocket.on('error', () => {}));
    return { server, stream, leave: () => stream.destroy() };
  }

  describe('without clients', () => {
    const modes: [string, () => Promise<{ options: ServerOptions; end?: () => void }>][] = [
      ['on no server', async () => ({ options: { noServer: true } })],
      ['on a server of its own', async () => ({ options: { port: 0, host: '127.0.0.1' } })],
      ['on a server that does not listen', async () => ({ options: { server: http.createServer() } })],
      [
        'on a server that listens',
        async () => {
          const { httpServer } = await serveHttp();
          return { options: { server: httpServer }, end: () => httpServer.close() };
        },
      ],
    ];

    test.each(modes)('%s it emits close in the next tick, and calls back behind it, once', async (_title, mode) => {
      const { options, end } = await mode();
      const server = new by.WebSocketServer(options);
      if (options.port !== undefined) await once(server, 'listening');
      const order: unknown[] = [];
      server.on('close', (...args) => order.push(['event', args.length]));
      expect(server.close((...args) => order.push(['callback', ...args]))).toBeUndefined();
      order.push('returned');
      process.nextTick(() => order.push('tick behind'));
      await settle();
      expect(order).toEqual(['returned', ['event', 0], ['callback'], 'tick behind']);
      end?.();
    });

    test('never emits close before it listens', async () => {
      const server = new by.WebSocketServer({ port: 0, host: '127.0.0.1' });
      const listening = vi.fn();
      const failed = vi.fn();
      server.on('listening', listening).on('error', failed);
      await new Promise((resolve) => server.close(resolve));
      await settle();
      expect([listening.mock.calls, failed.mock.calls]).toEqual([[], []]);
    });

    test.each(['listening', 'close'] as const)('may be called in a listener for %s', async (event) => {
      const server = new by.WebSocketServer({ port: 0, host: '127.0.0.1' });
      const answers: unknown[] = [];
      const answered = new Promise<void>((resolve) => {
        server.once(event, () => {
          server.close((error) => {
            answers.push(error);
            resolve();
          });
        });
      });
      if (event === 'close') server.close();
      await answered;
      expect(answers).toEqual([event === 'close' ? new Error('The server is not running') : undefined]);
    });
  });

  test('calls all callbacks passed before it was closed, and later ones with an error', async () => {
    const { server, leave } = withClient();
    const order: unknown[] = [];
    server.on('close', () => order.push('event'));
    server.close((error) => order.push(['first', error]));
    server.close((error) => order.push(['second', error]));
    server.close();
    await settle();
    expect(order).toEqual([]);
    leave();
    await once(server, 'close');
    expect(order.splice(0)).toEqual(['event', ['first', undefined], ['second', undefined]]);

    server.close((error) => order.push(['third', error]));
    order.push('returned');
    await settle();
    expect(order.splice(0)).toEqual(['returned', 'event', ['third', new Error('The server is not running')]]);
    server.close();
    await settle();
    expect(order).toEqual(['event']);
  });

  test('does not catch errors of its callback', async () => {
    using uncaught = captureUncaught();
    const server = noServer();
    server.close(() => {
      throw new Error('mine');
    });
    await settle();
    expect(uncaught.exceptions).toEqual([new Error('mine')]);
  });

  test('refuses a callback that is not a function', () => {
    expect(() => noServer().close(5 as never)).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
    );
  });

  describe('with clients', () => {
    test('keeps them open and usable', async () => {
      await using served = await serve(by);
      const { client, socket } = await dialed(by, served);
      served.server.close();
      socket.on('message', (data) => socket.send(`echo ${data}`));
      client.send('hello');
      expect(String((await once(client, 'message'))[0])).toBe('echo hello');
      expect([client.readyState, served.server.clients.size]).toEqual([1, 1]);
    });

    test.each([true, false])('waits for the clients of its own server, clientTracking %j', async (clientTracking) => {
      await using served = await serve(by, { clientTracking });
      const { server } = served;
      const { client } = await dialed(by, served);
      const told = vi.fn();
      server.on('close', told);
      server.close(told);
      server.close(told);
      await settle();
      expect(told).not.toHaveBeenCalled();
      client.terminate();
      await once(server, 'close');
      expect(told).toHaveBeenCalledTimes(3);
    });

    test('waits for the other connections of its own server, too', async () => {
      await using served = await serve(by);
      const client = await connect(served.port);
      client.write('GET / HTTP/1.1\r\nHost: x\r\n');
      const told = vi.fn();
      served.server.on('close', told);
      await settle();
      served.server.close();
      await settle();
      expect(told).not.toHaveBeenCalled();
      client.destroy();
      await once(served.server, 'close');
    });

    test('does not wait for connections that its own server did not accept', async () => {
      await using served = await serve(by);
      const stream = new MemoryStream();
      served.server.handleUpgrade(injectedRequest(), stream, Buffer.alloc(0), () => {});
      served.server.close();
      await once(served.server, 'close');
      expect(served.server.clients.size).toBe(1);
      stream.destroy();
    });

    test('waits for the last tracked client, with an external server or none', async () => {
      const { server, leave } = withClient();
      const stream = new MemoryStream();
      server.handleUpgrade(injectedRequest(), stream, Buffer.alloc(0), () => {});
      const order: unknown[] = [];
      for (const client of server.clients) client.on('close', () => order.push(`client ${server.clients.size}`));
      server.on('close', () => order.push('server'));
      server.close();
      leave();
      await settle();
      expect(order).toEqual(['client 1']);
      stream.destroy();
      await once(server, 'close');
      expect(order).toEqual(['client 1', 'client 0', 'server']);

      await using http = await serveHttp();
      const given = new by.WebSocketServer({ server: http.httpServer });
      const { client } = await dialed(by, { server: given, port: http.port });
      const closed = vi.fn();
      given.on('close', closed);
      given.close();
      await settle();
      expect([closed.mock.calls, given.clients.size]).toEqual([[], 1]);
      client.terminate();
      await once(given, 'close');
      expect(given.clients.size).toBe(0);
    });

    test('does not wait for untracked clients, with an external server or none', async () => {
      const { server, leave } = withClient({ clientTracking: false });
      server.close();
      await once(server, 'close');
      leave();

      await using http = await serveHttp();
      const given = new by.WebSocketServer({ server: http.httpServer, clientTracking: false });
      const { client } = await dialed(by, { server: given, port: http.port });
      given.close();
      await once(given, 'close');
      expect(client.readyState).toBe(1);
    });

    test('which are all terminated, it closes soon', async () => {
      await using served = await serve(by);
      const pairs = [await dialed(by, served), await dialed(by, served)];
      const codes = Promise.all(pairs.map(({ client }) => once(client, 'close')));
      const closed = once(served.server, 'close');
      served.server.close();
      for (const client of served.server.clients) client.terminate();
      await closed;
      expect((await codes).map(([code]) => code)).toEqual([1006, 1006]);
    });

    test('may be called in a listener for connection, whose socket is served', async () => {
      await using served = await serve(by);
      const closed = once(served.server, 'close');
      served.server.on('connection', (socket) => {
        served.server.close();
        socket.on('message', (data) => {
          socket.send(data as Buffer);
          socket.close();
        });
      });
      using client = dial(by, served.port);
      client.on('open', () => client.send('hello'));
      expect(String((await once(client, 'message'))[0])).toBe('hello');
      await closed;
    });
  });

  describe('and its HTTP server', () => {
    test('its own server accepts no more connections', async () => {
      await using served = await serve(by);
      const { client } = await dialed(by, served);
      served.server.close();
      using late = dial(by, served.port);
      const [error] = await once(late, 'error');
      expect(error).toMatchObject({ code: 'ECONNREFUSED' });
      client.terminate();
      await once(served.server, 'close');
    });

    test('an external server stays open and usable, and has none of our listeners', async () => {
      await using given = await serveHttp(http.createServer((_request, response) => response.end('plain')));
      const { httpServer, port } = given;
      const counts = () => ['listening', 'error', 'upgrade', 'close'].map((event) => httpServer.listenerCount(event));
      const before = counts();
      const server = new by.WebSocketServer({ server: httpServer });
      expect(counts()).not.toEqual(before);
      server.close();
      expect(counts()).toEqual(before);
      await once(server, 'close');
      expect(httpServer.listening).toBe(true);
      expect(await exchange(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(
        /\r\nplain|plain$/,
      );
      const again = new by.WebSocketServer({ server: httpServer });
      const connected = once(again, 'connection');
      using _client = dial(by, port);
      await connected;
    });

    test('an external server may close first, and waits for our clients', async () => {
      await using given = await serveHttp();
      const { httpServer, port } = given;
      const server = new by.WebSocketServer({ server: httpServer });
      const { client } = await dialed(by, { server, port });
      const order: string[] = [];
      server.on('close', () => order.push('server'));
      httpServer.on('close', () => order.push('http'));
      httpServer.close();
      httpServer.closeIdleConnections();
      httpServer.closeAllConnections();
      await settle();
      // Node's HTTP server no longer tracks upgraded sockets as requests, but still counts their connections.
      expect([client.readyState, server.clients.size, order]).toEqual([1, 1, []]);
      const closed = once(httpServer, 'close');
      client.terminate();
      await closed;
      expect(order).toEqual(['http']);
      server.close();
      await once(server, 'close');
    });
  });

  describe('afterwards', () => {
    test.each([true, false])('upgrades are answered with 503 if it is closed: %j', async (isClosed) => {
      const { server, leave } = withClient();
      const told = vi.fn();
      server.on('wsClientError', told).on('connection', told);
      server.close();
      if (isClosed) {
        leave();
        await once(server, 'close');
      }
      const stream = new MemoryStream();
      server.handleUpgrade(injectedRequest(), stream, Buffer.alloc(0), told);
      await closing(stream);
      expect(stream.written).toMatch(refused503);
      expect(told).not.toHaveBeenCalled();
      leave();
    });

    test('a request that breaks a rule, or that verifyClient refuses, gets that response', async () => {
      const server = noServer({ verifyClient: () => false });
      server.close();
      const statuses: string[] = [];
      for (const headers of [{ upgrade: 'nonsense' }, {}]) {
        const stream = new MemoryStream();
        server.handleUpgrade(injectedRequest(headers, { socket: stream }), stream, Buffer.alloc(0), () => {});
        await closing(stream);
        statuses.push(stream.written.slice(9, 12));
      }
      expect(statuses).toEqual(['400', '401']);
    });

    test('a client that is being verified is answered with 503', async () => {
      let go!: () => void;
      const asked = new Promise<void>((resolve) => {
        go = resolve;
      });
      let answer!: (isAllowed: boolean) => void;
      await using served = await serve(by, {
        verifyClient: (_info, callback) => {
          answer = callback;
          go();
        },
      });
      const response = exchange(served.port, requestText());
      await asked;
      const closed = once(served.server, 'close');
      served.server.close();
      answer(true);
      expect(await response).toMatch(refused503);
      await closed;
    });

    test('a client whose headers event is being emitted is still accepted', async () => {
      await using served = await serve(by);
      served.server.on('headers', () => served.server.close());
      const connected = once(served.server, 'connection');
      expect(await exchangeHead(served.port, requestText())).toMatch(/^HTTP\/1\.1 101 /);
      await connected;
    });
  });

  test('accepts nothing from a server whose listeners it has removed', async () => {
    await using given = await serveHttp();
    const first = new by.WebSocketServer({ server: given.httpServer });
    given.httpServer.removeAllListeners('upgrade');
    const second = new by.WebSocketServer({ server: given.httpServer });
    second.on('connection', (socket) => socket.send('from the second'));
    first.close();
    await once(first, 'close');
    using client = dial(by, portOf(given.httpServer));
    expect(String((await once(client, 'message'))[0])).toBe('from the second');
  });
});

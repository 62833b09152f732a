import { once } from 'node:events';
import http from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import * as ws from 'ws';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { httpServerOf, WebSocketServer } from '../../src/server/websocket-server.ts';
import { WebSocket } from '../../src/websocket/websocket.ts';
import { exchange, exchangeHead } from '../support/exchange.ts';
import { closing } from '../support/life.ts';
import { MemoryStream } from '../support/memory-stream.ts';
import { accept, injectedRequest, requestText } from '../support/opening-request.ts';
import { portOf } from '../support/port-of.ts';
import { serveGoodwire, serveHttp } from '../support/serve.ts';
import { captureUncaught } from '../support/uncaught.ts';

/** Starts an HTTP server, until the end of the test. */
async function serveHttpForTest(server?: http.Server): Promise<http.Server> {
  const served = await serveHttp(server);
  onTestFinished(() => served[Symbol.asyncDispose]());
  return served.httpServer;
}

function dialWithWs(port: number, path = '/', ...rest: unknown[]): ws.WebSocket {
  const client = new ws.WebSocket(`ws://127.0.0.1:${port}${path}`, ...(rest as []));
  onTestFinished(() => client.terminate());
  client.on('error', () => {});
  return client;
}

function noServer(options: ServerOptions = {}): WebSocketServer {
  return new WebSocketServer({ noServer: true, ...options });
}

describe('new WebSocketServer', () => {
  it('does not limit the parts of a message by default; ws does', () => {
    expect(noServer().options).toMatchObject({ maxBufferedChunks: 0, maxFragments: 0 });
  });

  it('treats undefined as missing; ws treats it as a value', () => {
    const server = noServer({ maxPayload: undefined, clientTracking: undefined, WebSocket: undefined });
    expect(server.options).toMatchObject({ maxPayload: 104_857_600, clientTracking: true, WebSocket });
    expect(server.clients).toEqual(new Set());
  });

  it('refuses origins and response headers that are not valid', () => {
    expect(() => noServer({ origins: ['example.com'] })).toThrow(TypeError);
    expect(() => noServer({ responseHeaders: { Connection: 'x' } })).toThrow(TypeError);
  });
});

describe('shouldHandle()', () => {
  it('returns false for a request without a URL, which a program may inject', () => {
    expect(noServer({ path: '/foo' }).shouldHandle(injectedRequest({}, { url: undefined }))).toBe(false);
  });

  it('may be overridden with a promise', async () => {
    for (const [answer, status] of [
      [true, '101'],
      [false, '400'],
    ] as const) {
      class Picky extends WebSocketServer {
        override shouldHandle() {
          return Promise.resolve(answer);
        }
      }
      const socket = new MemoryStream();
      new Picky({ noServer: true }).handleUpgrade(injectedRequest(), socket, Buffer.alloc(0), (it) => it.terminate());
      await closing(socket);
      expect(socket.written.slice(9, 12)).toBe(status);
    }
  });
});

describe('a connection', () => {
  it('does not keep a reference to its request', async () => {
    setFlagsFromString('--expose_gc');
    const collectGarbage: () => void = runInNewContext('gc');
    const server = await serveGoodwire({ verifyClient: (_, answer) => setImmediate(answer, true) });
    const connected = new Promise<WeakRef<object>>((resolve) => {
      server.on('connection', (_, request) => resolve(new WeakRef(request)));
    });
    const client = dialWithWs(portOf(server));
    await once(client, 'open');
    const request = await connected;
    // References kept by Node itself are dropped with the next messages.
    for (let turn = 0; turn < 50 && request.deref() !== undefined; turn++) {
      await new Promise(setImmediate);
      collectGarbage();
    }
    expect(request.deref()).toBeUndefined();
    expect(server.clients.size).toBe(1);
  });
});

describe('the response', () => {
  it('has the headers that the application adds by option and by event', async () => {
    const server = await serveGoodwire({ responseHeaders: { 'X-Option': 'a', 'Set-Cookie': ['b=1', 'c=2'] } });
    const seen: string[][] = [];
    server.on('headers', (headers, request) => {
      seen.push([...headers]);
      headers.push(`X-Event: ${request.url}`);
    });
    const head = await exchangeHead(portOf(server), requestText());
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept}`,
      'X-Option: a',
      'Set-Cookie: b=1',
      'Set-Cookie: c=2',
    ];
    expect(seen).toEqual([lines]);
    expect(head.split('\r\n')).toEqual([...lines, 'X-Event: /']);
  });

  it('has the headers that a function returns for the request', async () => {
    const server = await serveGoodwire({ responseHeaders: ({ url }) => (url === '/x' ? { 'X-Url': url } : undefined) });
    expect(await exchangeHead(portOf(server), requestText({ url: '/x' }))).toContain('\r\nX-Url: /x');
    expect(await exchangeHead(portOf(server), requestText({ url: '/y' }))).not.toContain('X-Url');
  });
});

describe('verifyClient', () => {
  it.each<[string, NonNullable<ServerOptions['verifyClient']>, string, string]>([
    ['promises no', (() => Promise.resolve(false)) as unknown as () => boolean, '401 Unauthorized', 'Unauthorized'],
    ['sets a status without a name', (_, answer) => answer(false, 499), '499 ', ''],
    ['sets an invalid message', (_, answer) => answer(false, 403, 5 as never), '403 Forbidden', '5'],
  ])('refuses if it %s', async (_, verifyClient, status, body) => {
    const server = await serveGoodwire({ verifyClient });
    server.on('wsClientError', () => {
      throw new Error('is for requests that break a rule');
    });
    const response = await exchange(portOf(server), requestText());
    expect(response).toMatch(`HTTP/1.1 ${status}\r\nConnection: close\r\n`);
    expect(response.slice(response.indexOf('\r\n\r\n') + 4)).toBe(body);
  });

  it('sends a field once for each of its values, and none about the connection or the length', async () => {
    const headers = { 'Set-Cookie': ['a', 'b'], 'content-type': 'x/y', Connection: 'keep-alive', 'Content-Length': 99 };
    const server = await serveGoodwire({
      verifyClient: (_, answer) =>
        answer(false, 401, 'Who?', { ...headers, 'X-Left-Out': undefined, 'WWW-Authenticate': 'Basic' }),
    });
    expect(await exchange(portOf(server), requestText())).toBe(
      'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\ncontent-type: x/y\r\nContent-Length: 4\r\n' +
        'Set-Cookie: a\r\nSet-Cookie: b\r\nWWW-Authenticate: Basic\r\n\r\nWho?',
    );
  });

  it.each<[string, NonNullable<ServerOptions['verifyClient']>]>([
    ['promises yes', (() => Promise.resolve(true)) as unknown as () => boolean],
    [
      'accepts, and then refuses',
      (_, answer) => {
        answer(true);
        answer(false);
      },
    ],
    [
      'accepts twice',
      (_, answer) => {
        answer(true);
        answer(true);
      },
    ],
  ])('accepts if it %s', async (_, verifyClient) => {
    const server = await serveGoodwire({ verifyClient });
    const connected = once(server, 'connection');
    expect(await exchangeHead(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 101 /);
    await connected;
  });
});

describe('origins', () => {
  it('accept every origin by default', async () => {
    const server = await serveGoodwire();
    expect(await exchangeHead(portOf(server), requestText({ headers: { Origin: 'https://evil.test' } }))).toMatch(
      / 101 /,
    );
  });

  it.each<[string, string | string[] | undefined, string]>([
    ['lets a listed origin in', 'https://example.com', '101'],
    ['lets it in with its default port', 'HTTPS://example.com:443', '101'],
    ['refuses another one', 'https://example.com.evil.test', '403'],
    ['refuses null', 'null', '403'],
    ['refuses a request without origin', undefined, '403'],
    ['refuses two origins', ['https://example.com', 'https://example.com'], '403'],
  ])('%s', async (_, Origin, status) => {
    const server = await serveGoodwire({ origins: ['https://example.com'] });
    const head = await exchangeHead(portOf(server), requestText({ headers: { Origin } }));
    expect(head.split(' ')[1]).toBe(status);
    if (status === '403') expect(head).toMatch(/^HTTP\/1\.1 403 Forbidden\r\nConnection: close\r\n/);
  });

  it('calls a function', async () => {
    const origins = vi.fn((origin: string | undefined) => origin === undefined);
    const server = await serveGoodwire({ origins });
    expect(await exchangeHead(portOf(server), requestText())).toMatch(/ 101 /);
    expect(await exchangeHead(portOf(server), requestText({ headers: { Origin: 'http://x' } }))).toMatch(/ 403 /);
    expect(origins.mock.calls.map(([origin]) => origin)).toEqual([undefined, 'http://x']);
  });

  it('accepts only true from it', async () => {
    for (const answer of ['yes', 1, Promise.resolve('yes')]) {
      const server = await serveGoodwire({ origins: () => answer as unknown as boolean });
      expect(await exchange(portOf(server), requestText())).toMatch(/ 403 /);
    }
  });
});

describe('an external HTTP server', () => {
  it('may be shared by path, and a request for no server is refused once', async () => {
    const plain = await serveHttpForTest();
    const a = new WebSocketServer({ server: plain, path: '/a' });
    const b = new WebSocketServer({ server: plain, path: '/b' });
    a.on('connection', (socket) => socket.send('a'));
    b.on('connection', (socket) => socket.send('b'));
    for (const path of ['/a', '/b']) {
      const [data] = await once(dialWithWs(portOf(plain), path), 'message');
      expect(`/${data}`).toBe(path);
    }
    const response = await exchange(portOf(plain), requestText({ url: '/c' }));
    expect(response).toBe(
      'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 11\r\n\r\nBad Request',
    );

    a.close();
    expect(await exchange(portOf(plain), requestText({ url: '/a' }))).toMatch(/ 400 /);
    expect(await exchangeHead(portOf(plain), requestText({ url: '/b' }))).toMatch(/ 101 /);
    b.close();
    expect(plain.listenerCount('upgrade')).toBe(0);
  });

  it('passes a request for two servers to the first', async () => {
    const plain = await serveHttpForTest();
    const first = new WebSocketServer({ server: plain });
    const second = new WebSocketServer({ server: plain });
    second.on('connection', () => {
      throw new Error('it is not for the second');
    });
    const connected = once(first, 'connection');
    expect(await exchangeHead(portOf(plain), requestText())).toMatch(/ 101 /);
    await connected;
  });

  it('answers 500 if shouldHandle of one of them throws', async () => {
    const plain = await serveHttpForTest();
    class Broken extends WebSocketServer {
      override shouldHandle(): boolean {
        throw new Error('broken');
      }
    }
    const errors: Error[] = [];
    new Broken({ server: plain }).on('wsClientError', (error, socket) => {
      errors.push(error);
      socket.end('HTTP/1.1 500 x\r\n\r\n');
    });
    new WebSocketServer({ server: plain });
    expect(await exchange(portOf(plain), requestText())).toMatch(/^HTTP\/1\.1 500 /);
    expect(errors[0]!.cause).toEqual(new Error('broken'));
  });

  it('answers 500 if the promise of one of them is rejected, and leaves no rejection unhandled', async () => {
    using uncaught = captureUncaught();
    const plain = await serveHttpForTest();
    class Broken extends WebSocketServer {
      override shouldHandle(): Promise<boolean> {
        return Promise.reject(new Error('broken'));
      }
    }
    new Broken({ server: plain }).on('wsClientError', (_error, socket) => socket.end('HTTP/1.1 500 x\r\n\r\n'));
    new WebSocketServer({ server: plain });
    expect(await exchange(portOf(plain), requestText())).toMatch(/^HTTP\/1\.1 500 /);
    expect(uncaught.rejections).toEqual([]);
  });
});

describe('its own HTTP server', () => {
  it.each([
    ['close', 'close, Upgrade'],
    ['keep-alive', 'Upgrade'],
  ])('names the protocol to upgrade to, to a plain request with Connection: %s', async (connection, expected) => {
    const server = await serveGoodwire();
    const text = `GET / HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`;
    const head = await exchangeHead(portOf(server), text);
    expect(head.split('\r\n').slice(0, 3)).toEqual([
      'HTTP/1.1 426 Upgrade Required',
      `Connection: ${expected}`,
      'Upgrade: websocket',
    ]);
  });
});

describe('httpServerOf()', () => {
  it('returns the HTTP server, as long as the WebSocketServer listens to it', async () => {
    const given = http.createServer();
    const own = await serveGoodwire();
    const servers = [noServer(), new WebSocketServer({ server: given }), own];
    expect(servers.map(httpServerOf)).toEqual([null, given, expect.any(http.Server)]);
    expect(portOf(httpServerOf(own)!)).toBe(portOf(own));
    for (const server of servers) server.close();
    expect(servers.map(httpServerOf)).toEqual([null, null, null]);
  });
});

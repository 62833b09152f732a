import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { PassThrough } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as ws from 'ws';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { WebSocketServer } from '../../src/server/websocket-server.ts';
import { WebSocket } from '../../src/websocket/websocket.ts';
import { captureUncaught } from '../support/uncaught.ts';
import {
  accept,
  closing,
  connect,
  exchange,
  exchangeHead,
  injectedRequest,
  MemoryStream,
  portOf,
  requestText,
} from './support.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(options: ServerOptions = {}): Promise<WebSocketServer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  cleanups.push(() => {
    for (const client of server.clients ?? []) client.terminate();
    return new Promise((resolve) => server.close(resolve));
  });
  await once(server, 'listening');
  return server;
}

async function serveHttp(server: http.Server = http.createServer()): Promise<http.Server> {
  server.listen(0, '127.0.0.1');
  cleanups.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  await once(server, 'listening');
  return server;
}

function dial(port: number, path = '/', ...rest: unknown[]): ws.WebSocket {
  const client = new ws.WebSocket(`ws://127.0.0.1:${port}${path}`, ...(rest as []));
  cleanups.push(() => client.terminate());
  client.on('error', () => {});
  return client;
}

function noServer(options: ServerOptions = {}): WebSocketServer {
  return new WebSocketServer({ noServer: true, ...options });
}

describe('new WebSocketServer', () => {
  const message = 'One and only one of the "port", "server", or "noServer" options must be specified';

  it.each<[string, ServerOptions | undefined]>([
    ['no options', undefined],
    ['none of port, server and noServer', {}],
    ['a port that is null', { port: null as unknown as number }],
    ['port and server', { port: 0, server: http.createServer() }],
    ['port and noServer', { port: 0, noServer: true }],
    ['server and noServer', { server: http.createServer(), noServer: true }],
  ])('refuses %s', (_, options) => {
    expect(() => new WebSocketServer(options)).toThrow(new TypeError(message));
  });

  it('has the defaults of ws, except that the parts of a message are not counted', () => {
    const { WebSocket: ours, ...options } = new WebSocketServer({ noServer: true }).options;
    const { WebSocket: theirs, ...expected } = new ws.WebSocketServer({ noServer: true }).options;
    expect(options).toEqual({ ...expected, maxBufferedChunks: 0, maxFragments: 0 });
    expect(ours).toBe(WebSocket);
    expect(theirs).toBe(ws.WebSocket);
  });

  it('keeps options that it does not know, and takes undefined for not given', () => {
    const server = noServer({ own: 1, maxPayload: undefined, clientTracking: undefined } as ServerOptions);
    expect(server.options).toMatchObject({ own: 1, maxPayload: 104_857_600, clientTracking: true });
    expect(server.clients).toEqual(new Set());
  });

  it('turns perMessageDeflate true into no options of it', () => {
    expect(noServer({ perMessageDeflate: true }).options.perMessageDeflate).toEqual({});
  });

  it('has no clients when clientTracking is off', () => {
    expect('clients' in noServer({ clientTracking: false })).toBe(false);
  });

  it('refuses origins and response headers that are not valid', () => {
    expect(() => noServer({ origins: ['example.com'] })).toThrow(TypeError);
    expect(() => noServer({ responseHeaders: { Connection: 'x' } })).toThrow(TypeError);
  });

  it('calls back when it listens', async () => {
    const listening = vi.fn();
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' }, listening);
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    server.on('listening', () => listening('event'));
    await once(server, 'listening');
    expect(listening.mock.calls).toEqual([[], ['event']]);
  });

  it('emits error when the port is taken', async () => {
    const taken = await serve();
    const server = new WebSocketServer({ port: portOf(taken), host: '127.0.0.1' });
    const [error] = await once(server, 'error');
    expect(error.code).toBe('EADDRINUSE');
    await new Promise((resolve) => server.close(resolve));
  });

  it('is extensible', () => {
    const server = noServer();
    server.path = '/mine';
    expect(server.path).toBe('/mine');
    expect(server.shouldHandle(injectedRequest())).toBe(true);
  });
});

describe('address()', () => {
  it('tells the address, and null once the server closes', async () => {
    const server = await serve();
    expect(server.address()).toMatchObject({ address: '127.0.0.1', family: 'IPv4' });
    server.close();
    expect(server.address()).toBeNull();
  });

  it('throws without a server', () => {
    expect(() => noServer().address()).toThrow(new Error('The server is operating in "noServer" mode'));
  });
});

describe('shouldHandle()', () => {
  it.each([
    ['/foo', true],
    ['/foo?a=b', true],
    ['/foo?', true],
    ['/foo#a', false],
    ['/foo/', false],
    ['//foo', false],
    ['/FOO', false],
    ['/fo%6f', false],
    ['http://host/foo', false],
    ['/bar', false],
    [undefined, false],
  ])('says of %j that it is for the path /foo: %j', (url, expected) => {
    const request = injectedRequest({}, { url });
    expect(noServer({ path: '/foo' }).shouldHandle(request)).toBe(expected);
    const theirs = url === undefined || new ws.WebSocketServer({ noServer: true, path: '/foo' }).shouldHandle(request);
    expect(theirs).toBe(url === undefined || expected);
  });

  it('may be overridden, by a promise too', async () => {
    for (const answer of [false, Promise.resolve(false)]) {
      class Picky extends WebSocketServer {
        override shouldHandle() {
          return answer;
        }
      }
      const socket = new MemoryStream();
      new Picky({ noServer: true }).handleUpgrade(injectedRequest(), socket, Buffer.alloc(0), () => {
        throw new Error('must not be called');
      });
      await closing(socket);
      expect(socket.written).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    }
  });
});

describe('a connection', () => {
  it('is emitted with its request, and carries messages both ways', async () => {
    const server = await serve();
    server.on('connection', (socket, request) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
      socket.send(request.url!);
    });
    const client = dial(portOf(server), '/hello?you');
    const [greeting] = await once(client, 'message');
    expect(String(greeting)).toBe('/hello?you');
    client.send('text');
    const [data, isBinary] = await once(client, 'message');
    expect([String(data), isBinary]).toEqual(['text', false]);
  });

  it('is in clients as long as it is open', async () => {
    const server = await serve();
    const client = dial(portOf(server));
    const [socket] = await once(server, 'connection');
    expect([...server.clients]).toEqual([socket]);
    client.close(1000);
    await closing(socket);
    expect(server.clients.size).toBe(0);
  });

  it('is of the class that was asked for, and gets the options', async () => {
    const seen: unknown[] = [];
    class Mine extends WebSocket {
      constructor(...args: [null, undefined, object]) {
        super(...args);
        seen.push(...args);
      }
    }
    const server = await serve({ WebSocket: Mine as unknown as typeof WebSocket, maxPayload: 10 });
    const client = dial(portOf(server));
    const [socket] = await once(server, 'connection');
    expect(socket).toBeInstanceOf(Mine);
    expect(seen).toEqual([null, undefined, server.options]);
    client.on('open', () => client.send('12345678901'));
    if (client.readyState === client.OPEN) client.send('12345678901');
    const [code] = await once(client, 'close');
    expect(code).toBe(1009);
  });

  it('takes what came behind the request as its first octets', async () => {
    const server = await serve();
    const message = new Promise((resolve) => server.on('connection', (socket) => socket.on('message', resolve)));
    const socket = await connect(portOf(server));
    cleanups.push(() => socket.destroy());
    socket.write(`${requestText()}\x81\x82\0\0\0\0hi`, 'latin1');
    expect(String(await message)).toBe('hi');
  });

  it('does not keep its request in memory', async () => {
    setFlagsFromString('--expose_gc');
    const collectGarbage: () => void = runInNewContext('gc');
    const server = await serve({ verifyClient: (_, answer) => setImmediate(answer, true) });
    const connected = new Promise<WeakRef<object>>((resolve) => {
      server.on('connection', (_, request) => resolve(new WeakRef(request)));
    });
    const client = dial(portOf(server));
    await once(client, 'open');
    const request = await connected;
    // What Node itself holds on to goes with the next messages.
    for (let turn = 0; turn < 50 && request.deref() !== undefined; turn++) {
      await new Promise(setImmediate);
      collectGarbage();
    }
    expect(request.deref()).toBeUndefined();
    expect(server.clients.size).toBe(1);
  });

  it('runs over TLS, which verifyClient can tell', async () => {
    const fixture = (name: string) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url));
    const tls = https.createServer({ key: fixture('localhost-key.pem'), cert: fixture('localhost-cert.pem') });
    await serveHttp(tls as unknown as http.Server);
    let isSecure: boolean | undefined;
    const server = new WebSocketServer({
      server: tls,
      verifyClient: ({ secure }: { secure: boolean }) => {
        isSecure = secure;
        return true;
      },
    });
    const connected = once(server, 'connection');
    const client = new ws.WebSocket(`wss://localhost:${portOf(tls)}`, { rejectUnauthorized: false });
    await Promise.all([connected, once(client, 'open')]);
    expect(isSecure).toBe(true);
    client.terminate();
  });
});

describe('the response', () => {
  it('is that of ws, octet by octet', async () => {
    const theirs = new ws.WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(theirs, 'listening');
    cleanups.push(() => theirs.close());
    const ours = await serve();
    for (const headers of [{}, { 'Sec-WebSocket-Protocol': 'a, b' }, { 'Sec-WebSocket-Version': '8' }]) {
      const text = requestText({ headers });
      expect(await exchangeHead(portOf(ours), text)).toBe(await exchangeHead(portOf(theirs), text));
    }
  });

  it('has the headers that the application adds by option and by event', async () => {
    const server = await serve({ responseHeaders: { 'X-Option': 'a', 'Set-Cookie': ['b=1', 'c=2'] } });
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

  it('has the headers that a function makes for the request', async () => {
    const server = await serve({ responseHeaders: ({ url }) => (url === '/x' ? { 'X-Url': url } : undefined) });
    expect(await exchangeHead(portOf(server), requestText({ url: '/x' }))).toContain('\r\nX-Url: /x');
    expect(await exchangeHead(portOf(server), requestText({ url: '/y' }))).not.toContain('X-Url');
  });
});

describe('subprotocols', () => {
  it.each<[string, ServerOptions, string]>([
    ['are the first that is offered', {}, 'a'],
    ['are what handleProtocols chooses', { handleProtocols: (offered) => [...offered][1]! }, 'b'],
    ['are none if it says false', { handleProtocols: () => false }, ''],
    ['are none if it says nothing', { handleProtocols: (() => {}) as unknown as () => false }, ''],
  ])('%s', async (_, options, expected) => {
    const server = await serve(options);
    const connected = once(server, 'connection');
    const head = await exchangeHead(portOf(server), requestText({ headers: { 'Sec-WebSocket-Protocol': 'a, b' } }));
    const [socket] = await connected;
    expect(socket.protocol).toBe(expected);
    expect(/Sec-WebSocket-Protocol: (.*)/.exec(head)?.[1] ?? '').toBe(expected);
  });

  it('are not asked about if none is offered', async () => {
    const handleProtocols = vi.fn(() => 'x');
    const server = await serve({ handleProtocols });
    expect(await exchangeHead(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 101 /);
    expect(handleProtocols).not.toHaveBeenCalled();
  });

  it('are shown to handleProtocols with the request', async () => {
    const handleProtocols = vi.fn(() => 'b');
    const server = await serve({ handleProtocols });
    const connected = once(server, 'connection');
    dial(portOf(server), '/', ['a', 'b']);
    const [, request] = await connected;
    expect(handleProtocols.mock.calls).toEqual([[new Set(['a', 'b']), request]]);
  });
});

describe('verifyClient', () => {
  it('is told origin, security and request', async () => {
    const verifyClient = vi.fn(() => true);
    const server = await serve({ verifyClient });
    const connected = once(server, 'connection');
    dial(portOf(server), '/', { origin: 'https://example.com' });
    const [, req] = await connected;
    expect(verifyClient.mock.calls).toEqual([[{ origin: 'https://example.com', secure: false, req }]]);
  });

  it.each<[string, NonNullable<ServerOptions['verifyClient']>, string, string]>([
    ['says no', () => false, '401 Unauthorized', 'Unauthorized'],
    ['promises no', (() => Promise.resolve(false)) as unknown as () => boolean, '401 Unauthorized', 'Unauthorized'],
    ['says no at once by its callback', (_, answer) => answer(false), '401 Unauthorized', 'Unauthorized'],
    ['says no later', (_, answer) => setImmediate(answer, false), '401 Unauthorized', 'Unauthorized'],
    ['gives a status', (_, answer) => answer(false, 403), '403 Forbidden', 'Forbidden'],
    ['gives a status of 0', (_, answer) => answer(false, 0), '401 Unauthorized', 'Unauthorized'],
    ['gives an empty message', (_, answer) => answer(false, 404, ''), '404 Not Found', 'Not Found'],
    [
      'gives a status and a message',
      (_, answer) => answer(false, 429, 'Slow down'),
      '429 Too Many Requests',
      'Slow down',
    ],
    ['gives a status without a name', (_, answer) => answer(false, 499), '499 ', ''],
    ['redirects', (_, answer) => answer(false, 302, 'There', { Location: '/x' }), '302 Found', 'There'],
  ])('refuses when it %s', async (_, verifyClient, status, body) => {
    const server = await serve({ verifyClient });
    server.on('wsClientError', () => {
      throw new Error('is for requests that break a rule');
    });
    const response = await exchange(portOf(server), requestText());
    expect(response).toMatch(`HTTP/1.1 ${status}\r\nConnection: close\r\n`);
    expect(response.slice(response.indexOf('\r\n\r\n') + 4)).toBe(body);
  });

  it('sends headers along with its refusal', async () => {
    const server = await serve({
      verifyClient: (_, answer) =>
        answer(false, 401, 'Who?', { 'WWW-Authenticate': 'Basic', 'Set-Cookie': ['a', 'b'], 'Retry-After': 3 }),
    });
    const response = await exchange(portOf(server), requestText());
    expect(response).toContain(
      '\r\nWWW-Authenticate: Basic\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nRetry-After: 3\r\n\r\nWho?',
    );
  });

  it.each<[string, NonNullable<ServerOptions['verifyClient']>]>([
    ['says yes', () => true],
    ['promises yes', (() => Promise.resolve(true)) as unknown as () => boolean],
    ['says yes at once by its callback', (_, answer) => answer(true)],
    ['says yes later', (_, answer) => setImmediate(answer, true)],
    [
      'says yes, and then changes its mind',
      (_, answer) => {
        answer(true);
        answer(false);
      },
    ],
  ])('accepts when it %s', async (_, verifyClient) => {
    const server = await serve({ verifyClient });
    const connected = once(server, 'connection');
    expect(await exchangeHead(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 101 /);
    await connected;
  });

  it('is called as a method of the options', async () => {
    let receiver: unknown;
    const server = await serve({
      verifyClient(this: unknown) {
        receiver = this;
        return true;
      },
    });
    await exchangeHead(portOf(server), requestText());
    expect(receiver).toBe(server.options);
  });
});

describe('origins', () => {
  it('lets everybody in unless it is set', async () => {
    const server = await serve();
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
    const server = await serve({ origins: ['https://example.com'] });
    const head = await exchangeHead(portOf(server), requestText({ headers: { Origin } }));
    expect(head.split(' ')[1]).toBe(status);
    if (status === '403') expect(head).toMatch(/^HTTP\/1\.1 403 Forbidden\r\nConnection: close\r\n/);
  });

  it('asks a function', async () => {
    const origins = vi.fn((origin: string | undefined) => origin === undefined);
    const server = await serve({ origins });
    expect(await exchangeHead(portOf(server), requestText())).toMatch(/ 101 /);
    expect(await exchangeHead(portOf(server), requestText({ headers: { Origin: 'http://x' } }))).toMatch(/ 403 /);
    expect(origins.mock.calls.map(([origin]) => origin)).toEqual([undefined, 'http://x']);
  });

  it('takes nothing but true for a yes', async () => {
    for (const answer of ['yes', 1, Promise.resolve('yes')]) {
      const server = await serve({ origins: () => answer as unknown as boolean });
      expect(await exchange(portOf(server), requestText())).toMatch(/ 403 /);
    }
  });
});

describe('an HTTP server that is given', () => {
  it('serves plain requests as before, and is not closed', async () => {
    const plain = await serveHttp(http.createServer((_, response) => response.end('plain')));
    const server = new WebSocketServer({ server: plain });
    expect(server.address()).toEqual(plain.address());
    const response = await exchange(portOf(plain), 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(response).toMatch(/plain$/);
    const closed = once(server, 'close');
    server.close();
    await closed;
    expect(plain.listening).toBe(true);
    expect(plain.listenerCount('upgrade')).toBe(0);
  });

  it('has its events passed on until the WebSocketServer closes', () => {
    const plain = http.createServer();
    const counts = () => ['listening', 'error', 'upgrade'].map((event) => plain.listenerCount(event));
    const before = counts();
    const server = new WebSocketServer({ server: plain });
    const listening = vi.fn();
    const error = vi.fn();
    server.on('listening', listening).on('error', error);
    plain.emit('listening');
    plain.emit('error', new Error('x'));
    expect(listening).toHaveBeenCalledTimes(1);
    expect(error.mock.calls).toEqual([[new Error('x')]]);
    server.close();
    expect(counts()).toEqual(before);
  });

  it('may be shared by path, and what is for nobody is refused once', async () => {
    const plain = await serveHttp();
    const a = new WebSocketServer({ server: plain, path: '/a' });
    const b = new WebSocketServer({ server: plain, path: '/b' });
    a.on('connection', (socket) => socket.send('a'));
    b.on('connection', (socket) => socket.send('b'));
    for (const path of ['/a', '/b']) {
      const [data] = await once(dial(portOf(plain), path), 'message');
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

  it('gives a request that two want to the first', async () => {
    const plain = await serveHttp();
    const first = new WebSocketServer({ server: plain });
    const second = new WebSocketServer({ server: plain });
    second.on('connection', () => {
      throw new Error('it is not for the second');
    });
    const connected = once(first, 'connection');
    expect(await exchangeHead(portOf(plain), requestText())).toMatch(/ 101 /);
    await connected;
  });

  it('answers 500 when shouldHandle of one of them throws', async () => {
    const plain = await serveHttp();
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

  it('answers 500 when the promise of one of them is rejected, and leaves no rejection unhandled', async () => {
    using uncaught = captureUncaught();
    const plain = await serveHttp();
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

describe('the HTTP server of its own', () => {
  it('answers a plain request with 426', async () => {
    const server = await serve();
    const response = await exchange(portOf(server), 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(response).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/);
    expect(response).toMatch(/\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n/);
    expect(response).toMatch(/\r\n\r\nUpgrade Required$/);
  });

  it('keeps the connection for another request', async () => {
    const server = await serve();
    const plain = 'GET / HTTP/1.1\r\nHost: x\r\n';
    const response = await exchange(portOf(server), `${plain}\r\n${plain}Connection: close\r\n\r\n`);
    expect(response.match(/HTTP\/1\.1 426 Upgrade Required\r\n/g)).toHaveLength(2);
  });
});

describe('handleUpgrade()', () => {
  it('calls back at once, and leaves the connection event to the caller', () => {
    const server = noServer();
    server.on('connection', () => {
      throw new Error('not emitted');
    });
    const request = injectedRequest();
    const socket = new MemoryStream();
    const callback = vi.fn();
    server.handleUpgrade(request, socket, Buffer.alloc(0), callback);
    expect(callback.mock.calls).toEqual([[expect.any(WebSocket), request]]);
    expect([...server.clients]).toEqual([callback.mock.calls[0]![0]]);
    expect(socket.written).toBe(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
  });

  it('turns off the timeout and the delay of a socket that has them', () => {
    const calls: unknown[] = [];
    const socket = Object.assign(new MemoryStream(), {
      setTimeout: (timeout: number) => calls.push(['setTimeout', timeout]),
      setNoDelay: () => calls.push(['setNoDelay']),
    });
    noServer().handleUpgrade(injectedRequest(), socket, Buffer.alloc(0), () => {});
    expect(calls).toEqual([['setTimeout', 0], ['setNoDelay']]);
  });

  it('throws for a socket that was upgraded before', () => {
    const socket = new MemoryStream();
    const upgrade = () => noServer().handleUpgrade(injectedRequest(), socket, Buffer.alloc(0), () => {});
    upgrade();
    expect(upgrade).toThrow(
      new Error(
        'server.handleUpgrade() was called more than once with the same socket, possibly due to a misconfiguration',
      ),
    );
  });

  it('does not catch what the callback throws', () => {
    const answers: NonNullable<ServerOptions['verifyClient']>[] = [() => true, (_, answer) => answer(true)];
    for (const verifyClient of answers) {
      const upgrade = () =>
        noServer({ verifyClient }).handleUpgrade(injectedRequest(), new MemoryStream(), Buffer.alloc(0), () => {
          throw new Error('mine');
        });
      expect(upgrade).toThrow(new Error('mine'));
    }
  });

  it('leaves one listener for errors on the socket, that of the WebSocket', () => {
    const socket = new PassThrough();
    noServer().handleUpgrade(injectedRequest(), socket, Buffer.alloc(0), () => {});
    expect(socket.listenerCount('error')).toBe(1);
  });
});

describe('close()', () => {
  it('emits close, and calls back before', async () => {
    const server = noServer();
    const order: unknown[] = [];
    server.on('close', () => order.push('event'));
    await new Promise<void>((resolve) => {
      server.close((error) => {
        order.push(error);
        resolve();
      });
      order.push('returned');
    });
    expect(order).toEqual(['returned', 'event', undefined]);
  });

  it('calls every caller back while it closes, and those who come later with an error', async () => {
    const server = await serve();
    const close = () => new Promise<Error | undefined>((resolve) => server.close(resolve));
    expect(await Promise.all([close(), close()])).toEqual([undefined, undefined]);
    expect(await close()).toEqual(new Error('The server is not running'));
    server.close();
    await once(server, 'close');
  });

  it('waits for the clients of its own server, and does not close them', async () => {
    const server = await serve();
    const client = dial(portOf(server));
    const [[socket]] = await Promise.all([once(server, 'connection'), once(client, 'open')]);
    const closed = once(server, 'close');
    server.close();
    socket.send('still here');
    const [data] = await once(client, 'message');
    expect(String(data)).toBe('still here');
    client.close(1000);
    const [[code]] = await Promise.all([once(client, 'close'), closed]);
    expect(code).toBe(1000);
  });

  it('waits for its clients on a server that was given', async () => {
    const plain = await serveHttp();
    const server = new WebSocketServer({ server: plain });
    const client = dial(portOf(plain));
    await Promise.all([once(server, 'connection'), once(client, 'open')]);
    const closed = once(server, 'close');
    server.close();
    expect(server.clients.size).toBe(1);
    client.terminate();
    await closed;
    expect(server.clients.size).toBe(0);
  });

  it('does not wait for clients that it does not track', async () => {
    const plain = await serveHttp();
    const server = new WebSocketServer({ server: plain, clientTracking: false });
    const client = dial(portOf(plain));
    await Promise.all([once(server, 'connection'), once(client, 'open')]);
    server.close();
    await once(server, 'close');
  });

  it('has upgrades answered with 503 from then on', async () => {
    const server = noServer();
    server.close();
    const socket = new MemoryStream();
    server.handleUpgrade(injectedRequest(), socket, Buffer.alloc(0), () => {});
    await closing(socket);
    expect(socket.written).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n[\s\S]*\r\n\r\nService Unavailable$/);
  });

  it('answers 503 to a client that was being verified', async () => {
    const server: WebSocketServer = noServer({
      verifyClient: (_, answer) => {
        server.close();
        setImmediate(answer, true);
      },
    });
    const socket = new MemoryStream();
    server.handleUpgrade(injectedRequest(), socket, Buffer.alloc(0), () => {});
    await closing(socket);
    expect(socket.written).toMatch(/^HTTP\/1\.1 503 /);
  });
});

describe('an application that takes the upgrade listeners of its HTTP server away', () => {
  it.each(['goodwire', 'ws'] as const)('can give the server to another WebSocketServer of %s', async (name) => {
    const Server = name === 'ws' ? (ws.WebSocketServer as unknown as typeof WebSocketServer) : WebSocketServer;
    const server = await serveHttp();
    const first = new Server({ server });
    first.on('connection', (socket) => socket.send('from the first'));
    server.removeAllListeners('upgrade');
    const second = new Server({ server });
    second.on('connection', (socket) => socket.send('from the second'));
    const client = new WebSocket(`ws://127.0.0.1:${portOf(server)}`);
    cleanups.push(() => client.terminate());
    expect(String((await once(client, 'message'))[0])).toBe('from the second');
    first.close();
    second.close();
  });
});

import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import * as ws from 'ws';
import type * as goodwire from '../../src/index.ts';
import { certificate } from '../support/certificate.ts';
import { connect, exchangeHead } from '../support/exchange.ts';
import { requestText } from '../support/opening-request.ts';
import { type ServedHttp, serveHttp } from '../support/serve.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { settle } from '../support/until.ts';

const first = await import('../../src/index.ts');
vi.resetModules();
/** A second copy of the package, as an alias `ws` beside `goodwire` installs it. */
const second: typeof goodwire = await import('../../src/index.ts');

type Library = Pick<typeof goodwire, 'WebSocketServer'>;
const libraries = {
  goodwire: first,
  'another copy of it': second,
  ws: ws as unknown as Library,
} as const;

type Options = NonNullable<ConstructorParameters<Library['WebSocketServer']>[0]>;

/** Adds a server that echoes on a path of an HTTP server. */
function echo(library: Library, server: http.Server, options: Options) {
  const echoing = new library.WebSocketServer({ ...options, server });
  echoing.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  return echoing;
}

/** A listener for upgrades as a development server has: by ws, for one path, and others are not answered. */
function reload(server: http.Server, path: string, isAsync = false) {
  const reloading = new ws.WebSocketServer({ noServer: true });
  reloading.on('connection', (socket) =>
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
  );
  server.on('upgrade', async (request, socket, head) => {
    if (request.url !== path) return;
    if (isAsync) await settle();
    reloading.handleUpgrade(request, socket, head, (websocket) => reloading.emit('connection', websocket));
  });
  return reloading;
}

/** Sends a message to a path. Returns the echo, and the state of the socket some turns later; or its error. */
async function talk({ port }: ServedHttp, path: string, scheme = 'ws'): Promise<string> {
  const client = new first.WebSocket(`${scheme}://127.0.0.1:${port}${path}`, { rejectUnauthorized: false });
  onTestFinished(() => client.terminate());
  const failed = new Promise<string>((resolve) => client.on('error', ({ message }) => resolve(message)));
  const answered = new Promise<string>((resolve) => {
    client.on('open', () => client.send(path));
    client.on('message', async (data) => {
      await settle();
      resolve(`${data}, state ${client.readyState}`);
    });
  });
  return Promise.race([failed, answered]);
}

async function served(server: http.Server = http.createServer()): Promise<ServedHttp> {
  const it = await serveHttp(server);
  onTestFinished(() => it[Symbol.asyncDispose]());
  return it;
}

const ways: [title: string, add: (server: http.Server) => void][] = [
  [
    'two servers of one copy',
    (server) => {
      echo(first, server, { path: '/a' });
      echo(first, server, { path: '/b' });
    },
  ],
  [
    'a server of each of two copies',
    (server) => {
      echo(first, server, { path: '/a' });
      echo(second, server, { path: '/b' });
    },
  ],
  [
    'a server with a path, and one of the other copy for every path',
    (server) => {
      echo(first, server, { path: '/a' });
      echo(second, server, {});
    },
  ],
  [
    'a listener of another library, and a server behind it',
    (server) => {
      reload(server, '/a');
      echo(first, server, { path: '/b' });
    },
  ],
  [
    'a server, and a listener of another library behind it',
    (server) => {
      echo(first, server, { path: '/b' });
      reload(server, '/a');
    },
  ],
  [
    'a listener of another library, and a server for every path behind it',
    (server) => {
      reload(server, '/a');
      echo(first, server, {});
    },
  ],
  [
    'a listener that answers later, and a server in front of it',
    (server) => {
      echo(first, server, { path: '/b' });
      reload(server, '/a', true);
    },
  ],
  [
    'a server whose answer is a promise, and a listener behind it',
    (server) => {
      echo(first, server, {}).shouldHandle = async (request) => request.url === '/b';
      reload(server, '/a');
    },
  ],
];

describe.each([
  ['ws', () => http.createServer()],
  ['wss', () => https.createServer(certificate)],
] as const)('on one HTTP server, over %s:', (scheme, create) => {
  test.each(ways)('%s: each path has its echo, and nobody writes into a socket of another', async (_title, add) => {
    const server = create();
    add(server);
    const it = await served(server);
    expect(await talk(it, '/a', scheme)).toBe('/a, state 1');
    expect(await talk(it, '/b', scheme)).toBe('/b, state 1');
  });
});

test('a listener that only reads takes nothing: it may be an observer', async () => {
  const it = await served();
  const lengths: number[] = [];
  it.httpServer.on('upgrade', (_request, socket) => socket.on('data', ({ length }: Buffer) => lengths.push(length)));
  echo(first, it.httpServer, { path: '/a' });
  expect(await talk(it, '/a')).toBe('/a, state 1');
  expect(lengths).toEqual([8]);
});

test.each([
  ['http', () => http.createServer()],
  ['https', () => https.createServer(certificate)],
] as const)(
  'a connection that has had a response before is upgraded beside an observer, over %s',
  async (scheme, create) => {
    const server = create();
    server.on('request', (_request, response) => response.end('hi'));
    server.on('upgrade', (_request, socket) => socket.on('data', () => {}));
    echo(first, server, { path: '/a' });
    const it = await served(server);
    const client =
      scheme === 'http'
        ? await connect(it.port)
        : tls.connect({ port: it.port, host: '127.0.0.1', rejectUnauthorized: false });
    let received = '';
    client.setEncoding('latin1');
    const responses = new Promise<void>((resolve) => {
      client.on('data', (data) => {
        const isFirst = received === '';
        received += data;
        if (isFirst) client.write(requestText({ url: '/a' }));
        if (received.includes('HTTP/1.1 101 ')) resolve();
      });
    });
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await responses;
    expect(received).toMatch(/^HTTP\/1\.1 200 OK/);
    client.destroy();
  },
);

describe('a request that no server handles', () => {
  test.each(Object.keys(libraries))('gets 400 if %s alone listens for upgrades', async (name) => {
    const it = await served();
    echo(libraries[name as keyof typeof libraries], it.httpServer, { path: '/a' });
    expect(await talk(it, '/c')).toBe('Unexpected server response: 400');
  });

  test('is left to other listeners, and destroyed without a response at handshakeTimeout', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const it = await served();
    const sockets: Duplex[] = [];
    it.httpServer.on('upgrade', (_request, socket) => sockets.push(socket));
    echo(first, it.httpServer, { path: '/a', handshakeTimeout: 5000 });
    const client = await connect(it.port);
    const received: string[] = [];
    client.on('data', (data) => received.push(String(data)));
    const end = once(client, 'close');
    const offered = once(it.httpServer, 'upgrade');
    client.write(requestText({ url: '/c' }));
    await offered;
    await vi.advanceTimersByTimeAsync(4999);
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false]);
    await vi.advanceTimersByTimeAsync(1);
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true]);
    await end;
    expect(received).toEqual([]);
  });

  test.each([
    ['has written to it', (socket: Duplex) => void socket.write('HTTP/1.1 100 Continue\r\n\r\n')],
    ['reads from it', (socket: Duplex) => void socket.on('data', () => {})],
    ['has paused it', (socket: Duplex) => void socket.pause()],
  ])('is not destroyed at handshakeTimeout if another listener %s', async (_title, take) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const it = await served();
    echo(first, it.httpServer, { path: '/a', handshakeTimeout: 5000 });
    let taken: Duplex | undefined;
    it.httpServer.on('upgrade', (_request, socket) => {
      taken = socket;
      process.nextTick(take, socket);
    });
    const client = await connect(it.port);
    const offered = once(it.httpServer, 'upgrade');
    client.write(requestText({ url: '/c' }));
    await offered;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(taken?.destroyed).toBe(false);
    client.destroy();
  });

  test('is destroyed when the last of our servers closes, so that the HTTP server can close', async () => {
    const it = await served();
    it.httpServer.on('upgrade', () => {});
    const servers = ['/a', '/b'].map((path) => echo(first, it.httpServer, { path, handshakeTimeout: 0 }));
    const [client, [, socket]] = await Promise.all([
      connect(it.port).then((client) => {
        client.write(requestText({ url: '/c' }));
        return client;
      }),
      once(it.httpServer, 'upgrade') as Promise<[unknown, Duplex]>,
    ]);
    const end = once(client, 'close');
    servers[0]?.close();
    expect(socket.destroyed).toBe(false);
    servers[1]?.close();
    expect(socket.destroyed).toBe(true);
    const closed = once(it.httpServer, 'close');
    it.httpServer.close();
    await Promise.all([end, closed]);
  });

  test('stays if handshakeTimeout is 0', async () => {
    const it = await served();
    it.httpServer.on('upgrade', () => {});
    echo(first, it.httpServer, { path: '/a', handshakeTimeout: 0 });
    const timers = vi.spyOn(globalThis, 'setTimeout');
    onTestFinished(() => void timers.mockRestore());
    const offered = once(it.httpServer, 'upgrade');
    const client = await connect(it.port);
    client.write(requestText({ url: '/c' }));
    await offered;
    expect(timers).not.toHaveBeenCalled();
    client.destroy();
  });

  test('and resets the connection is no uncaught exception', async () => {
    using uncaught = captureUncaught();
    const it = await served();
    it.httpServer.on('upgrade', () => {});
    echo(first, it.httpServer, { path: '/a' });
    const [client, [, socket]] = await Promise.all([
      connect(it.port).then((client) => {
        client.write(requestText({ url: '/c' }));
        return client;
      }),
      once(it.httpServer, 'upgrade') as Promise<[unknown, Duplex]>,
    ]);
    const end = new Promise((resolve) => socket.on('close', resolve));
    client.resetAndDestroy();
    socket.resume();
    await end;
    await settle();
    expect(uncaught.exceptions).toEqual([]);
  });

  test('is left to others if it asks for another protocol than websocket, also by a server for every path', async () => {
    const it = await served();
    echo(first, it.httpServer, {});
    it.httpServer.on('upgrade', (request, socket) => {
      if (request.headers.upgrade === 'other')
        socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n');
    });
    const head = await exchangeHead(it.port, requestText({ headers: { Upgrade: 'other' } }));
    expect(head).toMatch(/^HTTP\/1\.1 101 [^\r]*\r\nUpgrade: other/);
  });
});

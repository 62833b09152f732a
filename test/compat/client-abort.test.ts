import * as http from 'node:http';
import * as net from 'node:net';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { type Implementation, implementations } from '../support/peers.ts';
import { agree, memoryServer, type RawServer, redirection, server, switching } from '../support/raw-server.ts';
import { settle } from '../support/until.ts';
import { client, thrownBy, type Watch, watch } from '../support/watch.ts';

type Options = NonNullable<Parameters<typeof client>[2]>;

const lost = 'close 1006 "" [3]';
const early = 'error Error: WebSocket was closed before the connection was established [2]';
const url = ({ port }: { port: number }) => `ws://127.0.0.1:${port}/`;
const never = () => undefined;

/** Ends the client. Marks that moment, and the events in the next tick. */
type End = (socket: WebSocket, log: string[]) => void;

interface Attempt extends Watch {
  readonly socket: WebSocket;
}

function attempt(by: Implementation, address: string, options: Options = {}): Attempt {
  const socket = client(by, address, options);
  return { socket, ...watch(socket) };
}

/** Returns the events up to the time at which the server's end has closed too. */
async function untilGone(raw: RawServer, closed: Promise<string[]>): Promise<string[]> {
  const log = await closed;
  await raw.allClosed();
  return log;
}

/**
 * Moment of an attempt to connect, and its events up to then. `begin` calls `end` at that moment, and returns the
 * events.
 */
interface Moment {
  readonly when: string;
  readonly told?: (port: number) => string[];
  begin(by: Implementation, end: End): Promise<{ told: Promise<string[]>; port?: number }>;
}

/** Returns a moment some turns after the beginning. */
const waiting = (when: string, address: (port: number) => string, options: () => Options = () => ({})): Moment => ({
  when,
  async begin(by, end) {
    const raw = await server(never);
    const { socket, log, closed } = attempt(by, address(raw.port), options());
    await settle();
    end(socket, log);
    return { told: untilGone(raw, closed) };
  },
});

/** Returns a moment inside an event of the client. */
const inside = (event: string, told: (port: number) => string[], answer: Parameters<typeof server>[0]): Moment => ({
  when: `in a listener for ${event}`,
  told,
  async begin(by, end) {
    const raw = await server(answer);
    const { socket, log, closed } = attempt(by, url(raw), { followRedirects: true });
    socket.on(event, () => end(socket, log));
    return { told: untilGone(raw, closed), port: raw.port };
  },
});

const moments: Moment[] = [
  {
    when: 'at once',
    async begin(by, end) {
      const raw = await server(agree);
      const { socket, log, closed } = attempt(by, url(raw));
      end(socket, log);
      await closed;
      await raw.allClosed();
      expect(raw.requests).toEqual([]);
      return { told: closed };
    },
  },
  {
    when: 'in the next tick',
    async begin(by, end) {
      const raw = await server(agree);
      const { socket, log, closed } = attempt(by, url(raw));
      process.nextTick(() => end(socket, log));
      return { told: untilGone(raw, closed) };
    },
  },
  {
    when: 'in finishRequest, which then sends it',
    async begin(by, end) {
      const { requests, createConnection } = memoryServer();
      let watched: Watch | undefined;
      client(by, 'ws://example.com/', {
        createConnection,
        finishRequest(request, socket) {
          watched = watch(socket as unknown as WebSocket);
          end(socket as unknown as WebSocket, watched.log);
          request.end();
        },
      });
      const log = await watched!.closed;
      await settle();
      expect(requests).toEqual([]);
      return { told: Promise.resolve(log) };
    },
  },
  {
    when: 'in finishRequest, which leaves it at that',
    async begin(by, end) {
      let watched: Watch | undefined;
      client(by, 'ws://example.com/', {
        createConnection: memoryServer().createConnection,
        finishRequest(_request, socket) {
          watched = watch(socket as unknown as WebSocket);
          end(socket as unknown as WebSocket, watched.log);
        },
      });
      return { told: watched!.closed };
    },
  },
  waiting(
    'while a name is looked up',
    () => 'ws://name.invalid/',
    () => ({ lookup: never }),
  ),
  waiting(
    'while createConnection makes a connection',
    () => 'ws://example.com/',
    () => ({ createConnection: never }),
  ),
  waiting(
    'while a socket connects',
    () => 'ws://example.com/',
    () => ({
      createConnection: () => Object.assign(new net.Socket(), { connecting: true }),
    }),
  ),
  waiting('during the TLS handshake', (port) => `wss://127.0.0.1:${port}/`),
  waiting(
    'before finishRequest has sent the request',
    (port) => `ws://127.0.0.1:${port}/`,
    () => ({ finishRequest: never }),
  ),
  waiting('before the response', (port) => `ws://127.0.0.1:${port}/`),
  {
    when: 'while it waits for its turn with an agent',
    async begin(by, end) {
      const raw = await server(never);
      const agent = new http.Agent({ maxSockets: 1 });
      const first = attempt(by, url(raw), { agent });
      const { socket, log, closed } = attempt(by, url(raw), { agent });
      await settle();
      end(socket, log);
      await closed;
      expect(first.log).toEqual([]);
      first.socket.terminate();
      await first.closed;
      await raw.allClosed();
      expect(raw.requests).toHaveLength(1);
      return { told: closed };
    },
  },
  {
    when: 'in the middle of the response',
    async begin(by, end) {
      const raw = await server(() => 'HTTP/1.1 101 Switch');
      const { socket, log, closed } = attempt(by, url(raw));
      while (raw.requests.length === 0) await settle();
      await settle();
      end(socket, log);
      return { told: untilGone(raw, closed) };
    },
  },
  inside('upgrade', () => ['upgrade 101 [0]'], agree),
  inside(
    'redirect',
    (port) => [`redirect ws://127.0.0.1:${port}/x [0]`],
    ({ number, accept }) => (number === 1 ? redirection('/x') : switching(accept)),
  ),
  inside(
    'unexpected-response',
    () => ['unexpected-response 404 [0]'],
    () => 'HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc',
  ),
  {
    when: 'in the middle of the body of an unexpected response',
    told: () => ['unexpected-response 404 [0]'],
    async begin(by, end) {
      const raw = await server(() => 'HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nabc');
      const { socket, log, closed } = attempt(by, url(raw));
      socket.on('unexpected-response', (_request, response) => {
        response.on('error', () => {});
        response.once('data', () => end(socket, log));
      });
      return { told: untilGone(raw, closed) };
    },
  },
  {
    when: 'at the end of the body of an unexpected response',
    told: () => ['unexpected-response 404 [0]'],
    async begin(by, end) {
      const raw = await server(() => 'HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc');
      const { socket, log, closed } = attempt(by, url(raw));
      socket.on('unexpected-response', (_request, response) => {
        response.resume().on('end', () => end(socket, log));
      });
      return { told: untilGone(raw, closed) };
    },
  },
];

describe.each(Object.entries(implementations))('a client of %s that is aborted', (_name, by) => {
  describe.each(['close', 'terminate'] as const)('by %s()', (method) => {
    test.each(moments)('$when emits the error in the next tick, and then close', async ({ told, begin }) => {
      const attempted = await begin(by, (socket, log) => {
        socket[method]();
        log.push(`${method} [${socket.readyState}]`);
        process.nextTick(() => log.push('the tick behind it'));
      });
      const log = await attempted.told;
      await settle();
      const before = told?.(attempted.port ?? 0) ?? [];
      expect(log).toEqual([...before, `${method} [2]`, early, lost, 'the tick behind it']);
    });

    test('emits them once, however often it is aborted', async () => {
      const { socket, log, closed } = attempt(by, 'ws://example.com/', { lookup: never });
      socket[method]();
      socket.close();
      socket.terminate();
      await closed;
      socket[method]();
      await settle();
      expect(log).toEqual([early, lost]);
    });

    test('does nothing in a listener for error or close', async () => {
      const raw = await server(() => 'HTTP/1.1 404 Not Found\r\n\r\n');
      const { socket, log, closed } = attempt(by, url(raw));
      for (const event of ['error', 'close'])
        socket.on(event, () => {
          socket[method]();
          log.push(`${method} [${socket.readyState}]`);
        });
      await closed;
      await settle();
      const refused = 'error Error: Unexpected server response: 404 [2]';
      expect(log).toEqual(['unexpected-response 404 [0]', refused, `${method} [2]`, lost, `${method} [3]`]);
    });
  });

  test('ignores the arguments of close()', async () => {
    const { socket, closed } = attempt(by, 'ws://example.com/', { lookup: never });
    expect(thrownBy(() => socket.close(5, 'x'.repeat(200)))).toBeUndefined();
    expect(await closed).toEqual([early, lost]);
  });

  test('destroys a socket that createConnection delivers too late', async () => {
    const late = new net.Socket();
    let deliver = () => {};
    const createConnection = (_options: unknown, callback: (error: Error | null, socket: net.Socket) => void) => {
      deliver = () => callback(null, late);
      return undefined;
    };
    const { socket, closed } = attempt(by, 'ws://example.com/', { createConnection });
    socket.terminate();
    await closed;
    deliver();
    await settle();
    expect(late.destroyed).toBe(true);
  });

  test('in a listener for open is already connected: terminate() ends it without an error', async () => {
    const raw = await server(agree);
    const { socket, closed } = attempt(by, url(raw));
    socket.on('open', () => socket.terminate());
    expect(await closed).toEqual(['upgrade 101 [0]', 'open [1]', lost]);
  });

  test.each(['send', 'ping', 'pong'] as const)(
    'passes an error to the callback of a late %s(), and counts its bytes',
    async (method) => {
      const { socket, closed } = attempt(by, 'ws://example.com/', { lookup: never });
      socket.terminate();
      const told = new Promise<Error | undefined>((resolve) => {
        if (method === 'send') socket.send('abc', resolve);
        else socket[method]('abc', undefined, resolve);
      });
      expect(socket.bufferedAmount).toBe(3);
      expect(await told).toEqual(new Error('WebSocket is not open: readyState 2 (CLOSING)'));
      await closed;
      expect(socket.bufferedAmount).toBe(3);
    },
  );
});

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import http, { type IncomingMessage, type Server } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { acceptUpgrade, type UpgradeHost } from '../../src/server/accept-upgrade.ts';
import {
  type SocketErrorMessage,
  socketErrorChannelName,
  type UpgradeRefusedMessage,
  upgradeRefusedChannelName,
} from '../../src/server/diagnostics.ts';
import * as own from '../../src/server/own.ts';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { UnaskedConnections } from '../../src/server/unasked-connections.ts';
import { upgrade } from '../../src/server/upgrade.ts';
import { httpServerOf, WebSocketServer } from '../../src/server/websocket-server.ts';
import { WebSocket } from '../../src/websocket/websocket.ts';
import { exchange } from '../support/exchange.ts';
import { closing } from '../support/life.ts';
import { injectedRequest, requestText } from '../support/opening-request.ts';
import { portOf } from '../support/port-of.ts';
import { serveGoodwire } from '../support/serve.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { settle } from '../support/until.ts';
import { MisbehavingStream, misbehaviours, refusing } from './misbehaving-stream.ts';

const noHead = Buffer.alloc(0);
const thrown = (): never => {
  throw new Error('mine');
};
const rejected = (() => Promise.reject(new Error('mine'))) as unknown as () => boolean;
/** Computed, because the linter considers an object with this property a mistake. */
const then = 'then';
const throwingGetter = Object.defineProperty({}, 'X', { enumerable: true, get: thrown });

/** Request that a server refuses, and the reason. */
interface Case {
  readonly options?: ServerOptions;
  readonly headers?: Record<string, string | undefined>;
  readonly request?: object;
  /** Called with the server before the request. */
  prepare?(server: WebSocketServer): void;
}

const refusals: Readonly<Record<string, Case>> = {
  'for its method': { request: { method: 'POST' } },
  'for its key': { headers: { 'sec-websocket-key': undefined } },
  'for its version': { headers: { 'sec-websocket-version': '12' } },
  'for its Upgrade': { headers: { upgrade: 'x' } },
  'for its number of fields': { options: { maxHeadersCount: 1 }, request: { rawHeaders: ['a', 'b', 'c', 'd'] } },
  'because it has no fields': { request: { headers: undefined } },
  'for its path': { options: { path: '/elsewhere' } },
  'for its origin': { options: { origins: [] } },
  'as origins throws': { options: { origins: thrown } },
  'as origins rejects': { options: { origins: rejected } },
  'by a shouldHandle that answers later': {
    prepare: (server) => {
      server.shouldHandle = () => Promise.resolve(false);
    },
  },
  'as the answer of shouldHandle is a promise that throws': {
    prepare: (server) => {
      server.shouldHandle = () => Object.assign(Promise.resolve(true), { [then]: thrown });
    },
  },
  'as the answer of shouldHandle has a property that throws': {
    prepare: (server) => {
      server.shouldHandle = () => Object.defineProperty({}, then, { get: thrown }) as unknown as boolean;
    },
  },
  'by verifyClient': { options: { verifyClient: () => false } },
  'as verifyClient throws': { options: { verifyClient: thrown } },
  'as verifyClient throws what has no text': {
    options: {
      verifyClient: () => {
        throw Object.create(null);
      },
    },
  },
  'as verifyClient rejects': { options: { verifyClient: rejected } },
  'by the callback of verifyClient': { options: { verifyClient: (_info, answer) => answer(false) } },
  'by the callback of verifyClient, later': {
    options: { verifyClient: (_info, answer) => void setImmediate(answer, false) },
  },
  'by a verifyClient that answers, and rejects then': {
    options: {
      verifyClient: async (_info, answer) => {
        answer(false);
        thrown();
      },
    },
  },
  'as verifyClient never answers': { options: { handshakeTimeout: 5, verifyClient: (_info, _answer) => {} } },
  'with a status that cannot be sent': { options: { verifyClient: (_info, answer) => answer(false, 101) } },
  'with a status that is no number': {
    options: { verifyClient: (_info, answer) => answer(false, Symbol('401') as unknown as number) },
  },
  'with headers that cannot be sent, later': {
    options: { verifyClient: (_info, answer) => void setImmediate(answer, false, 401, '', { X: 'a\r\nb' }) },
  },
  'with headers that throw': { options: { verifyClient: (_info, answer) => answer(false, 401, '', throwingGetter) } },
  'with headers that throw, later': {
    options: { verifyClient: (_info, answer) => void setImmediate(answer, false, 401, '', throwingGetter) },
  },
  'as too many are waiting': {
    options: { maxPendingHandshakes: 1, verifyClient: (_info, _answer) => {} },
    prepare: (server) => {
      const other = new MisbehavingStream();
      onTestFinished(() => void other.destroy());
      server.handleUpgrade(injectedRequest(), other, noHead, () => {});
    },
  },
  'as the server closes': { prepare: (server) => server.close() },
  'as handleProtocols throws': { options: { handleProtocols: thrown }, headers: { 'sec-websocket-protocol': 'a' } },
  'as responseHeaders throws': { options: { responseHeaders: thrown } },
  'as a headers listener throws': { prepare: (server) => void server.on('headers', thrown) },
  'as a headers listener adds two lines in one': {
    prepare: (server) => void server.on('headers', (headers) => headers.push('X: a\r\nY: b')),
  },
  'as its class throws': { options: { WebSocket: thrown as never } },
  'as an option has become invalid': {
    prepare: (server) => {
      server.options.perMessageDeflate = { threshold: 'x' as unknown as number };
    },
    headers: { 'sec-websocket-extensions': 'permessage-deflate' },
  },
};

/** Collects the messages of a channel about one request or socket, until the end of the test. */
function collect<Message>(name: string, belongs: (message: Message) => boolean): Message[] {
  const messages: Message[] = [];
  const listener = (message: unknown) => {
    if (belongs(message as Message)) messages.push(message as Message);
  };
  subscribe(name, listener);
  onTestFinished(() => void unsubscribe(name, listener));
  return messages;
}

/** Passes one request on a stream to a server, and reports the result. */
function attempt(stream: Duplex, { options = {}, headers = {}, request: more, prepare }: Case, head = noHead) {
  const server = new WebSocketServer({ noServer: true, closeTimeout: 5, ...options });
  prepare?.(server);
  const request = injectedRequest(headers, more);
  const published = collect<UpgradeRefusedMessage>(upgradeRefusedChannelName, (message) => message.request === request);
  const accepted = vi.fn<(websocket: WebSocket) => void>();
  const host = (server as unknown as { [own.host]: UpgradeHost })[own.host];
  const before = host.pending.size;
  const refused = vi.fn();
  const whenRefused = new Promise<void>((resolve) => {
    refused.mockImplementation(() => resolve());
  });
  const listening = Object.create(host, { refused: { value: refused } }) as UpgradeHost;
  const start = () => acceptUpgrade(listening, request as IncomingMessage, stream, head, accepted);
  return { server, start, published, accepted, refused, whenRefused, pending: () => host.pending.size - before };
}

/** Refuses a request on a stream, and checks everything that a refusal guarantees. */
async function demandRefusal(stream: MisbehavingStream, refusal: Case): Promise<void> {
  using uncaught = captureUncaught();
  const { start, published, accepted, refused, whenRefused, pending } = attempt(stream, refusal);
  expect(start).not.toThrow();
  await Promise.all([stream.whenDestroyed, whenRefused]);
  await settle();
  expect([published.length, refused.mock.calls.length, accepted.mock.calls.length, pending()]).toEqual([1, 1, 0, 0]);
  expect(stream.responses).toBeLessThanOrEqual(1);
  expect([uncaught.exceptions, uncaught.rejections]).toEqual([[], []]);
}

describe.each(Object.entries(misbehaviours))('a stream that %s', (_stream, misbehave) => {
  it.each(Object.entries(refusals))('is refused once and ended: %s', async (_refusal, refusal) => {
    const stream = new MisbehavingStream();
    misbehave(stream);
    await demandRefusal(stream, refusal);
  });

  it('is accepted, or refused once and ended', async () => {
    using uncaught = captureUncaught();
    const stream = new MisbehavingStream();
    misbehave(stream);
    const { server, start, published, accepted, refused } = attempt(stream, {});
    expect(start).not.toThrow();
    expect([0, 1]).toContain(accepted.mock.calls.length);
    expect([published.length, refused.mock.calls.length]).toEqual(accepted.mock.calls.length === 1 ? [0, 0] : [1, 1]);
    const [websocket] = accepted.mock.calls[0] ?? [];
    if (websocket !== undefined) {
      const closed = closing(websocket);
      Duplex.prototype.destroy.call(stream);
      await closed;
    }
    await stream.whenDestroyed;
    await settle();
    expect(server.clients.size).toBe(0);
    expect([uncaught.exceptions, uncaught.rejections]).toEqual([[], []]);
  });
});

const failing = ['has a _write() that fails', 'has a _final() that throws'];
const fragile = ['has a destroy() that throws', 'takes no listener for "error"'];

describe('a refusal', () => {
  it('is written once to streams that misbehave in several ways', async () => {
    const ways = fc
      .subarray(
        Object.keys(misbehaviours).filter((way) => way !== 'is frozen'),
        { minLength: 2, maxLength: 5 },
      )
      // If a stream fails by itself, Node.js calls destroy() and emits 'error'. An exception there cannot be caught.
      .filter(
        (several) => !several.some((way) => fragile.includes(way)) || !several.some((way) => failing.includes(way)),
      );
    const refusal = fc.constantFrom(...Object.keys(refusals));
    await fc.assert(
      fc.asyncProperty(ways, refusal, fc.boolean(), async (several, name, objectMode) => {
        const stream = new MisbehavingStream({ objectMode });
        // A misbehavior that uses a method of the stream may find it replaced.
        for (const way of several) {
          try {
            misbehaviours[way]!(stream);
          } catch {}
        }
        await demandRefusal(stream, refusals[name]!);
      }),
      { numRuns: 300 },
    );
  });

  it.each(Object.entries(refusals))('is written whole to a stream in object mode: %s', async (_title, refusal) => {
    const stream = new MisbehavingStream({ objectMode: true });
    await demandRefusal(stream, refusal);
    expect(stream.written).toMatch(/^HTTP\/1\.1 [45]\d\d .*\r\nConnection: close/);
  });

  it.each(Object.entries(refusals))(
    'is not repeated for a stream that is upgraded again within its write(): %s',
    async (_title, refusal) => {
      const stream = new MisbehavingStream();
      const write = stream._write;
      const server = new WebSocketServer({ noServer: true });
      const again = vi.fn();
      stream._write = function (...args) {
        server.handleUpgrade(injectedRequest(), this, noHead, again);
        write.apply(this, args);
      };
      await demandRefusal(stream, refusal);
      expect(stream.responses).toBe(1);
      expect(again).not.toHaveBeenCalled();
    },
  );

  it('is sent even if setTimeout throws: the socket is ended at once', async () => {
    vi.stubGlobal('setTimeout', thrown);
    const stream = new MisbehavingStream();
    await demandRefusal(stream, { request: { method: 'POST' } });
    await demandRefusal(new MisbehavingStream(), { options: { verifyClient: (_info, _answer) => {} } });
  });

  it('waits for a peer that reads slowly, for any closeTimeout', async () => {
    const stream = new MisbehavingStream();
    let go!: () => void;
    const begun = new Promise<void>((resolve) => {
      stream._write = (chunk, _encoding, done) => {
        stream.written += String(chunk);
        go = done;
        resolve();
      };
    });
    const { start } = attempt(stream, { options: { path: '/x', closeTimeout: Number.POSITIVE_INFINITY } });
    start();
    await begun;
    // Otherwise a delay above the maximum of a timer would become one millisecond.
    await new Promise((resolve) => setTimeout(resolve, 2));
    expect(stream.destroyed).toBe(false);
    go();
    await stream.whenDestroyed;
  });

  it('publishes errors thrown by methods of the socket', async () => {
    const stream = new MisbehavingStream();
    misbehaviours['has an end() that throws']!(stream);
    const errors = collect<SocketErrorMessage>(socketErrorChannelName, ({ socket }) => socket === stream);
    await demandRefusal(stream, { request: { method: 'POST' } });
    expect(errors.map(({ error }) => error.message)).toEqual(['the stream misbehaves']);
  });

  it('ends the socket without a response if the application has corrupted http.STATUS_CODES', async () => {
    const { 500: text } = http.STATUS_CODES;
    onTestFinished(() => {
      http.STATUS_CODES[500] = text;
    });
    http.STATUS_CODES[500] = 'a\r\nb';
    const stream = new MisbehavingStream();
    await demandRefusal(stream, { options: { verifyClient: thrown } });
    expect(stream.written).toBe('');
  });

  it('calls no more callbacks of the application if an answer is too late', async () => {
    const origins = vi.fn(() => true);
    let answer!: (isHandled: boolean) => void;
    const stream = new MisbehavingStream();
    await demandRefusal(stream, {
      options: { handshakeTimeout: 5, origins },
      prepare: (server) => {
        server.shouldHandle = () =>
          new Promise((resolve) => {
            answer = resolve;
          });
      },
    });
    answer(true);
    await settle();
    expect(origins).not.toHaveBeenCalled();
  });
});

describe('an error thrown by a listener of the application', () => {
  it.each<[string, (socket: Duplex) => void, string]>([
    ['before it has answered', () => {}, ''],
    ['behind its answer', (socket) => void socket.end('HTTP/1.1 500 x\r\n\r\n'), 'HTTP/1.1 500 x\r\n\r\n'],
    ['behind half of its answer', (socket) => void socket.write('HTTP/1.1 500 x\r\n'), 'HTTP/1.1 500 x\r\n'],
  ])('for wsClientError %s is not caught, and the socket is ended', async (_title, answer, written) => {
    const stream = new MisbehavingStream();
    const { server, start, published, refused } = attempt(stream, { request: { method: 'POST' } });
    server.on('wsClientError', (_error, socket) => {
      answer(socket);
      thrown();
    });
    expect(start).toThrow('mine');
    await stream.whenDestroyed;
    expect([stream.written, published.length, refused.mock.calls.length]).toEqual([written, 1, 1]);
  });

  it('for wsClientError does not affect a socket that it has passed to another server', async () => {
    const stream = new MisbehavingStream();
    const other = new WebSocketServer({ noServer: true });
    const { server, start } = attempt(stream, { options: { verifyClient: thrown } });
    server.on('wsClientError', (_error, socket, request) => {
      other.handleUpgrade(request, socket, noHead, () => {});
      thrown();
    });
    expect(start).toThrow('mine');
    await settle();
    expect([stream.destroyed, stream.writableEnded, other.clients.size]).toEqual([false, false, 1]);
    stream.destroy();
  });

  it('for open is not caught, and the socket is ended', async () => {
    class Opening extends WebSocket {
      override setSocket(...args: Parameters<WebSocket['setSocket']>): void {
        this.on('open', thrown);
        super.setSocket(...args);
      }
    }
    const stream = new MisbehavingStream();
    const { server, start, accepted } = attempt(stream, { options: { WebSocket: Opening } });
    expect(start).toThrow('mine');
    await stream.whenDestroyed;
    expect([accepted.mock.calls.length, server.clients.size]).toEqual([0, 0]);
  });

  it('for a diagnostics channel is not caught, and the socket is ended', async () => {
    using uncaught = captureUncaught();
    const listener = () => thrown();
    subscribe(upgradeRefusedChannelName, listener);
    onTestFinished(() => void unsubscribe(upgradeRefusedChannelName, listener));
    const stream = new MisbehavingStream();
    const { start, refused } = attempt(stream, { request: { method: 'POST' } });
    expect(start).not.toThrow();
    await stream.whenDestroyed;
    await settle();
    expect([stream.responses, refused.mock.calls.length]).toEqual([1, 1]);
    expect(uncaught.exceptions).toEqual([new Error('mine')]);
  });
});

describe('a stream that fails while it becomes a WebSocket', () => {
  const failing: readonly (readonly [string, (stream: MisbehavingStream) => void])[] = [
    ...['close', 'data', 'drain', 'end'].map((event) => [`takes no listener for "${event}"`, refusing(event)] as const),
    ['takes nothing back', (stream) => Object.assign(stream, { unshift: thrown })],
    ['has a setNoDelay() that throws', (stream) => Object.assign(stream, { setNoDelay: thrown })],
    [
      'emits "close" in setNoDelay()',
      (stream) => Object.assign(stream, { setNoDelay: () => stream.destroy().emit('close') }),
    ],
    [
      'emits "close" when it gets a listener for "drain"',
      (stream) => {
        const on = stream.on as (...args: unknown[]) => typeof stream;
        stream.on = function (this: typeof stream, ...args: unknown[]) {
          on.apply(this, args);
          if (args[0] === 'drain') this.destroy().emit('close');
          return this;
        } as typeof stream.on;
      },
    ],
  ];

  it.each(failing)('is refused, ended and not a client, if it %s', async (_title, misbehave) => {
    using uncaught = captureUncaught();
    const stream = new MisbehavingStream();
    misbehave(stream);
    const { server, start, published, accepted, refused } = attempt(stream, {}, Buffer.from([0x81]));
    expect(start).not.toThrow();
    await stream.whenDestroyed;
    await settle();
    expect([published.length, refused.mock.calls.length, accepted.mock.calls.length]).toEqual([1, 1, 0]);
    expect(server.clients.size).toBe(0);
    expect([uncaught.exceptions, uncaught.rejections]).toEqual([[], []]);
  });

  it.each(['pause', 'resume'])('rejects upgrade(), or closes its WebSocket, if %s() throws', async (name) => {
    using uncaught = captureUncaught();
    const stream = new MisbehavingStream();
    const accepted = upgrade(injectedRequest(), stream, noHead);
    Object.assign(stream, { [name]: thrown });
    if (name === 'resume') await closing(await accepted);
    const second = new MisbehavingStream();
    Object.assign(second, { pause: thrown });
    await expect(upgrade(injectedRequest(), second, noHead)).rejects.toThrow('mine');
    await second.whenDestroyed;
    stream.destroy();
    await settle();
    expect([uncaught.exceptions, uncaught.rejections]).toEqual([[], []]);
  });
});

describe('the server’s own HTTP server', () => {
  it('does not send a second response if a listener of the application has responded', async () => {
    using uncaught = captureUncaught();
    const server = await serveGoodwire();
    httpServerOf(server)!.prependListener('request', (_request, response) => response.writeHead(200).end('ok'));
    const response = await exchange(portOf(server), 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(response).toMatch(/^HTTP\/1\.1 200 [\s\S]*ok/);
    expect(uncaught.exceptions).toEqual([]);
    expect(await exchange(portOf(server), requestText({ method: 'POST' }))).toMatch(/^HTTP\/1\.1 405 /);
  });

  it.each(['has a destroy() that throws', 'has a destroy() that has no effect'])(
    'ends the connection that has waited longest, also if it %s',
    async (way) => {
      const server = new EventEmitter();
      const limits = { maxPendingHandshakes: 1, pending: 0, handshakeTimeout: 0, closeTimeout: 0 };
      const connections = new UnaskedConnections(server as Server, () => limits);
      // The HTTP server puts its parser on each socket.
      const newStream = () => Object.assign(new MisbehavingStream(), { parser: {} });
      const [first, second] = [newStream(), newStream()];
      misbehaviours[way]!(first);
      server.emit('connection', first);
      expect(() => server.emit('connection', second)).not.toThrow();
      await first.whenDestroyed;
      expect([connections.size, second.destroyed]).toEqual([1, false]);
    },
  );
});

afterEach(() => vi.unstubAllGlobals());

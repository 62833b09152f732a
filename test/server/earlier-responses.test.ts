import { once } from 'node:events';
import http, { IncomingMessage, ServerResponse } from 'node:http';
import { Duplex, Readable } from 'node:stream';
import { expect, it, onTestFinished, vi } from 'vitest';
import { transcript } from '../../scripts/consumers/http-exchanges.mjs';
import { afterEarlierResponses, earlierResponse } from '../../src/server/earlier-responses.ts';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { WebSocketServer } from '../../src/server/websocket-server.ts';
import { injectedRequest, requestText } from '../support/opening-request.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { eventually, settle } from '../support/until.ts';

/** Connection to an HTTP server in memory. */
class Wire extends Duplex {
  readonly #chunks: Buffer[] = [];
  /** Called when a write may complete. Default: at once. */
  takes: (done: () => void) => void = (done) => done();

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(Buffer.from(chunk));
    this.takes(done);
  }

  /** Number of octets that were written, as of `net.Socket`. */
  get bytesWritten(): number {
    return Buffer.concat(this.#chunks).length;
  }

  /** Responses that were written. */
  get responses(): string[] {
    return transcript(Buffer.concat(this.#chunks));
  }
}

const plain = 'GET /plain HTTP/1.1\r\nHost: x\r\n\r\n';

/** Passes requests to a server, and returns the responses that the application has to give, and the upgrade. */
async function begin(text: string, options: ServerOptions = {}, listen?: (server: http.Server) => void) {
  const responses: ServerResponse[] = [];
  const httpServer = http.createServer((_request, response) => responses.push(response));
  listen?.(httpServer);
  const server = new WebSocketServer({ noServer: true, ...options });
  const accepted = vi.fn();
  const refused = vi.fn();
  const upgraded = once(httpServer, 'upgrade') as Promise<[IncomingMessage, Duplex, Buffer]>;
  const wire = new Wire();
  onTestFinished(() => void wire.destroy());
  httpServer.emit('connection', wire);
  wire.push(text);
  const [request, socket, head] = await upgraded;
  const accept = () => server.handleUpgrade(request, socket, head, accepted);
  return { httpServer, server, wire, responses, request, socket, accept, accepted, refused };
}

it('a connection without an earlier request has no earlier response', async () => {
  const { request, accept, accepted } = await begin(requestText());
  expect(earlierResponse(request)).toBeUndefined();
  accept();
  expect(accepted).toHaveBeenCalledOnce();
});

it('a response that was ended before the upgrade is waited for until it is written', async () => {
  const { request, wire, responses, accept, accepted } = await begin(plain + requestText());
  let go: (() => void) | undefined;
  wire.takes = (done) => {
    go = done;
  };
  responses[0]!.end('body');
  accept();
  await settle();
  expect([earlierResponse(request), accepted.mock.calls.length]).toEqual([responses[0], 0]);
  wire.takes = (done) => done();
  go!();
  await eventually(() => expect(accepted).toHaveBeenCalledOnce());
  expect([earlierResponse(request), wire.responses]).toEqual([undefined, ['200 body', '101']]);
});

it('the response that a framework creates for the upgrade request itself is not an earlier one', async () => {
  const { request, wire, accept, accepted } = await begin(requestText());
  new ServerResponse(request).assignSocket(wire as never);
  expect(earlierResponse(request)).toBeUndefined();
  accept();
  expect(accepted).toHaveBeenCalledOnce();
});

it('the response that a framework creates for a copy of the upgrade request is not an earlier one', async () => {
  const { request, socket, wire, accept, accepted } = await begin(requestText());
  const { method, url, headers, rawHeaders } = request;
  const copy = Object.assign(new IncomingMessage(socket as never), { method, url, headers, rawHeaders });
  new ServerResponse(copy).assignSocket(wire as never);
  accept();
  expect(accepted).toHaveBeenCalledOnce();
});

it('the response to a request that a program passes on as the upgrade request is not an earlier one', () => {
  const socket: object = {};
  const request = injectedRequest({}, { socket, complete: true });
  Object.assign(socket, { _httpMessage: { req: request } });
  expect(earlierResponse(request)).toBeUndefined();
});

it.each<[string, object]>([
  ['to a request that a program has made', { req: {} }],
  ['to another upgrade request', { req: { complete: true, upgrade: true } }],
  ['without a request', {}],
])('a response %s is not an earlier one', (_title, response) => {
  const socket = { _httpMessage: response };
  const { req } = response as { req?: object };
  if (req && 'upgrade' in req) Object.assign(req, { socket });
  expect(earlierResponse(injectedRequest({}, { socket }))).toBeUndefined();
});

it.each<[string, object]>([
  ['no socket', {}],
  ['a socket that is null', { socket: null }],
  [
    'a socket whose properties throw',
    {
      socket: new Proxy(
        {},
        {
          get: () => {
            throw new Error('mine');
          },
        },
      ),
    },
  ],
])('a request with %s has no earlier response', (_title, more) => {
  expect(earlierResponse(injectedRequest({}, more))).toBeUndefined();
});

it('a client that disconnects while an earlier response is awaited is no longer waiting, and not accepted', async () => {
  const { server, wire, responses, accept, accepted } = await begin(plain + requestText(), { maxPendingHandshakes: 1 });
  accept();
  wire.destroy();
  await once(wire, 'close');
  responses[0]!.end();
  await settle();
  expect(accepted).not.toHaveBeenCalled();
  const next = await begin(plain + requestText());
  const another = vi.fn();
  server.handleUpgrade(next.request, next.socket, Buffer.alloc(0), another);
  next.responses[0]!.end();
  await eventually(() => expect(another).toHaveBeenCalledOnce());
});

it('a response that needs a drain twice goes on, and the upgrade is accepted behind it', async () => {
  const { wire, responses, accept, accepted } = await begin(plain + requestText());
  const response = responses[0]!;
  const held: (() => void)[] = [];
  wire.takes = (done) => void held.push(done);
  const drained = once(response, 'drain');
  const length = 2 * wire.writableHighWaterMark;
  expect(response.writeHead(200, { 'Content-Length': length + 4 }).write('x'.repeat(length))).toBe(false);
  accept();
  wire.takes = (done) => done();
  for (const done of held) done();
  await drained;
  // pipe() waits for another drain if this is true.
  expect(response.writableNeedDrain).toBe(false);
  Readable.from([Buffer.from('rest')]).pipe(response);
  await eventually(() => expect(accepted).toHaveBeenCalledOnce());
  expect(wire.responses).toEqual([`200 ${length + 4} octets`, '101']);
});

it('more than maxPendingHandshakes connections do not wait: the next is destroyed, without a response out of order', async () => {
  const first = await begin(plain + requestText(), { maxPendingHandshakes: 1 });
  first.accept();
  const second = await begin(plain + requestText());
  first.server.handleUpgrade(second.request, second.socket, Buffer.alloc(0), second.accepted);
  await once(second.wire, 'close');
  expect([second.wire.responses, second.accepted.mock.calls.length, first.wire.destroyed]).toEqual([[], 0, false]);
  first.responses[0]!.end();
  await eventually(() => expect(first.accepted).toHaveBeenCalledOnce());
});

it('handshakeTimeout is the time for earlier responses and the answer of the application together', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { wire, responses, accept, accepted } = await begin(plain + requestText(), {
    handshakeTimeout: 1000,
    verifyClient: (_info, _answer) => {},
  });
  accept();
  vi.advanceTimersByTime(900);
  responses[0]!.end('body');
  await settle();
  expect(wire.responses).toEqual(['200 body']);
  vi.advanceTimersByTime(100);
  await settle();
  expect([wire.responses, accepted.mock.calls.length]).toEqual([['200 body', '503'], 0]);
});

it('a server that closes while an earlier response is awaited refuses behind it', async () => {
  const { server, wire, responses, accept } = await begin(plain + requestText());
  accept();
  server.close();
  responses[0]!.end('body');
  await eventually(() => expect(wire.responses).toEqual(['200 body', '503']));
});

it('a second handleUpgrade while an earlier response is awaited throws', async () => {
  const { accept } = await begin(plain + requestText());
  accept();
  expect(accept).toThrow(/called more than once/);
});

it('what the callback throws behind an earlier response is uncaught, and the connection stays', async () => {
  const { server, wire, responses, request, socket } = await begin(plain + requestText());
  using uncaught = captureUncaught();
  server.handleUpgrade(request, socket, Buffer.alloc(0), () => {
    throw new Error('mine');
  });
  responses[0]!.end('body');
  await eventually(() => expect(uncaught.exceptions).toEqual([new Error('mine')]));
  expect([wire.responses, wire.destroyed]).toEqual([['200 body', '101'], false]);
});

it('a stop ends the waiting: no callback is called, and no listener is left', async () => {
  const { wire, request, responses } = await begin(plain + requestText());
  const count = () => ['drain', 'close'].map((event) => wire.listenerCount(event));
  const before = [...count(), responses[0]!.listenerCount('finish')];
  const events = { written: vi.fn(), closed: vi.fn() };
  afterEarlierResponses(request, responses[0]!, events)();
  expect([...count(), responses[0]!.listenerCount('finish')]).toEqual(before);
  responses[0]!.end();
  await settle();
  expect([events.written.mock.calls, events.closed.mock.calls]).toEqual([[], []]);
});

it('an upgrade that nobody takes ends at handshakeTimeout also behind an earlier response', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { wire, responses } = await begin(plain + requestText(), {}, (httpServer) => {
    httpServer.on('upgrade', () => {});
    new WebSocketServer({ server: httpServer, path: '/elsewhere', handshakeTimeout: 1000 });
  });
  responses[0]!.end('body');
  await settle();
  expect([wire.responses, wire.destroyed]).toEqual([['200 body'], false]);
  vi.advanceTimersByTime(1000);
  expect(wire.destroyed).toBe(true);
});

it('an upgrade that nobody takes ends at handshakeTimeout also while an earlier response is being written', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { wire, responses } = await begin(plain + requestText(), {}, (httpServer) => {
    httpServer.on('upgrade', () => {});
    new WebSocketServer({ server: httpServer, path: '/elsewhere', handshakeTimeout: 1000 });
  });
  responses[0]!.write('part');
  await settle();
  vi.advanceTimersByTime(999);
  expect(wire.destroyed).toBe(false);
  vi.advanceTimersByTime(1);
  expect(wire.destroyed).toBe(true);
});

it('an upgrade that nobody takes ends behind the earlier response if the last of our servers has closed', async () => {
  let server: WebSocketServer | undefined;
  const { wire, responses } = await begin(plain + requestText(), {}, (httpServer) => {
    httpServer.on('upgrade', () => {});
    server = new WebSocketServer({ server: httpServer, path: '/elsewhere' });
  });
  server?.close();
  await settle();
  expect(wire.destroyed).toBe(false);
  responses[0]!.end('body');
  await once(wire, 'close');
  expect(wire.responses).toEqual(['200 body']);
});

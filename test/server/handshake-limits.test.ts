import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import http from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';
import { type UpgradeRefusedMessage, upgradeRefusedChannelName } from '../../src/server/diagnostics.ts';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { upgrade } from '../../src/server/upgrade.ts';
import { httpServerOf, WebSocketServer } from '../../src/server/websocket-server.ts';
import { connect, exchange, exchangeHead } from '../support/exchange.ts';
import { closing } from '../support/life.ts';
import { MemoryStream } from '../support/memory-stream.ts';
import { injectedRequest, requestText } from '../support/opening-request.ts';
import { implementations } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { serveGoodwire, serveHttp } from '../support/serve.ts';
import { settle, until } from '../support/until.ts';

type Answer = (isAllowed: boolean) => void;

/** Returns a verifyClient that defers its answers, in the order of the requests. */
function thoughtful(): { readonly answers: Answer[]; readonly verifyClient: ServerOptions['verifyClient'] } {
  const answers: Answer[] = [];
  return {
    answers,
    verifyClient: (_info, callback) => {
      answers.push(callback);
    },
  };
}

/**
 * Starts a WebSocketServer on a separate HTTP server, until the end of the test. For tests of the application's time
 * limit. With the server's own HTTP server the same limit applies to the client's request, which a busy machine could
 * exceed.
 */
async function serveGiven(options: ServerOptions): Promise<WebSocketServer> {
  const served = await serveHttp();
  onTestFinished(() => served[Symbol.asyncDispose]());
  return new WebSocketServer({ ...options, server: served.httpServer });
}

const never = () => new Promise<never>(() => {});

describe('handshakeTimeout of a server', () => {
  it.each<[string, ServerOptions]>([
    ['a callback of verifyClient', { verifyClient: (_info, _callback) => {} }],
    ['a promise of verifyClient', { verifyClient: ((_info: unknown) => never()) as never }],
  ])('answers 503 if %s does not arrive', async (_title, options) => {
    const server = await serveGiven({ ...options, handshakeTimeout: 20 });
    expect(await exchange(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
  });

  it('answers 503 if a promise of shouldHandle does not settle', async () => {
    const server = await serveGiven({ handshakeTimeout: 20 });
    server.shouldHandle = never;
    expect(await exchange(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 503 /);
  });

  it('applies to all callbacks of the application together', async () => {
    let asked = 0;
    const server = await serveGiven({
      handshakeTimeout: 20,
      verifyClient: (_info, _callback) => {
        asked++;
      },
    });
    server.shouldHandle = () => Promise.resolve(true);
    expect(await exchange(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 503 /);
    expect(asked).toBe(1);
  });

  it('has no effect on an answer during the call, after a promise of shouldHandle', async () => {
    let connections = 0;
    const server = await serveGoodwire({ verifyClient: (_info, callback) => callback(true) });
    server.shouldHandle = () => Promise.resolve(true);
    server.on('connection', () => {
      connections++;
      // An error of the application itself, not of the callback in which it occurs.
      if (connections === 2) throw new Error('two of one');
    });
    expect(await exchangeHead(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 101 /);
    await settle();
    expect(connections).toBe(1);
  });

  it('may be a fraction of a millisecond', async () => {
    const server = await serveGoodwire({ handshakeTimeout: 0.5 });
    const socket = await connect(portOf(server));
    socket.resume();
    await closing(socket);
  });

  it('accepts an answer in time, and clears its timer', async () => {
    const { answers, verifyClient } = thoughtful();
    const server = await serveGoodwire({ verifyClient, handshakeTimeout: 60_000 });
    const head = exchangeHead(portOf(server), requestText());
    await until(() => answers.length === 1);
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    answers[0]!(true);
    expect(await head).toMatch(/^HTTP\/1\.1 101 /);
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it('ignores later answers', async () => {
    const { answers, verifyClient } = thoughtful();
    const server = await serveGiven({ verifyClient, handshakeTimeout: 20 });
    let connections = 0;
    server.on('connection', () => connections++);
    const refused: string[] = [];
    const note = (message: unknown) => refused.push((message as UpgradeRefusedMessage).error.code);
    subscribe(upgradeRefusedChannelName, note);
    onTestFinished(() => void unsubscribe(upgradeRefusedChannelName, note));
    const text = await exchange(portOf(server), requestText());
    answers[0]!(true);
    expect(text).toMatch(/^HTTP\/1\.1 503 /);
    expect(connections).toBe(0);
    expect(refused).toEqual(['GOODWIRE_HANDSHAKE_TIMEOUT']);
  });

  it('ignores later rejections, and leaves none unhandled', async () => {
    let reject: (cause: Error) => void = () => {};
    const thinking = new Promise<boolean>((_resolve, rejectIt) => {
      reject = rejectIt;
    });
    let failures = 0;
    const server = await serveGiven({ handshakeTimeout: 20, verifyClient: ((_info: unknown) => thinking) as never });
    const port = portOf(server);
    expect(await exchange(port, requestText())).toMatch(/^HTTP\/1\.1 503 /);
    server.on('wsClientError', () => failures++);
    reject(new Error('too late'));
    await settle();
    expect(failures).toBe(0);
  });

  it('of 0 is disabled', async () => {
    const { answers, verifyClient } = thoughtful();
    const server = await serveGoodwire({ verifyClient, handshakeTimeout: 0 });
    const head = exchangeHead(portOf(server), requestText());
    await until(() => answers.length === 1);
    answers[0]!(true);
    expect(await head).toMatch(/^HTTP\/1\.1 101 /);
    expect(httpServerOf(server)).toMatchObject({ headersTimeout: 60_000, requestTimeout: 300_000 });
  });

  it('closes a connection to its own server that sends nothing', async () => {
    const server = await serveGoodwire({ handshakeTimeout: 60 });
    const socket = await connect(portOf(server));
    socket.resume();
    await closing(socket);
  });

  it('closes a connection to its own server that sends its request byte by byte', async () => {
    const server = await serveGoodwire({ handshakeTimeout: 60 });
    const socket = await connect(portOf(server));
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk;
    });
    const text = requestText({ headers: { 'X-Long': 'x'.repeat(10_000) } });
    let sent = 0;
    const timer = setInterval(() => socket.write(text.charAt(sent++)), 5);
    onTestFinished(() => clearInterval(timer));
    await closing(socket);
    expect(received).toMatch(/^(HTTP\/1\.1 408 Request Timeout\r\n|$)/);
    expect(sent).toBeLessThan(text.length);
  });

  it('applies to upgrade(), too, whose promise rejects', async () => {
    await using served = await serveHttp();
    const expired = new Promise<HandshakeError>((resolve) => {
      served.httpServer.on('upgrade', (request, socket, head) => {
        const verifyClient = (_info: unknown, _callback: unknown) => {};
        upgrade(request, socket, head, { handshakeTimeout: 20, verifyClient }).catch(resolve);
      });
    });
    expect(await exchange(served.port, requestText())).toMatch(/^HTTP\/1\.1 503 /);
    expect(await expired).toBeInstanceOf(HandshakeError);
    expect(await expired).toMatchObject({ status: 503, code: 'GOODWIRE_HANDSHAKE_TIMEOUT' });
  });
});

describe('maxPendingHandshakes', () => {
  it('answers 503 while that many wait for the application, and no longer after one was answered', async () => {
    const { answers, verifyClient } = thoughtful();
    const server = await serveGoodwire({ verifyClient, maxPendingHandshakes: 2 });
    const heads = [1, 2].map(() => exchangeHead(portOf(server), requestText()));
    await until(() => answers.length === 2);
    expect(await exchange(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 503 /);
    expect(answers).toHaveLength(2);
    answers[0]!(true);
    answers[1]!(false);
    await Promise.all(heads);
    const next = exchangeHead(portOf(server), requestText());
    await until(() => answers.length === 3);
    answers[2]!(true);
    expect(await next).toMatch(/^HTTP\/1\.1 101 /);
  });

  it('does not count requests of disconnected clients', async () => {
    const { answers, verifyClient } = thoughtful();
    const server = await serveGoodwire({ verifyClient, maxPendingHandshakes: 1 });
    const socket = await connect(portOf(server));
    const accepted = once(httpServerOf(server)!, 'upgrade') as Promise<[unknown, Socket]>;
    socket.write(requestText());
    const [, served] = await accepted;
    socket.resetAndDestroy();
    await closing(served);
    const head = exchangeHead(portOf(server), requestText());
    await until(() => answers.length === 2);
    answers[1]!(true);
    expect(await head).toMatch(/^HTTP\/1\.1 101 /);
    answers[0]!(true);
    await settle();
    expect(server.clients.size).toBeLessThanOrEqual(1);
  });

  it('does not count requests that are answered at once', async () => {
    const server = new WebSocketServer({
      noServer: true,
      maxPendingHandshakes: 1,
      verifyClient: (_info: unknown) => true,
    });
    for (let i = 0; i < 3; i++) {
      const stream = new MemoryStream();
      server.handleUpgrade(injectedRequest(), stream, Buffer.alloc(0), () => {});
      expect(stream.written).toMatch(/^HTTP\/1\.1 101 /);
      stream.destroy();
    }
  });

  it('closes, on its own server, the connection that has waited longest without a request', async () => {
    const server = await serveGoodwire({ maxPendingHandshakes: 3 });
    const idle: Socket[] = [];
    const gone: number[] = [];
    for (let i = 0; i < 3; i++) {
      const accepted = once(httpServerOf(server)!, 'connection');
      const socket = await connect(portOf(server));
      socket.resume().on('close', () => gone.push(i));
      idle.push(socket);
      await accepted;
    }
    const first = closing(idle[0]!);
    expect(await exchangeHead(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 101 /);
    await first;
    expect(gone).toEqual([0]);
    for (const socket of idle) socket.destroy();
  });

  it('accepts clients while others hold hundreds of connections', async () => {
    const server = await serveGoodwire({ maxPendingHandshakes: 20 });
    const idle = await Promise.all(Array.from({ length: 300 }, () => connect(portOf(server))));
    for (let i = 0; i < 10; i++) {
      expect(await exchangeHead(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 101 /);
    }
    const count = await new Promise((resolve) => httpServerOf(server)!.getConnections((_error, n) => resolve(n)));
    expect(count).toBeLessThanOrEqual(20 + server.clients.size);
    for (const socket of idle) socket.destroy();
  });

  it('does not count connections that are WebSockets', async () => {
    const server = await serveGoodwire({ maxPendingHandshakes: 1 });
    const { WebSocket } = implementations.goodwire;
    const clients: InstanceType<typeof WebSocket>[] = [];
    for (let i = 0; i < 4; i++) {
      const client = new WebSocket(`ws://127.0.0.1:${portOf(server)}`);
      await once(client, 'open');
      clients.push(client);
    }
    expect(clients.map(({ readyState }) => readyState)).toEqual([1, 1, 1, 1]);
    expect(server.clients.size).toBe(4);
    for (const client of clients) client.terminate();
  });

  it('of 0 is unlimited', async () => {
    const { answers, verifyClient } = thoughtful();
    const server = await serveGoodwire({ verifyClient, maxPendingHandshakes: 0 });
    const heads = [1, 2, 3].map(() => exchangeHead(portOf(server), requestText()));
    await until(() => answers.length === 3);
    for (const answer of answers) answer(true);
    for (const head of await Promise.all(heads)) expect(head).toMatch(/^HTTP\/1\.1 101 /);
  });
});

describe('limits on the headers of a request', () => {
  /** Returns a request with this number of fields. */
  const withFields = (count: number): string => {
    const more = Array.from({ length: count - 5 }, (_, index) => [`X-${index}`, 'y']);
    return requestText({ headers: Object.fromEntries(more) });
  };

  it('maxHeadersCount accepts that many fields, and answers 431 to one more, on its own server', async () => {
    const server = await serveGoodwire({ maxHeadersCount: 20 });
    expect(await exchangeHead(portOf(server), withFields(20))).toMatch(/^HTTP\/1\.1 101 /);
    expect(await exchange(portOf(server), withFields(21))).toMatch(/^HTTP\/1\.1 431 /);
    expect(await exchange(portOf(server), withFields(100))).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('maxHeadersCount is 256 by default, on an external server, too', async () => {
    await using served = await serveHttp(http.createServer());
    new WebSocketServer({ server: served.httpServer });
    expect(await exchangeHead(served.port, withFields(256))).toMatch(/^HTTP\/1\.1 101 /);
    expect(await exchange(served.port, withFields(257))).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
  });

  it('maxHeadersCount of 0 uses the limit of Node', async () => {
    const server = await serveGoodwire({ maxHeadersCount: 0 });
    expect(await exchangeHead(portOf(server), withFields(1000))).toMatch(/^HTTP\/1\.1 101 /);
  });

  it('maxHeaderSize answers 431 to a request with more bytes, on its own server', async () => {
    const server = await serveGoodwire({ maxHeaderSize: 2000 });
    const request = (octets: number) => requestText({ headers: { 'X-Long': 'x'.repeat(octets) } });
    expect(await exchangeHead(portOf(server), request(1000))).toMatch(/^HTTP\/1\.1 101 /);
    expect(await exchange(portOf(server), request(2000))).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('are those of Node for the bytes by default', async () => {
    const server = await serveGoodwire();
    const text = requestText({ headers: { 'X-Long': 'x'.repeat(http.maxHeaderSize) } });
    expect(await exchange(portOf(server), text)).toMatch(/^HTTP\/1\.1 431 /);
  });
});

describe('invalid limits of the handshake', () => {
  it.each(['handshakeTimeout', 'maxPendingHandshakes', 'maxHeadersCount'])('%s', async (name) => {
    const message = new RegExp(name);
    for (const value of [-1, Number.NaN]) {
      expect(() => new WebSocketServer({ noServer: true, [name]: value })).toThrow(RangeError);
      expect(() => new WebSocketServer({ noServer: true, [name]: value })).toThrow(message);
    }
    expect(() => new WebSocketServer({ noServer: true, [name]: '1' })).toThrow(TypeError);
    await expect(upgrade(injectedRequest(), new MemoryStream(), Buffer.alloc(0), { [name]: -1 })).rejects.toThrow(
      message,
    );
  });

  it('do not include undefined, which means the default', () => {
    const limits = { handshakeTimeout: undefined, maxPendingHandshakes: undefined, maxHeadersCount: undefined };
    expect(() => new WebSocketServer({ noServer: true, ...limits })).not.toThrow();
  });
});

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocketServer, WebSocket as WsWebSocket } from 'ws';
import type { ClientOptions } from '../../src/client/client-options.ts';
import { type ConnectAttempt, connect } from '../../src/client/connect.ts';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';
import { WebSocket } from '../../src/index.ts';
import { certificate } from '../support/certificate.ts';
import { streamClosed } from '../support/life.ts';
import { portOf } from '../support/port-of.ts';
import { agree, agreeing, redirection, server, switching } from '../support/raw-server.ts';
import { reachedLimits } from '../support/reached-limits.ts';
import { settle } from '../support/until.ts';
import { type Outcome, type Reactions, Recording } from './recording.ts';

interface Run extends Outcome {
  readonly attempt: ConnectAttempt;
  readonly recording: Recording;
}

function begin(
  address: string | URL,
  { protocols = [], ...options }: Omit<ClientOptions<never>, 'protocols'> & { protocols?: string[] } = {},
  reactions: Reactions = {},
): { attempt: ConnectAttempt; recording: Recording } {
  const recording = new Recording(reactions);
  const attempt = connect(address, protocols, options, recording);
  recording.started();
  return { attempt, recording };
}

/** Connects and waits for the outcome. A socket that opened is destroyed at the end of the test. */
async function run(...parameters: Parameters<typeof begin>): Promise<Run> {
  const { attempt, recording } = begin(...parameters);
  const outcome = await recording.outcome;
  const { socket } = outcome;
  if (socket) onTestFinished(() => void socket.on('error', () => {}).destroy());
  expect(recording.wasSynchronous).toBe(false);
  return { attempt, recording, ...outcome };
}

/** Returns the names of a socket's listeners. */
function listenersOf(socket: Duplex): string[] {
  return socket
    .eventNames()
    .flatMap((event) => socket.listeners(event).map((listener) => `${String(event)}: ${listener.name}`))
    .sort();
}

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'goodwire-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

describe('connecting to a ws server', () => {
  async function wsServer(listener: http.Server | https.Server, where: number | string = 0): Promise<WebSocketServer> {
    const webSockets = new WebSocketServer({ server: listener });
    // Sends a text frame directly behind the response, at the beginning of the stream.
    webSockets.on('connection', (socket, request) => socket.send(`${request.url} ${socket.protocol}`));
    if (typeof where === 'string') listener.listen(where);
    else listener.listen(where, '127.0.0.1');
    await once(listener, 'listening');
    onTestFinished(() => {
      for (const socket of webSockets.clients) socket.terminate();
      webSockets.close();
      listener.close();
    });
    return webSockets;
  }

  /** Returns the text of the first frame, which is short and not masked. */
  async function firstText({ socket, head }: Run): Promise<string> {
    let octets = head!;
    while (octets.length < 2 || octets.length < 2 + octets[1]!) {
      const [chunk] = await once(socket!, 'data');
      octets = Buffer.concat([octets, chunk]);
    }
    return octets.subarray(2).toString();
  }

  it('opens a ws: connection', async () => {
    const listener = http.createServer();
    await wsServer(listener);
    const result = await run(`ws://127.0.0.1:${portOf(listener)}/chat?room=1`, { protocols: ['a', 'b'] });
    expect(result.recording.events).toEqual(['upgrade', 'open']);
    expect(result.agreement).toEqual({ protocol: 'a', deflate: null });
    expect(result.attempt.url).toBe(`ws://127.0.0.1:${portOf(listener)}/chat?room=1`);
    expect(await firstText(result)).toBe('/chat?room=1 a');
  });

  it('opens a connection over a Unix socket with TLS', async () => {
    const listener = https.createServer(certificate);
    const path = join(directory, 'secure.sock');
    await wsServer(listener, path);
    const result = await run(`wss+unix:${path}:/chat?room=1`, { ca: certificate.cert });
    expect(result.error).toBeUndefined();
    expect(await firstText(result)).toBe('/chat?room=1 ');
  });

  it('leaves the same listeners on the socket as ws', async () => {
    for (const listener of [http.createServer(), https.createServer(certificate)]) {
      await wsServer(listener);
      const scheme = listener instanceof https.Server ? 'wss' : 'ws';
      const address = `${scheme}://127.0.0.1:${portOf(listener)}/`;
      const theirs = new WsWebSocket(address, { ca: certificate.cert.toString() });
      await once(theirs, 'open');
      const { _socket } = theirs as unknown as { _socket: net.Socket };
      const left = listenersOf(_socket).filter((name) => !name.includes('socketOn'));

      const { socket } = await run(address, { ca: certificate.cert });
      expect(listenersOf(socket!)).toEqual(left);
      expect(socket!.listenerCount('data') + socket!.listenerCount('error')).toBe(0);
    }
  });
});

describe('the request', () => {
  it('can be aborted before it is sent', async () => {
    const raw = await server(agree);
    const recording = new Recording();
    const seen: string[] = [];
    const onBegin = ({ url, request }: ConnectAttempt) => seen.push(`begin ${url} ${request.headersSent}`);
    const finishRequest = (request: http.ClientRequest) => {
      seen.push('finishRequest');
      request.end();
    };
    const url = `ws://127.0.0.1:${raw.port}/`;
    connect(url, [], { finishRequest }, Object.assign(recording, { onBegin }));
    expect(seen).toEqual([`begin ${url} false`, 'finishRequest']);
    (await recording.outcome).socket!.destroy();
  });

  it('is destroyed when finishRequest throws, and the error reaches the caller', async () => {
    const raw = await server(agree);
    const mistake = new Error('mine');
    let request: http.ClientRequest | undefined;
    const finishRequest = (given: http.ClientRequest) => {
      request = given;
      throw mistake;
    };
    expect(() => begin(`ws://127.0.0.1:${raw.port}/`, { finishRequest })).toThrow(mistake);
    expect(request!.destroyed).toBe(true);
    await streamClosed(request!);
  });

  it('that is aborted in a finishRequest that throws ends with the error of finishRequest', async () => {
    const mistake = new Error('mine');
    const recording = new Recording();
    let attempt: ConnectAttempt | undefined;
    const onBegin = (begun: ConnectAttempt) => {
      attempt = begun;
    };
    const finishRequest = () => {
      attempt!.abort(new Error('aborted'));
      throw mistake;
    };
    const call = () => connect('ws://127.0.0.1:1/', [], { finishRequest }, Object.assign(recording, { onBegin }));
    expect(call).toThrow(mistake);
    await streamClosed(attempt!.request);
    await settle();
    expect(recording.events).toEqual([]);
  });

  it('offers the subprotocols passed to the constructor', async () => {
    const raw = await server(({ accept }) => switching(accept, 'Sec-WebSocket-Protocol: b\r\n'));
    const protocols = ['a'];
    const { recording } = begin(`ws://127.0.0.1:${raw.port}/`, { protocols });
    protocols.push('b');
    expect((await recording.outcome).error).toMatchObject({ message: 'Server sent an invalid subprotocol' });
  });

  it('fails if createConnection returns a promise', async () => {
    const { error, recording } = await run('ws://example.com/', {
      createConnection: async () => new net.Socket() as never,
    } as object);
    expect(error).toEqual(new TypeError('createConnection must return a stream, or pass one to its callback'));
    await settle();
    expect(recording.events).toEqual(['error']);
  });
});

describe('the response', () => {
  it('is checked to the last field, however many there are', async () => {
    const many = 'X: a\r\n'.repeat(2400);
    const raw = await server(({ accept, text }) =>
      text.includes('/bad')
        ? switching(accept, `${many}Sec-WebSocket-Extensions: permessage-deflate\r\n`)
        : `HTTP/1.1 101 Switching Protocols\r\n${many}${agreeing(accept)}\r\n`,
    );
    expect((await run(`ws://127.0.0.1:${raw.port}/good`)).error).toBeUndefined();
    const unasked = { perMessageDeflate: false };
    expect((await run(`ws://127.0.0.1:${raw.port}/bad`, unasked)).error).toMatchObject({
      code: 'GOODWIRE_UNREQUESTED_EXTENSION',
    });
  });

  it('fails the attempt if its header has no end', async () => {
    const raw = await server(({ socket }) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\n');
      const more = () => {
        while (socket.writable && socket.write('X: a\r\n'.repeat(1000)));
      };
      socket.on('drain', more);
      more();
    });
    const { error, recording } = await run(`ws://127.0.0.1:${raw.port}/`);
    expect(error).toMatchObject({ code: 'HPE_HEADER_OVERFLOW' });
    await raw.allClosed();
    expect(recording.events).toEqual(['error']);
  });

  it('with a refusal is reported with its status and its fields', async () => {
    const raw = await server(() => 'HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n');
    const { error, recording } = await run(`ws://127.0.0.1:${raw.port}/`);
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({ message: 'Unexpected server response: 503', status: 503 });
    expect((error as HandshakeError).headers['retry-after']).toBe('3');
    await raw.allClosed();
    expect(recording.events).toEqual(['unexpected-response', 'error']);
  });

  it('that a listener has taken over leaves no connection behind when its body has ended', async () => {
    const raw = await server(() => 'HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc');
    const body = await new Promise<string>((resolve) => {
      begin(
        `ws://127.0.0.1:${raw.port}/`,
        { handshakeTimeout: 60_000 },
        {
          unexpectedResponse(_request, response) {
            let text = '';
            response.on('data', (octets) => {
              text += octets;
            });
            response.on('end', () => resolve(text));
            return true;
          },
        },
      );
    });
    expect(body).toBe('abc');
    await raw.allClosed();
  });

  it('that a listener has taken over returns the connection to a keep-alive agent', async () => {
    const raw = await server(() => 'HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc');
    const agent = new http.Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const unexpectedResponse = (_request: unknown, response: http.IncomingMessage) => {
      response.resume();
      return true;
    };
    const { attempt, recording } = begin(`ws://127.0.0.1:${raw.port}/`, { agent }, { unexpectedResponse });
    await once(agent, 'free');
    attempt.abort(new Error('enough'));
    await recording.outcome;
    await settle();
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(1);
  });

  it('that a listener has taken over and destroyed ends without an error', async () => {
    const raw = await server(() => 'HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nabc');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { recording, attempt } = begin(
      `ws://127.0.0.1:${raw.port}/`,
      { handshakeTimeout: 60_000 },
      {
        unexpectedResponse(request, response) {
          response.on('error', () => {});
          request.destroy();
          return true;
        },
      },
    );
    await streamClosed(attempt.request);
    await raw.allClosed();
    await settle();
    expect(vi.getTimerCount()).toBe(0);
    expect(recording.events).toEqual(['unexpected-response']);
  });

  it('is refused without Connection: Upgrade, even if a lenient parser accepts it', async () => {
    // Node's parser requires both fields for an upgrade. Another source of requests, such as a custom agent, may not.
    const raw = await server(agree);
    const upgrade = (response: http.IncomingMessage) => {
      response.headers.connection = 'keep-alive';
      return true;
    };
    const { error } = await run(`ws://127.0.0.1:${raw.port}/`, {}, { upgrade });
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({
      message: 'Invalid Connection header',
      code: 'GOODWIRE_INVALID_CONNECTION',
      status: 101,
    });
    await raw.allClosed();
  });

  it('is not checked if the server refuses the upgrade', async () => {
    const raw = await server(agree);
    const { recording } = begin(`ws://127.0.0.1:${raw.port}/`, {}, { upgrade: () => false });
    while (raw.connections.length === 0) await settle();
    await raw.allClosed();
    expect(recording.events).toEqual(['upgrade']);
  });
});

describe('handshakeTimeout', () => {
  const timedOut = { message: 'Opening handshake has timed out', code: 'GOODWIRE_HANDSHAKE_TIMEOUT', status: 0 };

  it('fails with its own error', async () => {
    const raw = await server(() => undefined);
    const { error, recording } = await run(`ws://127.0.0.1:${raw.port}/`, { handshakeTimeout: 50 });
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject(timedOut);
    await raw.allClosed();
    await settle();
    expect(recording.events).toEqual(['error']);
  });

  it('ends an attempt whose response never completes', async () => {
    const raw = await server(({ socket }) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nX: ');
      const trickle = setInterval(() => socket.write('a'), 5);
      socket.on('close', () => clearInterval(trickle));
    });
    const { error } = await run(`ws://127.0.0.1:${raw.port}/`, { handshakeTimeout: 100 });
    expect(error).toMatchObject(timedOut);
    await raw.allClosed();
  });

  it('ends an attempt whose provisional responses have no end', async () => {
    const raw = await server(({ socket }) => {
      const trickle = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 5);
      socket.on('close', () => clearInterval(trickle));
    });
    const { error } = await run(`ws://127.0.0.1:${raw.port}/`, { handshakeTimeout: 100 });
    expect(error).toMatchObject(timedOut);
  });

  it('ends an attempt that is queued by an agent', async () => {
    const raw = await server(() => undefined);
    const agent = new http.Agent({ maxSockets: 1 });
    const first = begin(`ws://127.0.0.1:${raw.port}/`, { agent });
    const { error } = await run(`ws://127.0.0.1:${raw.port}/`, { agent, handshakeTimeout: 50 });
    expect(error).toMatchObject(timedOut);
    while (raw.requests.length === 0) await settle();
    expect(raw.requests).toHaveLength(1);
    first.attempt.abort(new Error('done'));
    await first.recording.outcome;
  });

  it('leaves no timer behind after the connection is open', async () => {
    const raw = await server(agree);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { socket, recording } = await run(`ws://127.0.0.1:${raw.port}/`, { handshakeTimeout: 50 });
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(1000);
    expect(socket!.destroyed).toBe(false);
    expect((socket as net.Socket).timeout).toBeFalsy();
    expect(recording.events).toEqual(['upgrade', 'open']);
  });

  it.each([2 ** 31, Number.MAX_VALUE, Number.POSITIVE_INFINITY])(
    'of %d does not end an attempt early',
    async (handshakeTimeout) => {
      // Otherwise a timer with a delay above 2^31-1 would fire after one millisecond.
      const raw = await server(({ socket, accept }) => {
        setTimeout(() => socket.write(switching(accept)), 50);
        return undefined;
      });
      const { error } = await run(`ws://127.0.0.1:${raw.port}/`, { handshakeTimeout });
      expect(error).toBeUndefined();
    },
  );
});

describe('a limit that ends an attempt is published', () => {
  const about = { request: expect.any(http.ClientRequest) };

  it('for handshakeTimeout', async () => {
    const limits = reachedLimits();
    const raw = await server(() => undefined);
    await run(`ws://127.0.0.1:${raw.port}/`, { handshakeTimeout: 50 });
    expect(limits).toEqual([{ limit: 'handshakeTimeout', value: 50, ...about }]);
  });

  it.each([
    [{}, 10],
    [{ maxRedirects: 2 }, 2],
  ])('for maxRedirects with %j', async (options, value) => {
    const limits = reachedLimits();
    const raw = await server(({ number }) => redirection(`/${number}`));
    const { error } = await run(`ws://127.0.0.1:${raw.port}/`, { followRedirects: true, ...options });
    expect(error).toMatchObject({ code: 'GOODWIRE_TOO_MANY_REDIRECTS' });
    expect(limits).toEqual([{ limit: 'maxRedirects', value, received: value + 1, ...about }]);
  });

  it.each([
    [{}, http.maxHeaderSize],
    [{ maxHeaderSize: 1000 }, 1000],
  ])('for maxHeaderSize with %j', async (options, value) => {
    const limits = reachedLimits();
    const raw = await server(({ accept }) => switching(accept, `X: ${'a'.repeat(value)}\r\n`));
    const { error } = await run(`ws://127.0.0.1:${raw.port}/`, options);
    expect(error).toMatchObject({ code: 'HPE_HEADER_OVERFLOW' });
    expect(limits).toEqual([{ limit: 'maxHeaderSize', value, ...about }]);
  });

  it('and names the WebSocket, if it is one that connects', async () => {
    const limits = reachedLimits();
    const raw = await server(() => undefined);
    const socket = new WebSocket(`ws://127.0.0.1:${raw.port}/`, { handshakeTimeout: 50 });
    await new Promise((resolve) => socket.on('error', resolve));
    expect(limits).toEqual([{ limit: 'handshakeTimeout', value: 50, websocket: socket }]);
  });

  it('but not for other errors', async () => {
    const limits = reachedLimits();
    const raw = await server(() => 'HTTP/1.1 404 Not Found\r\n\r\n');
    expect((await run(`ws://127.0.0.1:${raw.port}/`)).error).toMatchObject({ status: 404 });
    expect(limits).toEqual([]);
  });
});

describe('abort', () => {
  const reason = new Error('WebSocket was closed before the connection was established');

  /** Aborts, and checks that the error is reported once and later, and no other event. */
  async function abortAndSee({ attempt, recording }: ReturnType<typeof begin>, before: string[] = []): Promise<void> {
    attempt.abort(reason);
    attempt.abort(new Error('another'));
    expect(recording.events).toEqual(before);
    expect((await recording.outcome).error).toBe(reason);
    await settle();
    expect(recording.events).toEqual([...before, 'error']);
  }

  it('ends an attempt that has just begun', async () => {
    const raw = await server(agree);
    await abortAndSee(begin(`ws://127.0.0.1:${raw.port}/`));
    await raw.allClosed();
    expect(raw.requests).toEqual([]);
  });

  it('ends an attempt in the middle of the upgrade', async () => {
    const raw = await server(agree);
    for (const goesOn of [true, false]) {
      const { attempt, recording } = begin(
        `ws://127.0.0.1:${raw.port}/`,
        {},
        {
          upgrade() {
            attempt.abort(reason);
            return goesOn;
          },
        },
      );
      expect((await recording.outcome).error).toBe(reason);
      await raw.allClosed();
      expect(recording.events).toEqual(['upgrade', 'error']);
    }
  });

  it('ends an attempt when an unexpected response comes', async () => {
    const raw = await server(() => 'HTTP/1.1 404 Not Found\r\n\r\n');
    for (const isTakenOver of [true, false]) {
      const { attempt, recording } = begin(
        `ws://127.0.0.1:${raw.port}/`,
        {},
        {
          unexpectedResponse(_request, response) {
            response.on('error', () => {});
            attempt.abort(reason);
            return isTakenOver;
          },
        },
      );
      expect((await recording.outcome).error).toBe(reason);
      await raw.allClosed();
      expect(recording.events).toEqual(['unexpected-response', 'error']);
    }
  });

  it('destroys later streams of the attempt', async () => {
    const raw = await server(() => undefined);
    const { attempt, recording } = begin(`ws://127.0.0.1:${raw.port}/`);
    attempt.abort(reason);
    await recording.outcome;
    const [response, socket] = [new http.IncomingMessage(new net.Socket()), new net.Socket()];
    attempt.request.emit('upgrade', response, socket, Buffer.alloc(0));
    attempt.request.emit('response', response);
    attempt.request.emit('error', new Error('late'));
    expect(socket.destroyed).toBe(true);
    expect(recording.events).toEqual(['error']);
  });

  it('has no effect on an open connection', async () => {
    const raw = await server(agree);
    const { attempt, socket, recording } = await run(`ws://127.0.0.1:${raw.port}/`);
    attempt.abort(reason);
    await settle();
    expect(socket!.destroyed).toBe(false);
    expect(recording.events).toEqual(['upgrade', 'open']);
  });

  it('has no effect on a failed attempt', async () => {
    const raw = await server(() => 'HTTP/1.1 404 Not Found\r\n\r\n');
    const { attempt, recording } = await run(`ws://127.0.0.1:${raw.port}/`);
    attempt.abort(reason);
    await settle();
    expect(recording.events).toEqual(['unexpected-response', 'error']);
  });
});

describe('signal', () => {
  const why = new Error('why');
  const aborted = { name: 'AbortError', message: 'The operation was aborted', code: 'ABORT_ERR', cause: why };

  it('aborts the attempt', async () => {
    const raw = await server(() => undefined);
    const controller = new AbortController();
    const { recording } = begin(`ws://127.0.0.1:${raw.port}/`, { signal: controller.signal });
    while (raw.requests.length === 0) await settle();
    controller.abort(why);
    expect(recording.events).toEqual([]);
    expect((await recording.outcome).error).toMatchObject(aborted);
    await raw.allClosed();
    expect(recording.events).toEqual(['error']);
  });

  it('that is already aborted ends the attempt, but not synchronously', async () => {
    const raw = await server(agree);
    const { error, recording } = await run(`ws://127.0.0.1:${raw.port}/`, { signal: AbortSignal.abort(why) });
    expect(error).toMatchObject(aborted);
    expect(recording.events).toEqual(['error']);
    expect(raw.requests).toEqual([]);
  });

  it('has no effect on an open connection, and its listener is removed', async () => {
    const raw = await server(agree);
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...parameters: Parameters<typeof add>) => {
      listeners++;
      add(...parameters);
    };
    signal.removeEventListener = (...parameters: Parameters<typeof remove>) => {
      listeners--;
      remove(...parameters);
    };
    const open = () => controller.abort();
    const { socket, recording } = await run(`ws://127.0.0.1:${raw.port}/`, { signal }, { open });
    expect(listeners).toBe(0);
    await settle();
    expect(socket!.destroyed).toBe(false);
    expect(recording.events).toEqual(['upgrade', 'open']);
  });
});

describe('an error', () => {
  it('during connect() is emitted later', async () => {
    const mistake = new Error('mine');
    const finishRequest = (request: http.ClientRequest) => {
      request.emit('error', mistake);
      request.end();
    };
    const { error, recording } = await run('ws://127.0.0.1:1/', { finishRequest });
    expect(error).toBe(mistake);
    await settle();
    expect(recording.events).toEqual(['error']);
  });

  it('is emitted if a listener aborts the request', async () => {
    const finishRequest = (request: http.ClientRequest) => void request.abort();
    const { error } = await run('ws://127.0.0.1:1/', { finishRequest });
    expect(error).toMatchObject({ message: 'socket hang up', code: 'ECONNRESET' });
  });

  it('after the opening is left to the owner of the socket', async () => {
    const raw = await server(agree);
    const { socket, recording, attempt } = await run(`ws://127.0.0.1:${raw.port}/`);
    const errors: Error[] = [];
    socket!.on('error', (error) => errors.push(error)).resume();
    raw.connections[0]!.resetAndDestroy();
    await streamClosed(socket!);
    attempt.request.emit('error', new Error('late'));
    expect(errors).toMatchObject([{ code: 'ECONNRESET' }]);
    expect(recording.events).toEqual(['upgrade', 'open']);
  });

  it('after a failure is ignored', async () => {
    const raw = await server(({ socket }) => {
      socket.write('HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nabc', () => socket.resetAndDestroy());
    });
    for (let round = 0; round < 20; round++) {
      const { recording } = await run(`ws://127.0.0.1:${raw.port}/`);
      await raw.allClosed();
      await settle();
      expect(recording.events.filter((event) => event === 'error')).toHaveLength(1);
    }
  });
});

describe('ClientOptions', () => {
  it('accepts options with the types of ws or of node:http', () => {
    const typedForWs: import('ws').ClientOptions = {};
    const typedForHttp: http.ClientRequestArgs = {};
    const typedForHttps: https.RequestOptions = {};
    const all: ClientOptions<WsWebSocket>[] = [typedForWs, typedForHttp, typedForHttps];
    all.push({ finishRequest: (request, websocket) => request.setHeader('X-Url', websocket.url) });
    expect(all).toHaveLength(4);
  });
});

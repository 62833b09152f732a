import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocketServer, WebSocket as WsWebSocket } from 'ws';
import type { ClientOptions } from '../../src/client/client-options.ts';
import { type ConnectAttempt, connect } from '../../src/client/connect.ts';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';
import { acceptFor, agreeing, certificate, closed, type RawServer, rawServer, switching } from './raw-server.ts';
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

/** Lets everything happen that is already due. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

/** A raw server for the length of a test. */
async function server(...parameters: Parameters<typeof rawServer>): Promise<RawServer> {
  const raw = await rawServer(...parameters);
  onTestFinished(() => raw[Symbol.asyncDispose]());
  return raw;
}

/** The listeners that a socket has, as names. */
function listenersOf(socket: Duplex): string[] {
  return socket
    .eventNames()
    .flatMap((event) => socket.listeners(event).map((listener) => `${String(event)}: ${listener.name}`))
    .sort();
}

const agree = ({ accept }: { accept: string }) => switching(accept);

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
    // A text frame comes right behind the response, and is the beginning of the stream.
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

  /** The text of the first frame, which is short and not masked. */
  async function firstText({ socket, head }: Run): Promise<string> {
    let octets = head!;
    while (octets.length < 2 || octets.length < 2 + octets[1]!) {
      const [chunk] = await once(socket!, 'data');
      octets = Buffer.concat([octets, chunk]);
    }
    return octets.subarray(2).toString();
  }

  const port = (listener: net.Server) => (listener.address() as net.AddressInfo).port;

  it('opens a ws: connection', async () => {
    const listener = http.createServer();
    await wsServer(listener);
    const result = await run(`ws://127.0.0.1:${port(listener)}/chat?room=1`, { protocols: ['a', 'b'] });
    expect(result.recording.events).toEqual(['upgrade', 'open']);
    expect(result.agreement).toEqual({ protocol: 'a', extensions: '' });
    expect(result.attempt.url).toBe(`ws://127.0.0.1:${port(listener)}/chat?room=1`);
    expect(await firstText(result)).toBe('/chat?room=1 a');
  });

  it('opens a wss: connection to a name and to an IP address', async () => {
    const listener = https.createServer(certificate);
    const names: (string | false)[] = [];
    listener.on('secureConnection', (socket: tls.TLSSocket & { servername: string | false }) =>
      names.push(socket.servername),
    );
    await wsServer(listener);
    for (const host of ['localhost', '127.0.0.1']) {
      const lookup = ((_name, options, callback) => {
        if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
        else callback(null, '127.0.0.1', 4);
      }) as net.LookupFunction;
      const result = await run(`wss://${host}:${port(listener)}/`, { ca: certificate.cert, lookup });
      expect(result.error).toBeUndefined();
      expect((result.socket as tls.TLSSocket).authorized).toBe(true);
      expect(await firstText(result)).toBe('/ ');
    }
    // An IP address is no server name (RFC 6066 §3).
    expect(names).toEqual(['localhost', false]);
  });

  it('opens a connection over a Unix socket, with TLS and without', async () => {
    for (const [scheme, listener] of [
      ['ws+unix:', http.createServer()],
      ['wss+unix:', https.createServer(certificate)],
    ] as const) {
      const path = join(directory, `${scheme.slice(0, -1)}.sock`);
      await wsServer(listener, path);
      const result = await run(`${scheme}${path}:/chat?room=1`, { ca: certificate.cert });
      expect(result.error).toBeUndefined();
      expect(await firstText(result)).toBe('/chat?room=1 ');
    }
  });

  it('leaves a socket that has the listeners that ws leaves on its own', async () => {
    for (const listener of [http.createServer(), https.createServer(certificate)]) {
      await wsServer(listener);
      const scheme = listener instanceof https.Server ? 'wss' : 'ws';
      const address = `${scheme}://127.0.0.1:${port(listener)}/`;
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
  it('has the fields of the handshake once each, a fresh key, and the Host', async () => {
    const raw = await server(agree);
    const headers = { 'X-Mine': 'yes', Connection: 'close', 'Sec-WebSocket-Key': 'x' };
    await run(`ws://127.0.0.1:${raw.port}/a%20b?c`, { protocols: ['a', 'b'], origin: 'http://example.com', headers });
    await run(`ws://127.0.0.1:${raw.port}/`);
    const [first, second] = raw.requests;
    expect(first!.text.split('\r\n').sort()).toEqual([
      '',
      '',
      'Connection: Upgrade',
      'GET /a%20b?c HTTP/1.1',
      `Host: 127.0.0.1:${raw.port}`,
      'Origin: http://example.com',
      expect.stringMatching(/^Sec-WebSocket-Key: [A-Za-z0-9+/]{22}==$/),
      'Sec-WebSocket-Protocol: a,b',
      'Sec-WebSocket-Version: 13',
      'Upgrade: websocket',
      'X-Mine: yes',
    ]);
    expect(second!.accept).not.toBe(first!.accept);
  });

  it('asks for Basic authentication with the user of the address before the one of the options', async () => {
    const raw = await server(agree);
    const authorizations = () =>
      raw.requests.map(({ text }) => {
        const [, value] = /^authorization: (?:Basic )?(.*)\r$/im.exec(text) ?? [];
        return value && Buffer.from(value, 'base64').toString();
      });
    await run(`ws://us%65r:pa%20ss@127.0.0.1:${raw.port}/`, { auth: 'other:one' });
    await run(`ws://127.0.0.1:${raw.port}/`, { auth: 'user:secret' });
    await run(`ws://user@127.0.0.1:${raw.port}/`, { headers: { authorization: 'Basic bWluZTptaW5l' } });
    await run(`ws://127.0.0.1:${raw.port}/`);
    expect(authorizations()).toEqual(['user:pa ss', 'user:secret', 'mine:mine', undefined]);
  });

  it('goes where the address leads, whatever the options say', async () => {
    const raw = await server(agree);
    const { error, socket } = await run(`ws://127.0.0.1:${raw.port}/here`, {
      host: 'nowhere.invalid',
      hostname: 'nowhere.invalid',
      port: 1,
      path: '/there',
      method: 'POST',
      protocol: 'https:',
      socketPath: '/nowhere',
      timeout: 5,
    });
    expect(error).toBeUndefined();
    expect((socket as net.Socket).timeout).toBeFalsy();
    expect(raw.requests[0]!.text).toMatch(/^GET \/here HTTP\/1\.1\r\n/);
  });

  it('is finished by finishRequest, which gets the WebSocket', async () => {
    const raw = await server(agree);
    const websocket = {};
    const recording = new Recording();
    const given: unknown[] = [];
    connect(
      `ws://127.0.0.1:${raw.port}/`,
      [],
      {
        finishRequest(request: http.ClientRequest, self: unknown) {
          given.push(self);
          request.setHeader('X-Late', 'yes');
          request.end();
        },
      },
      Object.assign(recording, { websocket }),
    );
    const { socket } = await recording.outcome;
    socket!.destroy();
    expect(given[0]).toBe(websocket);
    expect(raw.requests[0]!.text).toContain('X-Late: yes');
  });

  it.each([
    ['a bad address', () => begin('ftp://example.com'), SyntaxError],
    ['a bad subprotocol', () => begin('ws://127.0.0.1:1', { protocols: ['a', 'a'] }), SyntaxError],
    ['an unknown protocol version', () => begin('ws://127.0.0.1:1', { protocolVersion: 7 }), RangeError],
    ['a line break in a header', () => begin('ws://127.0.0.1:1', { headers: { a: 'b\r\nc' } }), TypeError],
    ['a line break in the origin', () => begin('ws://127.0.0.1:1', { origin: 'b\r\nc' }), TypeError],
    ['an agent that is none', () => begin('ws://127.0.0.1:1', { agent: 'x' as never }), TypeError],
    ['a timeout that is no number', () => begin('ws://127.0.0.1:1', { handshakeTimeout: '5' as never }), TypeError],
    ['a negative timeout', () => begin('ws://127.0.0.1:1', { handshakeTimeout: -1 }), RangeError],
    ['a timeout of NaN', () => begin('ws://127.0.0.1:1', { handshakeTimeout: Number.NaN }), RangeError],
    ['a signal that is none', () => begin('ws://127.0.0.1:1', { signal: {} as never }), TypeError],
  ])('is not made with %s: that is thrown at once', (_title, call, errorClass) => {
    expect(call).toThrow(errorClass);
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
    await closed(request!);
  });
});

describe('the connection under the request', () => {
  it('is one of its own, though the global agent has an idle one', async () => {
    const agent = new http.Agent({ keepAlive: true });
    const raw = await server(({ text, accept }) =>
      text.includes('Upgrade') ? switching(accept) : 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    );
    const [response] = await once(http.get({ port: raw.port, host: '127.0.0.1', agent }), 'response');
    await once((response as http.IncomingMessage).resume(), 'end');
    await run(`ws://127.0.0.1:${raw.port}/`);
    expect(raw.connections).toHaveLength(2);
    agent.destroy();
  });

  it('never returns to the pool of an agent', async () => {
    const raw = await server(agree);
    const agent = new http.Agent({ keepAlive: true });
    const { socket } = await run(`ws://127.0.0.1:${raw.port}/`, { agent });
    await settle();
    expect(Object.keys(agent.sockets)).toEqual([]);
    expect(Object.keys(agent.freeSockets)).toEqual([]);
    socket!.end();
    raw.connections[0]!.end();
    await raw.allClosed();
    expect(Object.keys(agent.freeSockets)).toEqual([]);
  });

  it('does not return to the pool of an agent when the handshake is refused', async () => {
    const raw = await server(() => 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n');
    const agent = new http.Agent({ keepAlive: true });
    await run(`ws://127.0.0.1:${raw.port}/`, { agent });
    await raw.allClosed();
    expect(Object.keys(agent.freeSockets)).toEqual([]);
  });

  it('is made by createConnection, over any Duplex', async () => {
    let written = '';
    const stream: Duplex = new Duplex({
      read() {},
      write(octets: Buffer, _encoding, callback) {
        written += octets.toString('latin1');
        if (written.endsWith('\r\n\r\n')) {
          const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(written)![1]!;
          this.push(switching(acceptFor(key), 'Sec-WebSocket-Protocol: a\r\n'));
          this.push(Buffer.from('81 01 78'.replaceAll(' ', ''), 'hex'));
        }
        callback();
      },
    });
    const result = await run('ws://example.com/', { protocols: ['a'], createConnection: () => stream });
    expect(result.error).toBeUndefined();
    expect(result.socket).toBe(stream);
    expect(result.agreement!.protocol).toBe('a');
    expect(written).toContain('Host: example.com\r\n');
  });

  it('is made by createConnection through its callback', async () => {
    const raw = await server(agree);
    const { socket, error } = await run('ws://example.com/', {
      createConnection(_options: unknown, callback: (error: Error | null, socket: Duplex) => void) {
        const made = net.connect(raw.port, '127.0.0.1', () => callback(null, made));
        return undefined;
      },
    });
    expect(error).toBeUndefined();
    expect(socket).toBeInstanceOf(net.Socket);
  });

  it('is made with net.connect and tls.connect given as createConnection', async () => {
    const raw = await server(agree);
    const secure = await server(agree, { secure: true });
    const plain = await run(`ws://127.0.0.1:${raw.port}/`, { createConnection: net.connect });
    const encrypted = await run(`wss://127.0.0.1:${secure.port}/`, {
      createConnection: tls.connect,
      ca: certificate.cert,
    });
    expect([plain.error, encrypted.error]).toEqual([undefined, undefined]);
  });

  it('can be a tunnel through a proxy that an agent makes', async () => {
    const raw = await server(agree, { secure: true });
    const proxy = http.createServer().on('connect', (request: http.IncomingMessage, socket: Duplex) => {
      expect(request.url).toBe(`localhost:${raw.port}`);
      const upstream = net.connect(raw.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        socket.pipe(upstream).pipe(socket);
      });
      for (const end of [socket, upstream]) end.on('error', () => {});
      onTestFinished(() => void upstream.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    onTestFinished(() => void proxy.close());

    class TunnelAgent extends https.Agent {
      override createConnection(
        options: https.RequestOptions,
        callback: (error: Error | null, stream: Duplex) => void,
      ) {
        const { port } = proxy.address() as net.AddressInfo;
        http
          .request({ host: '127.0.0.1', port, method: 'CONNECT', path: `${options.host}:${options.port}` })
          .on('connect', (_response, socket) =>
            callback(null, tls.connect({ ...(options as tls.ConnectionOptions), socket })),
          )
          .end();
        return undefined;
      }
    }
    const agent = new TunnelAgent();
    const { error, socket } = await run(`wss://localhost:${raw.port}/`, { agent, ca: certificate.cert });
    expect(error).toBeUndefined();
    expect((socket as tls.TLSSocket).authorized).toBe(true);
  });

  it('is not trusted with a certificate that nobody vouches for', async () => {
    const raw = await server(agree, { secure: true });
    const { error, recording } = await run(`wss://127.0.0.1:${raw.port}/`);
    expect(error).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(recording.events).toEqual(['error']);
    expect(raw.requests).toEqual([]);
    await raw.allClosed();
  });

  it('is not trusted with a certificate for another name', async () => {
    const raw = await server(agree, { secure: true });
    const options = { ca: certificate.cert, servername: 'example.com' };
    const { error } = await run(`wss://127.0.0.1:${raw.port}/`, options);
    expect(error).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    expect(raw.requests).toEqual([]);
  });

  it('is trusted blindly when rejectUnauthorized is false', async () => {
    const raw = await server(agree, { secure: true });
    const { error } = await run(`wss://127.0.0.1:${raw.port}/`, { rejectUnauthorized: false });
    expect(error).toBeUndefined();
  });
});

describe('the response', () => {
  it('may be followed at once by octets of the stream', async () => {
    const raw = await server(({ accept }) =>
      Buffer.concat([Buffer.from(switching(accept)), Buffer.from([0x81, 1, 0x78])]),
    );
    const { head } = await run(`ws://127.0.0.1:${raw.port}/`);
    expect(head).toEqual(Buffer.from([0x81, 1, 0x78]));
  });

  it('may come octet by octet', async () => {
    const raw = await server(({ accept, socket }) => {
      const octets = Buffer.from(switching(accept));
      let index = 0;
      const next = () => {
        if (index < octets.length) socket.write(octets.subarray(index, ++index), () => setImmediate(next));
      };
      next();
    });
    const { error, head } = await run(`ws://127.0.0.1:${raw.port}/`);
    expect(error).toBeUndefined();
    expect(head).toHaveLength(0);
  });

  it.each(['100 Continue', '102 Processing', '103 Early Hints'])('may come after %s', async (status) => {
    const raw = await server(({ accept }) => `HTTP/1.1 ${status}\r\nLink: </a>\r\n\r\n`.repeat(3) + switching(accept));
    const { error, recording } = await run(`ws://127.0.0.1:${raw.port}/`);
    expect(error).toBeUndefined();
    expect(recording.events).toEqual(['upgrade', 'open']);
  });

  it('is looked at to the last field, however many there are', async () => {
    const many = 'X: a\r\n'.repeat(2400);
    const raw = await server(({ accept, text }) =>
      text.includes('/bad')
        ? switching(accept, `${many}Sec-WebSocket-Extensions: permessage-deflate\r\n`)
        : `HTTP/1.1 101 Switching Protocols\r\n${many}${agreeing(accept)}\r\n`,
    );
    expect((await run(`ws://127.0.0.1:${raw.port}/good`)).error).toBeUndefined();
    expect((await run(`ws://127.0.0.1:${raw.port}/bad`)).error).toMatchObject({
      code: 'GOODWIRE_UNREQUESTED_EXTENSION',
    });
  });

  it('fails the attempt when its header has no end', async () => {
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

  it('that refuses is reported with its status and its fields', async () => {
    const raw = await server(() => 'HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n');
    const { error, recording } = await run(`ws://127.0.0.1:${raw.port}/`);
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({ message: 'Unexpected server response: 503', status: 503 });
    expect((error as HandshakeError).headers['retry-after']).toBe('3');
    await raw.allClosed();
    expect(recording.events).toEqual(['unexpected-response', 'error']);
  });

  it.each([200, 302, 401, 407, 500])('with status %i and a body without end is not read', async (status) => {
    let written = 0;
    const raw = await server(({ socket }) => {
      socket.write(`HTTP/1.1 ${status} Endless\r\nTransfer-Encoding: chunked\r\n\r\n`);
      const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
      const more = () => {
        for (;;) {
          if (!socket.writable) return;
          written += chunk.length;
          if (!socket.write(chunk)) return;
        }
      };
      socket.on('drain', more);
      more();
    });
    const { error } = await run(`ws://127.0.0.1:${raw.port}/`);
    expect(error).toMatchObject({ message: `Unexpected server response: ${status}`, status });
    await raw.allClosed();
    expect(written).toBeLessThan(64 * 1024 * 1024);
  });

  it('can be taken over, body and all', async () => {
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

  it('that was taken over leaves the attempt to be aborted', async () => {
    const raw = await server(() => 'HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nabc');
    const reason = new Error('enough');
    const { attempt, recording } = begin(
      `ws://127.0.0.1:${raw.port}/`,
      {},
      {
        unexpectedResponse(_request, response) {
          response.on('error', () => {});
          response.once('data', () => attempt.abort(reason));
          return true;
        },
      },
    );
    expect((await recording.outcome).error).toBe(reason);
    await raw.allClosed();
    expect(recording.events).toEqual(['unexpected-response', 'error']);
  });

  it('that was taken over, and destroyed, is the end without an error', async () => {
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
    await closed(attempt.request);
    await raw.allClosed();
    await settle();
    expect(vi.getTimerCount()).toBe(0);
    expect(recording.events).toEqual(['unexpected-response']);
  });

  it('is not checked when the upgrade is turned down', async () => {
    const raw = await server(agree);
    const { recording } = begin(`ws://127.0.0.1:${raw.port}/`, {}, { upgrade: () => false });
    while (raw.connections.length === 0) await settle();
    await raw.allClosed();
    expect(recording.events).toEqual(['upgrade']);
  });
});

describe('handshakeTimeout', () => {
  const timedOut = { message: 'Opening handshake has timed out', code: 'GOODWIRE_HANDSHAKE_TIMEOUT', status: 0 };

  it('ends an attempt that gets no answer', async () => {
    const raw = await server(() => undefined);
    const { error, recording } = await run(`ws://127.0.0.1:${raw.port}/`, { handshakeTimeout: 50 });
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject(timedOut);
    await raw.allClosed();
    await settle();
    expect(recording.events).toEqual(['error']);
  });

  it('ends an attempt whose answer trickles in for ever', async () => {
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

  it('ends an attempt that does not get through the TLS handshake', async () => {
    const raw = await server(() => undefined);
    const { error } = await run(`wss://127.0.0.1:${raw.port}/`, { handshakeTimeout: 50 });
    expect(error).toMatchObject(timedOut);
    await raw.allClosed();
  });

  it('ends an attempt that waits for a name', async () => {
    const { error } = await run('ws://example.invalid/', { handshakeTimeout: 50, lookup: () => {} });
    expect(error).toMatchObject(timedOut);
  });

  it('ends an attempt that waits for its turn with an agent', async () => {
    const raw = await server(() => undefined);
    const agent = new http.Agent({ maxSockets: 1 });
    const first = begin(`ws://127.0.0.1:${raw.port}/`, { agent });
    const { error } = await run(`ws://127.0.0.1:${raw.port}/`, { agent, handshakeTimeout: 50 });
    expect(error).toMatchObject(timedOut);
    expect(raw.requests).toHaveLength(1);
    first.attempt.abort(new Error('done'));
    await first.recording.outcome;
  });

  it('goes on for a response that was taken over', async () => {
    const raw = await server(() => 'HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nabc');
    const unexpectedResponse = (_request: unknown, response: http.IncomingMessage) => {
      response.on('error', () => {}).resume();
      return true;
    };
    const { error } = await run(`ws://127.0.0.1:${raw.port}/`, { handshakeTimeout: 50 }, { unexpectedResponse });
    expect(error).toMatchObject(timedOut);
    await raw.allClosed();
  });

  it('is over when the connection is open', async () => {
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

  it.each([0, 2 ** 31, Number.MAX_VALUE, Number.POSITIVE_INFINITY])(
    'of %d does not end an attempt early',
    async (handshakeTimeout) => {
      // A timer with a delay above 2^31-1 would fire after one millisecond.
      const raw = await server(({ socket, accept }) => {
        setTimeout(() => socket.write(switching(accept)), 50);
        return undefined;
      });
      const { error } = await run(`ws://127.0.0.1:${raw.port}/`, { handshakeTimeout });
      expect(error).toBeUndefined();
    },
  );
});

describe('abort', () => {
  const reason = new Error('WebSocket was closed before the connection was established');

  /** Aborts, and sees that the error comes once, later, and that nothing else does. */
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

  it('ends an attempt that waits for a name', async () => {
    await abortAndSee(begin('ws://example.invalid/', { lookup: () => {} }));
  });

  it('ends an attempt that waits for its turn with an agent', async () => {
    const raw = await server(() => undefined);
    const agent = new http.Agent({ maxSockets: 1 });
    const first = begin(`ws://127.0.0.1:${raw.port}/`, { agent });
    await abortAndSee(begin(`ws://127.0.0.1:${raw.port}/`, { agent }));
    await abortAndSee(first);
    await raw.allClosed();
  });

  it('destroys a socket that createConnection delivers too late', async () => {
    const socket = new net.Socket();
    let deliver = () => {};
    const attempt = begin('ws://example.com/', {
      createConnection(_options: unknown, callback: (error: Error | null, socket: Duplex) => void) {
        deliver = () => callback(null, socket);
        return undefined;
      },
    });
    await abortAndSee(attempt);
    deliver();
    await closed(socket);
    expect(socket.destroyed).toBe(true);
  });

  it('ends an attempt that is connecting', async () => {
    const socket = Object.assign(new net.Socket(), { connecting: true });
    const attempt = begin('ws://example.com/', { createConnection: () => socket });
    await settle();
    await abortAndSee(attempt);
    expect(socket.destroyed).toBe(true);
  });

  it('ends an attempt during the TLS handshake', async () => {
    const raw = await server(() => undefined);
    const attempt = begin(`wss://127.0.0.1:${raw.port}/`);
    while (!raw.connections[0]?.bytesRead) await settle();
    await abortAndSee(attempt);
    await raw.allClosed();
  });

  it('ends an attempt that waits for the response', async () => {
    const raw = await server(() => 'HTTP/1.1 101 Switch');
    const attempt = begin(`ws://127.0.0.1:${raw.port}/`);
    while (raw.requests.length === 0) await settle();
    await abortAndSee(attempt);
    await raw.allClosed();
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

  it('destroys what comes after it all the same', async () => {
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

  it('does nothing to a connection that is open', async () => {
    const raw = await server(agree);
    const { attempt, socket, recording } = await run(`ws://127.0.0.1:${raw.port}/`);
    attempt.abort(reason);
    await settle();
    expect(socket!.destroyed).toBe(false);
    expect(recording.events).toEqual(['upgrade', 'open']);
  });

  it('does nothing to an attempt that failed', async () => {
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

  it('aborts the connecting', async () => {
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

  it('that is already aborted ends the attempt, but not at once', async () => {
    const raw = await server(agree);
    const { error, recording } = await run(`ws://127.0.0.1:${raw.port}/`, { signal: AbortSignal.abort(why) });
    expect(error).toMatchObject(aborted);
    expect(recording.events).toEqual(['error']);
    expect(raw.requests).toEqual([]);
  });

  it('has no effect on an open connection, and forgets it', async () => {
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
  it('of the system is passed on as it is', async () => {
    const gone = await rawServer(agree);
    await gone[Symbol.asyncDispose]();
    const { error, recording } = await run(`ws://127.0.0.1:${gone.port}/`);
    expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect', port: gone.port });
    await settle();
    expect(recording.events).toEqual(['error']);
  });

  it('of a Unix socket that is not there is passed on as it is', async () => {
    const { error } = await run(`ws+unix:${join(directory, 'nothing.sock')}:/`);
    expect(error).toMatchObject({ code: 'ENOENT' });
  });

  it('of createConnection is passed on as it is', async () => {
    const mistake = new Error('mine');
    const { error } = await run('ws://example.com/', {
      createConnection(_options: unknown, callback: (error: Error | null, socket: Duplex) => void) {
        callback(mistake, undefined as never);
        return undefined;
      },
    });
    expect(error).toBe(mistake);
  });

  it('that comes while connect() runs is told later', async () => {
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

  it('is reported when somebody aborts the request', async () => {
    for (const when of ['abort', 'destroy'] as const) {
      const finishRequest = (request: http.ClientRequest) => void request[when]();
      const { error } = await run('ws://127.0.0.1:1/', { finishRequest });
      expect(error).toMatchObject({ message: 'socket hang up', code: 'ECONNRESET' });
    }
  });

  it('after the opening is the business of the one who has the socket', async () => {
    const raw = await server(agree);
    const { socket, recording, attempt } = await run(`ws://127.0.0.1:${raw.port}/`);
    const errors: Error[] = [];
    socket!.on('error', (error) => errors.push(error)).resume();
    raw.connections[0]!.resetAndDestroy();
    await closed(socket!);
    attempt.request.emit('error', new Error('late'));
    expect(errors).toMatchObject([{ code: 'ECONNRESET' }]);
    expect(recording.events).toEqual(['upgrade', 'open']);
  });

  it('after a failure disturbs nobody', async () => {
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
  it('takes options that are typed for ws or for node:http', () => {
    const typedForWs: import('ws').ClientOptions = {};
    const typedForHttp: http.ClientRequestArgs = {};
    const typedForHttps: https.RequestOptions = {};
    const all: ClientOptions<WsWebSocket>[] = [typedForWs, typedForHttp, typedForHttps];
    all.push({ finishRequest: (request, websocket) => request.setHeader('X-Url', websocket.url) });
    expect(all).toHaveLength(4);
  });
});

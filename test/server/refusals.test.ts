import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import http from 'node:http';
import type { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';
import {
  type SocketErrorMessage,
  socketErrorChannelName,
  type UpgradeRefusedMessage,
  upgradeRefusedChannelName,
} from '../../src/server/diagnostics.ts';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { WebSocketServer } from '../../src/server/websocket-server.ts';
import { connect, exchange, exchangeHead } from '../support/exchange.ts';
import { closing } from '../support/life.ts';
import { MemoryStream } from '../support/memory-stream.ts';
import { injectedRequest, key, requestText } from '../support/opening-request.ts';
import { portOf } from '../support/port-of.ts';
import { serveGoodwire, serveHttp } from '../support/serve.ts';

/** Collects the messages of a channel during a test. */
function collect<Message>(channel: string): Message[] {
  const messages: Message[] = [];
  const listener = (message: unknown) => messages.push(message as Message);
  subscribe(channel, listener);
  onTestFinished(() => void unsubscribe(channel, listener));
  return messages;
}

/** Resolves with the next message of a channel. */
function published<Message>(channel: string): Promise<Message> {
  return new Promise((resolve) => {
    const listener = (message: unknown) => {
      unsubscribe(channel, listener);
      resolve(message as Message);
    };
    subscribe(channel, listener);
  });
}

/** Passes a request to a server without a port, and returns the response after the stream has closed. */
async function inject(options: ServerOptions, headers: Record<string, string | undefined> = {}): Promise<string> {
  const socket = new MemoryStream();
  const server = new WebSocketServer({ noServer: true, ...options });
  server.handleUpgrade(injectedRequest(headers), socket, Buffer.alloc(0), (websocket) => websocket.terminate());
  if (!socket.closed) await closing(socket);
  return socket.written;
}

describe('a request without a Host', () => {
  it.each([true, false])(
    'is accepted if the HTTP server waives the rule by requireHostHeader: %j',
    async (required) => {
      const server = http.createServer({ requireHostHeader: required });
      await using served = await serveHttp(server);
      new WebSocketServer({ server }).on('connection', (socket) => socket.terminate());
      const head = await exchangeHead(served.port, requestText({ headers: { Host: undefined } }));
      expect(head.split('\r\n')[0]).toBe(required ? 'HTTP/1.1 400 Bad Request' : 'HTTP/1.1 101 Switching Protocols');
    },
  );

  it('and without an Upgrade gets the answer of ws', async () => {
    const headers = { upgrade: undefined, host: undefined };
    const rawHeaders = ['Connection', 'Upgrade'];
    const socket = new MemoryStream();
    const server = new WebSocketServer({ noServer: true });
    const refused = () => expect.unreachable('an upgrade without the field');
    server.handleUpgrade(injectedRequest(headers, { rawHeaders }), socket, Buffer.alloc(0), refused);
    expect(socket.written).toMatch(/^HTTP\/1\.1 400 [\s\S]*Invalid Upgrade header$/);
  });
});

describe('a request that breaks a rule', () => {
  it('gets a response with the allowed method', async () => {
    const response = await exchange(portOf(await serveGoodwire()), requestText({ method: 'POST' }));
    expect(response).toBe(
      'HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 19\r\nAllow: GET\r\n\r\nInvalid HTTP method',
    );
  });

  it.each([undefined, '12', '14', '013', ['13', '13']])(
    'gets a response with the supported versions, if it requests %j',
    async (version) => {
      const response = await exchange(
        portOf(await serveGoodwire()),
        requestText({ headers: { 'Sec-WebSocket-Version': version } }),
      );
      expect(response).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\n/);
      expect(response).toContain('\r\nSec-WebSocket-Version: 13, 8\r\n');
      expect(response).toMatch(/\r\n\r\nMissing or invalid Sec-WebSocket-Version header$/);
    },
  );

  it.each<[string, Parameters<typeof requestText>[0]]>([
    ['HTTP/1.0', { version: '1.0' }],
    ['no Host', { headers: { Host: undefined } }],
  ])('is answered with 400, although ws accepts it: %s', async (_, options) => {
    const response = await exchange(portOf(await serveGoodwire()), requestText(options));
    expect(response).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n/);
  });

  it('is answered with 400 if it has more fields than Node keeps', async () => {
    const plain = http.createServer();
    plain.maxHeadersCount = 20;
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    onTestFinished(() => {
      plain.closeAllConnections();
      return new Promise((resolve) => plain.close(() => resolve()));
    });
    new WebSocketServer({ server: plain });
    const many = Array.from({ length: 40 }, (_, index) => `X-${index}: y\r\n`).join('');
    const text = requestText().replace('\r\n', `\r\n${many}`);
    expect(await exchange(portOf(plain), text)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  });

  it('is answered or accepted, for any fields', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('constructor', '__proto__', 'toString', 'a; b="', '13', key, 'websocket', 'Upgrade'),
    );
    const names = [
      'host',
      'upgrade',
      'connection',
      'origin',
      'sec-websocket-key',
      'sec-websocket-version',
      'sec-websocket-protocol',
      'sec-websocket-extensions',
    ];
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom(...names), text), async (headers) => {
        const [statusLine, ...lines] = (await inject({}, headers)).split('\r\n');
        expect(statusLine).toMatch(/^HTTP\/1\.1 (101|400|426) /);
        expect(lines.slice(0, lines.indexOf('')).every((line) => /^[\w-]+: /.test(line))).toBe(true);
      }),
    );
  });

  it.each([
    ['64 Ki spaces', `a${' '.repeat(65_536)}b`, '400'],
    ['64 Ki spaces in a quoted string', `a; b="${' '.repeat(65_536)}"`, '400'],
    ['10 000 parameters', `a${'; __proto__=constructor'.repeat(10_000)}`, '101'],
    ['10 000 extensions', `a${', toString'.repeat(10_000)}`, '101'],
    ['a quote that is not closed', `a; b="${'x'.repeat(65_536)}`, '400'],
  ])('costs little time, with extensions of %s', async (_, header, status) => {
    const response = await inject({}, { 'sec-websocket-extensions': header });
    expect(response.split(' ')[1]).toBe(status);
  });

  it('is passed to wsClientError as a HandshakeError', async () => {
    const server = await serveGoodwire();
    const told = once(server, 'wsClientError');
    server.on('wsClientError', (_error, socket) => socket.destroy());
    await exchangeHead(portOf(server), requestText({ method: 'POST' }));
    const [error] = await told;
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({ status: 405, code: 'GOODWIRE_INVALID_METHOD', headers: { Allow: 'GET' } });
  });

  it('is published', async () => {
    const refused = collect<UpgradeRefusedMessage>(upgradeRefusedChannelName);
    await exchange(portOf(await serveGoodwire()), requestText({ method: 'POST' }));
    await exchange(portOf(await serveGoodwire({ path: '/x' })), requestText());
    await exchange(portOf(await serveGoodwire({ verifyClient: () => false })), requestText());
    await exchange(portOf(await serveGoodwire({ origins: [] })), requestText());
    expect(refused.map(({ error }) => error.code)).toEqual([
      'GOODWIRE_INVALID_METHOD',
      'GOODWIRE_NOT_HANDLED',
      'GOODWIRE_NOT_VERIFIED',
      'GOODWIRE_ORIGIN_NOT_ALLOWED',
    ]);
    expect(refused.every(({ request }) => request instanceof http.IncomingMessage)).toBe(true);
  });
});

describe('a refusal', () => {
  it('is forced after closeTimeout on a peer that does not read', async () => {
    const socket = new MemoryStream();
    socket.isStuck = true;
    const server = new WebSocketServer({ noServer: true, closeTimeout: 10 });
    server.handleUpgrade(injectedRequest({ upgrade: 'x' }), socket, Buffer.alloc(0), () => {});
    expect(socket.destroyed).toBe(false);
    await closing(socket);
  });

  it('discards data received meanwhile', async () => {
    const socket = new MemoryStream();
    const server = new WebSocketServer({ noServer: true });
    server.handleUpgrade(injectedRequest({ upgrade: 'x' }), socket, Buffer.alloc(0), () => {});
    socket.push('x'.repeat(100));
    await closing(socket);
    expect(socket.readableLength).toBe(0);
  });
});

describe('errors of the application', () => {
  const rejected = (() => Promise.reject(new Error('mine'))) as unknown as () => boolean;
  const thrown = (): never => {
    throw new Error('mine');
  };

  it.each<[string, ServerOptions]>([
    ['verifyClient throws', { verifyClient: thrown }],
    ['verifyClient rejects', { verifyClient: rejected }],
    ['verifyClient with a callback throws', { verifyClient: (_info, _answer) => thrown() }],
    ['verifyClient with a callback rejects', { verifyClient: async (_info, _answer) => thrown() }],
    [
      'verifyClient throws after its answer',
      {
        verifyClient: (_, answer) => {
          answer(true);
          thrown();
        },
      },
    ],
    [
      'verifyClient throws, and answers',
      {
        verifyClient: (_, answer) => {
          setImmediate(answer, true);
          thrown();
        },
      },
    ],
    ['verifyClient refuses with an invalid status', { verifyClient: (_, answer) => answer(false, 101) }],
    [
      'verifyClient refuses with headers that are two',
      { verifyClient: (_, answer) => answer(false, 401, '', { X: 'a\r\nY: b' }) },
    ],
    ['origins throws', { origins: thrown }],
    ['origins rejects', { origins: rejected }],
    ['handleProtocols throws', { handleProtocols: thrown }],
    ['handleProtocols returns a subprotocol that was not offered', { handleProtocols: () => 'b' }],
    ['handleProtocols chooses two lines', { handleProtocols: () => 'a\r\nX: y' }],
    ['handleProtocols returns a value that is not a string', { handleProtocols: () => 5 as unknown as string }],
    ['responseHeaders throws', { responseHeaders: thrown }],
    ['responseHeaders contains a value of two lines', { responseHeaders: () => ({ X: 'a\r\nY: b' }) }],
    ['responseHeaders contains a name of two lines', { responseHeaders: () => ({ 'X: a\r\nY': 'b' }) }],
    ['responseHeaders contains a field of the handshake', { responseHeaders: () => ({ 'Sec-WebSocket-Accept': 'x' }) }],
    ['the class throws', { WebSocket: thrown as never }],
  ])('are answered with 500, and reported: %s', async (_, options) => {
    const refused = collect<UpgradeRefusedMessage>(upgradeRefusedChannelName);
    const response = await inject(options, { 'sec-websocket-protocol': 'a' });
    expect(response).toBe(
      'HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 21\r\n\r\nInternal Server Error',
    );
    expect(refused).toHaveLength(1);
    expect(refused[0]!.error).toMatchObject({ status: 500, code: 'GOODWIRE_APPLICATION_ERROR' });
    expect(refused[0]!.error.cause).toBeInstanceOf(Error);
  });

  it.each<[string, (headers: string[]) => void]>([
    ['throws', thrown],
    ['adds two lines in one', (headers) => headers.push('X: a\r\nY: b')],
    ['adds a lone LF', (headers) => headers.push('X: a\nY: b')],
    ['ends the head', (headers) => headers.push('', 'body')],
    ['removes the status line', (headers) => headers.shift()],
  ])('are answered with 500 if a headers listener %s', async (_, listener) => {
    const refused = collect<UpgradeRefusedMessage>(upgradeRefusedChannelName);
    const server = await serveGoodwire();
    server.on('headers', listener);
    expect(await exchange(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 500 [\s\S]*Internal Server Error$/);
    expect(refused).toHaveLength(1);
  });

  it('are answered with 500 if a headers listener is added for one response, and corrupts it', async () => {
    const refused = collect<UpgradeRefusedMessage>(upgradeRefusedChannelName);
    const server = await serveGoodwire();
    server.once('headers', (headers) => headers.push('X: a\r\nY: b'));
    expect(await exchange(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 500 /);
    expect(await exchangeHead(portOf(server), requestText())).toMatch(/^HTTP\/1\.1 101 /);
    expect(refused).toHaveLength(1);
  });

  it('are passed to wsClientError', async () => {
    const server = await serveGoodwire({ verifyClient: thrown });
    server.on('wsClientError', (error, socket) => socket.end(`HTTP/1.1 500 ${(error.cause as Error).message}\r\n\r\n`));
    expect(await exchange(portOf(server), requestText())).toBe('HTTP/1.1 500 mine\r\n\r\n');
  });

  it('are reported as a warning if there is no listener', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => emitWarning.mockRestore());
    await inject({ verifyClient: thrown });
    await inject({
      verifyClient: () => {
        throw 'text';
      },
    });
    await inject({
      verifyClient: () => {
        throw Object.assign(new Error('without a stack'), { stack: undefined });
      },
    });
    expect(emitWarning.mock.calls).toEqual([
      [
        'A callback of a WebSocket server failed; the upgrade was refused with status 500',
        {
          type: 'GoodwireWarning',
          code: 'GOODWIRE_APPLICATION_ERROR',
          detail: expect.stringMatching(/^Error: mine\n/),
        },
      ],
      [expect.anything(), expect.objectContaining({ detail: 'text' })],
      [expect.anything(), expect.objectContaining({ detail: 'without a stack' })],
    ]);
  });

  it('are answered once, even if verifyClient answers later', async () => {
    const refused = collect(upgradeRefusedChannelName);
    let answerLater!: (isAllowed: boolean) => void;
    const response = await inject({
      verifyClient: async (_, answer) => {
        answerLater = answer;
        thrown();
      },
    });
    answerLater(true);
    expect(response).toMatch(/ 500 /);
    expect(refused).toHaveLength(1);
  });

  it('after the response are ignored', async () => {
    const refused = collect(upgradeRefusedChannelName);
    const server = await serveGoodwire({
      verifyClient: async (_, answer) => {
        answer(true);
        thrown();
      },
    });
    expect(await exchangeHead(portOf(server), requestText())).toMatch(/ 101 /);
    expect(refused).toEqual([]);
  });
});

describe('an error of the raw socket', () => {
  /** Returns a server whose verifyClient waits for the test. */
  function verifying() {
    let go!: (isAllowed: boolean) => void;
    let begin!: () => void;
    const started = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const options: ServerOptions = {
      verifyClient: (_, answer) => {
        go = answer;
        begin();
      },
    };
    return { options, started, go: (isAllowed: boolean) => go(isAllowed) };
  }

  it.each([true, false])(
    'while verifyClient is pending is published, and its answer %j is too late',
    async (answer) => {
      const refused = published<UpgradeRefusedMessage>(upgradeRefusedChannelName);
      const failed = published<SocketErrorMessage>(socketErrorChannelName);
      const { options, started, go } = verifying();
      const server = await serveGoodwire(options);
      const connected = vi.fn();
      server.on('connection', connected).on('wsClientError', connected);
      const client = await connect(portOf(server));
      client.write(requestText());
      await started;
      client.resetAndDestroy();
      const { error, socket } = await failed;
      expect(error).toMatchObject({ code: 'ECONNRESET' });
      expect((socket as Duplex).destroyed).toBe(true);
      go(answer);
      const { error: refusal } = await refused;
      expect(refusal).toMatchObject({ code: answer ? 'GOODWIRE_SOCKET_CLOSED' : 'GOODWIRE_NOT_VERIFIED' });
      expect(connected).not.toHaveBeenCalled();
      expect(server.clients.size).toBe(0);
    },
  );

  it('while verifyClient is pending does not turn its failure into a response', async () => {
    const refused = published<UpgradeRefusedMessage>(upgradeRefusedChannelName);
    const socket = new MemoryStream();
    let reject!: (error: Error) => void;
    const verdict = new Promise((_, no) => {
      reject = no;
    });
    const server = new WebSocketServer({ noServer: true, verifyClient: (() => verdict) as unknown as () => boolean });
    server.handleUpgrade(injectedRequest(), socket, Buffer.alloc(0), () => {});
    socket.destroy(new Error('gone'));
    await closing(socket);
    reject(new Error('mine'));
    expect((await refused).error).toMatchObject({ code: 'GOODWIRE_APPLICATION_ERROR' });
    expect(socket.written).toBe('');
  });

  it('before the upgrade does not end the process', async () => {
    const server = await serveGoodwire();
    const client = await connect(portOf(server));
    const accepted = once(server, 'connection');
    client.write(requestText().slice(0, 20));
    client.resetAndDestroy();
    expect(await exchangeHead(portOf(server), requestText())).toMatch(/ 101 /);
    await accepted;
  });

  it('after a refusal does not end the process', async () => {
    const errors = collect<SocketErrorMessage>(socketErrorChannelName);
    const socket = new MemoryStream();
    const server = new WebSocketServer({ noServer: true });
    server.handleUpgrade(injectedRequest({ upgrade: 'x' }), socket, Buffer.alloc(0), () => {});
    socket.destroy(new Error('EPIPE'));
    await closing(socket);
    expect(errors).toEqual([{ error: new Error('EPIPE'), socket }]);
  });

  it('does not end the process if a listener of wsClientError has the socket', async () => {
    const errors = collect<SocketErrorMessage>(socketErrorChannelName);
    const socket = new MemoryStream();
    const server = new WebSocketServer({ noServer: true });
    server.on('wsClientError', (_, raw) => raw.destroy(new Error('EPIPE')));
    server.handleUpgrade(injectedRequest({ upgrade: 'x' }), socket, Buffer.alloc(0), () => {});
    await closing(socket);
    expect(errors).toHaveLength(1);
  });

  it('that is already destroyed leads to no response', () => {
    const socket = new MemoryStream();
    socket.destroy();
    const refused = collect<UpgradeRefusedMessage>(upgradeRefusedChannelName);
    const server = new WebSocketServer({ noServer: true });
    const told = vi.fn();
    server.on('wsClientError', told);
    server.handleUpgrade(injectedRequest({ upgrade: 'x' }), socket, Buffer.alloc(0), told);
    expect(told).not.toHaveBeenCalled();
    expect(socket.written).toBe('');
    expect(refused.map(({ error }) => error.code)).toEqual(['GOODWIRE_INVALID_UPGRADE']);
  });

  it('that ends during the handshake is not upgraded', async () => {
    const refused = published<UpgradeRefusedMessage>(upgradeRefusedChannelName);
    const { options, started, go } = verifying();
    const socket = new MemoryStream();
    const server = new WebSocketServer({ noServer: true, ...options });
    server.handleUpgrade(injectedRequest(), socket, Buffer.alloc(0), () => {});
    await started;
    socket.resume();
    socket.push(null);
    await once(socket, 'end');
    go(true);
    expect((await refused).error).toMatchObject({ code: 'GOODWIRE_SOCKET_CLOSED' });
    expect(socket.destroyed).toBe(true);
  });
});

describe('a protocol violation by the peer', () => {
  it('does not end the process of a server without error listeners', async () => {
    const server = await serveGoodwire();
    const closed = once(server, 'connection').then(([websocket]) => closing(websocket));
    const client = await connect(portOf(server));
    client.write(requestText());
    await once(client, 'data');
    const answer = once(client, 'data');
    // An unmasked frame.
    client.write(Buffer.from([0x81, 0x00]));
    expect((await answer)[0]).toEqual(Buffer.from([0x88, 0x02, 0x03, 0xea]));
    client.destroy();
    await closed;
    expect(await exchangeHead(portOf(server), requestText())).toMatch(/ 101 /);
  });
});

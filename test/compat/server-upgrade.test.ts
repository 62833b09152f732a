import { once } from 'node:events';
import http, { IncomingMessage } from 'node:http';
import https from 'node:https';
import type net from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import type { ClientInfo, ServerOptions, VerifyClientAsync } from '../../src/server/server-options.ts';
import { certificate } from '../support/certificate.ts';
import { connect, exchange, exchangeHead } from '../support/exchange.ts';
import { textFrame } from '../support/from-client.ts';
import { closing } from '../support/life.ts';
import { MemoryStream } from '../support/memory-stream.ts';
import { accept, injectedRequest, key, requestText } from '../support/opening-request.ts';
import { implementations } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { dial, dialed, serve, serveHttp } from '../support/serve.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { eventually, settle } from '../support/until.ts';

const noHead = Buffer.alloc(0);
const switching = [
  'HTTP/1.1 101 Switching Protocols',
  'Upgrade: websocket',
  'Connection: Upgrade',
  `Sec-WebSocket-Accept: ${accept}`,
];
const plainRequest = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/** Returns the whole response to a refused request. */
function refusal(status: string, body: string, more = ''): string {
  const length = Buffer.byteLength(body);
  return `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: ${length}\r\n${more}\r\n${body}`;
}

describe.each(Object.entries(implementations))('the opening handshake of a server of %s', (_name, by) => {
  const noServer = (options: object = {}) => new by.WebSocketServer({ noServer: true, ...options } as ServerOptions);

  describe('a request', () => {
    test.each<[string, Parameters<typeof requestText>[0]]>([
      ['as the RFC has it', {}],
      ['of version 8', { headers: { 'Sec-WebSocket-Version': '8' } }],
      ['with WebSocket in other letters', { headers: { Upgrade: 'WebSocket' } }],
      ['with WEBSOCKET in capitals', { headers: { Upgrade: 'WEBSOCKET' } }],
      ['whose Connection is a list', { headers: { Connection: 'keep-alive, Upgrade' } }],
      ['whose Connection is in small letters', { headers: { Connection: 'upgrade' } }],
      ['with a path and a query', { url: '/any/path?a=b&c=/d' }],
      ['whose target is a URL', { url: 'http://localhost/any' }],
      ['with unknown extensions', { headers: { 'Sec-WebSocket-Extensions': 'x-any; a=1, x-other' } }],
      ['with an empty body that is announced', { headers: { 'Content-Length': '0' } }],
    ])('%s is answered with 101, byte by byte', async (_title, request) => {
      await using served = await serve(by);
      const connected = once(served.server, 'connection');
      expect((await exchangeHead(served.port, requestText(request))).split('\r\n')).toEqual(switching);
      const [socket] = await connected;
      expect(socket.extensions).toBe('');
    });

    test.each<[string, Parameters<typeof requestText>[0], string, string]>([
      ['another Upgrade', { headers: { Upgrade: 'h2c' } }, '400 Bad Request', 'Invalid Upgrade header'],
      ...(
        [
          ['no key', undefined],
          ['a short key', 'x'],
          ['a key without its padding', key.slice(0, -1)],
          ['a key of too many octets', `${key}=`],
          ['a key that is not base64', key.replace('h', '_')],
          ['two keys', [key, key]],
        ] as const
      ).map(([title, value]): [string, object, string, string] => [
        title,
        { headers: { 'Sec-WebSocket-Key': value as string } },
        '400 Bad Request',
        'Missing or invalid Sec-WebSocket-Key header',
      ]),
      ...(
        [
          ['a subprotocol twice', 'a, a'],
          ['an empty subprotocol', ''],
          ['a subprotocol that is no token', 'a b'],
        ] as const
      ).map(([title, value]): [string, object, string, string] => [
        title,
        { headers: { 'Sec-WebSocket-Protocol': value } },
        '400 Bad Request',
        'Invalid Sec-WebSocket-Protocol header',
      ]),
      [
        'malformed extensions',
        { headers: { 'Sec-WebSocket-Extensions': 'a;' } },
        '400 Bad Request',
        'Invalid or unacceptable Sec-WebSocket-Extensions header',
      ],
      ['another path', { url: '/elsewhere' }, '400 Bad Request', 'Bad Request'],
    ])('with %s is refused, byte by byte, and the connection ended', async (_title, request, status, body) => {
      await using served = await serve(by, { path: '/', perMessageDeflate: true });
      expect(await exchange(served.port, requestText(request))).toBe(refusal(status, body));
      expect(served.server.clients.size).toBe(0);
    });

    test.each(['POST', 'PUT', 'DELETE', 'HEAD'])('with the method %s is answered with 405', async (method) => {
      await using served = await serve(by);
      const response = await exchange(served.port, requestText({ method }));
      expect(response).toMatch(/^HTTP\/1\.1 405 Method Not Allowed\r\nConnection: close\r\n/);
      expect(response).toMatch(/\r\n\r\nInvalid HTTP method$/);
    });

    test.each([undefined, '12', '14', ['13', '13']])('of version %j gets the supported versions', async (version) => {
      await using served = await serve(by);
      const request = requestText({ headers: { 'Sec-WebSocket-Version': version } });
      const response = await exchange(served.port, request);
      expect(response).toMatch(/^HTTP\/1\.1 4[\s\S]*\r\nSec-WebSocket-Version: 13, 8\r\n/);
      expect(response).toMatch(/\r\n\r\nMissing or invalid Sec-WebSocket-Version header$/);
    });

    test('that breaks several rules gets the response for the first: method, Upgrade, key, version, path', async () => {
      await using served = await serve(by, { path: '/here' });
      const wrong = { method: 'POST', url: '/', headers: {} as Record<string, string> };
      wrong.headers = { Upgrade: 'x', 'Sec-WebSocket-Key': 'x', 'Sec-WebSocket-Version': '1' };
      const body = async () => (await exchange(served.port, requestText(wrong))).split('\r\n\r\n')[1];
      expect(await body()).toBe('Invalid HTTP method');
      wrong.method = 'GET';
      expect(await body()).toBe('Invalid Upgrade header');
      wrong.headers.Upgrade = 'websocket';
      expect(await body()).toBe('Missing or invalid Sec-WebSocket-Key header');
      wrong.headers['Sec-WebSocket-Key'] = key;
      expect(await body()).toBe('Missing or invalid Sec-WebSocket-Version header');
      wrong.headers['Sec-WebSocket-Version'] = '13';
      expect(await body()).toBe('Bad Request');
    });

    test('behind a refused one is ignored', async () => {
      const requests = vi.fn();
      await using given = await serveHttp(http.createServer(requests));
      const server = new by.WebSocketServer({ server: given.httpServer, path: '/here' });
      const connected = vi.fn();
      server.on('connection', connected);
      const text = requestText() + plainRequest + requestText({ url: '/here' });
      expect(await exchange(given.port, text)).toBe(refusal('400 Bad Request', 'Bad Request'));
      await settle();
      expect([requests.mock.calls, connected.mock.calls]).toEqual([[], []]);
    });

    test('may follow another one on its connection', async () => {
      await using given = await serveHttp(http.createServer((_request, response) => response.end('plain')));
      const server = new by.WebSocketServer({ server: given.httpServer });
      const message = new Promise((resolve) => {
        server.on('connection', (socket) => socket.on('message', (data) => resolve(String(data))));
      });
      const client = await connect(given.port);
      client.write(plainRequest);
      await once(client, 'data');
      client.write(requestText() + textFrame('hello'), 'latin1');
      expect(await message).toBe('hello');
      client.destroy();
    });
  });

  describe('path', () => {
    test.each([
      ['/foo', true],
      ['/foo?a=b', true],
      ['/foo?', true],
      ['/foo?a?b', true],
      ['/foo#a', false],
      ['/foo/', false],
      ['//foo', false],
      ['/FOO', false],
      ['/fo%6f', false],
      ['/bar', false],
      ['/', false],
      ['*', false],
      ['', false],
    ])('reads %j as a request for /foo: %j', (url, expected) => {
      expect(noServer({ path: '/foo' }).shouldHandle(injectedRequest({}, { url }))).toBe(expected);
    });

    test.each([null, ''])('of %j matches every path', (path) => {
      const server = noServer({ path });
      for (const url of ['/', '/foo', '*', '']) expect(server.shouldHandle(injectedRequest({}, { url }))).toBe(true);
    });

    test('with a query in it matches nothing', () => {
      const server = noServer({ path: '/foo?a' });
      for (const url of ['/foo?a', '/foo']) expect(server.shouldHandle(injectedRequest({}, { url }))).toBe(false);
    });

    test('applies to handleUpgrade, too, whatever the server listens to', async () => {
      await using served = await serve(by, { path: '/foo' });
      for (const server of [served.server, noServer({ path: '/foo' })]) {
        const stream = new MemoryStream();
        const callback = vi.fn();
        server.handleUpgrade(injectedRequest(), stream, noHead, callback);
        await closing(stream);
        expect(stream.written).toBe(refusal('400 Bad Request', 'Bad Request'));
        expect(callback).not.toHaveBeenCalled();
      }
    });

    test.each<[unknown, string]>([
      [true, '101'],
      [1, '101'],
      ['yes', '101'],
      [false, '400'],
      [0, '400'],
      ['', '400'],
      [null, '400'],
      [undefined, '400'],
    ])(
      'is overridden by a shouldHandle of the application that returns %j, and %s is answered',
      async (answer, status) => {
        const asked = vi.fn(() => answer as boolean);
        class Server extends by.WebSocketServer {
          override shouldHandle = asked;
        }
        const server = new Server({ noServer: true, path: '/foo' });
        const request = injectedRequest();
        const stream = new MemoryStream();
        server.handleUpgrade(request, stream, noHead, (websocket) => websocket.terminate());
        await closing(stream);
        expect(stream.written.slice(9, 12)).toBe(status);
        expect(asked.mock.calls).toEqual([[request]]);
      },
    );
  });

  describe('handleProtocols', () => {
    test.each<[string, object, string]>([
      ['is not given: the first is chosen', {}, 'a'],
      ['is null: the first is chosen', { handleProtocols: null }, 'a'],
      ['is false: the first is chosen', { handleProtocols: false }, 'a'],
      ['returns another one: that is chosen', { handleProtocols: () => 'b' }, 'b'],
      ['returns false: none is chosen', { handleProtocols: () => false }, ''],
      ['returns an empty string: none is chosen', { handleProtocols: () => '' }, ''],
      ['returns undefined: none is chosen', { handleProtocols: () => undefined }, ''],
      ['returns null: none is chosen', { handleProtocols: () => null }, ''],
    ])('%s', async (_title, options, expected) => {
      await using served = await serve(by, options);
      const connected = once(served.server, 'connection');
      const text = requestText({ headers: { 'Sec-WebSocket-Protocol': 'a, b' } });
      const head = await exchangeHead(served.port, text);
      const [socket] = await connected;
      expect(socket.protocol).toBe(expected);
      expect(head.split('\r\n')).toEqual([...switching, ...(expected && [`Sec-WebSocket-Protocol: ${expected}`])]);
    });

    test('is called as a method of the options, with a Set in the order of the client, and the request', async () => {
      const calls: unknown[] = [];
      await using served = await serve(by, {
        handleProtocols(this: unknown, ...args) {
          const [protocols, request] = args;
          calls.push(this === served.server.options, args.length, protocols, request instanceof IncomingMessage);
          return 'c';
        },
      });
      using client = dial(by, served.port, '/', ['b', 'c', 'a']);
      await once(client, 'open');
      expect(client.protocol).toBe('c');
      expect(calls).toEqual([true, 2, new Set(['b', 'c', 'a']), true]);
      expect([...(calls[2] as Set<string>)]).toEqual(['b', 'c', 'a']);
    });

    test('is not called if the client offers none', async () => {
      const handleProtocols = vi.fn(() => 'x');
      await using served = await serve(by, { handleProtocols });
      expect((await exchangeHead(served.port, requestText())).split('\r\n')).toEqual(switching);
      expect(handleProtocols).not.toHaveBeenCalled();
    });

    test('that chooses none makes a client fail that requires one', async () => {
      await using served = await serve(by, { handleProtocols: () => false });
      using client = dial(by, served.port, '/', ['a']);
      const [error] = await once(client, 'error');
      expect(error.message).toBe('Server sent no subprotocol');
    });

    test('receives subprotocols from several fields, and with spaces around them', async () => {
      await using served = await serve(by, { handleProtocols: (protocols) => [...protocols].at(-1)! });
      const text = requestText({ headers: { 'Sec-WebSocket-Protocol': ['a', 'b \t,  c\t'] } });
      expect((await exchangeHead(served.port, text)).split('\r\n').at(-1)).toBe('Sec-WebSocket-Protocol: c');
    });
  });

  describe('verifyClient', () => {
    const accepts: [string, ServerOptions['verifyClient']][] = [
      ['returns true', () => true],
      ['returns a truthy value', () => 'yes' as unknown as boolean],
      ['accepts synchronously', (_info, answer) => answer(true)],
      ['accepts later', (_info, answer) => setImmediate(answer, true)],
      ['accepts, with the arguments of a refusal', (_info, answer) => answer(true, 403, 'No', { 'X-No': 'no' })],
      [
        'has a third parameter, and returns true',
        ((_info: unknown, more: unknown, _third: unknown) => more === undefined) as never,
      ],
      ['has a default for its second, and returns true', (_info, more: unknown = 5) => more === 5],
      ['collects its parameters, and returns true', ((...all: unknown[]) => all.length === 1) as never],
    ];

    test.each(accepts)('that %s accepts the client', async (_title, verifyClient) => {
      await using served = await serve(by, { verifyClient });
      const connected = once(served.server, 'connection');
      expect((await exchangeHead(served.port, requestText())).split('\r\n')).toEqual(switching);
      await connected;
    });

    test.each([null, false])('that is %j is ignored', async (verifyClient) => {
      await using served = await serve(by, { verifyClient: verifyClient as never });
      expect(await exchangeHead(served.port, requestText())).toMatch(/^HTTP\/1\.1 101 /);
    });

    const refuses: [string, ServerOptions['verifyClient'], string][] = [
      ['returns false', () => false, refusal('401 Unauthorized', 'Unauthorized')],
      ['returns nothing', (() => {}) as never, refusal('401 Unauthorized', 'Unauthorized')],
      ['refuses synchronously', (_info, answer) => answer(false), refusal('401 Unauthorized', 'Unauthorized')],
      ['refuses later', (_info, answer) => setImmediate(answer, false), refusal('401 Unauthorized', 'Unauthorized')],
      [
        'answers nothing',
        ((_info: unknown, answer: () => void) => answer()) as never,
        refusal('401 Unauthorized', 'Unauthorized'),
      ],
      ['sets a status', (_info, answer) => answer(false, 403), refusal('403 Forbidden', 'Forbidden')],
      [
        'sets a status as text',
        (_info, answer) => answer(false, '403' as never),
        refusal('403 Forbidden', 'Forbidden'),
      ],
      ['sets a status of 0', (_info, answer) => answer(false, 0), refusal('401 Unauthorized', 'Unauthorized')],
      [
        'sets null for everything',
        (_info, answer) => answer(false, null!, null!, null!),
        refusal('401 Unauthorized', 'Unauthorized'),
      ],
      [
        'sets a status and a message',
        (_info, answer) => answer(false, 429, 'Slow down'),
        refusal('429 Too Many Requests', 'Slow down'),
      ],
      [
        'sets a message of several bytes per character',
        (_info, answer) => answer(false, 400, 'ä€'),
        refusal('400 Bad Request', 'ä€'),
      ],
      ['sets an empty message', (_info, answer) => answer(false, 404, ''), refusal('404 Not Found', 'Not Found')],
      ['sets a status of success', (_info, answer) => answer(false, 200, 'fine'), refusal('200 OK', 'fine')],
      [
        'redirects',
        (_info, answer) => answer(false, 302, 'There', { Location: '/x' }),
        refusal('302 Found', 'There', 'Location: /x\r\n'),
      ],
      [
        'sets header fields, including numbers, and no message',
        (_info, answer) => answer(false, 503, undefined, { 'Retry-After': 120, 'X-Why': 'full' }),
        refusal('503 Service Unavailable', 'Service Unavailable', 'Retry-After: 120\r\nX-Why: full\r\n'),
      ],
      [
        'sets the type of its message',
        (_info, answer) => answer(false, 401, '{}', { 'Content-Type': 'application/json' }),
        refusal('401 Unauthorized', '{}').replace('text/html', 'application/json'),
      ],
      [
        'refuses, and then accepts',
        (_info, answer) => {
          answer(false, 403);
          answer(true);
        },
        refusal('403 Forbidden', 'Forbidden'),
      ],
    ];

    test.each(refuses)('that %s refuses the client', async (_title, verifyClient, expected) => {
      await using served = await serve(by, { verifyClient });
      const connected = vi.fn();
      served.server.on('connection', connected);
      expect(await exchange(served.port, requestText())).toBe(expected);
      expect([connected.mock.calls, served.server.clients.size]).toEqual([[], 0]);
    });

    test('is called once, as a method of the options, and its callback returns undefined', async () => {
      const calls: unknown[] = [];
      const verifyClient: VerifyClientAsync = function (this: unknown, ...args) {
        const [info, answer] = args;
        calls.push(this === served.server.options, args.length, Object.keys(info).sort(), answer(true));
      };
      // A length of 2 selects the callback form.
      Object.defineProperty(verifyClient, 'length', { value: 2 });
      await using served = await serve(by, { verifyClient });
      await exchangeHead(served.port, requestText());
      expect(calls).toEqual([true, 2, ['origin', 'req', 'secure'], undefined]);
    });

    test.each<[string, Record<string, string | string[]>, string | undefined]>([
      ['Origin', { Origin: 'https://a.test' }, 'https://a.test'],
      ['Origin, and not of the field of version 8,', { 'Sec-WebSocket-Origin': 'https://b.test' }, undefined],
      [
        'Sec-WebSocket-Origin in version 8',
        { 'Sec-WebSocket-Version': '8', 'Sec-WebSocket-Origin': 'https://b.test', Origin: 'https://a.test' },
        'https://b.test',
      ],
      [
        'nothing in version 8 with an Origin alone',
        { 'Sec-WebSocket-Version': '8', Origin: 'https://a.test' },
        undefined,
      ],
    ])('receives %s', async (_title, headers, origin) => {
      const infos: ClientInfo[] = [];
      await using served = await serve(by, { verifyClient: (info: ClientInfo) => infos.push(info) > 0 });
      const connected = once(served.server, 'connection');
      await exchangeHead(served.port, requestText({ headers }));
      const [, request] = await connected;
      expect(infos).toEqual([{ origin, secure: false, req: request }]);
      expect(infos[0]!.req).toBe(request);
    });

    test('receives secure as true if the request came over TLS', async () => {
      const httpServer = https.createServer(certificate);
      await using given = await serveHttp(httpServer as unknown as http.Server);
      const secure: boolean[] = [];
      const server = new by.WebSocketServer({
        server: httpServer,
        verifyClient: (info: ClientInfo) => secure.push(info.secure) > 0,
      });
      server.on('connection', (socket) => socket.on('message', (data) => socket.send(data as Buffer)));
      const client = new by.WebSocket(`wss://localhost:${given.port}`, { rejectUnauthorized: false });
      await once(client, 'open');
      client.send('secret');
      expect(String((await once(client, 'message'))[0])).toBe('secret');
      expect(secure).toEqual([true]);
      client.terminate();
    });

    test.each<[string, (client: net.Socket) => void]>([
      ['is gone', (client) => client.destroy()],
      ['has reset the connection', (client) => client.resetAndDestroy()],
      ['has ended its side', (client) => client.end()],
    ])('that decides after the client %s is ignored, without an error', async (_title, leave) => {
      using uncaught = captureUncaught();
      let answer!: (isAllowed: boolean) => void;
      let asked!: (request: IncomingMessage) => void;
      await using served = await serve(by, {
        verifyClient: ({ req }, callback) => {
          answer = callback;
          asked(req);
        },
      });
      const told = vi.fn();
      served.server.on('connection', told).on('wsClientError', told).on('headers', told);
      for (const isAllowed of [true, false]) {
        const request = new Promise<IncomingMessage>((resolve) => {
          asked = resolve;
        });
        const client = await connect(served.port);
        client.write(requestText());
        const { socket } = await request;
        leave(client);
        await eventually(() => expect(socket.readable && !socket.destroyed).toBe(false));
        answer(isAllowed);
        if (!socket.closed) await once(socket, 'close');
        client.destroy();
      }
      expect(told).not.toHaveBeenCalled();
      expect([served.server.clients.size, uncaught.exceptions]).toEqual([0, []]);
    });

    test('that decides later loses nothing that the client sends meanwhile', async () => {
      let answer!: (isAllowed: boolean) => void;
      let asked!: (socket: Duplex) => void;
      const socketOf = new Promise<Duplex>((resolve) => {
        asked = resolve;
      });
      await using served = await serve(by, {
        verifyClient: ({ req }, callback) => {
          answer = callback;
          asked(req.socket);
        },
      });
      const messages: string[] = [];
      const last = new Promise<void>((resolve) => {
        served.server.on('connection', (socket) =>
          socket.on('message', (data) => {
            if (messages.push(String(data)) === 3) resolve();
          }),
        );
      });
      const client = await connect(served.port);
      client.write(requestText() + textFrame('with the request'), 'latin1');
      const socket = await socketOf;
      client.write(textFrame('meanwhile'), 'latin1');
      await eventually(() => expect(socket.readableLength).toBeGreaterThan(0));
      answer(true);
      client.write(textFrame('afterwards'), 'latin1');
      await last;
      expect(messages).toEqual(['with the request', 'meanwhile', 'afterwards']);
      client.destroy();
    });

    test('may respond on the socket itself', async () => {
      await using served = await serve(by, {
        verifyClient: ({ req }: ClientInfo) => {
          req.socket.end('HTTP/1.1 418 Teapot\r\n\r\nmine');
          return false;
        },
      });
      expect(await exchange(served.port, requestText())).toBe('HTTP/1.1 418 Teapot\r\n\r\nmine');
    });
  });

  describe('handleUpgrade()', () => {
    test('calls back synchronously with an open socket and the request, and leaves the connection event to the caller', () => {
      const server = noServer();
      const connected = vi.fn();
      server.on('connection', connected);
      const request = injectedRequest();
      const stream = new MemoryStream();
      const calls: unknown[] = [];
      const returned: unknown = server.handleUpgrade(request, stream, noHead, (...args) => {
        const [websocket, about] = args;
        calls.push(args.length, websocket instanceof by.WebSocket, websocket.readyState, about === request);
        calls.push(server.clients.has(websocket), stream.written);
      });
      expect(returned).toBeUndefined();
      expect(calls).toEqual([2, true, 1, true, true, `${switching.join('\r\n')}\r\n\r\n`]);
      expect(connected).not.toHaveBeenCalled();
      stream.destroy();
    });

    test('is called by the server itself for each upgrade, even if it is overridden', async () => {
      class Server extends by.WebSocketServer {
        override handleUpgrade(
          ...[request, socket, head, callback]: Parameters<InstanceType<typeof by.WebSocketServer>['handleUpgrade']>
        ) {
          super.handleUpgrade(request, socket, head, (websocket, about) => {
            Object.assign(websocket, { mark: `by the class for ${about.url}` });
            callback(websocket, about);
          });
        }
      }
      const server = new Server({ port: 0, host: '127.0.0.1' });
      await once(server, 'listening');
      const port = portOf(server);
      const { client, socket } = await dialed(by, { server, port });
      expect(socket).toMatchObject({ mark: 'by the class for /' });
      const patched = vi.fn((_request: unknown, stream: Duplex) => stream.destroy());
      server.handleUpgrade = patched as never;
      await exchangeHead(port, requestText());
      expect(patched.mock.calls).toEqual([
        [expect.any(IncomingMessage), expect.anything(), expect.any(Buffer), expect.any(Function)],
      ]);
      client.terminate();
      await new Promise((resolve) => server.close(resolve));
    });

    test('may be called late, and loses nothing received meanwhile', async () => {
      await using given = await serveHttp();
      const server = noServer();
      const messages: string[] = [];
      const closed = new Promise((resolve) => {
        given.httpServer.on('upgrade', async (request, stream, head) => {
          expect(head.length).toBe(textFrame('with the request').length);
          await eventually(() => expect(stream.readableLength).toBe(textFrame('meanwhile').length));
          server.handleUpgrade(request, stream, head, (websocket) => {
            websocket.on('message', (data) => messages.push(String(data)));
            websocket.on('close', resolve);
          });
        });
      });
      const client = await connect(given.port);
      client.setNoDelay();
      client.write(requestText() + textFrame('with the request'), 'latin1');
      await settle();
      client.write(textFrame('meanwhile'), 'latin1');
      await once(client, 'data');
      client.end(textFrame('afterwards'), 'latin1');
      await closed;
      expect(messages).toEqual(['with the request', 'meanwhile', 'afterwards']);
    });

    test.each<[string, (client: net.Socket) => void]>([
      ['is destroyed', (client) => client.destroy()],
      ['was reset', (client) => client.resetAndDestroy()],
      ['has ended', (client) => client.end()],
    ])('may be called late, on a socket that %s meanwhile, and destroys the rest of it', async (_title, leave) => {
      await using given = await serveHttp();
      const server = noServer();
      const callback = vi.fn();
      const upgraded = once(given.httpServer, 'upgrade');
      const client = await connect(given.port);
      client.write(requestText());
      const [request, stream, head] = await upgraded;
      stream.on('error', () => {});
      leave(client);
      await eventually(() => expect(stream.readable).toBe(false));
      server.handleUpgrade(request, stream, head, callback);
      expect(stream.destroyed).toBe(true);
      await settle();
      expect(callback).not.toHaveBeenCalled();
      expect(server.clients.size).toBe(0);
      client.destroy();
    });

    test('does nothing to a socket destroyed or ended by the application', () => {
      const server = noServer();
      const callback = vi.fn();
      const destroyed = new MemoryStream();
      destroyed.destroy();
      const ended = new MemoryStream();
      ended.end();
      for (const stream of [destroyed, ended]) {
        server.handleUpgrade(injectedRequest(), stream, noHead, callback);
        expect([stream.written, stream.destroyed]).toEqual(['', true]);
      }
      expect(callback).not.toHaveBeenCalled();
    });

    test('throws for a socket that any server has upgraded before, and leaves it unchanged', () => {
      const stream = new MemoryStream();
      const first = vi.fn();
      const second = vi.fn();
      const server = noServer();
      server.handleUpgrade(injectedRequest(), stream, noHead, first);
      const { written } = stream;
      for (const other of [server, noServer()]) {
        expect(() => other.handleUpgrade(injectedRequest(), stream, noHead, second)).toThrow(
          new Error(
            'server.handleUpgrade() was called more than once with the same socket, possibly due to a misconfiguration',
          ),
        );
      }
      expect(second).not.toHaveBeenCalled();
      expect([stream.written, stream.destroyed, server.clients.size]).toEqual([written, false, 1]);
      stream.destroy();
    });

    test.each<[string, ServerOptions['verifyClient']]>([
      ['at once', undefined],
      ['after a verdict', () => true],
      ['in the callback of verifyClient', (_info, answer) => answer(true)],
    ])('does not catch errors of its callback, called %s', (_title, verifyClient) => {
      const stream = new MemoryStream();
      expect(() =>
        noServer(verifyClient && { verifyClient }).handleUpgrade(
          injectedRequest({}, { socket: stream }),
          stream,
          noHead,
          () => {
            throw new Error('mine');
          },
        ),
      ).toThrow(new Error('mine'));
      stream.destroy();
    });

    test('switches the timeout and the delay of the socket off', () => {
      const calls: unknown[] = [];
      const stream = Object.assign(new MemoryStream(), {
        setTimeout: (timeout: number) => calls.push(['setTimeout', timeout]),
        setNoDelay: (...args: unknown[]) => calls.push(['setNoDelay', ...args]),
      });
      noServer().handleUpgrade(injectedRequest(), stream, noHead, () => {});
      expect(calls).toEqual([['setTimeout', 0], ['setNoDelay']]);
      stream.destroy();
    });

    test('leaves one listener for errors on the socket: that of the WebSocket', () => {
      const stream = new MemoryStream();
      noServer().handleUpgrade(injectedRequest(), stream, noHead, () => {});
      expect(stream.listenerCount('error')).toBe(1);
      stream.destroy();
    });

    test('refuses invalid requests, and does not call back', async () => {
      const callback = vi.fn();
      for (const [headers, more, status] of [
        [{ upgrade: 'nonsense' }, {}, '400'],
        [{}, { method: 'POST' }, '405'],
        [{ 'sec-websocket-key': undefined }, {}, '400'],
      ] as const) {
        const stream = new MemoryStream();
        noServer().handleUpgrade(injectedRequest(headers, more), stream, noHead, callback);
        await closing(stream);
        expect(stream.written.slice(9, 12)).toBe(status);
      }
      expect(callback).not.toHaveBeenCalled();
    });

    test('lets several servers share an HTTP server, by the path', async () => {
      await using given = await serveHttp();
      const servers = new Map(['/a', '/b'].map((path) => [path, noServer()]));
      for (const [path, server] of servers) server.on('connection', (socket) => socket.send(path));
      given.httpServer.on('upgrade', (request, stream, head) => {
        const server = servers.get(request.url as string);
        if (server === undefined) stream.destroy();
        else server.handleUpgrade(request, stream, head, (socket) => server.emit('connection', socket, request));
      });
      for (const path of servers.keys()) {
        using client = dial(by, given.port, path);
        expect(String((await once(client, 'message'))[0])).toBe(path);
      }
      expect(await exchangeHead(given.port, requestText({ url: '/c' }))).toBe('');
    });

    test('may be called by a listener taken from the HTTP server, and for upgrades of another server', async () => {
      await using given = await serveHttp();
      const server = new by.WebSocketServer({ server: given.httpServer });
      const [listener] = given.httpServer.listeners('upgrade') as ((...args: unknown[]) => void)[];
      given.httpServer.removeAllListeners('upgrade');
      given.httpServer.on('upgrade', (request, ...rest) => {
        if (request.url === '/ours') listener!.call(given.httpServer, request, ...rest);
        else rest[0].end('HTTP/1.1 404 Not Found\r\n\r\n');
      });
      const connected = once(server, 'connection');
      expect(await exchangeHead(given.port, requestText({ url: '/ours' }))).toMatch(/ 101 /);
      await connected;
      expect(await exchangeHead(given.port, requestText({ url: '/theirs' }))).toMatch(/ 404 /);

      await using other = await serveHttp();
      other.httpServer.on('upgrade', (...args) => given.httpServer.emit('upgrade', ...args));
      expect(await exchangeHead(other.port, requestText({ url: '/ours' }))).toMatch(/ 101 /);
    });
  });

  describe('its HTTP server', () => {
    test('answers a plain request with 426, if it created the server', async () => {
      await using served = await serve(by);
      for (const request of [
        'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
        'POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc',
      ]) {
        const response = await exchange(served.port, request);
        expect(response).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/);
        expect(response).toMatch(/\r\nContent-Length: 16\r\nContent-Type: text\/plain\r\n/);
        expect(response).toMatch(/\r\nConnection: close/);
        expect(response).toMatch(/\r\n\r\nUpgrade Required$/);
      }
    });

    test('keeps the connection for another request, if it created the server', async () => {
      await using served = await serve(by);
      const client = await connect(served.port);
      for (const [request, status] of [
        [plainRequest, '426'],
        [plainRequest, '426'],
        [requestText(), '101'],
      ] as const) {
        client.write(request);
        const [text] = await once(client, 'data');
        expect(String(text)).toMatch(`HTTP/1.1 ${status} `);
      }
      client.destroy();
    });

    test('serves plain requests as before, if the server is external', async () => {
      await using given = await serveHttp(http.createServer((_request, response) => response.end('plain')));
      const server = new by.WebSocketServer({ server: given.httpServer });
      const { client } = await dialed(by, { server, port: given.port });
      const closing = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
      expect(await exchange(given.port, closing)).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*plain/);
      expect(client.readyState).toBe(1);
    });

    test('may have other listeners for upgrades, which see the results of the server', async () => {
      await using given = await serveHttp();
      const order: unknown[] = [];
      given.httpServer.on('upgrade', () => order.push(['first', server.clients.size]));
      const server = new by.WebSocketServer({ server: given.httpServer });
      given.httpServer.on('upgrade', () => order.push(['last', server.clients.size]));
      expect(await exchangeHead(given.port, requestText())).toMatch(/ 101 /);
      expect(order).toEqual([
        ['first', 0],
        ['last', 1],
      ]);
    });
  });
});

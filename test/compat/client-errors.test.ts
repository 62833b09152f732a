import { once } from 'node:events';
import * as http from 'node:http';
import type * as net from 'node:net';
import { describe, expect, test } from 'vitest';
import { implementations } from '../support/peers.ts';
import { type Answer, agree, agreeing, rawServer, redirection, server, switching } from '../support/raw-server.ts';
import { withTimeLimit } from '../support/time-limit.ts';
import { settle } from '../support/until.ts';
import { client, watch, watchUntilOpen } from '../support/watch.ts';

type Options = NonNullable<Parameters<typeof client>[2]>;

/** Accepts the upgrade, with one field changed. */
const but =
  (name: string, line: string): Answer =>
  ({ accept }) =>
    `HTTP/1.1 101 Switching Protocols\r\n${agreeing(accept).replace(new RegExp(`^${name}:.*\r\n`, 'm'), line)}\r\n`;

/** Accepts the upgrade, with one additional line. */
const plus =
  (line: string): Answer =>
  ({ accept }) =>
    switching(accept, `${line}\r\n`);

const says =
  (text: string): Answer =>
  () =>
    text;

const does =
  (act: (socket: net.Socket, accept: string) => void): Answer =>
  ({ socket, accept }) => {
    act(socket, accept);
    return undefined;
  };

const lost = 'close 1006 "" [3]';
const opened = ['upgrade 101 [0]', 'open [1]', lost];
/** Events if the server has switched protocols, but the client rejects its response. */
const disagrees = (message: string) => ['upgrade 101 [0]', `error Error: ${message} [2]`, lost];
/** Events if the server sent another response. */
const refused = (status: number) => [
  `unexpected-response ${status} [0]`,
  `error Error: Unexpected server response: ${status} [2]`,
  lost,
];
const failed = (error: string) => [`error ${error} [2]`, lost];
/** The wording differs between versions of Node, but not the code. */
const unreadable = (code: string) => [
  expect.stringMatching(`^error Error: Parse Error: .* \\(${code}\\) \\[2\\]$`),
  lost,
];
const hungUp = failed('Error: socket hang up (ECONNRESET)');
const url = ({ port }: { port: number }) => `ws://127.0.0.1:${port}/`;

type Row = readonly [title: string, answer: Answer, expected: unknown[], options?: Options];

const cases = (rows: Row[]) => rows.map(([title, answer, expected, options]) => ({ title, answer, expected, options }));

describe.each(Object.entries(implementations))('a client of %s, for', (_name, by) => {
  const ab = { protocols: ['a', 'b'] };
  const noExtension = 'Server sent a Sec-WebSocket-Extensions header but no extension was requested';

  test.each(
    cases([
      ['a response that agrees', agree, opened],
      ['Upgrade in another case', but('Upgrade', 'Upgrade: WebSocket\r\n'), opened],
      ['no Upgrade', but('Upgrade', ''), refused(101)],
      ['an Upgrade to something else', but('Upgrade', 'Upgrade: h2c\r\n'), disagrees('Invalid Upgrade header')],
      [
        'an Upgrade to several things',
        but('Upgrade', 'Upgrade: websocket, h2c\r\n'),
        disagrees('Invalid Upgrade header'),
      ],
      ['a second Upgrade', plus('Upgrade: h2c'), disagrees('Invalid Upgrade header')],
      ['no Connection', but('Connection', ''), refused(101)],
      ['Connection: keep-alive', but('Connection', 'Connection: keep-alive\r\n'), refused(101)],
      ['Connection: close', but('Connection', 'Connection: close\r\n'), refused(101)],
      ['Connection with several options', but('Connection', 'Connection: keep-alive, upgrade\r\n'), opened],
      ['neither Upgrade nor Connection', says('HTTP/1.1 101 Switching Protocols\r\n\r\n'), refused(101)],
      ['no accept value', but('Sec-WebSocket-Accept', ''), disagrees('Invalid Sec-WebSocket-Accept header')],
      [
        'a wrong accept value',
        but('Sec-WebSocket-Accept', 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n'),
        disagrees('Invalid Sec-WebSocket-Accept header'),
      ],
      [
        'an empty accept value',
        but('Sec-WebSocket-Accept', 'Sec-WebSocket-Accept:\r\n'),
        disagrees('Invalid Sec-WebSocket-Accept header'),
      ],
      ['a second accept value', plus('Sec-WebSocket-Accept: x'), disagrees('Invalid Sec-WebSocket-Accept header')],
      [
        'an unrequested subprotocol',
        plus('Sec-WebSocket-Protocol: a'),
        disagrees('Server sent a subprotocol but none was requested'),
      ],
      [
        'an unrequested empty subprotocol',
        plus('Sec-WebSocket-Protocol:'),
        disagrees('Server sent a subprotocol but none was requested'),
      ],
      ['a requested subprotocol', plus('Sec-WebSocket-Protocol: b'), opened, ab],
      ['another subprotocol', plus('Sec-WebSocket-Protocol: c'), disagrees('Server sent an invalid subprotocol'), ab],
      [
        'a subprotocol in another case',
        plus('Sec-WebSocket-Protocol: A'),
        disagrees('Server sent an invalid subprotocol'),
        ab,
      ],
      ['two subprotocols', plus('Sec-WebSocket-Protocol: a, b'), disagrees('Server sent an invalid subprotocol'), ab],
      ['an empty subprotocol', plus('Sec-WebSocket-Protocol:'), disagrees('Server sent an invalid subprotocol'), ab],
      ['no subprotocol', agree, disagrees('Server sent no subprotocol'), ab],
      ['an unrequested extension', plus('Sec-WebSocket-Extensions: permessage-deflate'), disagrees(noExtension)],
      ['an invalid extension', plus('Sec-WebSocket-Extensions: ;;'), disagrees(noExtension)],
      ['a length in a 101, which has no body', plus('Content-Length: 2'), opened],
      ['an encoding in a 101, which has no body', plus('Transfer-Encoding: chunked'), opened],
      [
        '100, 102 and 103 before it',
        ({ accept }) =>
          ['100 Continue', '102 Processing', '103 Early Hints']
            .map((status) => `HTTP/1.1 ${status}\r\nLink: </a>\r\n\r\n`)
            .join('') + switching(accept),
        opened,
      ],
      ['HTTP/1.0', ({ accept }) => switching(accept).replace('HTTP/1.1', 'HTTP/1.0'), opened],
    ]),
  )('$title', async ({ answer, expected, options }) => {
    const raw = await server(answer);
    const { closed } = watchUntilOpen(client(by, url(raw), options));
    expect(await closed).toEqual(expected);
    await raw.allClosed();
  });

  test.each(
    cases([
      ['200', says('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'), refused(200)],
      ['200 with the fields of an upgrade', ({ accept }) => `HTTP/1.1 200 OK\r\n${agreeing(accept)}\r\n`, refused(200)],
      ['204', says('HTTP/1.1 204 No Content\r\n\r\n'), refused(204)],
      ['302', says(redirection('/x')), refused(302)],
      [
        '401 with a body that is not whole',
        says('HTTP/1.1 401 Unauthorized\r\nContent-Length: 9\r\n\r\nabc'),
        refused(401),
      ],
      ['404 with a body that has no length', says('HTTP/1.1 404 Not Found\r\n\r\nabc'), refused(404)],
      ['407', says('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'), refused(407)],
      ['426', says('HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n\r\n'), refused(426)],
      ['503', says('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n'), refused(503)],
      ['600', says('HTTP/1.1 600 Beyond\r\nContent-Length: 0\r\n\r\n'), refused(600)],
      ['103, then 404', says('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n'), refused(404)],
      ['invalid HTTP', says('hello\r\n\r\n'), unreadable('HPE_INVALID_CONSTANT')],
      [
        'an invalid field',
        says('HTTP/1.1 101 S\r\nUp grade: websocket\r\n\r\n'),
        unreadable('HPE_INVALID_HEADER_TOKEN'),
      ],
      ['a header that is too long', plus(`X: ${'a'.repeat(100_000)}`), unreadable('HPE_HEADER_OVERFLOW')],
      [
        'a header longer than maxHeaderSize',
        plus(`X: ${'a'.repeat(2000)}`),
        unreadable('HPE_HEADER_OVERFLOW'),
        { maxHeaderSize: 1000 },
      ],
      [
        'a header that is not too long for maxHeaderSize',
        plus(`X: ${'a'.repeat(100_000)}`),
        opened,
        { maxHeaderSize: 200_000 },
      ],
      ['a control character in a field', plus('X: a\u0001b'), unreadable('HPE_INVALID_HEADER_TOKEN')],
      [
        'a control character in a field, with insecureHTTPParser',
        plus('X: a\u0001b'),
        opened,
        { insecureHTTPParser: true },
      ],
      ['the end', does((socket) => socket.end()), hungUp],
      ['the end in the middle', does((socket) => socket.end('HTTP/1.1 101 Switching Pro')), hungUp],
      ['a reset', does((socket) => void socket.resetAndDestroy()), failed('Error: read ECONNRESET (ECONNRESET)')],
      [
        'nothing, with a handshakeTimeout',
        does(() => {}),
        failed('Error: Opening handshake has timed out'),
        { handshakeTimeout: 50 },
      ],
      [
        '100 and nothing else, with a handshakeTimeout',
        says('HTTP/1.1 100 Continue\r\n\r\n'),
        failed('Error: Opening handshake has timed out'),
        { handshakeTimeout: 50 },
      ],
    ]),
  )('$title', async ({ answer, expected, options }) => {
    const raw = await server(answer);
    const { log, closed } = watchUntilOpen(client(by, url(raw), options));
    expect(await closed).toEqual(expected);
    await raw.allClosed();
    await settle();
    expect(log).toEqual(expected);
  });

  test('a response that arrives byte by byte', async () => {
    const raw = await server(
      does((socket, accept) => {
        const octets = Buffer.from(switching(accept));
        let index = 0;
        const next = () => {
          if (index < octets.length) socket.write(octets.subarray(index, ++index), () => setImmediate(next));
        };
        next();
      }),
    );
    expect(await watchUntilOpen(client(by, url(raw))).closed).toEqual(opened);
  });

  test('a body without end, does not read it', async () => {
    let written = 0;
    const raw = await server(
      does((socket) => {
        socket.write('HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n');
        const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
        const more = () => {
          while (socket.writable) {
            written += chunk.length;
            if (!socket.write(chunk)) return;
          }
        };
        socket.on('drain', more);
        more();
      }),
    );
    expect(await watch(client(by, url(raw))).closed).toEqual(refused(404));
    await raw.allClosed();
    expect(written).toBeLessThan(64 * 1024 * 1024);
  });

  test('a closed port', async () => {
    const gone = await rawServer(agree);
    await gone[Symbol.asyncDispose]();
    const socket = client(by, url(gone));
    const [[error]] = await Promise.all([once(socket, 'error'), watch(socket).closed]);
    expect(error).toMatchObject({
      message: `connect ECONNREFUSED 127.0.0.1:${gone.port}`,
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: '127.0.0.1',
      port: gone.port,
    });
  });

  test('a closed port of a host with two addresses', async () => {
    const gone = await rawServer(agree);
    await gone[Symbol.asyncDispose]();
    const lookup = ((_name: string, _options: object, callback: (error: null, found: object[]) => void) => {
      callback(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '127.0.0.2', family: 4 },
      ]);
    }) as unknown as net.LookupFunction;
    const socket = client(by, `ws://two.example:${gone.port}/`, { lookup, autoSelectFamily: true });
    let shown = '';
    socket.addEventListener('error', ({ message }) => {
      shown = message;
    });
    const [[error]] = await Promise.all([once(socket, 'error'), watch(socket).closed]);
    expect(error).toMatchObject({ name: 'AggregateError', code: 'ECONNREFUSED' });
    const messages = ['127.0.0.1', '127.0.0.2'].map((address) => `connect ECONNREFUSED ${address}:${gone.port}`);
    expect(error.errors.map((one: Error) => one.message)).toEqual(messages);
    // ws leaves the message of Node, which is empty.
    expect([error.message, shown]).toEqual(Array(2).fill(by === implementations.goodwire ? messages.join('; ') : ''));
  });

  test('a missing Unix socket', async () => {
    const { closed } = watch(client(by, 'ws+unix:/nowhere/a.sock:/'));
    expect(await closed).toEqual(failed('Error: connect ENOENT /nowhere/a.sock (ENOENT)'));
  });

  test('an unknown host name', async () => {
    const lookup = ((_name, _options, callback) => {
      callback(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), '', 4);
    }) as net.LookupFunction;
    const { closed } = watch(client(by, 'ws://name.invalid/', { lookup }));
    expect(await closed).toEqual(failed('Error: getaddrinfo ENOTFOUND (ENOTFOUND)'));
  });

  test('an end right behind the response, closes without a close frame', async () => {
    const raw = await server(does((socket, accept) => socket.end(switching(accept))));
    expect(await watch(client(by, url(raw))).closed).toEqual(['upgrade 101 [0]', 'open [1]', lost]);
  });

  test('a reset after the response, emits no error, but closes with 1006', async () => {
    const raw = await server(agree);
    const socket = client(by, url(raw));
    const { closed } = watch(socket);
    socket.on('open', () => raw.connections[0]!.resetAndDestroy());
    expect(await closed).toEqual(['upgrade 101 [0]', 'open [1]', lost]);
  });
});

describe.each(Object.entries(implementations))('the handshakeTimeout of a client of %s', (_name, by) => {
  const timedOut = failed('Error: Opening handshake has timed out');

  test('ends an attempt during name resolution', async () => {
    const { closed } = watch(client(by, 'ws://name.invalid/', { handshakeTimeout: 50, lookup: () => {} }));
    expect(await closed).toEqual(timedOut);
  });

  test('ends an attempt during the TLS handshake', async () => {
    const raw = await server(does(() => {}));
    const { closed } = watch(client(by, `wss://127.0.0.1:${raw.port}/`, { handshakeTimeout: 50 }));
    expect(await closed).toEqual(timedOut);
    await raw.allClosed();
  });

  test('ends an attempt whose request is never finished', async () => {
    const raw = await server(agree);
    const { closed } = watch(client(by, url(raw), { handshakeTimeout: 50, finishRequest: () => {} }));
    expect(await closed).toEqual(timedOut);
    await raw.allClosed();
  });

  test('restarts with each redirect', async () => {
    await withTimeLimit(100, async (handshakeTimeout) => {
      const raw = await server(({ number, accept, socket }) => {
        setTimeout(() => socket.write(number < 3 ? redirection('/x') : switching(accept)), handshakeTimeout / 2);
        return undefined;
      });
      const { closed } = watchUntilOpen(client(by, url(raw), { handshakeTimeout, followRedirects: true }));
      const redirected = `redirect ${url(raw)}x [0]`;
      expect(await closed).toEqual([redirected, redirected, ...opened]);
    });
  });

  test('ends when the connection is open', async () => {
    await withTimeLimit(50, async (handshakeTimeout) => {
      const raw = await server(agree);
      const { log } = watch(client(by, url(raw), { handshakeTimeout }));
      // Long enough for a timeout that was not stopped. No event says that it does not come.
      await new Promise((resolve) => setTimeout(resolve, 3 * handshakeTimeout));
      expect(log).toEqual(['upgrade 101 [0]', 'open [1]']);
    });
  });

  test.each([0, undefined])('of %j is disabled', async (handshakeTimeout) => {
    const raw = await server(({ socket, accept }) => {
      setTimeout(() => socket.write(switching(accept)), 50);
      return undefined;
    });
    expect(await watchUntilOpen(client(by, url(raw), { handshakeTimeout })).closed).toEqual(opened);
  });

  test.each([
    [null, TypeError, 'ERR_INVALID_ARG_TYPE'],
    ['5', TypeError, 'ERR_INVALID_ARG_TYPE'],
    [true, TypeError, 'ERR_INVALID_ARG_TYPE'],
    [-1, RangeError, 'ERR_OUT_OF_RANGE'],
    [Number.NaN, RangeError, 'ERR_OUT_OF_RANGE'],
  ])('of %j throws', (handshakeTimeout, kind, code) => {
    const agent = new http.Agent();
    const call = () => client(by, 'ws://127.0.0.1:1/', { agent, handshakeTimeout: handshakeTimeout as number });
    expect(call).toThrow(kind);
    expect(call).toThrow(expect.objectContaining({ code }));
  });
});

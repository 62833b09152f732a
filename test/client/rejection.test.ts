import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { WebSocket as WsWebSocket } from 'ws';
import { connect } from '../../src/client/connect.ts';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';
import { type Answer, agreeing, rawServer, switching } from './raw-server.ts';
import { Recording } from './recording.ts';

/** What somebody who holds the WebSocket sees. */
interface Sight {
  readonly events: string[];
  readonly error: unknown;
}

interface Asked {
  readonly protocols?: string[];
  readonly handshakeTimeout?: number;
  readonly followRedirects?: boolean;
  readonly maxRedirects?: number;
}

/** The messages and codes on which programs match; a `GOODWIRE_` code is more than ws gives. */
function described(error: (Error & { code?: string; syscall?: string }) | undefined): unknown {
  if (!error) return undefined;
  const { message, code, syscall } = error;
  return {
    message,
    syscall,
    code: code?.startsWith('GOODWIRE_') ? undefined : code,
    isSyntaxError: error instanceof SyntaxError,
  };
}

async function sightOfWs(url: string, { protocols = [], ...options }: Asked): Promise<Sight> {
  const events: string[] = [];
  const socket = new WsWebSocket(url, protocols, { ...options, perMessageDeflate: false });
  const errors: Error[] = [];
  socket.on('upgrade', () => events.push('upgrade'));
  // A listener for unexpected-response would take over.
  const emit = socket.emit.bind(socket);
  socket.emit = (event: string | symbol, ...parameters: unknown[]) => {
    if (event === 'unexpected-response' || event === 'redirect') events.push(event);
    return emit(event, ...parameters);
  };
  socket.on('error', (error) => {
    events.push('error');
    errors.push(error);
  });
  await new Promise<void>((resolve) => {
    socket.on('open', () => {
      events.push('open');
      socket.terminate();
    });
    socket.on('close', () => resolve());
  });
  return { events, error: described(errors[0]) };
}

async function sightOfOurs(url: string, { protocols = [], ...options }: Asked): Promise<Sight> {
  const recording = new Recording();
  connect(url, protocols, options, recording);
  recording.started();
  const { error, socket } = await recording.outcome;
  socket?.on('error', () => {}).destroy();
  return { events: recording.events, error: described(error) };
}

const fields = (lines: string) => (): string => `HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n`;

/** A response that agrees, but for one field. */
const but =
  (name: string, line: string): Answer =>
  ({ accept }) =>
    `HTTP/1.1 101 Switching Protocols\r\n${agreeing(accept).replace(new RegExp(`^${name}:.*\r\n`, 'm'), line)}\r\n`;

const plus =
  (line: string): Answer =>
  ({ accept }) =>
    switching(accept, `${line}\r\n`);

type Row = readonly [title: string, answer: Answer, asked?: Asked];

describe('what is answered to the opening handshake', () => {
  const rows: Row[] = [
    ['a good response', plus('X: y')],
    ['Upgrade in another case', but('Upgrade', 'Upgrade: WebSocket\r\n')],
    ['no Upgrade', but('Upgrade', '')],
    ['an Upgrade to something else', but('Upgrade', 'Upgrade: h2c\r\n')],
    ['an Upgrade to several things', but('Upgrade', 'Upgrade: websocket, h2c\r\n')],
    ['a second Upgrade', plus('Upgrade: h2c')],
    ['no Connection', but('Connection', '')],
    ['Connection: keep-alive', but('Connection', 'Connection: keep-alive\r\n')],
    ['Connection: close', but('Connection', 'Connection: close\r\n')],
    ['Connection with several options', but('Connection', 'Connection: keep-alive, upgrade\r\n')],
    ['neither Upgrade nor Connection', fields('')],
    ['no accept value', but('Sec-WebSocket-Accept', '')],
    ['a wrong accept value', but('Sec-WebSocket-Accept', 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n')],
    ['an empty accept value', but('Sec-WebSocket-Accept', 'Sec-WebSocket-Accept:\r\n')],
    ['a second accept value', plus('Sec-WebSocket-Accept: x')],
    ['an unrequested subprotocol', plus('Sec-WebSocket-Protocol: a')],
    ['an unrequested empty subprotocol', plus('Sec-WebSocket-Protocol:')],
    ['a requested subprotocol', plus('Sec-WebSocket-Protocol: b'), { protocols: ['a', 'b'] }],
    ['another subprotocol', plus('Sec-WebSocket-Protocol: c'), { protocols: ['a', 'b'] }],
    ['a subprotocol in another case', plus('Sec-WebSocket-Protocol: A'), { protocols: ['a', 'b'] }],
    ['two subprotocols', plus('Sec-WebSocket-Protocol: a, b'), { protocols: ['a', 'b'] }],
    ['an empty subprotocol', plus('Sec-WebSocket-Protocol:'), { protocols: ['a', 'b'] }],
    ['no subprotocol', plus('X: y'), { protocols: ['a', 'b'] }],
    ['an unrequested extension', plus('Sec-WebSocket-Extensions: permessage-deflate')],
    ['an empty list of extensions', plus('Sec-WebSocket-Extensions:')],
    ['an extension that is none', plus('Sec-WebSocket-Extensions: ;;')],
    ['200', () => 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['200 with an upgrade', ({ accept }) => `HTTP/1.1 200 OK\r\n${agreeing(accept)}\r\n`],
    ['302', () => 'HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n'],
    ['401', () => 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 9\r\n\r\nabc'],
    ['404', () => 'HTTP/1.1 404 Not Found\r\n\r\nabc'],
    ['407', () => 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'],
    ['426', () => 'HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n\r\n'],
    ['503', () => 'HTTP/1.1 503 Busy\r\n\r\n'],
    ['100, then 101', ({ accept }) => `HTTP/1.1 100 Continue\r\n\r\n${switching(accept)}`],
    ['103, then 404', () => 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n'],
    ['HTTP/1.0', ({ accept }) => switching(accept).replace('HTTP/1.1', 'HTTP/1.0')],
    ['what is no HTTP', () => 'hello\r\n\r\n'],
    ['a field that is none', () => 'HTTP/1.1 101 Switching Protocols\r\nUp grade: websocket\r\n\r\n'],
    ['a header that is too long', plus(`X: ${'a'.repeat(100_000)}`)],
    ['the end', ({ socket }) => void socket.end() as undefined],
    ['the end in the middle', ({ socket }) => void socket.end('HTTP/1.1 101 Switching Pro') as undefined],
    ['a reset', ({ socket }) => void socket.resetAndDestroy() as undefined],
    ['nothing', () => undefined, { handshakeTimeout: 50 }],
    [
      'redirects without end',
      () => 'HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n',
      { followRedirects: true },
    ],
    [
      'a redirect too many',
      () => 'HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n',
      { followRedirects: true, maxRedirects: 0 },
    ],
    ['a redirect to nowhere', () => 'HTTP/1.1 302 Found\r\nLocation: ws://\r\n\r\n', { followRedirects: true }],
    [
      'a redirect to another scheme',
      () => 'HTTP/1.1 302 Found\r\nLocation: ftp://a\r\n\r\n',
      { followRedirects: true },
    ],
    ['a redirect to a fragment', () => 'HTTP/1.1 302 Found\r\nLocation: /#a\r\n\r\n', { followRedirects: true }],
    ['a redirect without a location', () => 'HTTP/1.1 302 Found\r\n\r\n', { followRedirects: true }],
    ['a redirect to an empty location', () => 'HTTP/1.1 302 Found\r\nLocation:\r\n\r\n', { followRedirects: true }],
  ];

  it.each(rows.map(([title, answer, asked = {}]) => ({ title, answer, asked })))(
    'gives what it gives with ws: $title',
    async ({ answer, asked }) => {
      await using raw = await rawServer(answer);
      const url = `ws://127.0.0.1:${raw.port}/`;
      const ours = await sightOfOurs(url, asked);
      const theirs = await sightOfWs(url, asked);
      expect(ours).toEqual(theirs);
      expect(ours.events.filter((event) => event === 'error' || event === 'open')).toHaveLength(1);
      await raw.allClosed();
    },
  );

  it('is refused without Connection: Upgrade, even when a lenient parser lets it pass', async () => {
    // Node's parser needs both fields for an upgrade; a request may come from elsewhere, though, such as an agent of one's own.
    await using raw = await rawServer(({ accept }) => switching(accept));
    const recording = new Recording({
      upgrade(response: IncomingMessage) {
        response.headers.connection = 'keep-alive';
        return true;
      },
    });
    connect(`ws://127.0.0.1:${raw.port}/`, [], {}, recording);
    const { error } = await recording.outcome;
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({
      message: 'Invalid Connection header',
      code: 'GOODWIRE_INVALID_CONNECTION',
      status: 101,
    });
    await raw.allClosed();
  });
});

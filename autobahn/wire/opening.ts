import { randomBytes } from 'node:crypto';
import { acceptFor, field, type HttpHead, hasToken, OpeningError, parseHead } from './http-head.ts';

/** Opening request of the client, and its key. */
export interface OpeningRequest {
  readonly text: string;
  readonly key: string;
}

/** Returns the request of the opening handshake (§4.1). `offer` is the value of `Sec-WebSocket-Extensions`. */
export function openingRequest(url: URL, offer: string | null): OpeningRequest {
  const key = randomBytes(16).toString('base64');
  const lines = [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    'User-Agent: goodwire-conformance',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    ...(offer === null ? [] : [`Sec-WebSocket-Extensions: ${offer}`]),
  ];
  if (url.username !== '') {
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    lines.push(`Authorization: Basic ${Buffer.from(credentials).toString('base64')}`);
  }
  return { text: `${lines.join('\r\n')}\r\n\r\n`, key };
}

/**
 * Checks the response of a server by §4.1, in the order of the section. Returns the value of
 * `Sec-WebSocket-Extensions`.
 *
 * @throws {OpeningError} The response does not open a connection.
 */
export function checkResponse(text: string, request: OpeningRequest): string | null {
  const head = parseHead(text);
  const status = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(head.startLine)?.[1];
  if (status === undefined) throw new OpeningError(`no HTTP response: ${JSON.stringify(head.startLine.slice(0, 80))}`);
  if (status !== '101') throw new OpeningError(`the server answered ${head.startLine}`, 'refused');
  if (!hasToken(head, 'upgrade', 'websocket')) throw new OpeningError('the response has no Upgrade: websocket');
  if (!hasToken(head, 'connection', 'upgrade')) throw new OpeningError('the response has no Connection: Upgrade');
  const accept = field(head, 'sec-websocket-accept');
  if (accept !== acceptFor(request.key)) throw new OpeningError(`invalid Sec-WebSocket-Accept: ${accept ?? 'missing'}`);
  if (field(head, 'sec-websocket-protocol') !== null)
    throw new OpeningError('the server chose a subprotocol; none was offered');
  return field(head, 'sec-websocket-extensions');
}

/** Parsed request of a client. */
export interface OpeningTarget {
  readonly head: HttpHead;
  /** Path and query. */
  readonly target: URL;
  readonly key: string;
  /** Value of `Sec-WebSocket-Extensions`. */
  readonly offers: string | null;
}

/**
 * Checks the request of a client by §4.2.1.
 *
 * @throws {OpeningError} The request is not a valid opening handshake.
 */
export function checkRequest(text: string): OpeningTarget {
  const head = parseHead(text);
  const path = /^GET (\/\S*) HTTP\/1\.1$/.exec(head.startLine)?.[1];
  if (path === undefined)
    throw new OpeningError(`no GET request of HTTP/1.1: ${JSON.stringify(head.startLine.slice(0, 80))}`);
  if (field(head, 'host') === null) throw new OpeningError('the request has no Host');
  if (!hasToken(head, 'upgrade', 'websocket')) throw new OpeningError('the request has no Upgrade: websocket');
  if (!hasToken(head, 'connection', 'upgrade')) throw new OpeningError('the request has no Connection: Upgrade');
  const version = field(head, 'sec-websocket-version');
  if (version !== '13') throw new OpeningError(`Sec-WebSocket-Version must be 13; got ${version ?? 'none'}`);
  const key = field(head, 'sec-websocket-key') ?? '';
  if (!/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key)) throw new OpeningError('Sec-WebSocket-Key is not 16 octets in base64');
  return { head, target: new URL(`ws://peer${path}`), key, offers: field(head, 'sec-websocket-extensions') };
}

/** Returns the response that opens the connection (§4.2.2). */
export function openingResponse(key: string, extensions: string | null): string {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Server: goodwire-conformance',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptFor(key)}`,
    ...(extensions === null ? [] : [`Sec-WebSocket-Extensions: ${extensions}`]),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Returns a response that refuses the connection, with the reason as text. */
export function refusal(status: string, why: string): string {
  const lines = [`HTTP/1.1 ${status}`, 'Connection: close', 'Content-Type: text/plain; charset=utf-8'];
  if (status.startsWith('426')) lines.push('Sec-WebSocket-Version: 13');
  const body = `${why}\n`;
  return `${lines.join('\r\n')}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

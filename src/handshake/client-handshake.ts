import {
  acceptDeflateResponse,
  type DeflateAgreement,
  type DeflateTerms,
  offerDeflate,
  permessageDeflate,
} from '../extension/deflate-negotiation.ts';
import { acceptKey } from './accept-key.ts';
import { formatExtensions, parseExtensions } from './extensions.ts';
import { hasToken, isFieldValue, isToken } from './fields.ts';
import { HandshakeError, type HandshakeErrorCode } from './handshake-error.ts';

/** Where a WebSocket URI leads (RFC 6455 §3), taken apart for the one who connects. */
export interface Address {
  /** The URI as `WebSocket.url` shows it: normalized, `http:` and `https:` turned into `ws:` and `wss:`. */
  readonly url: string;
  /** Whether the connection runs over TLS. */
  readonly isSecure: boolean;
  /** The name or IP address to connect to, an IPv6 address without its brackets; `localhost` for a Unix socket. */
  readonly host: string;
  /** 1–65535; 80 or 443 when the URI names none. */
  readonly port: number;
  /** Host, and port if it is not the default one: what the `Host` field says. */
  readonly authority: string;
  /** The path and query to ask for ("resource name", §3). */
  readonly path: string;
  /** The path of the Unix socket to connect to instead of host and port. */
  readonly socketPath: string | undefined;
  /** `user:password` of the URI, percent-decoded, for Basic authentication. */
  readonly auth: string | undefined;
}

const unixSchemes = new Set(['ws+unix:', 'wss+unix:']);
const secureSchemes = new Set(['wss:', 'https:', 'wss+unix:']);
const schemes = new Set(['ws:', 'wss:', 'http:', 'https:', ...unixSchemes]);

/**
 * Reads a WebSocket URI (§3, §4.1 "components MUST be valid"): `ws:`, `wss:`, `http:`, `https:`, or `ws+unix:` and `wss+unix:`
 * for a Unix socket: `ws+unix:/path/to.sock:/pathname?query`, where the first colon ends the path of the socket.
 * A URL that is passed in is not changed.
 * @throws SyntaxError for what is no URI, another scheme, a fragment, or a Unix socket without a path.
 */
export function parseAddress(address: string | URL): Address {
  const url = readUrl(address);
  const isUnix = unixSchemes.has(url.protocol);
  // The wording is the one of ws, which programs match on, and which has no `wss+unix:`.
  if (!schemes.has(url.protocol))
    throw new SyntaxError('The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"');
  if (isUnix && !url.pathname) throw new SyntaxError("The URL's pathname is empty");
  // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on these URIs" (§3).
  if (url.hash) throw new SyntaxError('The URL contains a fragment identifier');

  const isSecure = secureSchemes.has(url.protocol);
  const target = url.pathname + url.search;
  const colon = isUnix ? target.indexOf(':') : -1;
  const socketPath = isUnix ? (colon === -1 ? target : target.slice(0, colon)) : undefined;
  // Without a path of its own, the request would go to a TCP port.
  if (socketPath === '') throw new SyntaxError("The URL's pathname is empty");

  return {
    url: url.href,
    isSecure,
    host: withoutBrackets(url.hostname) || 'localhost',
    port: url.port ? Number(url.port) : isSecure ? 443 : 80,
    authority: url.host || 'localhost',
    path: isUnix ? (colon === -1 ? '/' : target.slice(colon + 1) || '/') : target,
    socketPath,
    auth: url.username || url.password ? percentDecode(`${url.username}:${url.password}`) : undefined,
  };
}

function readUrl(address: string | URL): URL {
  let url: URL;
  try {
    url = new URL(address);
  } catch (cause) {
    throw new SyntaxError(`Invalid URL: ${String(address)}`, { cause });
  }
  if (url.protocol === 'http:') url.protocol = 'ws:';
  else if (url.protocol === 'https:') url.protocol = 'wss:';
  return url;
}

function withoutBrackets(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

/** The userinfo of a URL is ASCII; an escape that is none stands for itself, octets that are no UTF-8 become U+FFFD. */
function percentDecode(text: string): string {
  const octets = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(octets, 'latin1').toString();
}

/**
 * Checks the subprotocols to be asked for: tokens, no two alike (§4.1 item 10 of the request).
 * @throws SyntaxError when one is no token, or comes twice.
 */
export function requireSubprotocols(subprotocols: readonly string[]): void {
  const seen = new Set<string>();
  for (const subprotocol of subprotocols) {
    if (typeof subprotocol !== 'string' || !isToken(subprotocol) || seen.has(subprotocol))
      throw new SyntaxError('An invalid or duplicated subprotocol was specified');
    seen.add(subprotocol);
  }
}

/** The value of a header field of the application; an array sends the field several times. */
export type FieldValue = string | number | readonly string[];

/**
 * Header fields of the application: an object; or pairs of name and value, such as `Headers` and `Map` give; or names and values
 * in turn, as `node:http` takes them. Of fields with the same name the last one counts.
 */
export type RequestHeaders =
  | Readonly<Record<string, FieldValue | undefined>>
  | Iterable<HeaderEntry>
  | readonly string[];

/** A header field of the application; no value is a mistake, which is reported. */
export type HeaderEntry = readonly [name: string, value: FieldValue | undefined];

/** The names and values of header fields, in whichever of its forms they are given. */
export function headerEntries(headers: RequestHeaders | null | undefined): HeaderEntry[] {
  if (headers === null || headers === undefined) return [];
  if (!(Symbol.iterator in headers)) return Object.entries(headers);
  const items = [...(headers as Iterable<HeaderEntry | string>)];
  if (typeof items[0] !== 'string') return items as HeaderEntry[];
  const entries: HeaderEntry[] = [];
  for (let index = 0; index < items.length; index += 2)
    entries.push([items[index] as string, items[index + 1] as string | undefined]);
  return entries;
}

/** What a client asks for in its opening handshake (§4.1). */
export interface HandshakeRequest {
  /** The `Sec-WebSocket-Key`: 16 random octets in base64, fresh for each connection (§4.1 item 7). */
  readonly key: string;
  /** The subprotocols that the client speaks, the preferred one first; none by default. */
  readonly subprotocols?: readonly string[] | undefined;
  /** The terms on which permessage-deflate is offered (RFC 7692 §7.1); by default it is not. */
  readonly deflate?: DeflateTerms | undefined;
  /** 13 (the default), or 8 for servers from before RFC 6455, which differs only in the name of the origin's field. */
  readonly protocolVersion?: number | undefined;
  /** The `Origin` (§10.2); none by default. */
  readonly origin?: string | undefined;
  /** The `Host`, for those who write the request themselves; `node:http` knows it without. */
  readonly host?: string | undefined;
  /** More fields to send. Those of the handshake itself win over fields of the same name. */
  readonly headers?: RequestHeaders | null | undefined;
}

const supportedVersions = [8, 13];

/**
 * The header fields of the opening request (§4.1): those of the application, then those of the handshake.
 * @throws SyntaxError for bad subprotocols, RangeError for an unknown protocol version, and TypeError for a name or a value that
 * cannot be sent (CR, LF and other control characters among them), with the `code` that `node:http` gives it.
 */
export function requestFields(request: HandshakeRequest): Record<string, string | string[]> {
  const { key, subprotocols = [], deflate, protocolVersion = 13, origin, host, headers } = request;
  if (!supportedVersions.includes(protocolVersion)) {
    const supported = supportedVersions.join(', ');
    throw new RangeError(`Unsupported protocol version: ${protocolVersion} (supported versions: ${supported})`);
  }
  requireSubprotocols(subprotocols);

  const handshake: [name: string, value: string][] = [];
  if (host) handshake.push(['Host', host]);
  handshake.push(['Sec-WebSocket-Version', String(protocolVersion)]);
  handshake.push(['Sec-WebSocket-Key', key]);
  handshake.push(['Connection', 'Upgrade']);
  handshake.push(['Upgrade', 'websocket']);
  if (deflate !== undefined) {
    const offer = { name: permessageDeflate, parameters: offerDeflate(deflate) };
    handshake.push(['Sec-WebSocket-Extensions', formatExtensions([offer])]);
  }
  if (subprotocols.length > 0) handshake.push(['Sec-WebSocket-Protocol', subprotocols.join(',')]);
  if (origin) handshake.push([protocolVersion < 13 ? 'Sec-WebSocket-Origin' : 'Origin', origin]);

  const reserved = new Set(handshake.map(([name]) => name.toLowerCase()));
  // Without a prototype, a field called __proto__ is a field like any other.
  const fields: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of headerEntries(headers)) {
    requireFieldName(name);
    if (!reserved.has(name.toLowerCase())) fields[name] = fieldValue(name, value);
  }
  for (const [name, value] of handshake) fields[name] = fieldValue(name, value);
  return fields;
}

function requireFieldName(name: string): void {
  if (typeof name === 'string' && isToken(name)) return;
  throw fieldError(`Header name must be a valid HTTP token ["${name}"]`, 'ERR_INVALID_HTTP_TOKEN');
}

function fieldValue(name: string, value: FieldValue | undefined): string | string[] {
  if (value === undefined)
    throw fieldError(`Invalid value "undefined" for header "${name}"`, 'ERR_HTTP_INVALID_HEADER_VALUE');
  const values = Array.isArray(value) ? value.map(String) : [String(value)];
  if (!values.every(isFieldValue))
    throw fieldError(`Invalid character in header content ["${name}"]`, 'ERR_INVALID_CHAR');
  return Array.isArray(value) ? values : values[0]!;
}

function fieldError(message: string, code: string): TypeError {
  return Object.assign(new TypeError(message), { code });
}

/** The header fields of a response: names in lower case; a field that came several times is an array, or joined by commas. */
export type ResponseFields = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A response to the opening request, as far as the handshake looks at it. */
export interface HandshakeResponse {
  /** The HTTP status, 100–599. */
  readonly status: number;
  readonly headers: ResponseFields;
}

/** What both ends agreed on. */
export interface ClientAgreement {
  /** The subprotocol that the server chose among those asked for. */
  readonly protocol: string;
  /** permessage-deflate as the server agreed to it; null if it did not. */
  readonly deflate: DeflateAgreement | null;
}

/**
 * Checks the server's response against what was asked, by the rules of §4.1 (items 1–6 of the response).
 * @throws HandshakeError with the status and the fields that were received: the connection must be failed.
 */
export function checkResponse(
  response: HandshakeResponse,
  asked: Pick<HandshakeRequest, 'key' | 'subprotocols' | 'deflate'>,
): ClientAgreement {
  const refuse = (code: HandshakeErrorCode, message: string) => responseError(response, code, message);
  const field = (name: string) => joined(response.headers, name);

  if (response.status !== 101) throw unexpectedResponse(response);

  // Upgrade must be exactly this value, Connection must only list its token (items 2 and 3).
  if (field('upgrade')?.toLowerCase() !== 'websocket')
    throw refuse('GOODWIRE_INVALID_UPGRADE', 'Invalid Upgrade header');
  if (!hasToken(field('connection'), 'upgrade'))
    throw refuse('GOODWIRE_INVALID_CONNECTION', 'Invalid Connection header');
  // "… but ignoring any leading and trailing whitespace" (item 4).
  if (field('sec-websocket-accept')?.trim() !== acceptKey(asked.key))
    throw refuse('GOODWIRE_INVALID_ACCEPT', 'Invalid Sec-WebSocket-Accept header');

  const subprotocols = asked.subprotocols ?? [];
  const protocol = field('sec-websocket-protocol');
  if (protocol !== undefined && subprotocols.length === 0)
    throw refuse('GOODWIRE_UNREQUESTED_SUBPROTOCOL', 'Server sent a subprotocol but none was requested');
  if (protocol !== undefined && !subprotocols.includes(protocol))
    throw refuse('GOODWIRE_INVALID_SUBPROTOCOL', 'Server sent an invalid subprotocol');
  // The RFC lets a server choose none; browsers fail the connection then, and so does ws.
  if (protocol === undefined && subprotocols.length > 0)
    throw refuse('GOODWIRE_MISSING_SUBPROTOCOL', 'Server sent no subprotocol');

  const extensions = field('sec-websocket-extensions');
  if (extensions !== undefined && asked.deflate === undefined)
    throw refuse(
      'GOODWIRE_UNREQUESTED_EXTENSION',
      'Server sent a Sec-WebSocket-Extensions header but no extension was requested',
    );
  let deflate: DeflateAgreement | null = null;
  try {
    if (extensions !== undefined) deflate = readAgreement(extensions, asked.deflate!);
  } catch (cause) {
    // The cause says which rule of which section it was.
    throw responseError(response, 'GOODWIRE_INVALID_EXTENSIONS', 'Invalid Sec-WebSocket-Extensions header', cause);
  }

  return { protocol: protocol ?? '', deflate };
}

/** @throws SyntaxError for a field that is malformed or names an extension that was not asked for; NegotiationError. */
function readAgreement(field: string, terms: DeflateTerms): DeflateAgreement | null {
  const extensions = parseExtensions(field);
  const other = extensions.find(({ name }) => name !== permessageDeflate);
  // "… an extension that was not present in the client's handshake" (item 5).
  if (other !== undefined) throw new SyntaxError(`Only ${permessageDeflate} was asked for, not ${other.name}`);
  return acceptDeflateResponse(
    extensions.map(({ parameters }) => parameters),
    terms,
  );
}

/** The error for a response that is none to an upgrade: "Unexpected server response: 404" (§4.1 item 1 of the response). */
export function unexpectedResponse(response: HandshakeResponse): HandshakeError {
  return responseError(response, 'GOODWIRE_UNEXPECTED_RESPONSE', `Unexpected server response: ${response.status}`);
}

/** An error about a response: it carries the status and the header fields that were received. */
export function responseError(
  response: HandshakeResponse,
  code: HandshakeErrorCode,
  message: string,
  cause?: unknown,
): HandshakeError {
  const headers: Record<string, string> = Object.create(null);
  for (const name of Object.keys(response.headers)) {
    const value = joined(response.headers, name);
    if (value !== undefined) headers[name] = value;
  }
  return new HandshakeError(response.status, code, message, { headers, cause });
}

function joined(headers: ResponseFields, name: string): string | undefined {
  // `constructor` and its like are inherited, not received.
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return typeof value === 'object' ? value.join(', ') : value;
}

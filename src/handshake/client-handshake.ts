import {
  acceptDeflateResponse,
  type DeflateAgreement,
  type DeflateTerms,
  offerDeflate,
  permessageDeflate,
} from '../extension/deflate-negotiation.ts';
import { acceptKey } from './accept-key.ts';
import { type Extension, formatExtensions, parseExtensions } from './extensions.ts';
import { hasToken, isFieldValue, isToken } from './fields.ts';
import { HandshakeError, type HandshakeErrorCode } from './handshake-error.ts';

/** Parts of a WebSocket URI (RFC 6455 §3), as needed to connect. */
export interface Address {
  /** The URI as `WebSocket.url` shows it: normalized, with `ws:` and `wss:` in place of `http:` and `https:`. */
  readonly url: string;
  /** True if the connection uses TLS. */
  readonly isSecure: boolean;
  /** Name or IP address to connect to, an IPv6 address without brackets. `localhost` for a Unix socket. */
  readonly host: string;
  /** Port, 1–65535. Default 80, or 443 with TLS. */
  readonly port: number;
  /** Value of the `Host` field: the host, and the port unless it is the default. */
  readonly authority: string;
  /** Path and query to request ("resource name", §3). */
  readonly path: string;
  /** Path of the Unix socket to connect to instead of host and port. */
  readonly socketPath: string | undefined;
  /** `user:password` of the URI, percent-decoded, for Basic authentication. */
  readonly auth: string | undefined;
}

const unixSchemes = new Set(['ws+unix:', 'wss+unix:']);
const secureSchemes = new Set(['wss:', 'https:', 'wss+unix:']);
const schemes = new Set(['ws:', 'wss:', 'http:', 'https:', ...unixSchemes]);

/**
 * Parses a WebSocket URI (§3, §4.1 "components MUST be valid"). Schemes are `ws:`, `wss:`, `http:`, `https:`, and
 * `ws+unix:` or `wss+unix:` for a Unix socket: `ws+unix:/path/to.sock:/pathname?query`. The first colon behind the
 * scheme ends the path of the socket, which is percent-decoded. A URL object is not changed.
 * @throws SyntaxError if the URI is invalid, has another scheme or a fragment, or names a Unix socket without a path.
 */
export function parseAddress(address: string | URL): Address {
  const url = readUrl(address);
  const isUnix = unixSchemes.has(url.protocol);
  // Wording of ws, because programs match on it. ws has no `wss+unix:`.
  if (!schemes.has(url.protocol))
    throw new SyntaxError('The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"');
  if (isUnix && !url.pathname) throw new SyntaxError("The URL's pathname is empty");
  // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on these URIs" (§3).
  // Also if it is empty, which `hash` does not tell.
  if (url.href.includes('#')) throw new SyntaxError('The URL contains a fragment identifier');

  const isSecure = secureSchemes.has(url.protocol);
  const target = url.pathname + url.search;
  const colon = isUnix ? target.indexOf(':') : -1;
  const socketPath = isUnix ? percentDecode(colon === -1 ? target : target.slice(0, colon)) : undefined;
  // Otherwise the request would go to a TCP port.
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

/**
 * Percent-decodes the userinfo or the path of a URL, which are ASCII. An invalid escape stays as it is; octets that are not UTF-8
 * become U+FFFD.
 */
function percentDecode(text: string): string {
  const octets = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(octets, 'latin1').toString();
}

/**
 * Checks the subprotocols to request: tokens without duplicates (§4.1 item 10 of the request).
 * @throws SyntaxError if one is not a token, or is duplicated.
 */
export function requireSubprotocols(subprotocols: readonly string[]): void {
  const seen = new Set<string>();
  for (const subprotocol of subprotocols) {
    if (typeof subprotocol !== 'string' || !isToken(subprotocol) || seen.has(subprotocol))
      throw new SyntaxError('An invalid or duplicated subprotocol was specified');
    seen.add(subprotocol);
  }
}

/** Value of a header field of the application. An array sends the field once per value. */
export type FieldValue = string | number | readonly string[];

/**
 * Header fields of the application: an object; or pairs of name and value, as in `Headers` and `Map`; or names and
 * values alternately, as `node:http` accepts them. If names are repeated, the last field applies.
 */
export type RequestHeaders =
  | Readonly<Record<string, FieldValue | undefined>>
  | Iterable<HeaderEntry>
  | readonly string[];

/** Header field of the application. A missing value is reported as an error. */
export type HeaderEntry = readonly [name: string, value: FieldValue | undefined];

/** Returns the names and values of header fields in any of the accepted forms. */
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

/** Opening handshake of a client (§4.1). */
export interface HandshakeRequest {
  /** `Sec-WebSocket-Key`: 16 random octets in base64, new for each connection (§4.1 item 7). */
  readonly key: string;
  /** Subprotocols of the client, the preferred one first. Default none. */
  readonly subprotocols?: readonly string[] | undefined;
  /** Terms for offering permessage-deflate (RFC 7692 §7.1). By default it is not offered. */
  readonly deflate?: DeflateTerms | undefined;
  /**
   * Protocol version. Default 13; 8 is for servers older than RFC 6455, and differs only in the name of the origin's
   * field.
   */
  readonly protocolVersion?: number | undefined;
  /** `Origin` (§10.2). Default none. */
  readonly origin?: string | undefined;
  /** `Host`, for callers that write the request themselves; `node:http` adds it. */
  readonly host?: string | undefined;
  /** Additional fields. Fields of the handshake take precedence over fields with the same name. */
  readonly headers?: RequestHeaders | null | undefined;
}

const supportedVersions = [8, 13];

/**
 * Fields of the application that are not sent, because the request has no body. Otherwise the server would wait for a
 * body, and read frames as such (RFC 9112 §6), or answer an expectation that no request without a body may have
 * (RFC 9110 §10.1.1).
 */
const bodyFields = ['content-length', 'expect', 'trailer', 'transfer-encoding'];

/**
 * Returns the header fields of the opening request (§4.1): those of the application, then those of the handshake. Fields
 * that describe a body are left out.
 * @throws SyntaxError if a subprotocol is invalid; RangeError if the protocol version is unknown; TypeError, with the
 *   `code` of `node:http`, if a name or a value cannot be sent (CR, LF and other control characters).
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

  const reserved = new Set([...bodyFields, ...handshake.map(([name]) => name.toLowerCase())]);
  // Without a prototype. Otherwise a field called __proto__ would be lost.
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

/** Returns an error as `node:http` has it: its text names the code, and its name does not. */
function fieldError(message: string, code: string): TypeError {
  const error = Object.assign(new TypeError(message), { code });
  return Object.defineProperty(error, 'toString', {
    configurable: true,
    writable: true,
    value: () => `${error.name} [${code}]: ${error.message}`,
  });
}

/**
 * Header fields of a response: names in lower case. A field that came several times is an array, or joined by commas.
 */
export type ResponseFields = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Parts of the response to the opening request that the handshake checks. */
export interface HandshakeResponse {
  /** HTTP status, 100–599. */
  readonly status: number;
  readonly headers: ResponseFields;
}

/** Result of a handshake, agreed on by both ends. */
export interface ClientAgreement {
  /** Subprotocol that the server chose among those requested. */
  readonly protocol: string;
  /** permessage-deflate as accepted by the server; null if it was not. */
  readonly deflate: DeflateAgreement | null;
}

/**
 * Checks the server's response against the request, by the rules of §4.1 (items 1–6 of the response).
 * @throws HandshakeError with the status and the fields received. The connection must then be failed.
 */
export function checkResponse(
  response: HandshakeResponse,
  asked: Pick<HandshakeRequest, 'key' | 'subprotocols' | 'deflate'>,
): ClientAgreement {
  const refuse = (code: HandshakeErrorCode, message: string) => responseError(response, code, message);
  const field = (name: string) => joined(response.headers, name);

  if (response.status !== 101) throw unexpectedResponse(response);

  // The Upgrade field must have exactly this value; the Connection field must only list its token (items 2 and 3).
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
  // The RFC allows a server to choose none, but browsers and ws then fail the connection.
  if (protocol === undefined && subprotocols.length > 0)
    throw refuse('GOODWIRE_MISSING_SUBPROTOCOL', 'Server sent no subprotocol');

  return { protocol: protocol ?? '', deflate: readAgreement(response, asked.deflate) };
}

/** @throws HandshakeError if the field is malformed, breaks a rule, or names an extension that was not requested. */
function readAgreement(response: HandshakeResponse, terms: DeflateTerms | undefined): DeflateAgreement | null {
  const field = joined(response.headers, 'sec-websocket-extensions') ?? '';
  const refuse = (code: HandshakeErrorCode, message: string, cause?: unknown) =>
    responseError(response, code, message, cause);
  // The cause names the broken rule and its section.
  const refuseAsInvalid = (cause: unknown) =>
    refuse('GOODWIRE_INVALID_EXTENSIONS', 'Invalid Sec-WebSocket-Extensions header', cause);

  // "… an extension that was not present in the client's handshake" (item 5). The messages are those of ws.
  const refuseAny = (cause?: unknown) =>
    refuse(
      'GOODWIRE_UNREQUESTED_EXTENSION',
      'Server sent a Sec-WebSocket-Extensions header but no extension was requested',
      cause,
    );

  let extensions: readonly Extension[];
  try {
    extensions = parseExtensions(field);
  } catch (cause) {
    throw terms === undefined ? refuseAny(cause) : refuseAsInvalid(cause);
  }
  if (extensions.length === 0) return null;
  if (terms === undefined) throw refuseAny();
  const other = extensions.find(({ name }) => name !== permessageDeflate);
  if (other !== undefined) {
    const cause = new SyntaxError(`Only ${permessageDeflate} was asked for, not ${other.name}`);
    throw refuse('GOODWIRE_UNREQUESTED_EXTENSION', 'Server indicated an extension that was not requested', cause);
  }
  try {
    return acceptDeflateResponse(
      extensions.map(({ parameters }) => parameters),
      terms,
    );
  } catch (cause) {
    throw refuseAsInvalid(cause);
  }
}

/**
 * Returns the error for a response with another status than 101: "Unexpected server response: 404" (§4.1 item 1 of the
 * response).
 */
export function unexpectedResponse(response: HandshakeResponse): HandshakeError {
  return responseError(response, 'GOODWIRE_UNEXPECTED_RESPONSE', `Unexpected server response: ${response.status}`);
}

/** Returns an error about a response, with the status and the header fields received. */
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
  // Otherwise `constructor` and other inherited properties would count as received fields.
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return typeof value === 'object' ? value.join(', ') : value;
}

import {
  acceptDeflateOffer,
  type DeflateAgreement,
  type DeflateTerms,
  permessageDeflate,
} from '../extension/deflate-negotiation.ts';
import { acceptKey } from './accept-key.ts';
import { type Extension, formatExtensions, parseExtensions } from './extensions.ts';
import { hasToken, isSingleLine, isToken } from './fields.ts';
import { HandshakeError, type HandshakeErrorCode } from './handshake-error.ts';
import { isHost, isTarget } from './request-target.ts';
import { parseSubprotocols } from './subprotocols.ts';

/** Parts of the request of an opening handshake that are checked; `http.IncomingMessage` has them. */
export interface HandshakeRequestFields {
  readonly method?: string | undefined;
  /** `1.1` and the like, without `HTTP/`. */
  readonly httpVersion: string;
  /** Names in lower case. Repeated fields are joined by commas. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Request target. Not checked if undefined. */
  readonly url?: string | undefined;
  /** Names and values alternately, as received. Without them a repeated `Host` is not noticed. */
  readonly rawHeaders?: readonly string[] | undefined;
}

/** Rules that may be waived for a request. */
export interface OfferRules {
  /**
   * True if the request must name a host. Default true. Requests injected by a test have no recipient, and name no
   * host; an HTTP server may waive the rule. A `Host` that is there must be valid, and the only one, in any case.
   */
  readonly needsHost?: boolean | undefined;
}

/** Offer of a client whose request meets all rules of RFC 6455 §4.2.1. */
export interface Offer {
  /** `Sec-WebSocket-Key`: 16 octets in base64. */
  readonly key: string;
  /** Protocol version 13, or 8, which is the same on the wire. */
  readonly version: 8 | 13;
  /**
   * Origin of the page, if the client is a browser (§10.2). In version 8 the field is called `Sec-WebSocket-Origin`.
   */
  readonly origin: string | undefined;
  /** Subprotocols of the client, the preferred one first. Often empty. */
  readonly subprotocols: Set<string>;
  /** Extensions that the client offers, the preferred one first. */
  readonly extensions: readonly Extension[];
  /**
   * True if the client expects 100 (Continue): the server must send that response before a 101 (RFC 9110 §7.8). It
   * need not send it before a refusal.
   */
  readonly expectsContinue?: boolean | undefined;
}

/** Response of a server that accepts an offer (§4.2.2). An empty string means none. */
export interface ServerAgreement {
  /** `Sec-WebSocket-Accept`. */
  readonly accept: string;
  /** Subprotocol, one of those offered. */
  readonly protocol: string;
  /** `Sec-WebSocket-Extensions`. */
  readonly extensions: string;
  /** permessage-deflate as accepted (RFC 7692 §7.1); null if it was not. */
  readonly deflate: DeflateAgreement | null;
}

const supportedVersions = '13, 8';

/** Rules for the client's request, with the error message of ws for the rules that ws has too. */
const refusals = {
  method: [405, 'GOODWIRE_INVALID_METHOD', 'Invalid HTTP method', { Allow: 'GET' }],
  httpVersion: [400, 'GOODWIRE_INVALID_HTTP_VERSION', 'Invalid HTTP version', {}],
  upgrade: [400, 'GOODWIRE_INVALID_UPGRADE', 'Invalid Upgrade header', {}],
  connection: [400, 'GOODWIRE_INVALID_CONNECTION', 'Invalid Connection header', {}],
  key: [400, 'GOODWIRE_INVALID_KEY', 'Missing or invalid Sec-WebSocket-Key header', {}],
  version: [
    426,
    'GOODWIRE_UNSUPPORTED_VERSION',
    'Missing or invalid Sec-WebSocket-Version header',
    // A 426 response names the protocol to upgrade to (RFC 9110 §15.5.22), and §4.2.2 requires the versions.
    { Upgrade: 'websocket', 'Sec-WebSocket-Version': supportedVersions },
  ],
  host: [400, 'GOODWIRE_MISSING_HOST', 'Missing Host header', {}],
  hostValue: [400, 'GOODWIRE_INVALID_HOST', 'Invalid Host header', {}],
  target: [400, 'GOODWIRE_INVALID_TARGET', 'Invalid request target', {}],
  body: [400, 'GOODWIRE_UNEXPECTED_BODY', 'A request for an upgrade must not have a body', {}],
  subprotocols: [400, 'GOODWIRE_INVALID_SUBPROTOCOL', 'Invalid Sec-WebSocket-Protocol header', {}],
  extensions: [400, 'GOODWIRE_INVALID_EXTENSIONS', 'Invalid or unacceptable Sec-WebSocket-Extensions header', {}],
} as const satisfies Record<
  string,
  readonly [number, HandshakeErrorCode, message: string, headers: Readonly<Record<string, string>>]
>;

function refusal(rule: keyof typeof refusals, cause?: unknown): HandshakeError {
  const [status, code, message, headers] = refusals[rule];
  return new HandshakeError(status, code, message, { headers, cause });
}

/**
 * Reads the client's request by the rules of RFC 6455 §4.2.1, those that ws has too first.
 * @throws HandshakeError with the status to respond with: 405 if the method is not GET, 426 if the version is neither
 *   13 nor 8, 400 otherwise.
 */
export function readOffer(request: HandshakeRequestFields, { needsHost = true }: OfferRules = {}): Offer {
  if (request.method !== 'GET') throw refusal('method');
  // Not 505, which is for unsupported major versions; Node's parser lets none through. A request that a program has
  // made may have no version.
  if (request.httpVersion != null && !isHttpVersion(request.httpVersion)) throw refusal('httpVersion');
  if (!hasToken(field(request, 'upgrade'), 'websocket')) throw refusal('upgrade');
  if (!hasToken(field(request, 'connection'), 'upgrade')) throw refusal('connection');
  const key = field(request, 'sec-websocket-key');
  if (key === undefined || !isKey(key)) throw refusal('key');
  const version = readVersion(field(request, 'sec-websocket-version'));
  if (version === undefined) throw refusal('version');
  // Behind the rules of ws, so that their answers do not depend on the host. HTTP/2 has the host in `:authority`.
  if (needsHost && !field(request, 'host') && !field(request, ':authority')) throw refusal('host');
  if (!hasValidHost(request)) throw refusal('hostValue');
  // A program may pass requests without a target.
  if (typeof request.url === 'string' && !isTarget(request.url)) throw refusal('target');
  // The protocol can only change behind the whole request (RFC 9110 §7.8). Otherwise octets of the body would be read as
  // frames: Node.js below 26 delivers them together with what follows the request.
  if (hasBody(request)) throw refusal('body');

  return {
    key,
    version,
    origin: field(request, version === 8 ? 'sec-websocket-origin' : 'origin'),
    subprotocols: readSubprotocols(field(request, 'sec-websocket-protocol')),
    extensions: readExtensions(field(request, 'sec-websocket-extensions')),
    expectsContinue: hasToken(field(request, 'expect'), '100-continue') || undefined,
  };
}

/** True if the request has at most one `Host`, which is a host with an optional port (RFC 9112 §3.2). */
function hasValidHost(request: HandshakeRequestFields): boolean {
  const rawHeaders = request.rawHeaders ?? [];
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && String(name).toLowerCase() === 'host') hosts++;
  }
  const host = field(request, 'host');
  return hosts < 2 && (!host || isHost(host));
}

/** True if the fields announce a body (RFC 9112 §6): any transfer coding, which may end with an empty body, or a length. */
function hasBody(request: HandshakeRequestFields): boolean {
  const length = field(request, 'content-length');
  return field(request, 'transfer-encoding') !== undefined || (length !== undefined && !/^0+$/.test(length));
}

/** Returns a field as text, because a program that makes requests may pass a number or an array. */
function field(request: HandshakeRequestFields, name: string): string | undefined {
  const { headers } = request;
  // Otherwise `constructor` and other inherited properties would count as fields of the client.
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  if (value === undefined || typeof value === 'string') return value;
  return Array.isArray(value) ? value.join(', ') : String(value);
}

function isHttpVersion(version: string): boolean {
  return version === '1.1' || Number.parseFloat(version) > 1.1;
}

const keyLength = 24;

/**
 * True for 16 octets in base64: 22 base64 characters and `==` (§4.1 item 7). The last character before the padding has
 * four unused bits. They are not checked, because the key decodes to 16 octets in any case (RFC 4648 §3.5), and ws does
 * not check them either. A repeated key is invalid, because its values were joined by a comma.
 */
function isKey(key: string): boolean {
  if (key.length !== keyLength || !key.endsWith('==')) return false;
  for (let index = 0; index < keyLength - 2; index++) if (!isBase64Code(key.charCodeAt(index))) return false;
  return true;
}

function isBase64Code(code: number): boolean {
  const letter = code | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (code >= 0x2f && code <= 0x39) || code === 0x2b;
}

function readVersion(version: string | undefined): 8 | 13 | undefined {
  if (version === '13') return 13;
  return version === '8' ? 8 : undefined;
}

function readSubprotocols(header: string | undefined): Set<string> {
  if (header === undefined) return new Set();
  try {
    return parseSubprotocols(header);
  } catch (cause) {
    throw refusal('subprotocols', cause);
  }
}

/**
 * Malformed extensions are refused even if none would be accepted: "the recipient … MUST immediately _Fail_" (§9.1).
 */
function readExtensions(header: string | undefined): readonly Extension[] {
  if (header === undefined) return [];
  try {
    return parseExtensions(header);
  } catch (cause) {
    throw refusal('extensions', cause);
  }
}

/**
 * Accepts an offer with a subprotocol (§4.2.2 step 5), which must be one of those offered, or empty for none.
 * permessage-deflate is accepted if `terms` are given and the client's offer is compatible with them. Invalid offers
 * are declined (RFC 7692 §7.1), and the connection continues without the extension.
 * @throws TypeError if the subprotocol was not offered, because the client would have to fail the connection.
 */
export function agree(offer: Offer, protocol: string, terms?: DeflateTerms): ServerAgreement {
  if (protocol !== '' && !offer.subprotocols.has(protocol)) {
    const offered = [...offer.subprotocols].join(', ');
    throw new TypeError(`A subprotocol must be one of those offered (${offered}); got ${JSON.stringify(protocol)}`);
  }
  return { accept: acceptKey(offer.key), protocol, ...agreeOnDeflate(offer, terms) };
}

function agreeOnDeflate(
  { extensions }: Offer,
  terms: DeflateTerms | undefined,
): Pick<ServerAgreement, 'extensions' | 'deflate'> {
  const offers = extensions.filter(({ name }) => name === permessageDeflate).map(({ parameters }) => parameters);
  const accepted = terms === undefined ? null : acceptDeflateOffer(offers, terms);
  if (accepted === null) return { extensions: '', deflate: null };
  const { agreement, response } = accepted;
  return { extensions: formatExtensions([{ name: permessageDeflate, parameters: response }]), deflate: agreement };
}

/** Header fields to send. An array sends the field once per value. */
export type OutgoingFields = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/**
 * Returns the lines of the response that opens the connection (§4.2.2 step 5), status line first, without line ends.
 * Callers may add lines before {@link formatHead} joins them.
 */
export function agreementLines(agreement: Omit<ServerAgreement, 'deflate'>): string[] {
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${agreement.accept}`,
  ];
  if (agreement.protocol !== '') lines.push(`Sec-WebSocket-Protocol: ${agreement.protocol}`);
  if (agreement.extensions !== '') lines.push(`Sec-WebSocket-Extensions: ${agreement.extensions}`);
  return lines;
}

/** Fields that the opening handshake sets, and fields that describe a body, which a 101 response does not have. */
const reservedFields = new Set([
  'upgrade',
  'connection',
  'sec-websocket-accept',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'content-length',
  'transfer-encoding',
]);

/**
 * Returns the lines of additional header fields for a response that opens a connection.
 * @throws TypeError if a name is not a token, a value has a control character, or the handshake sets the field itself.
 */
export function fieldLines(fields: OutgoingFields): string[] {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (reservedFields.has(name.toLowerCase()))
      throw new TypeError(`The header field ${name} belongs to the opening handshake and cannot be set`);
    for (const single of Array.isArray(value) ? value : [value]) lines.push(fieldLine(name, single));
  }
  return lines;
}

function fieldLine(name: string, value: string | number): string {
  const line = `${name}: ${value}`;
  requireFieldLine(line);
  if (!isToken(name)) throw new TypeError(`The name of a header field must be a token; got ${JSON.stringify(name)}`);
  return line;
}

function requireFieldLine(line: string): void {
  const colon = typeof line === 'string' ? line.indexOf(':') : -1;
  if (colon < 1 || !isToken(line.slice(0, colon)) || !isSingleLine(line))
    throw new TypeError(`A header line must be "name: value" without control characters; got ${JSON.stringify(line)}`);
}

/**
 * Checks the lines of a response head that the application may have changed. Otherwise one element could contain two
 * lines.
 * @throws TypeError if a line is not `name: value`, or contains a CR, an LF or another control character.
 */
export function requireLines(lines: readonly string[]): void {
  const [statusLine, ...fields] = lines;
  if (typeof statusLine !== 'string' || !statusLine.startsWith('HTTP/1.1 101') || !isSingleLine(statusLine))
    throw new TypeError(`The first line of a response must be its status line; got ${JSON.stringify(statusLine)}`);
  fields.forEach(requireFieldLine);
}

/** Joins the lines of a response head and its final empty line. The result must be sent in UTF-8. */
export function formatHead(lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Response that refuses an upgrade. */
export interface Refusal {
  /** Status, 200–599: every final response that does not open the connection. */
  readonly status: number;
  /** Reason phrase of the status line; may be empty. */
  readonly statusText: string;
  /** Text for the user. */
  readonly body: string;
  /** Additional fields. A `Content-Type` replaces the default one. */
  readonly headers?: OutgoingFields | undefined;
}

/** Fields that a refusal sets itself: it closes the connection, and its length is that of its body. */
const refusalFields = new Set(['connection', 'content-length', 'transfer-encoding']);

/**
 * Formats the whole HTTP response that refuses an upgrade (§4.2.2). The connection must be closed after it. The result
 * must be sent in UTF-8.
 * @throws RangeError if the status is not 200–599, TypeError if header fields cannot be sent.
 */
export function formatRefusal({ status, statusText, body, headers = {} }: Refusal): string {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new RangeError(`The status of a refusal must be 200–599; got ${status}`);
  const statusLine = `HTTP/1.1 ${status} ${statusText}`;
  if (!isSingleLine(statusLine))
    throw new TypeError(`A reason phrase must not contain control characters; got ${JSON.stringify(statusText)}`);

  let contentType = 'Content-Type: text/html';
  let isUpgradeNamed = false;
  const extra: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    const lowerName = name.toLowerCase();
    if (value === undefined || refusalFields.has(lowerName)) continue;
    if (lowerName === 'upgrade') isUpgradeNamed = true;
    const lines = (Array.isArray(value) ? value : [value]).map((single) => fieldLine(name, single));
    if (lowerName === 'content-type') contentType = lines.join('\r\n');
    else extra.push(...lines);
  }
  const head = [
    statusLine,
    // "A sender of Upgrade MUST also send an Upgrade connection option" (RFC 9110 §7.8).
    isUpgradeNamed ? 'Connection: close, Upgrade' : 'Connection: close',
    contentType,
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...extra,
  ];
  return formatHead(head) + body;
}

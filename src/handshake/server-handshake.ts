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
import { parseSubprotocols } from './subprotocols.ts';

/** The request of an opening handshake, as far as the handshake looks at it; `http.IncomingMessage` is one. */
export interface HandshakeRequestFields {
  readonly method?: string | undefined;
  /** `1.1` and the like, without `HTTP/`. */
  readonly httpVersion: string;
  /** Names in lower case; fields that came several times joined by commas. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Which rules a request may be spared. */
export interface OfferRules {
  /** Whether the request must name a host. Default true; a request that a test injects was sent to nobody, and names none. */
  readonly needsHost?: boolean | undefined;
}

/** What a client offers in a request that keeps every rule of RFC 6455 §4.2.1. */
export interface Offer {
  /** The `Sec-WebSocket-Key`: 16 octets in base64. */
  readonly key: string;
  /** 13, or 8, which is the same protocol on the wire. */
  readonly version: 8 | 13;
  /** Who asks, if it is a browser (§10.2); the field is called `Sec-WebSocket-Origin` in version 8. */
  readonly origin: string | undefined;
  /** The subprotocols that the client speaks, the preferred one first; often none. */
  readonly subprotocols: Set<string>;
  /** The extensions that it offers, the preferred one first. */
  readonly extensions: readonly Extension[];
}

/** What the server agrees to (§4.2.2); an empty string is none. */
export interface ServerAgreement {
  /** The `Sec-WebSocket-Accept`. */
  readonly accept: string;
  /** The subprotocol, one of those offered. */
  readonly protocol: string;
  /** The `Sec-WebSocket-Extensions`. */
  readonly extensions: string;
  /** permessage-deflate as it was agreed to (RFC 7692 §7.1); null if it was not. */
  readonly deflate: DeflateAgreement | null;
}

const supportedVersions = '13, 8';

/** The rules for the client's request, with the words in which ws reports them where it has the rule. */
const refusals = {
  method: [405, 'GOODWIRE_INVALID_METHOD', 'Invalid HTTP method', { Allow: 'GET' }],
  httpVersion: [400, 'GOODWIRE_INVALID_HTTP_VERSION', 'Invalid HTTP version', {}],
  host: [400, 'GOODWIRE_MISSING_HOST', 'Missing Host header', {}],
  upgrade: [400, 'GOODWIRE_INVALID_UPGRADE', 'Invalid Upgrade header', {}],
  connection: [400, 'GOODWIRE_INVALID_CONNECTION', 'Invalid Connection header', {}],
  key: [400, 'GOODWIRE_INVALID_KEY', 'Missing or invalid Sec-WebSocket-Key header', {}],
  version: [
    426,
    'GOODWIRE_UNSUPPORTED_VERSION',
    'Missing or invalid Sec-WebSocket-Version header',
    // A 426 names the protocol to upgrade to (RFC 9110 §15.5.22), and §4.2.2 wants the versions.
    { Upgrade: 'websocket', 'Sec-WebSocket-Version': supportedVersions },
  ],
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
 * Reads the client's half of the opening handshake by the rules of RFC 6455 §4.2.1, in this order.
 * @throws HandshakeError with the status to answer with: 405 for another method than GET, 426 for a version that is neither 13
 * nor 8, and 400 for everything else.
 */
export function readOffer(request: HandshakeRequestFields, { needsHost = true }: OfferRules = {}): Offer {
  if (request.method !== 'GET') throw refusal('method');
  // 505 is for a major version that the server does not speak; that one never comes through Node's parser.
  // A request that a program has made up may have none.
  if (request.httpVersion != null && !isHttpVersion(request.httpVersion)) throw refusal('httpVersion');
  // HTTP/2 has the host in a field of its own.
  if (needsHost && !field(request, 'host') && !field(request, ':authority')) throw refusal('host');
  if (!hasToken(field(request, 'upgrade'), 'websocket')) throw refusal('upgrade');
  if (!hasToken(field(request, 'connection'), 'upgrade')) throw refusal('connection');
  const key = field(request, 'sec-websocket-key');
  if (key === undefined || !isKey(key)) throw refusal('key');
  const version = readVersion(field(request, 'sec-websocket-version'));
  if (version === undefined) throw refusal('version');

  return {
    key,
    version,
    origin: field(request, version === 8 ? 'sec-websocket-origin' : 'origin'),
    subprotocols: readSubprotocols(field(request, 'sec-websocket-protocol')),
    extensions: readExtensions(field(request, 'sec-websocket-extensions')),
  };
}

/** A field as text: a program that makes requests may give a version as a number, and a list as an array. */
function field(request: HandshakeRequestFields, name: string): string | undefined {
  const { headers } = request;
  // `constructor` and its like are inherited, and did not come from the client.
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  if (value === undefined || typeof value === 'string') return value;
  return Array.isArray(value) ? value.join(', ') : String(value);
}

function isHttpVersion(version: string): boolean {
  return version === '1.1' || Number.parseFloat(version) > 1.1;
}

const keyLength = 24;

/**
 * 16 octets in base64: 22 of its characters and `==` (§4.1 item 7). The last character before the padding has four bits too many;
 * that they are zero is not asked, since the key decodes to 16 octets whatever they are (RFC 4648 §3.5), and ws does not ask.
 * A key that came twice was joined by a comma, and is none.
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

/** Malformed extensions are refused even if none would be agreed to: "the recipient … MUST immediately _Fail_" (§9.1). */
function readExtensions(header: string | undefined): readonly Extension[] {
  if (header === undefined) return [];
  try {
    return parseExtensions(header);
  } catch (cause) {
    throw refusal('extensions', cause);
  }
}

/**
 * Agrees to an offer with a subprotocol (§4.2.2 step 5), which must be one that was offered; empty for none. permessage-deflate is agreed
 * to where terms are given, and the client has offered it on terms that go with them: offers that break a rule are declined (RFC 7692
 * §7.1), and the connection goes on without it.
 * @throws TypeError when the subprotocol is something else: the client would have to fail the connection.
 */
export function agree(offer: Offer, protocol: string, terms?: DeflateTerms): ServerAgreement {
  if (protocol !== '' && !offer.subprotocols.has(protocol)) {
    const offered = [...offer.subprotocols].join(', ');
    throw new TypeError(
      `A subprotocol must be one that the client offered (${offered}); got ${JSON.stringify(protocol)}`,
    );
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

/** Header fields to send; an array sends the field once for each value. */
export type OutgoingFields = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/**
 * The lines of the response that opens the connection (§4.2.2 step 5), status line first, without line ends: for those who
 * want to add to them before {@link formatHead} makes one text of them.
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

/** The fields that the opening handshake itself decides, and those that speak of a body, which a 101 does not have. */
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
 * The lines of additional header fields for a response that opens a connection.
 * @throws TypeError for a name that is no token, a value with a control character, and a field that the handshake decides.
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
  if (!isToken(name)) throw new TypeError(`The name of a header field is a token; got ${JSON.stringify(name)}`);
  return line;
}

function requireFieldLine(line: string): void {
  const colon = typeof line === 'string' ? line.indexOf(':') : -1;
  if (colon < 1 || !isToken(line.slice(0, colon)) || !isSingleLine(line))
    throw new TypeError(`A header line is "name: value" without control characters; got ${JSON.stringify(line)}`);
}

/**
 * Checks the lines of a response head that somebody else had in his hands: a line must not be able to hold two.
 * @throws TypeError for a line that is no `name: value`, or has a CR, an LF or another control character in it.
 */
export function requireLines(lines: readonly string[]): void {
  const [statusLine, ...fields] = lines;
  if (typeof statusLine !== 'string' || !statusLine.startsWith('HTTP/1.1 101') || !isSingleLine(statusLine))
    throw new TypeError(`A response begins with its status line; got ${JSON.stringify(statusLine)}`);
  fields.forEach(requireFieldLine);
}

/** The head of a response: its lines, and the empty one that ends it. To be written in UTF-8. */
export function formatHead(lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** How an upgrade is refused. */
export interface Refusal {
  /** 200–599: everything that is an answer, and does not open anything. */
  readonly status: number;
  /** The reason phrase of the status line; may be empty. */
  readonly statusText: string;
  /** The text that a person sees. */
  readonly body: string;
  /** Fields to send besides; a `Content-Type` among them replaces ours. */
  readonly headers?: OutgoingFields | undefined;
}

/** What a refusal decides itself: it closes the connection, and its length is the length of its body. */
const refusalFields = new Set(['connection', 'content-length', 'transfer-encoding']);

/**
 * The whole HTTP response that refuses an upgrade (§4.2.2): the connection is closed after it. To be written in UTF-8.
 * @throws RangeError for a status that is none of 200–599, TypeError for header fields that cannot be sent.
 */
export function formatRefusal({ status, statusText, body, headers = {} }: Refusal): string {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new RangeError(`An upgrade is refused with a status of 200–599; got ${status}`);
  const statusLine = `HTTP/1.1 ${status} ${statusText}`;
  if (!isSingleLine(statusLine))
    throw new TypeError(`A reason phrase has no control characters; got ${JSON.stringify(statusText)}`);

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

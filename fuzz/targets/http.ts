/** Head of an HTTP message, parsed as by `node:http`; null if that would reject it. */
export interface Head {
  readonly start: string;
  readonly headers: Record<string, string>;
  /** Names and values alternately, in the received order. */
  readonly raw: string[];
}

const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Fields of which Node keeps the first value. */
const single = new Set([
  'age',
  'authorization',
  'content-length',
  'content-type',
  'etag',
  'expires',
  'from',
  'host',
  'if-modified-since',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'referer',
  'retry-after',
  'server',
  'user-agent',
]);

export function readHead(octets: Buffer): Head | null {
  const text = octets.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const [start, ...lines] = (end === -1 ? text : text.slice(0, end)).split('\r\n');
  const headers: Record<string, string> = {};
  const raw: string[] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are invalid in a field
    if (!tokenPattern.test(name) || /[\0-\x08\x0a-\x1f\x7f]/.test(value)) return null;
    raw.push(name, value);
    const key = name.toLowerCase();
    const former = Object.hasOwn(headers, key) ? headers[key] : undefined;
    const joined = former === undefined ? value : single.has(key) ? former : `${former}, ${value}`;
    Object.defineProperty(headers, key, { value: joined, configurable: true, enumerable: true, writable: true });
  }
  return { start: start!, headers, raw };
}

/** Parses head and body of a response strictly. */
export function readResponse(
  text: string,
): { status: number; fields: [name: string, value: string][]; body: string } | null {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const [statusLine, ...lines] = text.slice(0, end).split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine!)?.[1];
  if (status === undefined) return null;
  const fields: [string, string][] = [];
  for (const line of lines) {
    const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): (.*)$/.exec(line);
    if (field === null || /[\r\n\0]/.test(line)) return null;
    fields.push([field[1]!.toLowerCase(), field[2]!]);
  }
  return { status: Number(status), fields, body: text.slice(end + 4) };
}

/** Response among those that a server has written one after the other. */
export interface WrittenResponse {
  readonly status: number;
  /** Field `X-Number`; null if there is none. */
  readonly number: number | null;
}

/**
 * Reads responses strictly, up to a 101 or an incomplete one.
 * @param mayLackBody True if a response may be to a HEAD request, which has no body: then a body is read only if it does not begin like a response.
 */
export function readResponses(octets: Buffer, mayLackBody: boolean): { responses: WrittenResponse[]; rest: Buffer } {
  const responses: WrittenResponse[] = [];
  let rest = octets.toString('latin1');
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    const head = readResponse(rest.slice(0, end + 4));
    if (end === -1 || head === null) break;
    const field = (name: string) => head.fields.find(([key]) => key === name)?.[1];
    const behind = rest.slice(end + 4);
    const isBodiless = head.status < 200 || head.status === 204 || (mayLackBody && /^(?:HTTP\/1\.1 \d|$)/.test(behind));
    const length = isBodiless ? 0 : bodyLength(behind, field('transfer-encoding'), field('content-length'));
    if (length > behind.length) break;
    rest = behind.slice(length);
    responses.push({ status: head.status, number: field('x-number') === undefined ? null : Number(field('x-number')) });
    if (head.status === 101) break;
  }
  return { responses, rest: Buffer.from(rest, 'latin1') };
}

/** Returns the length of a body, with its framing; Infinity if it is incomplete. */
function bodyLength(text: string, coding: string | undefined, length: string | undefined): number {
  if (coding === undefined) return length === undefined ? text.length : Number(length);
  let at = 0;
  for (;;) {
    const line = /^([0-9a-f]+)\r\n/.exec(text.slice(at));
    if (line === null) return Number.POSITIVE_INFINITY;
    const size = Number.parseInt(line[1]!, 16);
    at += line[0].length + size + 2;
    if (size === 0) return at;
  }
}

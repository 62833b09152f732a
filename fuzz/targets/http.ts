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

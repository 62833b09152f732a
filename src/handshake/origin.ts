import { isToken } from './fields.ts';

/**
 * Returns true to accept the `Origin` of a request (RFC 6455 §10.2, RFC 6454). Undefined stands for a request without
 * one, which no browser sends.
 */
export type OriginRule = (origin: string | undefined) => boolean;

const defaultPorts = new Map([
  ['http', '80'],
  ['https', '443'],
  ['ws', '80'],
  ['wss', '443'],
  ['ftp', '21'],
]);

/**
 * Returns a rule that accepts exactly the listed origins, such as `https://example.com` or `http://localhost:3000`.
 * Scheme, host and port are compared, ignoring case; the default port may be written or omitted. Prefixes and suffixes
 * never match. The origin `null` (a sandboxed page, a file) is accepted only if `'null'` is listed. Requests without an
 * origin are never accepted.
 * @throws TypeError if an entry is not an origin: it has a path, is `*`, or is a host without a scheme.
 */
export function allowOrigins(origins: readonly string[]): OriginRule {
  const allowed = new Set(origins.map(readListedOrigin));
  return (origin) => {
    if (origin === undefined) return false;
    const normalized = normalizeOrigin(origin);
    return normalized !== undefined && allowed.has(normalized);
  };
}

/**
 * Returns an origin in the form used for comparison: lower case, without the scheme's default port (RFC 6454 §6.2).
 * Returns undefined if the text is not a serialized origin. Nothing is decoded, so only the spelling of a browser
 * matches.
 */
export function normalizeOrigin(origin: string): string | undefined {
  const text = origin.toLowerCase();
  if (text === 'null') return text;
  const colon = text.indexOf('://');
  if (colon === -1) return undefined;
  const scheme = text.slice(0, colon);
  const authority = text.slice(colon + 3);
  if (!isToken(scheme) || !isAuthority(authority)) return undefined;
  const port = `:${defaultPorts.get(scheme)}`;
  const host = authority.endsWith(port) ? authority.slice(0, -port.length) : authority;
  return host === '' ? undefined : `${scheme}://${host}`;
}

/** True for visible ASCII without characters that would begin a path, a query or a fragment, or end a user name. */
function isAuthority(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || '/\\?#@,'.includes(text.charAt(index))) return false;
  }
  return text.length > 0;
}

function readListedOrigin(entry: string): string {
  const normalized = typeof entry === 'string' ? normalizeOrigin(inAscii(entry)) : undefined;
  if (normalized !== undefined) return normalized;
  throw new TypeError(
    `An allowed origin must be scheme://host or scheme://host:port, or "null"; got ${JSON.stringify(entry)}` +
      (entry === '*' ? ' (leave origins unset to allow every origin)' : ''),
  );
}

/** Converts the host of a listed origin to its ASCII form (`xn--…`), which browsers send. */
function inAscii(entry: string): string {
  if (!URL.canParse(entry)) return entry;
  const url = new URL(entry);
  const isBare = url.pathname === '/' && !entry.endsWith('/') && url.href === `${url.origin}/`;
  return isBare ? url.origin : entry;
}

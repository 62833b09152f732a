import { isToken } from './fields.ts';

/** Decides about the `Origin` of a request (RFC 6455 §10.2, RFC 6454); undefined for a request without one, which no browser sends. */
export type OriginRule = (origin: string | undefined) => boolean;

const defaultPorts = new Map([
  ['http', '80'],
  ['https', '443'],
  ['ws', '80'],
  ['wss', '443'],
  ['ftp', '21'],
]);

/**
 * A rule that allows exactly the listed origins, such as `https://example.com` or `http://localhost:3000`: scheme, host and port
 * are compared, in whatever case and with the default port written or not. Nothing is matched by its beginning or its end, an
 * origin called `null` (a sandboxed page, a file) is allowed only if `'null'` is listed, and a request without origin never is.
 * @throws TypeError for an entry that is no origin: one with a path, `*`, a host without scheme.
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
 * An origin in the one form in which origins are compared: lower case, without the scheme's default port (RFC 6454 §6.2);
 * undefined for what is no serialized origin. Nothing is decoded: what a browser would not write does not equal what it writes.
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

/** Visible ASCII without what would begin a path, a query, a fragment, or would end a user's name. */
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
    `An allowed origin is scheme://host or scheme://host:port, or "null"; got ${JSON.stringify(entry)}` +
      (entry === '*' ? ' (leave origins unset to allow every origin)' : ''),
  );
}

/** Browsers send a host with other letters in its ASCII form (`xn--…`); the list may have it as people write it. */
function inAscii(entry: string): string {
  if (!URL.canParse(entry)) return entry;
  const url = new URL(entry);
  const isBare = url.pathname === '/' && !entry.endsWith('/') && url.href === `${url.origin}/`;
  return isBare ? url.origin : entry;
}

import { type Address, headerEntries, type RequestHeaders } from '../handshake/client-handshake.ts';

/** Fields that prove who somebody is, and so must not reach anybody but the server that they were meant for. */
const credentials = new Set(['authorization', 'cookie', 'proxy-authorization']);

/**
 * Whether a redirect stays with the server that the credentials were given for: the same host and port, or the same Unix socket,
 * and not from TLS to plain text.
 */
export function keepsCredentials(from: Address, to: Address): boolean {
  return isSameServer(from, to) && (to.isSecure || !from.isSecure);
}

function isSameServer(from: Address, to: Address): boolean {
  if (from.socketPath !== undefined || to.socketPath !== undefined) return from.socketPath === to.socketPath;
  return from.authority === to.authority;
}

/** The application's header fields without credentials and, when another server is asked, without a `Host` of its own. */
export function withoutCredentials(
  headers: RequestHeaders | null | undefined,
  from: Address,
  to: Address,
): RequestHeaders {
  const isOther = !isSameServer(from, to);
  return headerEntries(headers).filter(([name]) => {
    const field = name.toLowerCase();
    return !credentials.has(field) && !(isOther && field === 'host');
  });
}

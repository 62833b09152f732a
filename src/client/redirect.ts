import { type Address, headerEntries, type RequestHeaders } from '../handshake/client-handshake.ts';

/** Fields that prove who somebody is, and so must not reach anybody but the server that they were meant for. */
const credentials = new Set(['authorization', 'cookie', 'proxy-authorization']);

/**
 * Whether a redirect stays with the server that the credentials were given for, `home`: the same host and port, or the same Unix
 * socket, and not plain text where it was TLS.
 */
export function keepsCredentials(home: Address, to: Address): boolean {
  return isSameServer(home, to) && (to.isSecure || !home.isSecure);
}

function isSameServer(home: Address, to: Address): boolean {
  if (home.socketPath !== undefined || to.socketPath !== undefined) return home.socketPath === to.socketPath;
  return home.authority === to.authority;
}

/** The application's header fields without credentials and, when another server is asked, without a `Host` of its own. */
export function withoutCredentials(
  headers: RequestHeaders | null | undefined,
  home: Address,
  to: Address,
): RequestHeaders {
  const isOther = !isSameServer(home, to);
  return headerEntries(headers).filter(([name]) => {
    const field = name.toLowerCase();
    return !credentials.has(field) && !(isOther && field === 'host');
  });
}

import { type Address, headerEntries, type RequestHeaders } from '../handshake/client-handshake.ts';

/** Fields with credentials, which must only be sent to the server for which they were given. */
const credentials = new Set(['authorization', 'cookie', 'proxy-authorization']);

/**
 * True if a redirect stays on the server of the credentials, `home`: the same host and port, or the same Unix socket.
 * False after a change from TLS to plain text.
 */
export function keepsCredentials(home: Address, to: Address): boolean {
  return isSameServer(home, to) && (to.isSecure || !home.isSecure);
}

function isSameServer(home: Address, to: Address): boolean {
  if (home.socketPath !== undefined || to.socketPath !== undefined) return home.socketPath === to.socketPath;
  return home.authority === to.authority;
}

/** Returns the application's header fields without credentials and, for another server, without its `Host`. */
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

import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { HandshakeError, type HandshakeErrorCode, type HeaderFields } from '../handshake/handshake-error.ts';
import { formatRefusal } from '../handshake/server-handshake.ts';

/**
 * Answers a request for an upgrade with an HTTP response instead of a WebSocket, and ends the connection: once the response is with
 * the kernel, or after `timeout` milliseconds for a peer that does not read. What the peer sends meanwhile is thrown away.
 * @throws RangeError or TypeError if the error's status or its headers cannot be sent; then nothing was written.
 */
export function refuseUpgrade(socket: Duplex, error: HandshakeError, timeout: number): void {
  const { status, message, headers } = error;
  const response = formatRefusal({ status, statusText: STATUS_CODES[status] ?? '', body: message, headers });

  const timer = setTimeout(destroy, timeout, socket);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
  socket.once('finish', socket.destroy);
  // Octets that nobody has read when a TCP socket is destroyed make it a reset, which can take the response with it.
  socket.resume();
  socket.end(response);
}

function destroy(socket: Duplex): void {
  socket.destroy();
}

/** A refusal that the application or the server's state decides, with the status's name as its message if there is none. */
export function policyRefusal(
  status: number,
  code: HandshakeErrorCode,
  message?: string,
  headers: HeaderFields = {},
): HandshakeError {
  return new HandshakeError(status, code, message || (STATUS_CODES[status] ?? ''), { headers });
}

/** A callback of the application threw, or what it gave cannot be sent. The client learns nothing of it but that it is not his fault. */
export function applicationFailure(cause: unknown): HandshakeError {
  return new HandshakeError(500, 'GOODWIRE_APPLICATION_ERROR', 'Internal Server Error', { cause });
}

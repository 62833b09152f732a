import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { HandshakeError, type HandshakeErrorCode, type HeaderFields } from '../handshake/handshake-error.ts';
import { formatRefusal } from '../handshake/server-handshake.ts';
import { destroyStream, forceDestroy, isDestroyed } from '../transport/destroy-stream.ts';
import { reportLimit } from '../transport/diagnostics.ts';
import { type TimerHandle, unref } from '../transport/timer.ts';
import { maxTimerDelay } from '../transport/transport-settings.ts';
import { reportSocketError } from './diagnostics.ts';

/**
 * Returns the HTTP response that refuses an upgrade request.
 * @throws RangeError or TypeError if the status or the headers of the error cannot be sent.
 */
export function refusalText({ status, message, headers }: HandshakeError): string {
  return formatRefusal({ status, statusText: STATUS_CODES[status] ?? '', body: message, headers });
}

/**
 * Ends a socket. The socket is destroyed when all data was passed to the kernel, or after `timeout` milliseconds if the
 * peer does not read. It is destroyed at once if one of its methods throws; the exception is published on
 * `goodwire:socket-error`. Data that the peer sends in the meantime is discarded. Never throws. The timer does not keep
 * the process alive, unless the platform's timers are numbers.
 * @param response Written before the end. Default: nothing.
 */
export function endSocket(socket: Duplex, timeout: number, response?: string): void {
  let timer: TimerHandle;
  // If this call does not destroy the stream, the timer still does.
  const destroy = () => {
    destroyStream(socket);
    if (isDestroyed(socket)) clearTimeout(timer);
  };
  try {
    timer = setTimeout(endLate, Math.min(timeout, maxTimerDelay), socket, timeout);
    unref(timer);
    // Not once(). Otherwise a stream whose removeListener() throws would throw into its own event.
    socket.on('close', destroy);
    socket.on('finish', destroy);
    // Otherwise unread bytes would turn the destruction of a TCP socket into a reset, which could discard the response.
    socket.resume();
    if (response === undefined) socket.end();
    else socket.end(response);
  } catch (thrown) {
    reportSocketError(socket, thrown);
    forceDestroy(socket);
    clearTimeout(timer);
  }
}

/** Destroys a socket that has not ended within `closeTimeout`. */
function endLate(socket: Duplex, closeTimeout: number): void {
  if (!isDestroyed(socket)) reportLimit(() => ({ limit: 'closeTimeout', value: closeTimeout, socket }));
  forceDestroy(socket);
}

/** Returns a refusal by policy of the application or the server. The default message is the name of the status. */
export function policyRefusal(
  status: number,
  code: HandshakeErrorCode,
  message?: string,
  headers: HeaderFields = {},
): HandshakeError {
  return new HandshakeError(status, code, message || (STATUS_CODES[status] ?? ''), { headers });
}

/**
 * Returns the refusal for a callback that threw, or whose result cannot be sent. The client only sees status 500, so no
 * details leak.
 */
export function applicationFailure(cause: unknown): HandshakeError {
  return new HandshakeError(500, 'GOODWIRE_APPLICATION_ERROR', 'Internal Server Error', { cause });
}

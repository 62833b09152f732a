import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { HandshakeError, type HandshakeErrorCode, type HeaderFields } from '../handshake/handshake-error.ts';
import { formatRefusal } from '../handshake/server-handshake.ts';
import { destroyStream, forceDestroy, isDestroyed } from '../transport/destroy-stream.ts';
import { type TimerHandle, unref } from '../transport/timer.ts';
import { maxTimerDelay } from '../transport/transport-settings.ts';
import { reportSocketError } from './diagnostics.ts';

/**
 * Returns the HTTP response that refuses a request for an upgrade.
 * @throws RangeError or TypeError if the status or the headers of the error cannot be sent.
 */
export function refusalText({ status, message, headers }: HandshakeError): string {
  return formatRefusal({ status, statusText: STATUS_CODES[status] ?? '', body: message, headers });
}

/**
 * Ends a socket. The socket is destroyed when everything has been passed to the kernel, or after `timeout` milliseconds if the peer does
 * not read. It is destroyed at once if one of its methods throws; the exception is published on `goodwire:socket-error`. What the peer
 * sends meanwhile is discarded. Throws nothing. The timer does not keep the process alive, unless the platform's timers are numbers.
 * @param response Written before the end. Default: nothing.
 */
export function endSocket(socket: Duplex, timeout: number, response?: string): void {
  let timer: TimerHandle;
  // A stream that emits 'finish' or 'close' and is not destroyed by this call is destroyed when the time is over.
  const destroy = () => {
    destroyStream(socket);
    if (isDestroyed(socket)) clearTimeout(timer);
  };
  try {
    timer = setTimeout(forceDestroy, Math.min(timeout, maxTimerDelay), socket);
    unref(timer);
    // Not once(), which would throw into the event of a stream whose removeListener() throws.
    socket.on('close', destroy);
    socket.on('finish', destroy);
    // Octets that nobody has read when a TCP socket is destroyed make it a reset, which can take the response with it.
    socket.resume();
    if (response === undefined) socket.end();
    else socket.end(response);
  } catch (thrown) {
    reportSocketError(socket, thrown);
    forceDestroy(socket);
    clearTimeout(timer);
  }
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

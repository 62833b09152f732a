import { channel } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import type { HandshakeError, HandshakeErrorCode } from '../handshake/handshake-error.ts';
import { isError } from '../realm/kinds.ts';
import { reportLimit } from '../transport/diagnostics.ts';
import {
  defaultHandshakeTimeout,
  defaultMaxHeadersCount,
  defaultMaxPendingHandshakes,
  type HandshakeLimits,
} from './handshake-limits.ts';

/** Channel for errors of sockets that have no other error listener; see {@link SocketErrorMessage}. */
export const socketErrorChannelName = 'goodwire:socket-error';

/** Channel for refused upgrades; see {@link UpgradeRefusedMessage}. */
export const upgradeRefusedChannelName = 'goodwire:upgrade-refused';

/**
 * Message on `goodwire:socket-error`: a socket failed (`ECONNRESET`, `EPIPE` …), or one of its methods threw, during
 * its opening handshake. The socket is destroyed and the process continues.
 */
export interface SocketErrorMessage {
  readonly error: Error;
  /** The raw socket, a `net.Socket` or another Duplex. */
  readonly socket: unknown;
}

/** Message on `goodwire:upgrade-refused`: the response to an upgrade request was not a WebSocket. */
export interface UpgradeRefusedMessage {
  /**
   * Error with the HTTP `status` and a stable `code`. Its `cause` is the error that a callback of the application
   * threw.
   */
  readonly error: HandshakeError;
  /** The `http.IncomingMessage`. */
  readonly request: unknown;
}

/** Options that set the limits behind refusals, with their defaults. */
const limitsBehind: Partial<Record<HandshakeErrorCode, readonly [limit: keyof HandshakeLimits, value: number]>> = {
  GOODWIRE_HANDSHAKE_TIMEOUT: ['handshakeTimeout', defaultHandshakeTimeout],
  GOODWIRE_TOO_MANY_HANDSHAKES: ['maxPendingHandshakes', defaultMaxPendingHandshakes],
  GOODWIRE_TOO_MANY_HEADERS: ['maxHeadersCount', defaultMaxHeadersCount],
};

/** Publishes a refused upgrade, and the limit that was reached, if any. `options` are those of the server. */
export function reportRefusal(error: HandshakeError, request: IncomingMessage, options: HandshakeLimits): void {
  if (upgradeRefusedChannel.hasSubscribers) {
    upgradeRefusedChannel.publish({ error, request } satisfies UpgradeRefusedMessage);
  }
  reportLimit(() => {
    const [limit, standard] = limitsBehind[error.code] ?? [];
    if (limit === undefined) return undefined;
    const value = options[limit] ?? (standard as number);
    return limit === 'maxHeadersCount'
      ? { limit, value, received: request.rawHeaders.length / 2, request }
      : { limit, value, request };
  });
}

/** Channel for errors of sockets. */
export const socketErrorChannel = channel(socketErrorChannelName);

/** Channel for refused upgrades. */
export const upgradeRefusedChannel = channel(upgradeRefusedChannelName);

/** Publishes an error that a socket emitted, or that one of its methods threw, during the opening handshake. */
export function reportSocketError(socket: unknown, thrown: unknown): void {
  if (!socketErrorChannel.hasSubscribers) return;
  const error = isError(thrown) ? thrown : new Error('A method of the socket failed', { cause: thrown });
  socketErrorChannel.publish({ error, socket } satisfies SocketErrorMessage);
}

/**
 * Emits a process warning about a failed callback if the channel has no subscriber. Otherwise the application's mistake
 * would stay invisible.
 */
export function warnOfFailure({ code, cause }: HandshakeError): void {
  if (code !== 'GOODWIRE_APPLICATION_ERROR' || upgradeRefusedChannel.hasSubscribers) return;
  process.emitWarning('A callback of a WebSocket server failed; the upgrade was refused with status 500', {
    type: 'GoodwireWarning',
    code,
    detail: textOf(cause),
  });
}

/** Describes a thrown value. Never throws, although a thrown object may have no text or a throwing getter. */
function textOf(thrown: unknown): string {
  try {
    return isError(thrown) ? (thrown.stack ?? thrown.message) : String(thrown);
  } catch {
    return 'a value that cannot be shown';
  }
}

import { channel } from 'node:diagnostics_channel';
import type { HandshakeError } from '../handshake/handshake-error.ts';

/** The name of the channel on which errors of sockets are published that would have nobody to hear them; see {@link SocketErrorMessage}. */
export const socketErrorChannelName = 'goodwire:socket-error';

/** The name of the channel on which refused upgrades are published; see {@link UpgradeRefusedMessage}. */
export const upgradeRefusedChannelName = 'goodwire:upgrade-refused';

/**
 * Published on `goodwire:socket-error`: a socket failed (`ECONNRESET`, `EPIPE` …), or one of its methods threw, during its opening
 * handshake. The process goes on, the socket is destroyed.
 */
export interface SocketErrorMessage {
  readonly error: Error;
  /** The raw socket, a `net.Socket` or another Duplex. */
  readonly socket: unknown;
}

/** Published on `goodwire:upgrade-refused`: a request for an upgrade was answered with something else than a WebSocket. */
export interface UpgradeRefusedMessage {
  /** With the HTTP `status` and a stable `code`; its `cause` is what a callback of the application threw. */
  readonly error: HandshakeError;
  /** The `http.IncomingMessage`. */
  readonly request: unknown;
}

/** Where errors of sockets are published. */
export const socketErrorChannel = channel(socketErrorChannelName);

/** Where refused upgrades are published. */
export const upgradeRefusedChannel = channel(upgradeRefusedChannelName);

/** Publishes what a socket emitted as an error, or what one of its methods threw, during the opening handshake. */
export function reportSocketError(socket: unknown, thrown: unknown): void {
  if (!socketErrorChannel.hasSubscribers) return;
  const error = thrown instanceof Error ? thrown : new Error('A method of the socket failed', { cause: thrown });
  socketErrorChannel.publish({ error, socket } satisfies SocketErrorMessage);
}

/** The application's mistake must be seen somewhere: a warning of the process, if nobody listens to the channel. */
export function warnOfFailure({ code, cause }: HandshakeError): void {
  if (code !== 'GOODWIRE_APPLICATION_ERROR' || upgradeRefusedChannel.hasSubscribers) return;
  process.emitWarning('A callback of a WebSocket server failed, and the upgrade was answered with 500', {
    type: 'GoodwireWarning',
    code,
    detail: textOf(cause),
  });
}

/** Describes what was thrown. Throws nothing: a thrown object may have no text, or a getter that throws. */
function textOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  } catch {
    return 'a value that cannot be shown';
  }
}

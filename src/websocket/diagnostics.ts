import { channel } from 'node:diagnostics_channel';

/** Message on the channel `goodwire:websocket:error`. */
export interface WebSocketErrorMessage {
  /** The `WebSocket` that failed. */
  readonly websocket: object;
  readonly error: Error;
  /** Whether the application got the error too: false if it has no `error` listener on a socket that a server accepted. */
  readonly isHandled: boolean;
}

const errors = channel('goodwire:websocket:error');

/**
 * Publishes an error of a WebSocket on the `node:diagnostics_channel` named `goodwire:websocket:error`: protocol errors of the peer,
 * and errors of the stream below (`ECONNRESET`) which, as in `ws`, are no `error` events.
 */
export function publishError(websocket: object, error: Error, isHandled: boolean): void {
  if (errors.hasSubscribers) errors.publish({ websocket, error, isHandled } satisfies WebSocketErrorMessage);
}

import { channel } from 'node:diagnostics_channel';

/** Message on the channel `goodwire:websocket:error`. */
export interface WebSocketErrorMessage {
  /** The `WebSocket` that failed. */
  readonly websocket: object;
  readonly error: Error;
  /** False if the application did not get the error, because a socket that a server accepted has no `error` listener. */
  readonly isHandled: boolean;
}

const errors = channel('goodwire:websocket:error');

/**
 * Publishes an error of a WebSocket on the `node:diagnostics_channel` named `goodwire:websocket:error`. Errors of the stream, such as
 * `ECONNRESET`, are published too. As in `ws`, they are not emitted as `error` events.
 */
export function publishError(websocket: object, error: Error, isHandled: boolean): void {
  if (errors.hasSubscribers) errors.publish({ websocket, error, isHandled } satisfies WebSocketErrorMessage);
}

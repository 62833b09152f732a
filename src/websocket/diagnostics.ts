import { channel } from 'node:diagnostics_channel';
import type { PeerError } from '../connection/connection.ts';
import { InflateError } from '../extension/inflate-error.ts';
import { ProtocolError } from '../frame/protocol-error.ts';
import { type LimitName, reportLimit } from '../transport/diagnostics.ts';

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
 * Publishes an error of a WebSocket on the `node:diagnostics_channel` named `goodwire:websocket:error`, and on `goodwire:limit-reached` if the
 * peer has exceeded a limit. Errors of the stream, such as `ECONNRESET`, are published too. As in `ws`, they are not emitted as `error` events.
 */
export function publishError(websocket: object, error: Error, isHandled: boolean): void {
  if (errors.hasSubscribers) errors.publish({ websocket, error, isHandled } satisfies WebSocketErrorMessage);
  reportLimit(() => {
    if (!(error instanceof ProtocolError || error instanceof InflateError) || error.exceeded === undefined)
      return undefined;
    const { limit: value, received } = error.exceeded;
    return { limit: limitBehind(error), value, received, websocket };
  });
}

function limitBehind({ code, message }: PeerError): LimitName {
  if (code === 'Z_DATA_ERROR') return 'maxFinalBlocks';
  if (code !== 'WS_ERR_TOO_MANY_BUFFERED_PARTS') return 'maxPayload';
  // One code stands for both, as in ws.
  return message.endsWith('chunks') ? 'maxBufferedChunks' : 'maxFragments';
}

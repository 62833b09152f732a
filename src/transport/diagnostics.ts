import { channel } from 'node:diagnostics_channel';

/** Channel for limits that have ended or refused something; see {@link LimitReachedMessage}. */
export const limitReachedChannelName = 'goodwire:limit-reached';

/** Name of the option that sets a limit. `heartbeat` is an option of a market of goods. */
export type LimitName =
  | 'closeTimeout'
  | 'handshakeTimeout'
  | 'heartbeat'
  | 'maxBufferedChunks'
  | 'maxFinalBlocks'
  | 'maxFragments'
  | 'maxHeadersCount'
  | 'maxHeaderSize'
  | 'maxPayload'
  | 'maxPendingHandshakes'
  | 'maxRedirects';

/**
 * Message on `goodwire:limit-reached`: a limit or a time limit has ended a connection, or refused a request or a message. It names what was
 * ended by one of `websocket`, `request` and `socket`.
 */
export interface LimitReachedMessage {
  /** Name of the option. */
  readonly limit: LimitName;
  /** Value of the option. Times are in milliseconds. */
  readonly value: number;
  /** Number that exceeds the value, as far as the peer's input was read. Absent for times and for numbers of connections. */
  readonly received?: number;
  /** The `WebSocket` that was failed or ended, or that could not connect. */
  readonly websocket?: object;
  /** The `http.IncomingMessage` that was refused. */
  readonly request?: unknown;
  /** The raw socket that was ended: a `net.Socket` or another Duplex. */
  readonly socket?: unknown;
}

/** Channel for limits. */
const limitReachedChannel = channel(limitReachedChannelName);

/** Publishes that a limit has ended or refused something. `message` is called only if the channel has subscribers. */
export function reportLimit(message: () => LimitReachedMessage | undefined): void {
  if (!limitReachedChannel.hasSubscribers) return;
  const reached = message();
  if (reached !== undefined) limitReachedChannel.publish(reached);
}

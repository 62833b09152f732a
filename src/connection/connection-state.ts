/** State of the closing handshake; see {@link transitions}. */
export type ConnectionState = 'open' | 'closeSent' | 'closeReceived' | 'closed' | 'failed' | 'ended';

/** Event that may change the state. */
export type ConnectionTransition = 'closeSent' | 'closeReceived' | 'failed' | 'ended';

/**
 * States of an open connection (§7) and the transitions between them. The table defines the effect of a close frame, a
 * failure and the end of the stream in each state. An event that has no effect leads to the same state.
 *
 * ```
 *               close sent            close received
 *        ┌──────────────────▶ closeSent ───────────┐
 *      open                                         ▼
 *        └──────────────────▶ closeReceived ─────▶ closed
 *              close received             close sent
 *
 *      open, closeSent, closeReceived ── the peer broke a rule ──▶ failed
 *      any ── the stream ended ──▶ ended
 * ```
 */
export const transitions = {
  /** Data and control frames may be sent and received. */
  open: { closeSent: 'closeSent', closeReceived: 'closeReceived', failed: 'failed', ended: 'ended' },
  /** Our close frame was sent. Receiving continues until the peer's arrives (§1.4, §7.1.3). */
  closeSent: { closeSent: 'closeSent', closeReceived: 'closed', failed: 'failed', ended: 'ended' },
  /** The peer's close frame arrived and ours is still to be sent. Later data of the peer is ignored (§5.5.1). */
  closeReceived: { closeSent: 'closed', closeReceived: 'closeReceived', failed: 'failed', ended: 'ended' },
  /** Both close frames were exchanged: the closing handshake is complete (§7.1.4). */
  closed: { closeSent: 'closed', closeReceived: 'closed', failed: 'closed', ended: 'ended' },
  /** The connection was failed (§7.1.7): the close frame for the error was written, and received data is ignored. */
  failed: { closeSent: 'failed', closeReceived: 'failed', failed: 'failed', ended: 'ended' },
  /** The stream has ended. */
  ended: { closeSent: 'ended', closeReceived: 'ended', failed: 'ended', ended: 'ended' },
} as const satisfies Record<ConnectionState, Record<ConnectionTransition, ConnectionState>>;

/** Returns the next state, which is the same state if the event does not change it. */
export function nextState(state: ConnectionState, transition: ConnectionTransition): ConnectionState {
  return transitions[state][transition];
}

/**
 * States of an open connection (§7) and the transitions between them. The table defines the effect of a close frame, a
 * failure and the end of the stream in each state.
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
  closeSent: { closeReceived: 'closed', failed: 'failed', ended: 'ended' },
  /** The peer's close frame arrived and ours is still to be sent. Later data of the peer is ignored (§5.5.1). */
  closeReceived: { closeSent: 'closed', failed: 'failed', ended: 'ended' },
  /** Both close frames were exchanged: the closing handshake is complete (§7.1.4). */
  closed: { ended: 'ended' },
  /** The connection was failed (§7.1.7): the close frame for the error was written, and received data is ignored. */
  failed: { ended: 'ended' },
  /** The stream has ended. */
  ended: {},
} as const;

/** State of the closing handshake. */
export type ConnectionState = keyof typeof transitions;

/** Event that may change the state. */
export type ConnectionTransition = 'closeSent' | 'closeReceived' | 'failed' | 'ended';

/** Returns the next state; the same state if the table has no entry. */
export function nextState(state: ConnectionState, transition: ConnectionTransition): ConnectionState {
  const row: Partial<Record<ConnectionTransition, ConnectionState>> = transitions[state];
  return row[transition] ?? state;
}

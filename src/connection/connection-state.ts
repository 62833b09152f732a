/**
 * The states of an open connection (§7), and what leads from one to the other. Whoever wants to know what a close frame, a
 * failure or the end of the stream does in some state reads it here.
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
  /** Data and control frames go both ways. */
  open: { closeSent: 'closeSent', closeReceived: 'closeReceived', failed: 'failed', ended: 'ended' },
  /** We sent our close frame, and go on receiving until the peer's comes (§1.4, §7.1.3). */
  closeSent: { closeReceived: 'closed', failed: 'failed', ended: 'ended' },
  /** The peer's close frame came, and ours is owed; what the peer sends after it is ignored (§5.5.1). */
  closeReceived: { closeSent: 'closed', failed: 'failed', ended: 'ended' },
  /** Both close frames are through: the closing handshake is complete (§7.1.4). */
  closed: { ended: 'ended' },
  /** The connection was failed (§7.1.7): the right close frame has been written, nothing is read any more. */
  failed: { ended: 'ended' },
  /** The stream is at its end. */
  ended: {},
} as const;

/** One state of the closing handshake. */
export type ConnectionState = keyof typeof transitions;

/** What can happen to a connection. */
export type ConnectionTransition = 'closeSent' | 'closeReceived' | 'failed' | 'ended';

/** The state that follows; the same one where the table says nothing. */
export function nextState(state: ConnectionState, transition: ConnectionTransition): ConnectionState {
  const row: Partial<Record<ConnectionTransition, ConnectionState>> = transitions[state];
  return row[transition] ?? state;
}

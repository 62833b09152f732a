import type { Coding } from '../fan-out/encoded-message.ts';

/** The connection below a {@link MarketConnection}. Frames go out through it, and it reports how many of their bytes wait. No method throws. */
export interface Link {
  readonly coding: Coding;
  /** Number of bytes that were given to {@link send} and that the kernel has not taken. */
  readonly bufferedAmount: number;
  /** Sends whole frames. Discards what can no longer be sent. */
  send(pieces: readonly Uint8Array[]): void;
  /** Calls back once, when the peer has read what waits. Called only while {@link bufferedAmount} is high. */
  awaitDrain(callback: () => void): void;
  ping(): void;
  close(code: number, reason: string): void;
  /** Ends the connection at once. `unansweredHeartbeat` is the market's heartbeat in milliseconds, if the peer has not answered it. */
  terminate(unansweredHeartbeat?: number): void;
}

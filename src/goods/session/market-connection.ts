import type { Subscriber } from '../definition/goods.ts';

/** A connection that a market has taken: the other end of a {@link Link}. It is a subscriber of the market. */
export interface MarketConnection<User = unknown> extends Subscriber<User> {
  /** True if the market takes nothing more from this connection. */
  readonly isClosed: boolean;
  /** Takes a text message of the peer. Throws nothing. */
  receive(text: string): void;
  /** Takes a text message of the peer as UTF-8. Throws nothing. */
  receiveText(bytes: Buffer): void;
  /** Takes a binary message of the peer. The bytes must not be changed afterwards: the item is a view of them. Throws nothing. */
  receiveBytes(bytes: Uint8Array): void;
  /** Notes a sign of life of the peer, such as a pong. */
  noteActivity(): void;
  /** Ends what belongs to the connection. Call it when the connection is gone. */
  end(): void;
}

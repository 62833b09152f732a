import type { MessageData } from '../message/message-decoder.ts';

// Symbols, because the owner is the object that people hold and extend: it shows them none of these, and none of theirs is called.

/** A message has come. */
export const onMessage: unique symbol = Symbol('goodwire.onMessage');
/** A ping has come. */
export const onPing: unique symbol = Symbol('goodwire.onPing');
/** A pong has come. */
export const onPong: unique symbol = Symbol('goodwire.onPong');
/** The peer's close frame has come; ours is sent or owed. */
export const onPeerClosed: unique symbol = Symbol('goodwire.onPeerClosed');
/** The connection was failed: the peer broke the protocol, or a Blob that was sent could not be read. */
export const onFailure: unique symbol = Symbol('goodwire.onFailure');
/** The stream reported an error, `ECONNRESET` for instance; {@link onClosed} follows. */
export const onStreamError: unique symbol = Symbol('goodwire.onStreamError');
/** The stream begins to end: the peer ended its side, or an error destroyed it. May be told more than once. */
export const onEnding: unique symbol = Symbol('goodwire.onEnding');
/** The stream is closed, and nothing more comes: whether both close frames were exchanged (§7.1.4), and the octets that were not sent. */
export const onClosed: unique symbol = Symbol('goodwire.onClosed');

/** What a `Transport` tells its owner. */
export interface TransportEvents {
  [onMessage](data: MessageData, isBinary: boolean): void;
  [onPing](payload: Buffer): void;
  [onPong](payload: Buffer): void;
  [onPeerClosed](code: number, reason: Buffer): void;
  [onFailure](error: Error): void;
  [onStreamError](error: Error): void;
  [onEnding](): void;
  [onClosed](wasClean: boolean, lostOctets: number): void;
}

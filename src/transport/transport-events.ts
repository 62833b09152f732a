import type { MessageData } from '../message/message-decoder.ts';

// Symbols, because the owner is a WebSocket, which applications extend. With names, a method of the application could replace one of these.

/** A message was received. */
export const onMessage: unique symbol = Symbol('goodwire.onMessage');
/** A ping was received. */
export const onPing: unique symbol = Symbol('goodwire.onPing');
/** Answers a ping in place of the transport, if the owner does that itself. Returns false otherwise. */
export const answerPing: unique symbol = Symbol('goodwire.answerPing');
/** A pong was received. */
export const onPong: unique symbol = Symbol('goodwire.onPong');
/** Returns true if the owner answers the peer's close frame itself, in {@link onPeerClosed}. */
export const answersClose: unique symbol = Symbol('goodwire.answersClose');
/** The peer's close frame was received. Ours is sent, or is in the queue, unless {@link answersClose} returned true. */
export const onPeerClosed: unique symbol = Symbol('goodwire.onPeerClosed');
/** The connection was failed: the peer violated the protocol, or a message could not be sent. */
export const onFailure: unique symbol = Symbol('goodwire.onFailure');
/** The stream has emitted an error, such as `ECONNRESET`. {@link onClosed} follows. */
export const onStreamError: unique symbol = Symbol('goodwire.onStreamError');
/** The stream begins to end: the peer has ended its side, or an error has destroyed the stream. May be called more than once. */
export const onEnding: unique symbol = Symbol('goodwire.onEnding');
/**
 * The stream is closed. No further event follows. First argument: true if both close frames were exchanged (§7.1.4). Second: number of
 * payload octets not sent.
 */
export const onClosed: unique symbol = Symbol('goodwire.onClosed');

/** Events that a `Transport` reports to its owner. */
export interface TransportEvents {
  [onMessage](data: MessageData, isBinary: boolean): void;
  [answerPing](payload: Buffer): boolean;
  [onPing](payload: Buffer): void;
  [onPong](payload: Buffer): void;
  [answersClose](): boolean;
  [onPeerClosed](code: number, reason: Buffer): void;
  [onFailure](error: Error): void;
  [onStreamError](error: Error): void;
  [onEnding](): void;
  [onClosed](wasClean: boolean, lostOctets: number): void;
}

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterTick } from '../event-loop/after-tick.ts';

/** Receives the events of a stream; see {@link listenTo}. */
export interface StreamOwner {
  receive(chunk: Buffer): void;
  /** Receives like {@link receive}, but throws nothing. */
  receiveGuarded(chunk: Buffer): void;
  drained(): void;
  streamEnded(): void;
  streamFinished(): void;
  streamFailed(error: Error): void;
  streamClosed(): void;
}

const kOwner = Symbol('goodwire.transport');

interface OwnedStream extends Duplex {
  [kOwner]?: StreamOwner | undefined;
}

/** Passes a stream's events on to `owner`, until the stream is closed. `head` is what was received before; it comes as the first data. */
export function listenTo(stream: Duplex, head: Uint8Array, owner: StreamOwner): void {
  (stream as OwnedStream)[kOwner] = owner;
  // Before the listener for 'data' is added: otherwise a stream that flows would deliver `head` at once, before the application listens.
  if (head.length > 0) stream.unshift(head);
  stream.on('close', onClose);
  stream.on('data', dataListener(stream));
  stream.on('drain', onDrain);
  stream.on('end', onEnd);
  stream.on('error', onError);
  // A stream that is already closed or ended will not emit that event again.
  if (stream.closed) afterTick(onClosedBefore, stream);
  else if (stream.readableEnded) afterTick(onEndedBefore, stream);
}

/** Passes the stream's next 'finish' event on, too. */
export function listenToFinish(stream: Duplex): void {
  stream.once('finish', onFinish);
}

/** Removes the listeners that {@link listenTo} and {@link listenToFinish} have added, except the one for errors. */
export function stopListeningTo(stream: Duplex): void {
  stream.off('data', dataListener(stream));
  stream.off('drain', onDrain);
  stream.off('end', onEnd);
  stream.off('finish', onFinish);
  stream.off('close', onClose);
  // Without a listener for errors, one that a stream reports after it has closed would be an uncaught exception.
}

// One function of each kind for all connections: a closure per connection would cost memory for every idle one.

function onData(this: OwnedStream, chunk: Buffer): void {
  this[kOwner]?.receive(chunk);
}

function onDataGuarded(this: OwnedStream, chunk: Buffer): void {
  this[kOwner]?.receiveGuarded(chunk);
}

/**
 * Returns the listener for 'data'. A stream that is not a socket may emit 'data' inside a caller's write(), so an error that a listener of
 * ours throws must not reach that caller.
 */
function dataListener(stream: Duplex): (this: OwnedStream, chunk: Buffer) => void {
  return stream instanceof Socket ? onData : onDataGuarded;
}

function onDrain(this: OwnedStream): void {
  this[kOwner]?.drained();
}

function onEnd(this: OwnedStream): void {
  this[kOwner]?.streamEnded();
}

function onFinish(this: OwnedStream): void {
  this[kOwner]?.streamFinished();
}

function onError(this: OwnedStream, error: Error): void {
  this[kOwner]?.streamFailed(error);
}

function onClose(this: OwnedStream): void {
  const owner = this[kOwner];
  this[kOwner] = undefined;
  owner?.streamClosed();
}

function onClosedBefore(stream: Duplex): void {
  onClose.call(stream);
}

function onEndedBefore(stream: Duplex): void {
  onEnd.call(stream);
}

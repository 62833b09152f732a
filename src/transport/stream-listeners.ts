import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterTick } from '../event-loop/after-tick.ts';
import { isUint8Array } from '../realm/kinds.ts';
import { unref } from './timer.ts';

/** Receives the events of a stream; see {@link listenTo}. */
export interface StreamOwner {
  receive(chunk: Buffer): void;
  /** Receives like {@link receive}, but throws nothing. */
  receiveGuarded(chunk: Buffer): void;
  /** The stream has delivered something else than octets. */
  receiveInvalid(chunk: unknown): void;
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

/**
 * Handles a destroyed stream like one that has closed, if it does not emit 'close' within `timeout` milliseconds: its own `_destroy()` may
 * never call back. A socket of Node always closes.
 */
export function expectClose(stream: Duplex, timeout: number): void {
  if (stream instanceof Socket || stream.closed) return;
  const timer = setTimeout(() => onClose.call(stream), timeout);
  unref(timer);
  stream.once('close', () => clearTimeout(timer));
}

// One function of each kind for all connections: a closure per connection would cost memory for every idle one.

function onData(this: OwnedStream, chunk: Buffer | string): void {
  if (typeof chunk === 'string') this[kOwner]?.receiveInvalid(chunk);
  else this[kOwner]?.receive(chunk);
}

function onDataGuarded(this: OwnedStream, chunk: unknown): void {
  if (isUint8Array(chunk)) this[kOwner]?.receiveGuarded(chunk as Buffer);
  else this[kOwner]?.receiveInvalid(chunk);
}

/**
 * Returns the listener for 'data'. A stream that is not a socket may emit 'data' inside a caller's write(), so an error that a listener of
 * ours throws must not reach that caller.
 */
function dataListener(stream: Duplex): typeof onData {
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

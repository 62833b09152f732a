import type { Duplex } from 'node:stream';
import { Connection, type ConnectionEvents, type PeerError } from '../connection/connection.ts';
import type { ConnectionState } from '../connection/connection-state.ts';
import { afterPoll } from '../event-loop/after-poll.ts';
import { afterTick, callGuarded } from '../event-loop/after-tick.ts';
import type { MessageInflater } from '../extension/deflate-messages.ts';
import type { MessageData } from '../message/message-decoder.ts';
import { type ClosingHost, ClosingState } from './closing.ts';
import { reportLimit } from './diagnostics.ts';
import { fairTurns, firstFrames, type Reading } from './fair-turns.ts';
import { SendingSide } from './sending-side.ts';
import { listenTo, type StreamOwner, stopListeningTo } from './stream-listeners.ts';
import type { TimerHandle } from './timer.ts';
import {
  answerPing,
  answersClose,
  onClosed,
  onEnding,
  onFailure,
  onMessage,
  onPeerClosed,
  onPing,
  onPong,
  onStreamError,
  type TransportEvents,
} from './transport-events.ts';
import { type TransportOptions, TransportSettings } from './transport-settings.ts';
import { type HeldBackEvents, Undelivered, type UndeliveredHost } from './undelivered.ts';
import { watchExit } from './write-batching.ts';

/** True if our close frame has been sent, for each state of the protocol. */
const sentClose: Readonly<Record<ConnectionState, boolean>> = {
  open: false,
  closeSent: true,
  closeReceived: false,
  closed: true,
  failed: true,
  ended: false,
};

/**
 * A connection on a stream: a TCP or TLS socket, a Unix socket, or any other Duplex. Reads in the stream's 'data' event. Writes all that
 * one event or tick has sent in one write (docs/performance.md). Objects that few connections need (`SendQueue`, {@link Undelivered},
 * {@link ClosingState}) are created when needed.
 */
export class Transport
  extends SendingSide
  implements ConnectionEvents, StreamOwner, ClosingHost, UndeliveredHost, Reading
{
  readonly stream: Duplex;
  readonly connection: Connection;
  private readonly owner: TransportEvents;
  /** @internal */
  turn = 0;
  /** @internal */
  chunks = 0;
  private isPausedByOwner = false;
  private isResumeScheduled = false;
  /** State of the closing phase; null until closing begins. */
  private closing: ClosingState | null = null;
  /** Octets and a delivery that were received and are not delivered; null if the stream flows. */
  private undelivered: Undelivered | null = null;

  /**
   * @param head Octets received behind the opening handshake.
   * @param owner Receives the events, from a later tick on.
   */
  constructor(stream: Duplex, head: Uint8Array, options: TransportOptions | TransportSettings, owner: TransportEvents) {
    super();
    this.stream = stream;
    this.owner = owner;
    const settings = options instanceof TransportSettings ? options : new TransportSettings(options);
    this.connection = new Connection(settings, this);
    watchExit();
    listenTo(stream, head, this);
  }

  /** True if our close frame has been written, also after the end of the stream. */
  get hasSentClose(): boolean {
    return sentClose[this.closing?.stateAtEnd ?? this.connection.state];
  }

  /** The timer that will end or destroy the stream; null if none runs. */
  get closeTimer(): TimerHandle | null {
    return this.closing?.timer ?? null;
  }

  /** True if the owner has paused. */
  get isPaused(): boolean {
    return this.isPausedByOwner;
  }

  /**
   * Sends our close frame behind everything sent before. The stream is destroyed if it has not ended after `closeTimeout`. A client's timer
   * starts anew when the closing handshake is complete: the stream of a client may last twice `closeTimeout`, plus one second.
   */
  close(code?: number, reason?: string | Uint8Array): void {
    if (this.queue !== null) this.queue.enqueue(0, () => this.#sendClose(code, reason));
    else this.#sendClose(code, reason);
    this.#closing().handle('closeBegun');
  }

  /**
   * Ends our side of the stream if the closing handshake is complete or the connection failed. After the closing handshake, a client first
   * waits for the server to end the stream.
   */
  endIfDone(): void {
    const { state } = this.connection;
    if (state !== 'closed' && state !== 'failed') return;
    this.flush();
    const isClient = this.settings.role === 'client';
    // flush() may have changed the state: a stream in memory may deliver and end inside a write.
    this.#closing().handle(isClient && this.connection.state === 'closed' ? 'doneAsClient' : 'done');
  }

  /** Stops reading behind the message that is being delivered. What the peer sends then waits in the kernel. */
  pause(): void {
    this.isPausedByOwner = true;
    // When nothing more is delivered, the stream must flow to its end. Paused, it would never emit 'end'.
    if (!this.connection.isReceiving) return;
    this.connection.isSuspended = true;
    this.stream.pause();
  }

  /** Continues reading on a later tick. */
  resume(): void {
    const wasPaused = this.isPausedByOwner;
    this.isPausedByOwner = false;
    this.scheduleResume();
    // Node too continues on a later tick, behind ours. Programs ask the stream whether it is paused right after this call.
    if (wasPaused && (this.undelivered === null || this.undelivered.isEmpty)) this.stream.resume();
  }

  /** Destroys the stream without a close frame. What was sent before is still written to the stream. */
  destroy(): void {
    this.flush();
    this.connection.isSuspended = true;
    this.undelivered?.cancelPending();
    this.#recordEnd();
    this.undelivered = null;
    this.destroyUnsent();
  }

  // Events of the connection.

  /** @internal */
  message(data: MessageData, isBinary: boolean): void {
    this.noteDelivery(data);
    if (this.settings.defersEvents) this.#deliverOnePerTurn(() => this.owner[onMessage](data, isBinary));
    else this.owner[onMessage](data, isBinary);
  }

  /** @internal */
  ping(payload: Buffer): void {
    if (this.settings.defersEvents) this.#deliverOnePerTurn(() => this.owner[onPing](payload));
    else this.owner[onPing](payload);
  }

  /** @internal */
  answerPing(payload: Buffer): boolean {
    return this.owner[answerPing](payload);
  }

  /** @internal */
  answersClose(): boolean {
    return this.owner[answersClose]();
  }

  /** @internal */
  pong(payload: Buffer): void {
    if (this.settings.defersEvents) this.#deliverOnePerTurn(() => this.owner[onPong](payload));
    else this.owner[onPong](payload);
  }

  /** @internal */
  closeReceived(code: number, reason: Buffer): void {
    // Messages in the queue were sent before the peer's close frame came. They go out before our close frame (§5.5.1).
    if (this.queue !== null && !this.answersClose()) this.queue.enqueue(0, () => this.#echoClose(code, reason));
    this.#closing().handle('closeBegun');
    this.owner[onPeerClosed](code, reason);
  }

  /** @internal */
  failure(error: PeerError): void {
    this.#closing().handle('closeBegun');
    this.owner[onFailure](error);
  }

  /** @internal */
  inflate(octets: Buffer, isBinary: boolean, inflater: MessageInflater): void {
    this.#undelivered().inflate(octets, isBinary, inflater);
  }

  // Events of the stream.

  /** @internal */
  receive(chunk: Buffer): void {
    const { connection } = this;
    if (connection.isReceiving) {
      const isBehind = this.undelivered !== null && !this.undelivered.isEmpty;
      if (isBehind || this.isInEvent || connection.isSuspended) {
        // Reached only for streams that ignore pause() or that emit 'data' synchronously inside write().
        this.#undelivered().append(chunk);
        return;
      }
      if (!fairTurns.mayRead(this)) {
        this.#undelivered().putBack(chunk);
        return;
      }
    }
    this.#process(chunk);
  }

  /** @internal Calls {@link receive}. An error thrown by a listener is rethrown on the next tick (uncaught) and not to the caller. */
  receiveGuarded(chunk: Buffer): void {
    callGuarded(() => this.receive(chunk));
  }

  /** @internal */
  receiveInvalid(chunk: unknown): void {
    const found = typeof chunk === 'string' ? 'a string: was setEncoding() called?' : `a value of type ${typeof chunk}`;
    this.sendFailed(new TypeError(`The stream of a WebSocket must deliver Buffers; it delivered ${found}`));
  }

  /** @internal */
  moreFrames(): number {
    return fairTurns.moreFrames();
  }

  /** @internal */
  processGuarded(chunk: Buffer): void {
    callGuarded(() => this.#process(chunk));
  }

  /** @internal */
  streamEnded(): void {
    this.#deliverAll();
    if (this.undelivered?.holdBackEnd()) return;
    this.#recordEnd();
    this.owner[onEnding]();
    this.flush();
    this.#closing().handle('peerEnded');
  }

  /** @internal */
  streamFinished(): void {
    this.#closing().handle('finished');
  }

  /** @internal */
  streamFailed(error: Error): void {
    this.owner[onStreamError](error);
    this.owner[onEnding]();
    this.undelivered?.cancelThreadPool();
    // Otherwise a stream that emits 'error' without destroying itself would stay open.
    this.destroyExpectingClose();
  }

  /** @internal */
  streamClosed(): void {
    stopListeningTo(this.stream);
    this.owner[onEnding]();
    // Otherwise a pause would keep the 'close' event from the application.
    this.#undelivered().ignoresPauses = true;
    this.#deliverAll();
    if (this.undelivered?.holdBackClose()) return;
    this.#recordEnd();
    const closing = this.#closing();
    closing.handle('closed');
    const lostOctets = this.discardUnsent();
    this.owner[onClosed](closing.wasClean, lostOctets);
  }

  // Calls of the objects that are created when needed.

  /** @internal */
  sendFailed(error: Error): void {
    this.destroy();
    this.owner[onFailure](error);
  }

  /** @internal */
  runEvent(deliver: () => void): void {
    this.beginEvent();
    // Guarded: otherwise an error of a listener would prevent the events after this delivery.
    callGuarded(deliver);
    this.endEvent();
    this.flushAfterEvent();
  }

  /** @internal */
  delivered({ hasEnded, hasClosed }: HeldBackEvents): void {
    const { connection } = this;
    if (!connection.isReceiving) this.#stopReading();
    else if (!connection.isSuspended && !this.isPausedByOwner) this.#continueGuarded();
    if (hasEnded) this.streamEnded();
    if (hasClosed) this.streamClosed();
  }

  /** @internal */
  deliveryCancelled({ hasClosed }: HeldBackEvents): void {
    this.#recordEnd();
    // The stream will not emit 'close' again. On a later tick, because the caller still uses this connection.
    if (hasClosed) afterTick(() => this.streamClosed());
  }

  /** @internal */
  destroyStream(isLate: boolean): void {
    if (isLate)
      reportLimit(() => ({ limit: 'closeTimeout', value: this.settings.closeTimeout, websocket: this.owner }));
    this.undelivered?.cancelThreadPool();
    this.destroyUnsent();
  }

  /** @internal */
  scheduleResume(): void {
    if (this.isResumeScheduled) return;
    this.isResumeScheduled = true;
    afterTick(continueReading, this);
  }

  /** @internal Continues after a pause, or after a delivery. */
  continueReading(): void {
    this.isResumeScheduled = false;
    if (this.isPausedByOwner) return;
    const { undelivered } = this;
    if (this.stream.destroyed) {
      // With an end that was held back: a stream whose own `_destroy()` never calls back would not emit 'close' instead.
      undelivered?.deliverPending();
      return;
    }
    this.connection.isSuspended = false;
    if (undelivered?.isPending) {
      undelivered.deliverPending();
      return;
    }
    const chunk = undelivered?.takeChunk() ?? null;
    try {
      if (chunk !== null && fairTurns.mayRead(this)) this.#process(chunk);
      else if (chunk !== null) undelivered!.putBack(chunk);
    } finally {
      // Also if a listener threw at the last message: otherwise the stream would stay paused.
      this.#flow();
    }
  }

  /** Processes a chunk, or as much of it as the budget of this turn allows. What is left is kept. */
  #process(chunk: Buffer): void {
    const { connection } = this;
    this.beginEvent();
    try {
      connection.receive(chunk, 0, firstFrames);
    } finally {
      this.endEvent();
      if (connection.isReceiving && (connection.offset < chunk.length || this.undelivered?.hasKept)) {
        this.#undelivered().putBack(chunk.subarray(connection.offset));
      }
      this.flushAfterEvent();
      if (!connection.isReceiving) this.#stopReading();
    }
  }

  /** Calls {@link continueReading}. An error thrown by a listener is rethrown on the next tick (uncaught) and not to the caller. */
  #continueGuarded(): void {
    callGuarded(() => this.continueReading());
  }

  /** Resumes the stream, unless something received before is still to be delivered. */
  #flow(): void {
    if (this.connection.isSuspended || (this.undelivered !== null && !this.undelivered.isEmpty)) return;
    this.undelivered = null;
    this.stream.resume();
  }

  /** Delivers one event, and the next in a later turn of the event loop: behind the immediates that a listener has scheduled. */
  #deliverOnePerTurn(deliver: () => void): void {
    this.connection.isSuspended = true;
    try {
      deliver();
    } finally {
      if (!this.isPausedByOwner) afterPoll(continueReading, this);
    }
  }

  /** Delivers everything that was received before the end of the stream. If the owner has paused, the rest waits for `resume()`. */
  #deliverAll(): void {
    const { connection } = this;
    // If the stream ends while an event is being delivered, deliver nothing here; the remaining octets are processed after that event.
    while (connection.isReceiving && !this.isInEvent) {
      const undelivered = this.#undelivered();
      if (this.isPausedByOwner && !undelivered.ignoresPauses) {
        undelivered.holdUntilResume();
        return;
      }
      if (!undelivered.deliverNext()) return;
    }
  }

  #echoClose(code: number, reason: Buffer): void {
    this.connection.echoClose(code, reason);
    this.written();
    this.endIfDone();
  }

  #sendClose(code?: number, reason?: string | Uint8Array): void {
    this.connection.close(code, reason);
    this.written();
    this.endIfDone();
  }

  /** Discards what is left after the peer's close frame or a failure, and lets the stream flow to its end. */
  #stopReading(): void {
    this.undelivered?.discardKept();
    this.endIfDone();
    this.stream.resume();
  }

  #recordEnd(): void {
    this.#closing().recordEnd(this.connection.state);
    this.connection.receiveEnd();
  }

  #closing(): ClosingState {
    this.closing ??= new ClosingState(this);
    return this.closing;
  }

  #undelivered(): Undelivered {
    this.undelivered ??= new Undelivered(this);
    return this.undelivered;
  }
}

function continueReading(transport: Transport): void {
  transport.continueReading();
}

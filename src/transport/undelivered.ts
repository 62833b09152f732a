import type { Duplex } from 'node:stream';
import type { Connection, PeerError } from '../connection/connection.ts';
import type { MessageInflater } from '../extension/deflate-messages.ts';
import { defaultMaxPayload } from '../frame/frame-decoder.ts';
import { fairTurns } from './fair-turns.ts';
import { KeptOctets } from './kept-octets.ts';
import { inflateOnThreadPool, type ThreadPoolJob } from './thread-pool-zlib.ts';
import type { TransportSettings } from './transport-settings.ts';

/** The connection that received what is not delivered yet. */
export interface UndeliveredHost {
  readonly stream: Duplex;
  readonly connection: Connection;
  /** True if the owner has paused. */
  readonly isPaused: boolean;
  /** Fails the connection (§7.1.7). */
  failure(error: PeerError): void;
  /** Runs a delivery as an event of the connection. An error thrown by a listener is not thrown here. */
  runEvent(deliver: () => void): void;
  /** Processes octets that were kept. An error thrown by a listener is not thrown here. */
  processGuarded(chunk: Buffer): void;
  /** The pending delivery is done. Handles the stream events that were held back meanwhile. */
  delivered(heldBack: HeldBackEvents): void;
  /** The pending delivery was cancelled. Only a held back 'close' is still to be handled. */
  deliveryCancelled(heldBack: HeldBackEvents): void;
}

/** Events that the stream has emitted while a delivery was pending. They are handled after it. */
export interface HeldBackEvents {
  readonly hasEnded: boolean;
  readonly hasClosed: boolean;
}

/** A delivery waiting for the thread pool or for other connections. No later message is delivered before it. */
class PendingDelivery implements HeldBackEvents {
  readonly #job: ThreadPoolJob | null;
  #result: (() => void) | null = null;
  #hasEnded = false;
  #hasClosed = false;

  constructor(job: ThreadPoolJob | null) {
    this.#job = job;
  }

  /** Delivers the result; null until it is ready. */
  get result(): (() => void) | null {
    return this.#result;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get hasClosed(): boolean {
    return this.#hasClosed;
  }

  ready(result: () => void): void {
    this.#result = result;
  }

  streamEnded(): void {
    this.#hasEnded = true;
  }

  streamClosed(): void {
    this.#hasClosed = true;
  }

  /** True if the thread pool still works on it. */
  get isOnThreadPool(): boolean {
    return this.#job !== null && this.#result === null;
  }

  cancel(): void {
    this.#job?.cancel();
  }
}

/** Input of one connection that is not delivered yet: a delivery that is pending, and the octets received behind it. */
export class Undelivered {
  readonly #host: UndeliveredHost;
  /** Set by the host when the stream has closed: the rest does not wait for `resume()` any more. */
  ignoresPauses = false;
  #kept = new KeptOctets();
  #pending: PendingDelivery | null = null;

  constructor(host: UndeliveredHost) {
    this.#host = host;
  }

  get isEmpty(): boolean {
    return this.#kept.isEmpty && this.#pending === null;
  }

  /** True if a delivery is pending. */
  get isPending(): boolean {
    return this.#pending !== null;
  }

  /** True if octets are kept. */
  get hasKept(): boolean {
    return !this.#kept.isEmpty;
  }

  /** Keeps octets behind those that are already kept. */
  append(chunk: Buffer): void {
    this.#kept.append(chunk);
  }

  /**
   * Keeps a chunk, or what a pause, a pending delivery, a used budget or an error of a listener has left of it, in front of what came
   * meanwhile. Pauses the stream. They are processed in a later turn, or after `resume()` or the pending delivery.
   */
  putBack(left: Buffer): void {
    const { connection, stream } = this.#host;
    this.#kept.prepend(left);
    stream.pause();
    if (!connection.isSuspended && this.#pending === null) this.#yieldToOthers();
  }

  /** Returns the first of the kept octets, or null, and forgets them. */
  takeChunk(): Buffer | null {
    return this.#kept.take();
  }

  /** Forgets the kept octets. */
  discardKept(): void {
    this.#kept = new KeptOctets();
  }

  /** Inflates a message on the thread pool. Nothing received after it is delivered before it. */
  inflate(octets: Buffer, isBinary: boolean, inflater: MessageInflater): void {
    const { connection, stream } = this.#host;
    const settings = connection.settings as TransportSettings;
    const { maxPayload = defaultMaxPayload } = settings.options;
    stream.pause();
    const job = inflateOnThreadPool(
      octets,
      { ...settings.deflate!.inflateOptions, dictionary: inflater.dictionary },
      {
        maxLength: maxPayload || Number.POSITIVE_INFINITY,
        isText: !isBinary && settings.validates,
        maxFinalBlocks: settings.deflate!.maxFinalBlocks,
      },
      settings.concurrencyLimit,
      (error, data) => this.#ready(() => this.#inflated(error as PeerError | null, data, isBinary)),
    );
    this.#pending = new PendingDelivery(job);
  }

  #inflated(error: PeerError | null, data: Buffer | undefined, isBinary: boolean): void {
    const { connection } = this.#host;
    if (data !== undefined) {
      connection.inflated(data, isBinary);
    } else if (connection.isReceiving) {
      connection.fail(error!);
      this.#host.failure(error!);
    }
  }

  /**
   * Yields to other connections because this one has used up its budget for this turn. The end of the stream is held back too: handling
   * it would deliver the rest at once.
   */
  #yieldToOthers(): void {
    const pending = new PendingDelivery(null);
    this.#pending = pending;
    fairTurns.wait(() => {
      if (this.#pending === pending) this.#ready(() => {});
    });
  }

  /** Holds back the end of the stream until `resume()`, because the owner has paused. */
  holdUntilResume(): void {
    if (this.#pending !== null) return;
    this.#pending = new PendingDelivery(null);
    this.#pending.ready(() => {});
  }

  /** The result of the pending delivery is ready. Delivers it now, or at `resume()` if the owner has paused. */
  #ready(deliver: () => void): void {
    const pending = this.#pending!;
    pending.ready(deliver);
    if (!this.#host.isPaused || this.ignoresPauses) this.#deliver(pending, deliver);
  }

  #deliver(pending: PendingDelivery, deliver: () => void): void {
    this.#pending = null;
    this.#host.runEvent(deliver);
    this.#host.delivered(pending);
  }

  /** Delivers the pending delivery if its result is ready. Returns false if not, or if there is none. */
  deliverPending(): boolean {
    const pending = this.#pending;
    const result = pending?.result ?? null;
    if (pending === null || result === null) return false;
    this.#deliver(pending, result);
    return true;
  }

  /**
   * Delivers the pending delivery if it is ready, or else processes the kept octets, or else those that the stream holds. Returns false if
   * there is nothing to deliver now.
   */
  deliverNext(): boolean {
    if (this.#pending !== null) return this.deliverPending();
    const { connection, stream } = this.#host;
    const chunk: Buffer | null = this.takeChunk() ?? (stream.readableLength > 0 ? stream.read() : null);
    if (chunk === null) return false;
    connection.isSuspended = false;
    this.#host.processGuarded(chunk);
    return true;
  }

  /** Holds the stream's 'end' back until the pending delivery is done. Returns false if none is pending. */
  holdBackEnd(): boolean {
    if (this.#pending === null) return false;
    this.#pending.streamEnded();
    return true;
  }

  /** Does for the stream's 'close' what {@link holdBackEnd} does for its end. */
  holdBackClose(): boolean {
    if (this.#pending === null) return false;
    this.#pending.streamClosed();
    return true;
  }

  /** Calls {@link cancelPending} if the thread pool still works on the pending delivery. Others are delivered before the close. */
  cancelThreadPool(): void {
    if (this.#pending?.isOnThreadPool) this.cancelPending();
  }

  /** Cancels the pending delivery and discards everything received after it; delivering that would hide the missing message. */
  cancelPending(): void {
    const pending = this.#pending;
    if (pending === null) return;
    this.#pending = null;
    pending.cancel();
    this.discardKept();
    this.#host.deliveryCancelled(pending);
  }
}

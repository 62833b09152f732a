import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Connection, type ConnectionEvents, type PeerError } from '../connection/connection.ts';
import type { ConnectionState } from '../connection/connection-state.ts';
import type { MessageInflater } from '../extension/deflate-messages.ts';
import { requireTrueLength } from '../frame/frame-encoder.ts';
import { copyUpTo } from '../frame/frame-writer.ts';
import { joinChunks } from '../frame/join-chunks.ts';
import type { MessageData } from '../message/message-decoder.ts';
import type { PreparedMessage } from '../message/prepared-message.ts';
import { ClosingState } from './closing.ts';
import { isNodeSocket, writesAtOnce } from './node-socket.ts';
import {
  callAll,
  closedWhile,
  notWritable,
  type PendingSend,
  pendingSend,
  rethrow,
  type SendCallback,
} from './send-callback.ts';
import { listenTo, type StreamOwner, stopListeningTo } from './stream-listeners.ts';
import { deflateOnThreadPool, prepareOnThreadPool, type ThreadPoolJob } from './thread-pool-zlib.ts';
import type { TimerHandle } from './timer.ts';
import {
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
import { type HeldBackEvents, Undelivered } from './undelivered.ts';
import {
  afterPoll,
  afterTick,
  type Flushable,
  flushAfterEvent,
  flushAtEndOfPoll,
  flushAtEndOfTick,
  setCurrent,
  watchExit,
} from './write-batching.ts';

// Where one tick sends more than this, the kernel gets it at once.
const flushFrom = 262_144;
/** Whether our close frame has been sent, in each state of the protocol. */
const sentClose: Readonly<Record<ConnectionState, boolean>> = {
  open: false,
  closeSent: true,
  closeReceived: false,
  closed: true,
  failed: true,
  ended: false,
};
/** 16 KiB: up to here a message is deflated at once, in a third of a millisecond, and beyond on the thread pool. */
const deflatedAtOnce = 16_384;
// Where so much waits for the peer to read, pings are no more answered one by one.
const congestedFrom = 65_536;

type WriteCallback = (error?: Error | null) => void;

/** Memory of the large message that is being delivered; null if there is none. */
let deliveredMemory: ArrayBufferLike | null = null;

/**
 * A connection on a stream: a TCP or TLS socket, a Unix socket, any Duplex of octets. It reads in the stream's `data` event, and
 * writes all that one event or tick has sent in one write (docs/performance.md). It owns the stream's timing of the end.
 */
export class Transport implements ConnectionEvents, Flushable, StreamOwner {
  readonly stream: Duplex;
  readonly connection: Connection;
  private readonly owner: TransportEvents;
  private isDirty = false;
  private isInEvent = false;
  private isPausedByOwner = false;
  private isResumeScheduled = false;
  private callbacks: PendingSend[] | null = null;
  /** Called when a TLS socket has written, which is never at once: else each would keep its slab for as long as it is idle. */
  private readonly onWritten: (() => void) | undefined = undefined;
  /** State of the closing phase; null until closing begins, so that open connections pay no memory for it. */
  private closing: ClosingState | null = null;
  /** Sends that wait for a Blob to be read, and everything behind them. */
  private queue: SendQueue | null = null;
  /** What zlib compresses for this connection just now, while everything that is sent behind it waits. */
  private deflating: ThreadPoolJob | null = null;
  /** Octets that are received and not processed, and a delivery that waits for the thread pool; null if there are none. */
  private undelivered: Undelivered | null = null;

  /** `head` is what came behind the opening handshake. Events begin on a later tick. */
  constructor(stream: Duplex, head: Uint8Array, options: TransportOptions | TransportSettings, owner: TransportEvents) {
    this.stream = stream;
    this.owner = owner;
    this.connection = new Connection(
      options instanceof TransportSettings ? options : new TransportSettings(options),
      this,
    );
    watchExit();
    if (stream instanceof Socket && 'encrypted' in stream) this.onWritten = () => this.#releaseWritten();
    listenTo(stream, head, this);
  }

  get settings(): TransportSettings {
    return this.connection.settings as TransportSettings;
  }

  /** Whether our close frame has been written; also when the stream has ended since. */
  get hasSentClose(): boolean {
    return sentClose[this.closing?.stateAtEnd ?? this.connection.state];
  }

  /** The timer that will end the connection by force, while it is being closed. */
  get closeTimer(): TimerHandle | null {
    return this.closing?.timer ?? null;
  }

  /** Octets that were given to be sent and that the kernel does not have, framing included. */
  get bufferedAmount(): number {
    return this.connection.outgoingLength + this.stream.writableLength + (this.queue?.octets ?? 0);
  }

  /** Whether the owner has stopped the reading. */
  get isPaused(): boolean {
    return this.isPausedByOwner;
  }

  /** Sends a message or a fragment of one; text may be given as UTF-8. */
  send(
    data: string | Uint8Array,
    isBinary: boolean,
    fin: boolean,
    masked: boolean,
    compresses: boolean,
    callback?: SendCallback,
  ): void {
    const { connection } = this;
    if (this.queue !== null || (connection.settings.deflate !== null && this.#deflatesOnThreadPool(data, compresses))) {
      if (typeof data !== 'string') requireTrueLength(data);
      // A copy: nobody can say how long it will wait.
      const own = typeof data === 'string' ? data : Buffer.from(data);
      const pending = pendingSend(callback);
      this.#enqueue(Buffer.byteLength(own), () => this.#sendQueued(own, isBinary, fin, masked, compresses, pending));
      return;
    }
    connection.send(data, isBinary, fin, masked, compresses);
    this.#written(pendingSend(callback));
    // An application may use its buffer again. What the kernel takes at once it has copied; what it does not take, Node holds, as with
    // ws. A message that is passed on while it is delivered lies in memory that nobody uses again.
    if (typeof data !== 'string' && data.length > copyUpTo && !masked && data.buffer !== deliveredMemory) this.flush();
  }

  /** Sends a Blob as a message, in its turn: whatever is sent after it waits until it was read. */
  sendBlob(
    blob: Blob,
    isBinary: boolean,
    fin: boolean,
    masked: boolean,
    compresses: boolean,
    callback?: SendCallback,
  ): void {
    this.#enqueueBlob(blob, callback, (octets, pending) =>
      this.#sendQueued(octets, isBinary, fin, masked, compresses, pending),
    );
  }

  /**
   * Sends a message that was prepared for many: its octets are shared with all connections that send the same. It leaves with all that is
   * sent so until the sockets that are readable just now have been read.
   * @throws Error while a fragmented message is being sent, or nothing can be sent.
   */
  sendPrepared(message: PreparedMessage, callback?: SendCallback): void {
    const { connection } = this;
    const { octets, compresses } = message;
    const { deflate, role } = this.settings;
    const isCompressed = connection.compresses(octets, compresses);
    // Masked with a key of its own, or compressed with a context of its own.
    if (role === 'client' || (isCompressed && deflate!.takesContextOver)) {
      this.#sendPreparedAlone(message, callback);
      return;
    }
    const variant = isCompressed ? deflate : null;
    if (this.queue !== null || (octets.length > deflatedAtOnce && !message.has(variant))) {
      const pending = pendingSend(callback);
      this.#enqueue(octets.length, async () => {
        this.queue!.waitsFor = compressing;
        try {
          if (!message.has(variant)) await prepareOnThreadPool(message, deflate!, this.settings.concurrencyLimit);
        } catch (error) {
          this.#failToSend(error, pending);
          return;
        }
        this.#whileOpen(pending, () => connection.sendEncoded(message.frame(variant)));
      });
      return;
    }
    connection.sendEncoded(message.frame(variant));
    this.#written(pendingSend(callback), true);
  }

  /** Sends it as {@link send} would, but not as a fragment of the message that is being sent when its turn comes. */
  #sendPreparedAlone({ octets, isBinary, compresses }: PreparedMessage, callback?: SendCallback): void {
    const { connection } = this;
    const masked = this.settings.role === 'client';
    if (this.queue === null) {
      connection.demandUnfragmented();
      this.send(octets, isBinary, true, masked, compresses, callback);
      return;
    }
    const pending = pendingSend(callback);
    this.#enqueue(octets.length, () => {
      try {
        connection.demandUnfragmented();
      } catch (error) {
        if (pending !== undefined) callAll([pending], error as Error);
        return;
      }
      return this.#sendQueued(octets, isBinary, true, masked, compresses, pending);
    });
  }

  /** Sends frames that are encoded already, one behind the other and as they are. */
  sendRaw(frames: readonly Uint8Array[], callback?: SendCallback): void {
    const { connection } = this;
    if (this.queue !== null) {
      const own = Buffer.concat(frames);
      const pending = pendingSend(callback);
      this.#enqueue(own.length, () => this.#whileOpen(pending, () => connection.sendRaw(own)));
      return;
    }
    for (const frame of frames) connection.sendRaw(frame);
    this.#written(pendingSend(callback));
    if (frames.some(({ length }) => length > copyUpTo)) this.flush();
  }

  /**
   * Sends whole frames that many connections share, octets and all: they are handed to the stream at once, behind what was sent before,
   * and are never to be changed. Node's own sockets get them by reference, other streams a copy.
   * @throws Error while a fragmented message is being sent, or nothing can be sent.
   */
  sendShared(frames: readonly Uint8Array[]): void {
    const { connection, stream } = this;
    connection.demandUnfragmented();
    if (!connection.isOpen || this.queue !== null) {
      this.sendRaw(frames);
      return;
    }
    this.flush();
    if (!stream.writable) return;
    try {
      if (!isNodeSocket(stream)) {
        stream.write(joinChunks(frames));
      } else {
        if (frames.length > 1) stream.cork();
        for (const frame of frames) stream.write(frame);
        if (frames.length > 1) stream.uncork();
      }
    } catch (error) {
      // As in flush(): others that are sent the same must not suffer.
      stream.destroy(error as Error);
      return;
    }
    if (stream.writableLength > congestedFrom && stream.writableNeedDrain) connection.isCongested = true;
  }

  /** Sends a ping or a pong. @throws RangeError if the payload is longer than 125 octets. */
  sendControl(kind: 'ping' | 'pong', payload: Uint8Array, masked: boolean, callback?: SendCallback): void {
    demandControlLength(payload.length);
    if (this.queue !== null) {
      const own = Buffer.from(payload);
      const pending = pendingSend(callback);
      this.#enqueue(own.length, () => this.#whileOpen(pending, () => this.connection[kind](own, masked)));
      return;
    }
    this.connection[kind](payload, masked);
    this.#written(pendingSend(callback));
  }

  /** As {@link sendControl}, in its turn, with a payload that must be read first. */
  sendBlobControl(kind: 'ping' | 'pong', blob: Blob, masked: boolean, callback?: SendCallback): void {
    demandControlLength(blob.size);
    this.#enqueueBlob(blob, callback, (octets, pending) =>
      this.#whileOpen(pending, () => this.connection[kind](octets, masked)),
    );
  }

  /** Sends our close frame behind all that was sent before, and waits for the peer's for at most `closeTimeout`. */
  close(code?: number, reason?: string | Uint8Array): void {
    if (this.queue !== null) {
      this.#enqueue(0, () => this.#sendClose(code, reason));
    } else {
      this.#sendClose(code, reason);
    }
    this.#closing().handle('closeBegun');
  }

  /** Ends our side of the stream if the closing handshake is complete or the connection failed. */
  endIfDone(): void {
    const { state } = this.connection;
    if (state === 'closed' || state === 'failed') this.#end();
  }

  /** Stops the reading, behind the message that is being delivered. What the peer sends then waits in the kernel. */
  pause(): void {
    this.isPausedByOwner = true;
    // Nothing more is delivered then, but the stream must flow to its end.
    if (!this.connection.isReceiving) return;
    this.connection.isSuspended = true;
    this.stream.pause();
  }

  /** Goes on reading, on a later tick. */
  resume(): void {
    this.isPausedByOwner = false;
    this.scheduleResume();
  }

  /** Ends the connection at once and without a close frame; what was sent before is still handed to the kernel. */
  destroy(): void {
    this.flush();
    this.connection.isSuspended = true;
    this.undelivered?.cancelPending();
    this.#recordEnd();
    this.undelivered = null;
    this.stream.destroy();
  }

  /** Hands all that was sent to the stream, in one write. */
  flush(): void {
    this.isDirty = false;
    const { connection } = this;
    if (connection.outgoingLength === 0) return;
    const { writer } = connection;
    const { stream, callbacks } = this;
    this.callbacks = null;
    if (!stream.writable) {
      writer.discard();
      if (callbacks !== null) process.nextTick(callAll, callbacks, notWritable());
      return;
    }
    const done =
      callbacks === null
        ? this.onWritten
        : (error?: Error | null) => {
            callAll(callbacks, error ?? undefined);
            this.onWritten?.();
          };
    let isForKernel = false;
    try {
      const isNodes = isNodeSocket(stream);
      // Node passes a chunk on later where others wait before it. A function that was put in its way meanwhile would get a slab.
      isForKernel = isNodes && writesAtOnce(stream);
      if (isForKernel) {
        writeAll(stream, writer.takeOne() ?? writer.take(), done);
      } else {
        const chunks = isNodes ? writer.takeUnpooled() : writer.takeCopy();
        // Before the write, inside which a stream in memory may deliver the answer, and this connection write again.
        if (!writer.isRead) connection.releaseWriter();
        writeAll(stream, chunks, done);
      }
    } catch (error) {
      // A stream that is not a socket may throw from its write(). The others that are flushed in this tick must not suffer.
      if (callbacks !== null) process.nextTick(callAll, callbacks, error as Error);
      stream.destroy(error as Error);
      return;
    }
    // Nothing left behind in a socket: the kernel has the octets, and the slab can be used again.
    const waiting = stream.writableLength;
    if (waiting === 0 && isForKernel) connection.releaseWriter();
    else if (waiting > congestedFrom && stream.writableNeedDrain) connection.isCongested = true;
  }

  #releaseWritten(): void {
    const { stream } = this;
    if (stream.writableLength === 0 && !stream.destroyed && isNodeSocket(stream)) this.connection.releaseWriter();
  }

  // From here on: what the connection tells.

  /** @internal */
  message(data: MessageData, isBinary: boolean): void {
    if (data.length > copyUpTo) deliveredMemory = (data as Buffer).buffer;
    if (this.settings.defersEvents) this.#deliverOnePerTurn(() => this.owner[onMessage](data, isBinary));
    else this.owner[onMessage](data, isBinary);
  }

  /** @internal */
  ping(payload: Buffer): void {
    if (this.settings.defersEvents) this.#deliverOnePerTurn(() => this.owner[onPing](payload));
    else this.owner[onPing](payload);
  }

  /** @internal */
  pong(payload: Buffer): void {
    if (this.settings.defersEvents) this.#deliverOnePerTurn(() => this.owner[onPong](payload));
    else this.owner[onPong](payload);
  }

  /** @internal */
  closeReceived(code: number, reason: Buffer): void {
    // What waits for a Blob was sent before this, and goes out before our close frame does (§5.5.1).
    if (this.queue !== null) this.#enqueue(0, () => this.#echoClose(code, reason));
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

  #undelivered(): Undelivered {
    this.undelivered ??= new Undelivered(this);
    return this.undelivered;
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
    // On a later tick, because the caller has not finished. The stream will not emit 'close' again.
    if (hasClosed) afterTick(() => this.streamClosed());
  }

  /** @internal Runs a delivery that is not a chunk, as {@link receive} runs one. An error of a listener becomes an uncaught exception. */
  runEvent(deliver: () => void): void {
    this.isInEvent = true;
    setCurrent(this);
    try {
      deliver();
    } catch (thrown) {
      process.nextTick(rethrow, thrown);
    } finally {
      deliveredMemory = null;
      setCurrent(null);
      this.isInEvent = false;
      this.#flushAfterEvent();
    }
  }

  #flushAfterEvent(): void {
    if (this.connection.outgoingLength === 0 || this.isDirty) return;
    this.isDirty = true;
    flushAfterEvent(this);
  }

  // From here on: what the stream tells.

  /** @internal */
  receive(chunk: Buffer): void {
    if (this.isInEvent || (this.undelivered !== null && !this.undelivered.isEmpty)) {
      // Reached only for streams that ignore pause() or that emit 'data' synchronously inside write().
      this.#undelivered().append(chunk);
      return;
    }
    const { connection } = this;
    this.isInEvent = true;
    setCurrent(this);
    try {
      connection.receive(chunk);
    } finally {
      deliveredMemory = null;
      setCurrent(null);
      this.isInEvent = false;
      if (connection.isReceiving && (connection.offset < chunk.length || this.undelivered?.hasRemainder)) {
        this.#undelivered().putBack(chunk.subarray(connection.offset));
      }
      this.#flushAfterEvent();
      if (!connection.isReceiving) this.#stopReading();
    }
  }

  /** @internal */
  drained(): void {
    const { connection } = this;
    this.#releaseWritten();
    if (!connection.isCongested) return;
    connection.isCongested = false;
    connection.sendOwedPong();
    this.flush();
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
    this.closing?.handle('finished');
  }

  #recordEnd(): void {
    this.#closing().recordEnd(this.connection.state);
    this.connection.receiveEnd();
  }

  /** @internal */
  streamFailed(error: Error): void {
    this.owner[onStreamError](error);
    this.owner[onEnding]();
    this.undelivered?.cancelPending();
    // Most streams have destroyed themselves.
    this.stream.destroy();
  }

  /** @internal */
  streamClosed(): void {
    const { stream } = this;
    stopListeningTo(stream);
    this.owner[onEnding]();
    this.#deliverAll();
    if (this.undelivered?.holdBackClose()) return;
    const { connection } = this;
    this.#recordEnd();
    this.deflating?.cancel();
    const lostOctets = this.bufferedAmount;
    connection.discardOutgoing();
    this.closing?.handle('closed');
    const { callbacks } = this;
    this.callbacks = null;
    if (callbacks !== null) callAll(callbacks, notWritable());
    this.owner[onClosed](this.closing?.wasClean ?? false, lostOctets);
  }

  /** Delivers everything that was received before the end of the stream, also if the owner has paused. */
  #deliverAll(): void {
    const { connection } = this;
    // If the stream ends while an event is being delivered, deliver nothing here; the remaining octets are processed after that event.
    while (connection.isReceiving && !this.isInEvent) if (!this.#undelivered().deliverNext()) return;
  }

  /** @internal Receives where what a listener throws must not reach the caller: it is an uncaught exception all the same. */
  receiveGuarded(chunk: Buffer): void {
    try {
      this.receive(chunk);
    } catch (thrown) {
      process.nextTick(rethrow, thrown);
    }
  }

  #echoClose(code: number, reason: Buffer): void {
    this.connection.echoClose(code, reason);
    this.#written();
    this.endIfDone();
  }

  #sendClose(code?: number, reason?: string | Uint8Array): void {
    this.connection.close(code, reason);
    this.#written();
    this.endIfDone();
  }

  /** After the peer's close frame or a failure nothing is read, but the stream must flow to its end. */
  #stopReading(): void {
    this.undelivered?.takeRemainder();
    this.endIfDone();
    this.stream.resume();
  }

  #closing(): ClosingState {
    this.closing ??= new ClosingState(this);
    return this.closing;
  }

  /** Ends our side of the stream, or leaves that to the server for a time. */
  #end(): void {
    this.flush();
    const isClient = this.settings.role === 'client';
    this.#closing().handle(isClient && this.connection.state === 'closed' ? 'doneAsClient' : 'done');
  }

  /** @internal The close timer has fired. */
  destroyStream(): void {
    this.undelivered?.cancelPending();
    this.stream.destroy();
  }

  /** Frames have been written: they leave at the end of the event or of the tick, or of the poll phase if they were sent to many. */
  #written(pending?: PendingSend, isForMany = false): void {
    if (pending !== undefined) {
      if (this.callbacks === null) this.callbacks = [pending];
      else this.callbacks.push(pending);
    }
    if (this.connection.outgoingLength >= flushFrom) {
      this.flush();
    } else if (!this.isDirty && !this.isInEvent) {
      this.isDirty = true;
      if (isForMany) flushAtEndOfPoll(this);
      else flushAtEndOfTick(this);
    }
  }

  /** Whether a message is compressed, and takes so long that it is not done at once. */
  #deflatesOnThreadPool(data: string | Uint8Array, compresses: boolean): boolean {
    return data.length > deflatedAtOnce && this.connection.compresses(data, compresses);
  }

  /** Sends what has waited for its turn. */
  #sendQueued(
    data: string | Uint8Array,
    isBinary: boolean,
    fin: boolean,
    masked: boolean,
    compresses: boolean,
    pending: PendingSend | undefined,
  ): void | Promise<void> {
    const { connection } = this;
    // What cannot be sent any more need not be compressed.
    if (!this.stream.writable || !this.#deflatesOnThreadPool(data, compresses)) {
      this.#whileOpen(pending, () => connection.send(data, isBinary, fin, masked, compresses));
      return;
    }
    // Octets are ours already.
    const octets = typeof data === 'string' ? Buffer.from(data) : asBuffer(data);
    return this.#deflateOnThreadPool(octets, fin).then(
      (deflated) =>
        this.#whileOpen(pending, () => connection.sendDeflated(deflated, octets, isBinary, fin, masked, true)),
      (error) => this.#failToSend(error as Error, pending),
    );
  }

  #deflateOnThreadPool(octets: Buffer, fin: boolean): Promise<Buffer> {
    const { settings } = this;
    this.queue!.waitsFor = compressing;
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, deflated?: Buffer) => {
        this.deflating = null;
        if (deflated === undefined) reject(error);
        else resolve(deflated);
      };
      const work = deflateOnThreadPool(
        octets,
        settings.deflate!.threadPoolDeflateOptions,
        settings.concurrencyLimit,
        done,
        fin,
      );
      this.deflating = {
        cancel: () => {
          work.cancel();
          done(closedWhile(compressing));
        },
      };
    });
  }

  #enqueueBlob(
    blob: Blob,
    callback: SendCallback | undefined,
    write: (octets: Uint8Array, pending: PendingSend | undefined) => void | Promise<void>,
  ): void {
    const pending = pendingSend(callback);
    this.#enqueue(blob.size, async () => {
      let octets: Uint8Array;
      this.queue!.waitsFor = readingBlob;
      try {
        octets = new Uint8Array(await blob.arrayBuffer());
      } catch (cause) {
        this.#failToSend(cause, pending, 'The Blob could not be read');
        return;
      }
      await write(octets, pending);
    });
  }

  /** A message that is missing would not be noticed: the connection ends with it. */
  #failToSend(cause: unknown, pending?: PendingSend, message = 'A message could not be sent'): void {
    const error = cause instanceof Error ? cause : new Error(message, { cause });
    if (pending !== undefined) callAll([pending], error);
    // If the connection has ended meanwhile nobody has to be told that it does.
    if (this.stream.destroyed || this.connection.state === 'ended') return;
    this.destroy();
    this.owner[onFailure](error);
  }

  #enqueue(octets: number, job: () => void | Promise<void>): void {
    const queue = this.queue;
    if (queue !== null) {
      queue.octets += octets;
      queue.jobs.push({ octets, job });
      return;
    }
    this.queue = { octets, jobs: [{ octets, job }], waitsFor: readingBlob };
    this.connection.holdsClose = true;
    void this.#work(this.queue);
  }

  async #work(queue: SendQueue): Promise<void> {
    const { jobs } = queue;
    // Not shift(), whose cost grows with the queue, nor an iterator: jobs are added meanwhile.
    for (let at = 0; at < jobs.length; at++) {
      const { job, octets } = jobs[at]!;
      jobs[at] = done;
      try {
        await job();
      } catch (thrown) {
        // What a listener throws must not stop the queue, nor become an unhandled rejection.
        process.nextTick(rethrow, thrown);
      }
      queue.octets -= octets;
    }
    this.queue = null;
    this.connection.holdsClose = false;
  }

  #whileOpen(pending: PendingSend | undefined, write: () => void): void {
    let error: Error | undefined;
    if (this.stream.writable) {
      try {
        write();
      } catch (thrown) {
        error = thrown as Error;
      }
    } else {
      error = closedWhile(this.queue!.waitsFor);
    }
    if (error === undefined) this.#written(pending);
    else if (pending !== undefined) callAll([pending], error);
  }

  /** Delivers one event, and the next in a later turn: behind whatever immediates the listener has asked for. */
  #deliverOnePerTurn(deliver: () => void): void {
    this.connection.isSuspended = true;
    try {
      deliver();
    } finally {
      if (!this.isPausedByOwner) afterPoll(resumeDeferred, this);
    }
  }

  /** @internal Continues reading on a later tick. */
  scheduleResume(): void {
    if (this.isResumeScheduled) return;
    this.isResumeScheduled = true;
    afterTick(resumeDeferred, this);
  }

  /** @internal */
  continueReading(): void {
    this.isResumeScheduled = false;
    if (this.isPausedByOwner || this.stream.destroyed) return;
    this.connection.isSuspended = false;
    const { undelivered } = this;
    if (undelivered?.isPending) {
      undelivered.deliverPending();
      return;
    }
    const chunk = undelivered?.takeRemainder() ?? null;
    try {
      if (chunk !== null) this.receive(chunk);
    } finally {
      // Also if a listener threw at the last message: otherwise the stream would stay paused.
      this.#flow();
    }
  }

  /** As {@link continueReading}, where what a listener throws must not reach the caller. */
  #continueGuarded(): void {
    try {
      this.continueReading();
    } catch (thrown) {
      process.nextTick(rethrow, thrown);
    }
  }

  /** Resumes the stream, unless something received before is still to be delivered. */
  #flow(): void {
    if (this.connection.isSuspended || (this.undelivered !== null && !this.undelivered.isEmpty)) return;
    this.undelivered = null;
    this.stream.resume();
  }
}

function resumeDeferred(transport: Transport): void {
  transport.continueReading();
}

function asBuffer(octets: Uint8Array): Buffer {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
}

/** Writes chunks to a stream at once: with Node's own sockets, in one call of the kernel. */
function writeAll(stream: Duplex, chunks: Uint8Array | readonly Uint8Array[], done: WriteCallback | undefined): void {
  // Not instanceof: in Jest with jsdom a Buffer is no instance of the global Uint8Array.
  if (ArrayBuffer.isView(chunks)) {
    if (done === undefined) stream.write(chunks);
    else stream.write(chunks, done);
    return;
  }
  const last = chunks.length - 1;
  stream.cork();
  for (let i = 0; i < last; i++) stream.write(chunks[i]!);
  stream.write(chunks[last]!, done);
  stream.uncork();
}

function demandControlLength(length: number): void {
  if (length > 125) throw new RangeError('The data size must not be greater than 125 bytes');
}

/** What waits its turn to be sent. */
interface SendQueue {
  octets: number;
  readonly jobs: { readonly octets: number; readonly job: () => void | Promise<void> }[];
  /** Clause of the error for those that have waited in vain; the words are those of `ws`. */
  waitsFor: string;
}

const readingBlob = 'the blob was being read';
const compressing = 'data was being compressed';

/** Stands in the place of a job that is done, so that it can be collected. */
const done = { octets: 0, job: () => {} };

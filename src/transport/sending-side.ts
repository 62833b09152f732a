import type { Duplex } from 'node:stream';
import type { Connection } from '../connection/connection.ts';
import { afterTick } from '../event-loop/after-tick.ts';
import { copyUpTo } from '../frame/frame-writer.ts';
import { joinChunks } from '../frame/join-chunks.ts';
import type { MessageData } from '../message/message-decoder.ts';
import type { PreparedMessage } from '../message/prepared-message.ts';
import { InFlight } from './in-flight.ts';
import { isNodeSocket, writesAtOnce } from './node-socket.ts';
import { callAll, notWritable, type PendingSend, pendingSend, type SendCallback } from './send-callback.ts';
import { deflatesOnThreadPool, maxDeflatedAtOnce, SendQueue, type SendQueueHost } from './send-queue.ts';
import { expectClose } from './stream-listeners.ts';
import type { TransportSettings } from './transport-settings.ts';
import { type Flushable, flushAfterEvent, flushAtEndOfPoll, flushAtEndOfTick, setCurrent } from './write-batching.ts';

/** Minimum number of outgoing octets that are written without waiting for the flush point: 256 KiB. */
const minFlushedAtOnce = 262_144;
/** Octets that wait for the peer to read, above which only the latest ping is answered: 64 KiB. */
const maxUncongested = 65_536;

type WriteCallback = (error?: Error | null) => void;

/** Memory of the large message that is being delivered; null if there is none. */
let deliveredMemory: ArrayBufferLike | null = null;

/**
 * The sending side of a transport: what is sent now and what is queued, and when it is written. Everything that one event or tick has
 * sent leaves in one write (docs/performance.md).
 *
 * A base class, and not an object that a transport holds, because another object would cost memory for every idle connection.
 */
export abstract class SendingSide implements Flushable, SendQueueHost {
  abstract readonly stream: Duplex;
  abstract readonly connection: Connection;
  // Plain fields, and no #private methods: CONTRIBUTING.md, "Privacy".
  /** True while this connection is queued to be flushed. */
  private isDirty = false;
  /** True while a data event of this connection runs. */
  protected isInEvent = false;
  /** Callbacks of sends that are not written yet. */
  private callbacks: PendingSend[] | null = null;
  /** Payload that the stream holds; null if there is none. */
  private inFlight: InFlight | null = null;
  /** Sends that wait for a Blob or for zlib, and everything sent behind them; null if there are none. */
  protected queue: SendQueue | null = null;

  get settings(): TransportSettings {
    return this.connection.settings as TransportSettings;
  }

  /**
   * Number of octets that this connection holds because they are not sent yet, for limits of memory. Framing is included, but a message or
   * control frame in the queue counts with its payload only.
   */
  get heldOctets(): number {
    return this.connection.outgoingLength + this.stream.writableLength + (this.queue?.octets ?? 0);
  }

  /**
   * Number of payload octets of messages that were given to be sent and that the kernel does not have: without framing, before compression
   * (WHATWG WebSockets §3.1). Frames that were encoded elsewhere count as they are.
   */
  get bufferedAmount(): number {
    const inFlight = this.inFlight?.payload(this.stream.writableLength) ?? 0;
    return this.connection.outgoingPayload + inFlight + (this.queue?.payload ?? 0);
  }

  abstract sendFailed(error: Error): void;

  /** Sends a message or a fragment of one. Text may be given as UTF-8. */
  send(
    data: string | Uint8Array,
    isBinary: boolean,
    fin: boolean,
    masked: boolean,
    compresses: boolean,
    callback?: SendCallback,
  ): void {
    const { connection } = this;
    if (
      this.queue !== null ||
      (connection.settings.deflate !== null && deflatesOnThreadPool(connection, data, compresses))
    ) {
      this.sendQueue().send(data, isBinary, fin, masked, compresses, callback);
      return;
    }
    connection.send(data, isBinary, fin, masked, compresses);
    this.written(pendingSend(callback));
    // Flushed because the application may use its buffer again. The kernel copies what it takes at once, and Node keeps the rest, as with
    // ws. A message that is passed on while it is delivered lies in memory that is not used again, so it need not be flushed.
    if (typeof data !== 'string' && data.length > copyUpTo && !masked && data.buffer !== deliveredMemory) this.flush();
  }

  /** Sends a Blob as a message or a fragment. What is sent after it waits until the Blob is read. */
  sendBlob(
    blob: Blob,
    isBinary: boolean,
    fin: boolean,
    masked: boolean,
    compresses: boolean,
    callback?: SendCallback,
  ): void {
    this.sendQueue().sendBlob(blob, isBinary, fin, masked, compresses, callback);
  }

  /**
   * Sends a message that was prepared for many connections, which share its octets. It leaves at the end of the poll phase, with other
   * prepared messages.
   * @throws Error while a fragmented message is being sent, or if nothing can be sent.
   */
  sendPrepared(message: PreparedMessage, callback?: SendCallback): void {
    const { connection } = this;
    const { octets, isBinary, compresses } = message;
    const { deflate, role } = this.settings;
    const isCompressed = connection.compresses(octets, compresses);
    // Not shared if the frame is masked with a key of its own, or compressed with a context of its own.
    if (role === 'client' || (isCompressed && deflate!.takesContextOver)) {
      const masked = role === 'client';
      if (this.queue !== null) {
        this.queue.sendUnfragmented(message, masked, callback);
        return;
      }
      connection.demandUnfragmented();
      this.send(octets, isBinary, true, masked, compresses, callback);
      return;
    }
    const variant = isCompressed ? deflate : null;
    if (this.queue !== null || (octets.length > maxDeflatedAtOnce && !message.has(variant))) {
      this.sendQueue().sendPrepared(message, variant, callback);
      return;
    }
    connection.sendEncoded(message.frame(variant), octets.length);
    this.written(pendingSend(callback), true);
  }

  /** Sends encoded frames in order and unchanged. */
  sendRaw(frames: readonly Uint8Array[], callback?: SendCallback): void {
    if (this.queue !== null) {
      this.queue.sendRaw(frames, callback);
      return;
    }
    for (const frame of frames) this.connection.sendRaw(frame);
    this.written(pendingSend(callback));
    if (frames.some(({ length }) => length > copyUpTo)) this.flush();
  }

  /**
   * Writes encoded frames to the stream in this call, behind everything sent before. If sends are queued, the frames join the queue
   * instead. Many connections share the octets, which must never change. Node's own sockets get them by reference, other streams a copy.
   * @throws Error while a fragmented message is being sent, or if nothing can be sent.
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
      // Otherwise an error of this stream would keep the frames from the other connections.
      this.destroyExpectingClose(error as Error);
      return;
    }
    noteCongestion(stream, connection);
    if (stream.writableLength > 0) {
      const octets = frames.reduce((sum, { length }) => sum + length, 0);
      this.record().add(octets, octets);
    }
  }

  /** Sends a ping or a pong. @throws RangeError if the payload is longer than 125 octets. */
  sendControl(kind: 'ping' | 'pong', payload: Uint8Array, masked: boolean, callback?: SendCallback): void {
    assertControlLength(payload.length);
    if (this.queue !== null) {
      this.queue.sendControl(kind, payload, masked, callback);
      return;
    }
    this.connection[kind](payload, masked);
    this.written(pendingSend(callback));
  }

  /** Reads the payload from a Blob, then calls {@link sendControl}. */
  sendBlobControl(kind: 'ping' | 'pong', blob: Blob, masked: boolean, callback?: SendCallback): void {
    assertControlLength(blob.size);
    this.sendQueue().sendBlobControl(kind, blob, masked, callback);
  }

  /** Hands everything that was sent to the stream, in one write. Throws nothing. */
  flush(): void {
    this.isDirty = false;
    const { connection } = this;
    const octets = connection.outgoingLength;
    if (octets === 0) return;
    const { writer } = connection;
    const { stream, callbacks } = this;
    const { payloadLength } = writer;
    this.callbacks = null;
    if (!stream.writable) {
      if (payloadLength > 0) this.record().lose(payloadLength);
      writer.discard();
      if (callbacks !== null) afterTick(callAll, callbacks, notWritable());
      return;
    }
    this.forgetSent();
    const isNodes = isNodeSocket(stream);
    // A TLS socket never writes at once. Otherwise each would keep its slab while it is idle.
    const isReleasedLater = isNodes && isEncrypted(stream);
    const done =
      callbacks === null && !isReleasedLater
        ? undefined
        : (error?: Error | null) => {
            // Node gives no error for a write that was pending when reading failed, although its octets may be lost.
            if (callbacks !== null) callAll(callbacks, error ?? stream.errored ?? undefined);
            if (isReleasedLater) this.releaseWritten();
          };
    let isForKernel = false;
    try {
      // A slab only if Node passes the chunk on at once. Otherwise a function that is put in its way meanwhile would get the slab.
      isForKernel = isNodes && writesAtOnce(stream);
      if (isForKernel) {
        writeAll(stream, writer.takeOne() ?? writer.take(), done);
      } else {
        const chunks = isNodes ? writer.takeUnpooled() : writer.takeCopy();
        // Released before the write: inside it a stream in memory may deliver the answer, and this connection may write again.
        if (!writer.isRead) connection.releaseWriter();
        writeAll(stream, chunks, done);
      }
    } catch (error) {
      // Otherwise an error of this stream would keep the other connections from being flushed in this tick.
      if (callbacks !== null) afterTick(callAll, callbacks, error as Error);
      this.destroyExpectingClose(error as Error);
      return;
    }
    // If nothing waits in the socket, the kernel has the octets, and the slab can be used again.
    if (stream.writableLength === 0 && isForKernel) {
      connection.releaseWriter();
      return;
    }
    noteCongestion(stream, connection);
    if (stream.writableLength > 0) this.record().add(octets, payloadLength);
  }

  /** @internal */
  drained(): void {
    const { connection } = this;
    this.releaseWritten();
    if (!connection.isCongested) return;
    connection.isCongested = false;
    try {
      connection.sendOwedPong();
    } finally {
      // Also if the application's own pong() throws.
      this.flush();
    }
  }

  /** @internal */
  queueStarted(queue: SendQueue): void {
    this.queue = queue;
    this.connection.holdsClose = true;
  }

  /** @internal */
  queueEmptied(): void {
    this.queue = null;
    this.connection.holdsClose = false;
  }

  /**
   * @internal Frames were written to the outgoing batch. Schedules the flush: at the end of the event or tick, or of the poll phase if the
   * frames were sent to many connections.
   */
  written(pending?: PendingSend, isForMany = false): void {
    if (pending !== undefined) {
      if (this.callbacks === null) this.callbacks = [pending];
      else this.callbacks.push(pending);
    }
    if (this.connection.outgoingLength >= minFlushedAtOnce) {
      this.flush();
    } else if (!this.isDirty && !this.isInEvent) {
      this.isDirty = true;
      if (isForMany) flushAtEndOfPoll(this);
      else flushAtEndOfTick(this);
    }
  }

  /** Discards everything that was not sent, because the stream is closed. Returns the number of octets, and fails the callbacks. */
  protected discardUnsent(): number {
    this.queue?.cancel();
    const lostOctets = this.bufferedAmount;
    this.connection.discardOutgoing();
    const { callbacks } = this;
    this.callbacks = null;
    if (callbacks !== null) callAll(callbacks, notWritable());
    return lostOctets;
  }

  /** Destroys the stream. What it holds is lost; it still counts as buffered. */
  protected destroyUnsent(): void {
    this.inFlight?.freeze(this.stream.writableLength);
    this.destroyExpectingClose();
  }

  /** Destroys the stream. It counts as closed after `closeTimeout` if it does not close. */
  protected destroyExpectingClose(error?: Error): void {
    this.stream.destroy(error);
    expectClose(this.stream, this.settings.closeTimeout);
  }

  /** Records which memory is being delivered, until the end of the data event. */
  protected noteDelivery(data: MessageData): void {
    if (data.length > copyUpTo) deliveredMemory = (data as Buffer).buffer;
  }

  /** Begins a data event. What is sent in it is flushed at its end. */
  protected beginEvent(): void {
    this.isInEvent = true;
    setCurrent(this);
  }

  /** Ends a data event. {@link flushAfterEvent} has to follow. */
  protected endEvent(): void {
    deliveredMemory = null;
    setCurrent(null);
    this.isInEvent = false;
  }

  /** Schedules the flush of what a data event has sent. */
  protected flushAfterEvent(): void {
    if (this.connection.outgoingLength === 0 || this.isDirty) return;
    this.isDirty = true;
    flushAfterEvent(this);
  }

  /** Returns the queue, or a new one, which calls {@link queueStarted} with its first job. */
  protected sendQueue(): SendQueue {
    return this.queue ?? new SendQueue(this);
  }

  /** Returns the record of what the stream holds, or a new one. */
  private record(): InFlight {
    this.inFlight ??= new InFlight();
    return this.inFlight;
  }

  /** Forgets flushes that the kernel has taken. Otherwise an idle connection would keep the memory of their record. */
  private forgetSent(): void {
    if (this.inFlight?.isEmpty(this.stream.writableLength)) this.inFlight = null;
  }

  /** Releases the slab of a connection if the kernel has all of its octets. */
  private releaseWritten(): void {
    const { stream, connection } = this;
    this.forgetSent();
    if (stream.writableLength === 0 && !stream.destroyed && isNodeSocket(stream)) connection.releaseWriter();
  }
}

/** Sets `isCongested` if the peer does not read. */
function noteCongestion(stream: Duplex, connection: Connection): void {
  if (stream.writableLength > maxUncongested && stream.writableNeedDrain) connection.isCongested = true;
}

/** True for a TLS socket of Node. */
function isEncrypted(stream: Duplex): boolean {
  return (stream as { readonly encrypted?: unknown }).encrypted === true;
}

/** Writes chunks to a stream at once: with Node's own sockets, in one system call. */
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

function assertControlLength(length: number): void {
  if (length > 125) throw new RangeError('The data size must not be greater than 125 bytes');
}

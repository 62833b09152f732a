import {
  constants,
  createDeflateRaw,
  createInflateRaw,
  type DeflateRaw,
  type InflateRaw,
  type ZlibOptions,
} from 'node:zlib';
import { afterTick } from '../event-loop/after-tick.ts';
import { defaultMaxFinalBlocks, inflatePieces } from '../extension/deflate-messages.ts';
import { type ZlibJob, ZlibTurn } from '../extension/zlib-concurrency.ts';
import { CloseCode } from '../frame/close-code.ts';
import { ProtocolError } from '../frame/protocol-error.ts';

/** Receives the result of a call, or its error. */
export type ZlibCallback = (error: Error | null, data?: Buffer) => void;

/** One call: a message, or a part of one. */
export interface ZlibCall {
  /** Must not be changed before the callback was called. */
  readonly data: Buffer;
  /** True if the message ends with this call. */
  readonly fin: boolean;
  readonly callback: ZlibCallback;
}

/** Settings for all calls of a direction. */
export interface ZlibSettings {
  /** zlib options with the agreed window. */
  readonly zlib: ZlibOptions;
  /** True if the window is kept from message to message (RFC 7692 §7.1.1). */
  readonly takesContextOver: boolean;
  /**
   * Maximum number of running calls in this process, including this one, when a call of this direction starts.
   * Positive.
   */
  readonly concurrencyLimit: number;
}

/** Last bytes of a sync flush: not sent (RFC 7692 §7.2.1), and appended before inflating (§7.2.2). */
const tail = Buffer.of(0x00, 0x00, 0xff, 0xff);

const noOctets: Buffer = Buffer.alloc(0);

/**
 * One direction of a connection: its zlib stream, created for the first message, and the queued calls. Callbacks are
 * called in order, once each, and always asynchronously. An error ends the message and its window; later calls start
 * with a new stream.
 */
abstract class ZlibDirection<Stream extends DeflateRaw | InflateRaw> implements ZlibJob {
  /** The stream with its window; null before the first message, and after an error. */
  stream: Stream | null = null;
  protected readonly settings: ZlibSettings;
  readonly #turn: ZlibTurn;
  #output: Buffer[] = [];
  /** Calls without a result, the running call first. */
  #calls: ZlibCall[] = [];
  #isUnderway = false;
  #isWaiting = false;

  constructor(settings: ZlibSettings, direction: 'deflate' | 'inflate') {
    this.settings = settings;
    this.#turn = new ZlibTurn(this, direction, settings.concurrencyLimit);
  }

  /** Queues a call. */
  add(call: ZlibCall): void {
    this.#calls.push(call);
    if (!this.#isUnderway && !this.#isWaiting) this.#wait();
  }

  run(): void {
    this.#isWaiting = false;
    this.#isUnderway = true;
    this.write(this.call.data);
  }

  /** Never called, because a call keeps its slot until it has its result. */
  restart(): void {}

  /** Frees the stream and calls every pending callback with an error, synchronously. */
  close(message: string): void {
    const calls = this.#calls;
    this.#calls = [];
    this.endMessage();
    this.dropStream();
    this.#isUnderway = false;
    this.#isWaiting = false;
    this.#turn.end();
    for (const { callback } of calls) {
      try {
        callback(new Error(message));
      } catch (error) {
        // Otherwise the remaining callbacks would not be called. The exception is uncaught, as for any other callback.
        afterTick(() => {
          throw error;
        });
      }
    }
  }

  protected abstract create(options: ZlibOptions): Stream;

  /** The running call. */
  protected get call(): ZlibCall {
    return this.#calls[0] as ZlibCall;
  }

  /**
   * Writes data of the call to the stream, which is created if needed. Completes the call when all output has arrived.
   */
  protected write(data: Buffer): void {
    const { call } = this;
    try {
      const stream = this.#open();
      this.feed(stream, data);
      stream.flush(constants.Z_SYNC_FLUSH, (error?: Error | null) => {
        // An error has its own event. This callback also gets one if the stream is closed during a flush.
        if (!error && stream === this.stream) this.complete();
      });
    } catch (error) {
      // zlib rejects an option, or has no memory. The caller may have returned long ago, so the callback gets the
      // error.
      afterTick(() => this.call === call && this.fail(error as Error));
    }
  }

  protected feed(stream: Stream, data: Buffer): void {
    stream.write(data);
  }

  protected collect(chunk: Buffer): void {
    this.#output.push(chunk);
  }

  protected complete(): void {
    const output = Buffer.concat(this.#output);
    const { fin } = this.call;
    if (fin) {
      this.endMessage();
      if (!this.settings.takesContextOver) this.stream?.reset();
    }
    this.#output = [];
    this.#answer(null, this.trim(output, fin));
  }

  /** Returns the result of a call, given its output. */
  protected trim(output: Buffer, _fin: boolean): Buffer {
    return output;
  }

  protected fail(error: Error): void {
    this.endMessage();
    this.dropStream();
    this.#answer(error);
  }

  /** Resets the state at the end of a message, also after an error. */
  protected endMessage(): void {
    this.#output = [];
  }

  protected dropStream(): void {
    this.stream?.close();
    this.stream = null;
  }

  #open(): Stream {
    if (this.stream !== null) return this.stream;
    const stream = this.create(this.settings.zlib);
    // Events of a discarded stream are ignored.
    stream.on('data', (chunk: Buffer) => stream === this.stream && this.collect(chunk));
    stream.on('error', (error) => stream === this.stream && this.fail(error));
    this.stream = stream;
    return stream;
  }

  #wait(): void {
    this.#isWaiting = true;
    this.#turn.request(this.call.data.length);
  }

  #answer(error: Error | null, data?: Buffer): void {
    const { callback } = this.#calls.shift() as ZlibCall;
    this.#isUnderway = false;
    // The next call starts before the callback, which may throw. The next result cannot arrive in this turn of the
    // event loop.
    this.#turn.end();
    if (this.#calls.length > 0) this.#wait();
    callback(error, data);
  }
}

/** Compresses messages (RFC 7692 §7.2.1). */
export class DeflateDirection extends ZlibDirection<DeflateRaw> {
  constructor(settings: ZlibSettings) {
    super(settings, 'deflate');
  }

  protected create(options: ZlibOptions): DeflateRaw {
    return createDeflateRaw(options);
  }

  /** "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end" (§7.2.1), which is the end of the message. */
  protected override trim(output: Buffer, fin: boolean): Buffer {
    return fin ? output.subarray(0, -tail.length) : output;
  }
}

/**
 * Inflates messages (RFC 7692 §7.2.2), and fails if a message is longer than `maxPayload` bytes. Values below 1 mean
 * unlimited.
 */
export class InflateDirection extends ZlibDirection<InflateRaw> {
  readonly #maxPayload: number;
  /** Inflated length of the current message so far, over all its parts. */
  #messageLength = 0;
  #finalBlocks = 0;
  /** Last input of the stream, and below the number of bytes that the stream had read before it. */
  #input = noOctets;
  #inputStart = 0;

  constructor(settings: ZlibSettings, maxPayload: number) {
    super(settings, 'inflate');
    this.#maxPayload = maxPayload;
  }

  protected create(options: ZlibOptions): InflateRaw {
    const stream = createInflateRaw(options);
    stream.on('error', blamePeer);
    stream.on('end', () => stream === this.stream && this.#endStream(stream));
    return stream;
  }

  protected override feed(stream: InflateRaw, data: Buffer): void {
    this.#input = data;
    this.#inputStart = stream.bytesWritten;
    super.feed(stream, data);
    if (this.call.fin) stream.write(tail);
  }

  protected override collect(chunk: Buffer): void {
    this.#messageLength += chunk.length;
    if (this.#maxPayload < 1 || this.#messageLength <= this.#maxPayload) super.collect(chunk);
    else this.fail(new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', this.#messageLength, this.#maxPayload));
  }

  protected override endMessage(): void {
    super.endMessage();
    this.#messageLength = 0;
    this.#finalBlocks = 0;
    this.#input = noOctets;
  }

  /**
   * Continues after a block with BFINAL has ended the stream, which is only another way to flush (§7.2.3.4). The rest
   * of the message is inflated by a new stream with an empty window. zlib cannot pass the window on, and the compressor
   * began a new stream too.
   */
  #endStream(stream: InflateRaw): void {
    const rest = this.#input.subarray(stream.bytesWritten - this.#inputStart);
    this.dropStream();
    if (rest.length === 0) this.complete();
    else this.#continueWith(rest);
  }

  /** Inflates the short pieces at the beginning, but for the last piece, whose window the next call may need. */
  #continueWith(rest: Buffer): void {
    const { windowBits = 15 } = this.settings.zlib;
    const maxLength = this.#maxPayload < 1 ? Number.POSITIVE_INFINITY : this.#maxPayload - this.#messageLength;
    const maxPieces = defaultMaxFinalBlocks - this.#finalBlocks;
    const { pieces, end, lastStart } = inflatePieces(rest, windowBits, maxLength, maxPieces);
    const isLast = end === rest.length;
    const complete = isLast ? pieces.slice(0, -1) : pieces;
    for (const piece of complete) this.collect(piece);
    this.#finalBlocks += complete.length + 1;
    if (this.#finalBlocks <= defaultMaxFinalBlocks) this.write(rest.subarray(isLast ? lastStart : end));
    else this.fail(blamePeer(new Error(`A message has more than ${defaultMaxFinalBlocks} final blocks`)));
  }
}

/** Adds the close code for failing the connection (RFC 6455 §7.4.1), because the peer caused the error. */
function blamePeer<Cause extends Error>(error: Cause): Cause {
  return Object.assign(error, { closeCode: CloseCode.invalidPayloadData });
}

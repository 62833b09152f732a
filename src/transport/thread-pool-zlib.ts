import { createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib';
import { afterTick } from '../event-loop/after-tick.ts';
import { blamePeer, inflatePieces, levelOfLarge, tooManyFinalBlocks } from '../extension/deflate-messages.ts';
import type { EndpointDeflate } from '../extension/endpoint-deflate.ts';
import { InflateError } from '../extension/inflate-error.ts';
import {
  deflateStreamOptions,
  endOfMessage,
  finalTail,
  inflateStreamOptions,
  type RawDeflateOptions,
  type RawInflateOptions,
  withoutTail,
} from '../extension/raw-zlib.ts';
import { sliceSize, type ZlibDirection, type ZlibJob, ZlibTurn } from '../extension/zlib-concurrency.ts';
import { ProtocolError } from '../frame/protocol-error.ts';
import { inflatedAtOnce } from '../message/message-decoder.ts';
import type { PreparedMessage } from '../message/prepared-message.ts';
import { Utf8Validator } from '../message/utf8-validator.ts';

/** Receives the result or the error. Called once, unless the job is cancelled, and never synchronously. */
export type ThreadPoolCallback = (error: Error | null, octets?: Buffer) => void;

/** A zlib job on Node's thread pool. */
export interface ThreadPoolJob {
  /** Ends the job without a callback. Its memory is freed as soon as zlib can be stopped. */
  cancel(): void;
}

/**
 * Options of all streams. With a high-water mark of one octet, a stream stops behind each chunk of output until it is
 * read.
 */
const streamOptions = { chunkSize: sliceSize, readableHighWaterMark: 1 } as const;

const noOctets = Buffer.alloc(0);

/**
 * A zlib job for one message. It holds a zlib slot for one call of zlib at a time, which writes at most
 * {@link sliceSize} octets: each output chunk is read from the stream, and each input slice written, in a turn of its own.
 */
abstract class Job<Stream extends DeflateRaw | InflateRaw> implements ThreadPoolJob, ZlibJob {
  protected stream: Stream | null = null;
  protected octets: Buffer;
  protected output: Buffer[] = [];
  readonly #turn: ZlibTurn;
  #callback: ThreadPoolCallback | null;
  /** Number of octets that were written to the stream. */
  #written = 0;
  /** True if the stream has taken its input and waits for more. */
  #takesInput = false;
  /** True while {@link run} is on the stack. */
  #isRunning = false;
  #hasSlot = false;

  constructor(octets: Buffer, direction: ZlibDirection, concurrencyLimit: number, callback: ThreadPoolCallback) {
    this.octets = octets;
    this.#callback = callback;
    this.#turn = new ZlibTurn(this, direction, concurrencyLimit > 0 ? concurrencyLimit : Number.POSITIVE_INFINITY);
  }

  /** True if the callback was called, or the job was cancelled. */
  protected get hasFinished(): boolean {
    return this.#callback === null;
  }

  /** Queues the job for its first slot. */
  request(): void {
    this.#turn.request(this.length);
  }

  run(): void {
    this.#hasSlot = true;
    this.#isRunning = true;
    try {
      if (this.stream === null) this.start();
      else this.#collectNext(this.stream);
      // The stream may have called back while it was read.
      if (this.#takesInput) this.#feed();
    } catch (error) {
      afterTick(() => this.finish(error as Error));
    }
    this.#isRunning = false;
  }

  restart(): void {
    this.stream?.destroy();
    this.stream = null;
    this.output = [];
  }

  cancel(): void {
    this.#callback = null;
    this.restart();
    this.octets = noOctets;
    this.#turn.end();
  }

  protected finish(error: Error | null, octets?: Buffer): void {
    const callback = this.#callback;
    if (callback === null) return;
    this.cancel();
    callback(error, octets);
  }

  /** Makes a stream the job's own, which gets {@link octets} in slices. Events of the stream before it are ignored. */
  protected use(stream: Stream): void {
    stream.on('readable', () => stream === this.stream && this.giveWay());
    stream.on('error', (error) => stream === this.stream && this.finish(error));
    stream.on('end', () => stream === this.stream && this.ended(stream));
    this.stream = stream;
    this.#written = 0;
    this.#takesInput = true;
  }

  #collectNext(stream: Stream): void {
    const chunk: Buffer | null = stream.read();
    if (chunk !== null) this.collect(chunk);
  }

  #feed(): void {
    const { stream, octets } = this;
    if (stream === null) return;
    const start = this.#written;
    const end = Math.min(start + this.maxInput, octets.length);
    this.#written = end;
    this.#takesInput = false;
    const slice = start === 0 && end === octets.length ? octets : octets.subarray(start, end);
    if (end === octets.length) {
      this.feedLast(stream, slice);
      return;
    }
    stream.write(slice, (error?: Error | null) => {
      if (stream !== this.stream || error) return;
      this.#takesInput = true;
      if (!this.#isRunning) this.giveWay();
    });
  }

  /** Gives the slot to others, if this job has it. */
  protected giveWay(): void {
    if (!this.#hasSlot) return;
    this.#hasSlot = false;
    this.#turn.giveWay(this.length);
  }

  protected collect(chunk: Buffer): void {
    this.output.push(chunk);
  }

  /** Maximum octets that the stream gets at a time. */
  protected abstract readonly maxInput: number;
  /** Length of the message as far as is known: the longer one of its two forms. */
  protected abstract get length(): number;
  protected abstract start(): void;
  protected abstract feedLast(stream: Stream, octets: Buffer): void;
  protected abstract ended(stream: Stream): void;
}

class DeflateJob extends Job<DeflateRaw> {
  /** 256 KiB, of which text makes about one chunk. With a quarter of it, more turns of the jobs that run would cost a tenth. */
  protected readonly maxInput = 4 * sliceSize;
  readonly #options: RawDeflateOptions;

  readonly #fin: boolean;

  constructor(
    octets: Buffer,
    options: RawDeflateOptions,
    concurrencyLimit: number,
    callback: ThreadPoolCallback,
    fin: boolean,
  ) {
    super(octets, 'deflate', concurrencyLimit, callback);
    this.#options = options;
    this.#fin = fin;
  }

  protected get length(): number {
    return this.octets.length;
  }

  protected start(): void {
    this.use(createDeflateRaw({ ...deflateStreamOptions(this.#options), ...streamOptions }));
  }

  protected feedLast(stream: DeflateRaw, octets: Buffer): void {
    stream.end(octets);
  }

  protected ended(): void {
    const deflated = Buffer.concat(this.output);
    // The end of a flush is removed only at the end of a message (§7.2.1), as on the main thread.
    this.finish(null, this.#fin ? withoutTail(deflated) : deflated);
  }
}

/**
 * Compresses a message or a fragment (RFC 7692 §7.2.1) on the thread pool, with an empty window.
 * @param octets Must not change until `callback` is called.
 * @param fin True if the message ends with these octets.
 */
export function deflateOnThreadPool(
  octets: Buffer,
  options: RawDeflateOptions,
  concurrencyLimit: number,
  callback: ThreadPoolCallback,
  fin = true,
): ThreadPoolJob {
  const level = options.level ?? levelOfLarge;
  const job = new DeflateJob(octets, { ...options, level }, concurrencyLimit, callback, fin);
  job.request();
  return job;
}

/** Running preparations, by message and by variant of compression. */
const preparing = new WeakMap<PreparedMessage, Map<unknown, Promise<void>>>();

/**
 * Compresses a prepared message on the thread pool, once for all connections that send it. It cannot be cancelled, because other
 * connections may wait for the same result.
 */
export function prepareOnThreadPool(
  message: PreparedMessage,
  deflate: EndpointDeflate,
  concurrencyLimit: number,
): Promise<void> {
  let variants = preparing.get(message);
  if (variants === undefined) {
    variants = new Map();
    preparing.set(message, variants);
  }
  let variant = variants.get(deflate.variant);
  if (variant === undefined) {
    const others = variants;
    variant = new Promise((resolve, reject) => {
      deflateOnThreadPool(message.octets, deflate.threadPoolDeflateOptions, concurrencyLimit, (error, deflated) => {
        // On success the message holds the frame. After an error the next send has to be able to try again.
        others.delete(deflate.variant);
        if (deflated === undefined) {
          reject(error);
          return;
        }
        message.keep(deflate, deflated);
        resolve();
      });
    });
    variants.set(deflate.variant, variant);
  }
  return variant;
}

/** Limits for the result of inflating one message. */
export interface InflateLimits {
  /** Maximum length in octets. `Infinity` disables the limit. */
  readonly maxLength: number;
  /** True if the result must be UTF-8. */
  readonly isText: boolean;
  /** Maximum number of final blocks. `Infinity` disables the limit. */
  readonly maxFinalBlocks: number;
}

class InflateJob extends Job<InflateRaw> {
  protected readonly maxInput = sliceSize;
  readonly #options: RawInflateOptions;
  /** The whole message. Behind a block with BFINAL, {@link octets} is the rest of it. */
  #message: Buffer;
  readonly #maxLength: number;
  readonly #maxFinalBlocks: number;
  readonly #utf8: Utf8Validator | null;
  #length = 0;
  #finalBlocks = 0;

  constructor(
    octets: Buffer,
    options: RawInflateOptions,
    { maxLength, isText, maxFinalBlocks }: InflateLimits,
    concurrencyLimit: number,
    callback: ThreadPoolCallback,
  ) {
    super(octets, 'inflate', concurrencyLimit, callback);
    this.#message = octets;
    this.#options = options;
    this.#maxLength = maxLength;
    this.#maxFinalBlocks = maxFinalBlocks;
    this.#utf8 = isText ? new Utf8Validator() : null;
  }

  protected get length(): number {
    return Math.max(this.#length, this.#message.length, inflatedAtOnce);
  }

  protected start(): void {
    this.octets = this.#message;
    this.#length = 0;
    this.#finalBlocks = 0;
    this.#utf8?.reset();
    this.#open(this.#options);
  }

  #open(options: RawInflateOptions): void {
    this.use(createInflateRaw({ ...inflateStreamOptions(options), ...streamOptions }));
  }

  protected feedLast(stream: InflateRaw, octets: Buffer): void {
    stream.write(octets);
    stream.end(finalTail);
  }

  protected override collect(chunk: Buffer): void {
    this.#length += chunk.length;
    if (this.#length > this.#maxLength)
      this.finish(new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', this.#length, this.#maxLength));
    else if (this.#utf8 !== null && !this.#utf8.push(chunk, 0, chunk.length))
      this.finish(new ProtocolError('WS_ERR_INVALID_UTF8'));
    else super.collect(chunk);
  }

  protected ended(stream: InflateRaw): void {
    const left = this.octets.length + finalTail.length - stream.bytesWritten;
    try {
      const { rest } = endOfMessage(left);
      if (rest > 0) this.#continueBehind(rest);
      else this.#complete();
    } catch (error) {
      this.finish(error as Error);
    }
  }

  #complete(): void {
    if (this.#utf8 !== null && !this.#utf8.isComplete) this.finish(new ProtocolError('WS_ERR_INVALID_UTF8'));
    else this.finish(null, Buffer.concat(this.output, this.#length));
  }

  /** Inflates the octets behind a block with BFINAL, as is done on the main thread: in a new stream, if they are not short. */
  #continueBehind(rest: number): void {
    this.stream?.destroy();
    this.stream = null;
    const { windowBits } = this.#options;
    const octets = this.octets.subarray(this.octets.length - rest);
    const maxPieces = this.#maxFinalBlocks - this.#finalBlocks;
    const { pieces, end } = inflatePieces(octets, windowBits, this.#maxLength - this.#length, maxPieces);
    this.#finalBlocks += pieces.length;
    for (const piece of pieces) if (!this.hasFinished) this.collect(piece);
    if (this.hasFinished) return;
    if (end === octets.length) {
      this.#complete();
      return;
    }
    if (++this.#finalBlocks > this.#maxFinalBlocks) throw tooManyFinalBlocks(this.#maxFinalBlocks);
    this.octets = octets.subarray(end);
    this.#open({ windowBits });
    this.giveWay();
  }

  override cancel(): void {
    super.cancel();
    this.#message = noOctets;
  }

  protected override finish(error: Error | null, octets?: Buffer): void {
    super.finish(error === null ? null : toPeerError(error, this.#length), octets);
  }
}

/**
 * Returns the error to fail the connection with. An error that is not the peer's is reported as a message that is too long, as where a
 * message is assembled: it must end this connection only.
 */
function toPeerError(error: Error, octets: number): Error {
  const blamed = error instanceof ProtocolError ? error : blamePeer(error);
  if (blamed instanceof ProtocolError || blamed instanceof InflateError) return blamed;
  return new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', octets, undefined, { cause: error });
}

/**
 * Inflates a message (RFC 7692 §7.2.2) on the thread pool. The job ends at the first 64 KiB of output that pass the limit, or that are not
 * UTF-8 if `limits.isText`. The error is a ProtocolError, or an InflateError if the octets are not DEFLATE.
 * @param octets Must not change until `callback` is called.
 */
export function inflateOnThreadPool(
  octets: Buffer,
  options: RawInflateOptions,
  limits: InflateLimits,
  concurrencyLimit: number,
  callback: ThreadPoolCallback,
): ThreadPoolJob {
  const job = new InflateJob(octets, options, limits, concurrencyLimit, callback);
  job.request();
  return job;
}

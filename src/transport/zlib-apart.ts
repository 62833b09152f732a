import { createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib';
import { blamePeer, levelOfLarge, maxFinalBlocks, tooManyFinalBlocks } from '../extension/deflate-messages.ts';
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
import { endTurn, type TurnWaiter, waitForTurn } from '../extension/zlib-turns.ts';
import { ProtocolError } from '../frame/protocol-error.ts';
import type { PreparedMessage } from '../message/prepared-message.ts';
import { Utf8Validator } from '../message/utf8-validator.ts';

/** Gets what came of it, or the error that it ended with; called once, and never before the function that it was given to has returned. */
export type ApartCallback = (error: Error | null, octets?: Buffer) => void;

/** Work of zlib on Node's thread pool. */
export interface ApartWork {
  /** Ends it without a callback, and frees what it holds as soon as zlib is at a point where it can be stopped. */
  cancel(): void;
}

/** What comes out of zlib at a time. */
const chunkSize = 65_536;

const noOctets = Buffer.alloc(0);

/** One message that zlib works at, from its turn on until it is answered or given up. */
abstract class Work<Stream extends DeflateRaw | InflateRaw> implements ApartWork, TurnWaiter {
  readonly concurrencyLimit: number;
  nextWaiter: TurnWaiter | null = null;
  protected stream: Stream | null = null;
  protected octets: Buffer;
  protected output: Buffer[] = [];
  #callback: ApartCallback | null;
  #hasTurn = false;

  constructor(octets: Buffer, concurrencyLimit: number, callback: ApartCallback) {
    this.octets = octets;
    this.#callback = callback;
    this.concurrencyLimit = concurrencyLimit > 0 ? concurrencyLimit : Number.POSITIVE_INFINITY;
  }

  begin(): boolean {
    if (this.#callback === null) return false;
    this.#hasTurn = true;
    try {
      this.start();
    } catch (error) {
      process.nextTick(() => this.finish(error as Error));
    }
    return true;
  }

  cancel(): void {
    this.#callback = null;
    this.stream?.destroy();
    this.stream = null;
    this.octets = noOctets;
    this.output = [];
    if (!this.#hasTurn) return;
    this.#hasTurn = false;
    endTurn();
  }

  protected finish(error: Error | null, octets?: Buffer): void {
    const callback = this.#callback;
    if (callback === null) return;
    this.cancel();
    callback(error, octets);
  }

  /** Takes a stream, whose events are this work's until it takes another one. */
  protected use(stream: Stream): Stream {
    stream.on('data', (chunk: Buffer) => stream === this.stream && this.collect(chunk));
    stream.on('error', (error) => stream === this.stream && this.finish(error));
    stream.on('end', () => stream === this.stream && this.ended(stream));
    this.stream = stream;
    return stream;
  }

  protected collect(chunk: Buffer): void {
    this.output.push(chunk);
  }

  protected abstract start(): void;
  protected abstract ended(stream: Stream): void;
}

class DeflateWork extends Work<DeflateRaw> {
  readonly #options: RawDeflateOptions;

  readonly #fin: boolean;

  constructor(
    octets: Buffer,
    options: RawDeflateOptions,
    concurrencyLimit: number,
    callback: ApartCallback,
    fin: boolean,
  ) {
    super(octets, concurrencyLimit, callback);
    this.#options = options;
    this.#fin = fin;
  }

  protected start(): void {
    this.use(createDeflateRaw({ ...deflateStreamOptions(this.#options), chunkSize })).end(this.octets);
  }

  protected ended(): void {
    const deflated = Buffer.concat(this.output);
    // As where it is done at once: the end of a flush is left out at the end of a message only (§7.2.1).
    this.finish(null, this.#fin ? withoutTail(deflated) : deflated);
  }
}

/**
 * Compresses a message (RFC 7692 §7.2.1), or a fragment of one, on the thread pool, with an empty window.
 * @param octets Must not change until `callback` is called.
 * @param fin Whether the message ends with it.
 */
export function deflateApart(
  octets: Buffer,
  options: RawDeflateOptions,
  concurrencyLimit: number,
  callback: ApartCallback,
  fin = true,
): ApartWork {
  const level = options.level ?? levelOfLarge;
  const work = new DeflateWork(octets, { ...options, level }, concurrencyLimit, callback, fin);
  waitForTurn(work);
  return work;
}

/** What is being prepared, by the message and how it is compressed. */
const preparing = new WeakMap<PreparedMessage, Map<unknown, Promise<void>>>();

/** Has a message compressed on the thread pool: once, whoever else waits for it. No connection can cancel it, as all have a part in it. */
export function prepareApart(
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
      deflateApart(message.octets, deflate.optionsApart, concurrencyLimit, (error, deflated) => {
        // The frame is with the message now; and who sends it later may have better luck.
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

/** What a message may inflate to. */
export interface InflateLimits {
  /** Octets; `Infinity` is no limit. */
  readonly maxLength: number;
  /** Whether it must be UTF-8. */
  readonly isText: boolean;
}

class InflateWork extends Work<InflateRaw> {
  #options: RawInflateOptions;
  readonly #maxLength: number;
  readonly #utf8: Utf8Validator | null;
  #length = 0;
  #finalBlocks = 0;

  constructor(
    octets: Buffer,
    options: RawInflateOptions,
    { maxLength, isText }: InflateLimits,
    concurrencyLimit: number,
    callback: ApartCallback,
  ) {
    super(octets, concurrencyLimit, callback);
    this.#options = options;
    this.#maxLength = maxLength;
    this.#utf8 = isText ? new Utf8Validator() : null;
  }

  protected start(): void {
    const stream = this.use(createInflateRaw({ ...inflateStreamOptions(this.#options), chunkSize }));
    stream.write(this.octets);
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
      if (rest > 0) this.#goOn(rest);
      else if (this.#utf8 !== null && !this.#utf8.isComplete) this.finish(new ProtocolError('WS_ERR_INVALID_UTF8'));
      else this.finish(null, Buffer.concat(this.output, this.#length));
    } catch (error) {
      this.finish(error as Error);
    }
  }

  /** Behind a block with BFINAL the message goes on in a stream of its own, as where it is inflated at once. */
  #goOn(rest: number): void {
    if (++this.#finalBlocks > maxFinalBlocks) throw tooManyFinalBlocks();
    this.stream?.destroy();
    this.octets = this.octets.subarray(this.octets.length - rest);
    this.#options = { windowBits: this.#options.windowBits };
    this.start();
  }

  protected override finish(error: Error | null, octets?: Buffer): void {
    super.finish(error === null ? null : peersError(error, this.#length), octets);
  }
}

/** What is not the peer's doing is that so much was wanted: as where a message is assembled, it ends the connection only. */
function peersError(error: Error, octets: number): Error {
  const blamed = error instanceof ProtocolError ? error : blamePeer(error);
  if (blamed instanceof ProtocolError || blamed instanceof InflateError) return blamed;
  return new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', octets, undefined, { cause: error });
}

/**
 * Inflates a message (RFC 7692 §7.2.2) on the thread pool. It ends with the first 64 KiB that pass the limit, or are not UTF-8 where that
 * is asked: the error is a ProtocolError, or an InflateError for what is not DEFLATE.
 * @param octets Must not change until `callback` is called.
 */
export function inflateApart(
  octets: Buffer,
  options: RawInflateOptions,
  limits: InflateLimits,
  concurrencyLimit: number,
  callback: ApartCallback,
): ApartWork {
  const work = new InflateWork(octets, options, limits, concurrencyLimit, callback);
  waitForTurn(work);
  return work;
}

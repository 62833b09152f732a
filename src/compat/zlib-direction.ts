import {
  constants,
  createDeflateRaw,
  createInflateRaw,
  type DeflateRaw,
  type InflateRaw,
  type ZlibOptions,
} from 'node:zlib';
import { releaseZlibSlot, requestZlibSlot, type ZlibJob } from '../extension/zlib-concurrency.ts';
import { CloseCode } from '../frame/close-code.ts';
import { ProtocolError } from '../frame/protocol-error.ts';

/** Gets the octets that a call gave, or the error that it ended with. */
export type ZlibCallback = (error: Error | null, data?: Buffer) => void;

/** One call: a message, or a part of one. */
export interface ZlibCall {
  /** Must not be changed before the call has been answered. */
  readonly data: Buffer;
  /** Whether it ends its message. */
  readonly fin: boolean;
  readonly callback: ZlibCallback;
}

/** What holds for all calls of a direction. */
export interface ZlibSettings {
  /** zlib's options. The window among them is the one that was agreed. */
  readonly zlib: ZlibOptions;
  /** Whether the window is carried on from message to message (RFC 7692 §7.1.1). */
  readonly takesContextOver: boolean;
  /** Maximum number of zlib calls that run at once in this process for one of this direction to begin; positive. */
  readonly concurrencyLimit: number;
}

/** The octets with which a sync flush ends: not sent (RFC 7692 §7.2.1), and put back before inflating (§7.2.2). */
const tail = Buffer.of(0x00, 0x00, 0xff, 0xff);

/** Each costs a new stream, for as little as two octets. Who compresses in final blocks at all has one in a message or fragment. */
const maxFinalBlocks = 1024;

const noOctets: Buffer = Buffer.alloc(0);

/**
 * One direction of a connection: its zlib stream, there from the first message on, and the calls that wait for it. Calls are answered in
 * order, each once, and none before it has returned. An error ends the message and its window; the calls behind it begin anew.
 */
abstract class ZlibDirection<Stream extends DeflateRaw | InflateRaw> implements ZlibJob {
  readonly concurrencyLimit: number;
  nextJob: ZlibJob | null = null;
  /** The stream with its window; null before the first message, and again after an error. */
  stream: Stream | null = null;
  readonly #settings: ZlibSettings;
  #output: Buffer[] = [];
  /** What has not been answered, the call under way first. */
  #calls: ZlibCall[] = [];
  #isUnderway = false;
  #isWaiting = false;

  constructor(settings: ZlibSettings) {
    this.#settings = settings;
    this.concurrencyLimit = settings.concurrencyLimit;
  }

  /** Takes a call in. */
  add(call: ZlibCall): void {
    this.#calls.push(call);
    if (!this.#isUnderway && !this.#isWaiting) this.#wait();
  }

  begin(): boolean {
    this.#isWaiting = false;
    const [call] = this.#calls;
    if (call === undefined) return false;
    this.#isUnderway = true;
    this.write(call.data);
    return true;
  }

  /** Frees what zlib holds and answers every call with an error, at once. */
  close(message: string): void {
    const calls = this.#calls;
    this.#calls = [];
    this.endMessage();
    this.dropStream();
    if (this.#isUnderway) {
      this.#isUnderway = false;
      releaseZlibSlot();
    }
    for (const { callback } of calls) {
      try {
        callback(new Error(message));
      } catch (error) {
        // The others are to be answered too. It is reported as it is when any other callback throws.
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }

  protected abstract create(options: ZlibOptions): Stream;

  /** The call under way. */
  protected get call(): ZlibCall {
    return this.#calls[0] as ZlibCall;
  }

  /** Gives octets of the call to the stream, which is opened if there is none, and completes the call when all has come out. */
  protected write(data: Buffer): void {
    const { call } = this;
    try {
      const stream = this.#open();
      this.feed(stream, data);
      stream.flush(constants.Z_SYNC_FLUSH, (error?: Error | null) => {
        // An error has its own event. It comes here too when the stream is closed with a flush pending.
        if (!error && stream === this.stream) this.complete();
      });
    } catch (error) {
      // zlib does not take an option, or has no memory. Whoever made the call may have left long ago, so that it is for the callback.
      process.nextTick(() => this.call === call && this.fail(error as Error));
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
      if (!this.#settings.takesContextOver) this.stream?.reset();
    }
    this.#output = [];
    this.#answer(null, this.trim(output, fin));
  }

  /** What is the answer to a call, of the octets that came out. */
  protected trim(output: Buffer, _fin: boolean): Buffer {
    return output;
  }

  protected fail(error: Error): void {
    this.endMessage();
    this.dropStream();
    this.#answer(error);
  }

  /** The message has ended, be it by an error. */
  protected endMessage(): void {
    this.#output = [];
  }

  protected dropStream(): void {
    this.stream?.close();
    this.stream = null;
  }

  #open(): Stream {
    if (this.stream !== null) return this.stream;
    const stream = this.create(this.#settings.zlib);
    // Events of a stream that has been dropped are nobody's any more.
    stream.on('data', (chunk: Buffer) => stream === this.stream && this.collect(chunk));
    stream.on('error', (error) => stream === this.stream && this.fail(error));
    this.stream = stream;
    return stream;
  }

  #wait(): void {
    this.#isWaiting = true;
    requestZlibSlot(this);
  }

  #answer(error: Error | null, data?: Buffer): void {
    const { callback } = this.#calls.shift() as ZlibCall;
    this.#isUnderway = false;
    // The next call begins before the callback, which may throw. It is not answered before this turn of the event loop is over.
    releaseZlibSlot();
    if (this.#calls.length > 0) this.#wait();
    callback(error, data);
  }
}

/** Compresses (RFC 7692 §7.2.1). */
export class DeflateDirection extends ZlibDirection<DeflateRaw> {
  protected create(options: ZlibOptions): DeflateRaw {
    return createDeflateRaw(options);
  }

  /** "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end" (§7.2.1), which is the end of the message. */
  protected override trim(output: Buffer, fin: boolean): Buffer {
    return fin ? output.subarray(0, -tail.length) : output;
  }
}

/** Inflates (RFC 7692 §7.2.2), and stops where a message becomes longer than `maxPayload` octets; less than 1 is no limit. */
export class InflateDirection extends ZlibDirection<InflateRaw> {
  readonly #maxPayload: number;
  /** What has come out of the message so far, in all its parts. */
  #messageLength = 0;
  #finalBlocks = 0;
  /** What the stream was given last, and how much it had taken in before. */
  #input = noOctets;
  #inputStart = 0;

  constructor(settings: ZlibSettings, maxPayload: number) {
    super(settings);
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
   * The stream has ended behind a block with BFINAL, which is no more than another way to flush (§7.2.3.4): what follows of the message
   * is inflated as it would be else, in a stream of its own. The window goes with the stream: zlib cannot hand it on, and who compresses
   * so has begun anew too.
   */
  #endStream(stream: InflateRaw): void {
    const rest = this.#input.subarray(stream.bytesWritten - this.#inputStart);
    this.dropStream();
    if (rest.length === 0) this.complete();
    else if (++this.#finalBlocks <= maxFinalBlocks) this.write(rest);
    else this.fail(blamePeer(new Error(`A message has more than ${maxFinalBlocks} final blocks`)));
  }
}

/** Marks an error as the peer's, and says with which close code the connection is to be failed (RFC 6455 §7.4.1). */
function blamePeer<Cause extends Error>(error: Cause): Cause {
  return Object.assign(error, { closeCode: CloseCode.invalidPayloadData });
}

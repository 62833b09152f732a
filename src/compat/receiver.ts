import { Writable } from 'node:stream';
import { setImmediate } from 'node:timers';
import { parseClosePayload } from '../connection/close-payload.ts';
import type { FrameHeader } from '../frame/frame.ts';
import { FrameDecoder, type FrameSink } from '../frame/frame-decoder.ts';
import { Opcode } from '../frame/opcode.ts';
import { ProtocolError } from '../frame/protocol-error.ts';
import { type MessageData, MessageDecoder } from '../message/message-decoder.ts';
import { limit } from './limit.ts';

// The class is undocumented in ws, and still there are endpoints that are built on it. Our WebSocket does not use it: it reads
// without a stream of its own between the socket and the decoders, see src/transport/.

/** What a {@link Receiver} needs of permessage-deflate: the class `PerMessageDeflate` has it. */
export interface ReceiverExtension {
  decompress(data: Buffer, fin: boolean, callback: (error: Error | null, octets?: Buffer) => void): void;
}

/** What a {@link Receiver} needs to know. */
export interface ReceiverOptions {
  /** Whether several events may be emitted in one turn of the event loop. Default true. */
  allowSynchronousEvents?: boolean | undefined;
  /** How binary messages are delivered. Default "nodebuffer". */
  binaryType?: 'nodebuffer' | 'arraybuffer' | 'blob' | 'fragments' | undefined;
  /** The running extensions by name. */
  extensions?: { 'permessage-deflate'?: ReceiverExtension | undefined } | undefined;
  /** Whether it is the server's end, and frames have to be masked (§5.1). Default false. */
  isServer?: boolean | undefined;
  /** Chunks that may bring one part of a frame; 0, the default, is no limit. */
  maxBufferedChunks?: number | undefined;
  /** Fragments that a message may have; 0, the default, is no limit. */
  maxFragments?: number | undefined;
  /** Octets that a message may have; 0, the default, is no limit. */
  maxPayload?: number | undefined;
  /** Do not check that text is UTF-8. Default false. */
  skipUTF8Validation?: boolean | undefined;
}

type Callback = (error?: Error | null) => void;

const noOctets = Buffer.alloc(0);
// In Jest with jsdom there is no global setImmediate.
const nextTurn = setImmediate;
/** The bits of {@link FrameSink.data} for octets of which nothing is known. */
const maybeNotAscii = -1;

/**
 * Octets to messages: the class that `ws` exports, a Writable over our decoders. It emits `message` (data, isBinary), `ping` (data), `pong`
 * (data) and `conclude` (code, reason) for the peer's close frame, after which it ends; a `ProtocolError` destroys it. The callback
 * of a write comes when all of it was delivered. What is written to a server's is copied: it is unmasked.
 *
 * What a listener throws leaves `write`, or is an uncaught exception where nobody waits in `write`; what follows is delivered.
 * Its fields with an underscore are those of `ws` that packages look at, and set; what is set holds from the next frame or message on.
 */
export class Receiver extends Writable {
  _allowSynchronousEvents: boolean;
  _binaryType: NonNullable<ReceiverOptions['binaryType']>;
  _extensions: NonNullable<ReceiverOptions['extensions']>;
  _skipUTF8Validation: boolean;
  readonly _isServer: boolean;

  readonly #frames: FrameDecoder;
  /** Puts messages together. */
  #messages: MessageDecoder;
  /** Puts the payload of a compressed frame together. */
  readonly #payloads: MessageDecoder;
  readonly #sink: FrameSink;
  /** Whether text is checked in the message begun. */
  #validates: boolean;
  #isCompressed = false;
  /** Octets to which the compressed message begun has been inflated. */
  #inflatedLength = 0;

  #chunk: Buffer = noOctets;
  #offset = 0;
  #callback: Callback | null = null;
  /** Whether `write` runs and has not come to `_write` yet. */
  #isInWrite = false;
  #isInEvent = false;
  /** Whether an answer of the extension, or the next turn of the event loop, has to come before decoding goes on. */
  #isHeld = false;
  /** Whether this is a turn of the event loop that no event has had yet. */
  #isNewTurn = false;
  #hasConcluded = false;

  /** Limits are numbers; what is below 1, or no number, is no limit. */
  constructor(options: ReceiverOptions = {}) {
    super();
    this._allowSynchronousEvents = options.allowSynchronousEvents ?? true;
    this._binaryType = options.binaryType ?? 'nodebuffer';
    this._extensions = options.extensions ?? {};
    this._isServer = Boolean(options.isServer);
    this._skipUTF8Validation = Boolean(options.skipUTF8Validation);
    this.#frames = new FrameDecoder({
      role: this._isServer ? 'server' : 'client',
      maxPayload: limit(options.maxPayload ?? 0),
      maxFragments: limit(options.maxFragments ?? 0),
      maxBufferedChunks: limit(options.maxBufferedChunks ?? 0),
    });
    this.#validates = !this._skipUTF8Validation;
    this.#messages = this.#createMessages();
    this.#payloads = new MessageDecoder({ message: (payload) => this.#inflate(payload as Buffer) });
    this.#sink = {
      control: (header, octets, start, end) => this.#control(header, octets, start, end),
      data: (header, octets, start, end, seen) => this.#data(header, octets, start, end, seen),
      dataBegin: (header, available) => this.#dataBegin(header, available),
      dataPart: (octets, start, end, key) => this.#decoder.part(this.#frames, octets, start, end, key),
      dataEnd: (header) => this.#decoder.end(this.#isCompressed ? wholeOf(header) : header),
    };
  }

  /** Octets that a message may have; 0 is no limit. */
  get _maxPayload(): number {
    return this.#frames.maxPayload;
  }

  set _maxPayload(octets: number) {
    this.#frames.maxPayload = limit(octets);
  }

  /** Fragments that a message may have; 0 is no limit. */
  get _maxFragments(): number {
    return this.#frames.maxFragments;
  }

  set _maxFragments(fragments: number) {
    this.#frames.maxFragments = limit(fragments);
  }

  /** Chunks that may bring one part of a frame; 0 is no limit. */
  get _maxBufferedChunks(): number {
    return this.#frames.maxBufferedChunks;
  }

  set _maxBufferedChunks(chunks: number) {
    this.#frames.maxBufferedChunks = limit(chunks);
  }

  override write(...chunk: unknown[]): boolean {
    this.#isInWrite = true;
    try {
      return super.write(...(chunk as [unknown]));
    } finally {
      this.#isInWrite = false;
    }
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    const isInWrite = this.#isInWrite;
    this.#isInWrite = false;
    this.#chunk = this._isServer ? Buffer.from(chunk) : chunk;
    this.#offset = 0;
    this.#callback = callback;
    try {
      this.#proceed();
    } catch (error) {
      if (isInWrite) throw error;
      // A Writable that comes back to what it has buffered never does so again where that throws.
      process.nextTick(() => {
        throw error;
      });
    }
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#messages.discard();
    this.#payloads.discard();
    callback(error);
    // A write that is under way is not answered by the stream itself.
    if (this.#isHeld) this.#finish(error ?? destroyedError());
  }

  /** Goes on with the chunk, until it is at its end or something has to be waited for; `first` is what was waited for. */
  #proceed(first?: () => void): void {
    this.#isHeld = false;
    this.#isNewTurn = first !== undefined;
    try {
      first?.();
      this.#isNewTurn = false;
      // Nothing is looked at behind a close frame (§5.5.1).
      while (!this.#isHeld && !this.#hasConcluded && !this.destroyed && this.#offset < this.#chunk.length) {
        this.#frames.allowRsv1 = this._extensions['permessage-deflate'] !== undefined;
        this.#offset = this.#frames.decode(this.#chunk, this.#offset, this.#sink);
      }
    } catch (error) {
      if (!this.#isInEvent) {
        this.#finish(error as Error);
        return;
      }
      // A listener that throws loses nothing but its own event.
      this.#isInEvent = false;
      this.#offset = this.#frames.offset;
      process.nextTick(() => this.#proceed());
      throw error;
    }
    if (!this.#isHeld) this.#finish(null);
  }

  /** The chunk has been taken, or cannot be. */
  #finish(error: Error | null): void {
    const callback = this.#callback;
    this.#isHeld = false;
    this.#chunk = noOctets;
    this.#callback = null;
    if (this.#hasConcluded) this.end();
    callback?.(error);
  }

  /** What takes the payload of the frame begun. */
  get #decoder(): MessageDecoder {
    return this.#isCompressed ? this.#payloads : this.#messages;
  }

  #createMessages(): MessageDecoder {
    const sink = { message: (data: MessageData, isBinary: boolean) => this.#message(data, isBinary) };
    return new MessageDecoder(sink, { skipUTF8Validation: !this.#validates });
  }

  #data(header: FrameHeader, octets: Uint8Array, start: number, end: number, seen: number): boolean {
    this.#begin(header);
    if (this.#isCompressed) return this.#inflate(octets.subarray(start, end) as Buffer);
    return this.#messages.frame(header, octets, start, end, seen);
  }

  #dataBegin(header: FrameHeader, available: number): void {
    this.#begin(header);
    this.#decoder.begin(this.#isCompressed ? wholeOf(header) : header, available);
  }

  /** A frame begins, and with it perhaps a message. */
  #begin(header: FrameHeader): void {
    if (header.opcode === Opcode.continuation) return;
    this.#isCompressed = header.rsv1;
    if (this.#validates === this._skipUTF8Validation) {
      this.#validates = !this._skipUTF8Validation;
      this.#messages = this.#createMessages();
    }
    this.#messages.keepsFragments = isList(this._binaryType);
  }

  /** Inflates the payload of a frame, which is the one that has just ended; what comes behind it waits. */
  #inflate(payload: Buffer): boolean {
    const { opcode, fin } = this.#frames;
    let answer: (() => void) | null = null;
    let hasReturned = false;
    this.#isHeld = true;
    this._extensions['permessage-deflate']!.decompress(payload, fin, (error, octets = noOctets) => {
      if (answer !== null) return;
      answer = () => this.#inflated({ opcode, fin, rsv1: false, length: octets.length }, octets, error);
      if (hasReturned && !this.destroyed) this.#proceed(answer);
    });
    hasReturned = true;
    if (answer === null) return false;
    this.#isHeld = false;
    (answer as () => void)();
    return !this.#isHeld;
  }

  #inflated(header: FrameHeader, octets: Buffer, error: Error | null): void {
    if (error) throw error;
    this.#inflatedLength += header.length;
    const { maxPayload } = this.#frames;
    if (maxPayload !== 0 && this.#inflatedLength > maxPayload) {
      throw new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', this.#inflatedLength, maxPayload);
    }
    if (header.fin) this.#inflatedLength = 0;
    this.#messages.frame(header, octets, 0, header.length, maybeNotAscii);
  }

  #message(data: MessageData, isBinary: boolean): boolean {
    return this.#deliver('message', isBinary ? this.#asBinaryType(data) : data, isBinary);
  }

  #asBinaryType(data: MessageData): unknown {
    if (isList(this._binaryType)) return Buffer.isBuffer(data) ? [data] : data;
    const octets = Buffer.isBuffer(data) ? data : Buffer.concat(data);
    if (this._binaryType === 'nodebuffer') return octets;
    if (this._binaryType === 'blob') return new Blob([octets as Buffer<ArrayBuffer>]);
    return octets.buffer.slice(octets.byteOffset, octets.byteOffset + octets.byteLength);
  }

  #control(header: FrameHeader, octets: Uint8Array, start: number, end: number): boolean {
    if (header.opcode !== Opcode.close) {
      return this.#deliver(header.opcode === Opcode.ping ? 'ping' : 'pong', octets.subarray(start, end));
    }
    const { code, reason } = parseClosePayload(octets, start, end, !this._skipUTF8Validation);
    this.#hasConcluded = true;
    this.#emit('conclude', code, reason);
    return false;
  }

  /** Emits an event, in a turn of its own where that was asked for. */
  #deliver(event: string, ...args: readonly unknown[]): boolean {
    if (this._allowSynchronousEvents || this.#isNewTurn) {
      this.#emit(event, ...args);
      return !this.destroyed;
    }
    this.#isHeld = true;
    nextTurn(() => {
      if (!this.destroyed) this.#proceed(() => this.#emit(event, ...args));
    });
    return false;
  }

  /** What a listener throws is known by the mark that it leaves. */
  #emit(event: string, ...args: readonly unknown[]): void {
    this.#isInEvent = true;
    this.emit(event, ...args);
    this.#isInEvent = false;
  }
}

function destroyedError(): Error {
  return Object.assign(new Error('The Receiver was destroyed before all of it was delivered'), {
    code: 'ERR_STREAM_DESTROYED',
  });
}

/** A frame as a message of its own: its payload is put together first, and inflated then. */
function wholeOf({ length }: FrameHeader): FrameHeader {
  return { opcode: Opcode.binary, fin: true, rsv1: false, length };
}

/** As in `ws`, whatever is none of the others means lists. */
function isList(binaryType: string): boolean {
  return binaryType !== 'nodebuffer' && binaryType !== 'arraybuffer' && binaryType !== 'blob';
}

import { Writable } from 'node:stream';
import { parseClosePayload } from '../connection/close-payload.ts';
import { afterPoll } from '../event-loop/after-poll.ts';
import { afterTick } from '../event-loop/after-tick.ts';
import type { FrameHeader } from '../frame/frame.ts';
import { FrameDecoder, type FrameSink } from '../frame/frame-decoder.ts';
import { Opcode } from '../frame/opcode.ts';
import { ProtocolError } from '../frame/protocol-error.ts';
import { type MessageData, MessageDecoder } from '../message/message-decoder.ts';
import { limit } from './limit.ts';

// ws does not document this class, but some endpoints are built on it. Our WebSocket does not use it: it has no
// additional stream between the socket and the decoders, see src/transport/.

/** Interface of permessage-deflate that a {@link Receiver} uses. `PerMessageDeflate` implements it. */
export interface ReceiverExtension {
  decompress(data: Buffer, fin: boolean, callback: (error: Error | null, octets?: Buffer) => void): void;
}

/** Options of a {@link Receiver}. */
export interface ReceiverOptions {
  /** True if several events may be emitted in one turn of the event loop. Default true. */
  allowSynchronousEvents?: boolean | undefined;
  /** Type of binary messages. Default "nodebuffer". */
  binaryType?: 'nodebuffer' | 'arraybuffer' | 'blob' | 'fragments' | undefined;
  /** Active extensions by name. */
  extensions?: { 'permessage-deflate'?: ReceiverExtension | undefined } | undefined;
  /** True for the server's end, whose incoming frames must be masked (§5.1). Default false. */
  isServer?: boolean | undefined;
  /** Maximum number of chunks that may carry one part of a frame. 0, the default, is unlimited. */
  maxBufferedChunks?: number | undefined;
  /** Maximum number of fragments of a message. 0, the default, is unlimited. */
  maxFragments?: number | undefined;
  /** Maximum length of a message in bytes. 0, the default, is unlimited. */
  maxPayload?: number | undefined;
  /** Skips the UTF-8 check of text. Default false. */
  skipUTF8Validation?: boolean | undefined;
}

type Callback = (error?: Error | null) => void;

const noOctets = Buffer.alloc(0);
/** Bits of {@link FrameSink.data} for bytes that were not inspected. */
const maybeNotAscii = -1;

/**
 * Decodes bytes to messages, with the interface of `ws`: a Writable over our decoders. Emits `message` (data,
 * isBinary), `ping` (data), `pong` (data), and for the peer's close frame `conclude` (code, reason), after which the
 * Receiver ends. A `ProtocolError` destroys it. The callback of a write is called when all its messages were delivered.
 * A server's Receiver copies written chunks, because it unmasks them.
 *
 * An error thrown by a listener is thrown by `write`, or is an uncaught exception if `write` has returned. Later
 * messages are still delivered. Fields with an underscore exist because packages read and set them in `ws`; a new value
 * applies from the next frame or message on.
 */
export class Receiver extends Writable {
  _allowSynchronousEvents: boolean;
  _binaryType: NonNullable<ReceiverOptions['binaryType']>;
  _extensions: NonNullable<ReceiverOptions['extensions']>;
  _skipUTF8Validation: boolean;
  readonly _isServer: boolean;

  readonly #frames: FrameDecoder;
  /** Assembles messages. */
  #messages: MessageDecoder;
  /** Assembles the payloads of compressed frames. */
  readonly #payloads: MessageDecoder;
  readonly #sink: FrameSink;
  /** True if text of the current message is checked. */
  #validates: boolean;
  #isCompressed = false;
  /** Inflated length so far of the current compressed message. */
  #inflatedLength = 0;

  #chunk: Buffer = noOctets;
  #offset = 0;
  #callback: Callback | null = null;
  /** True inside `write` before it has called `_write`. */
  #isInWrite = false;
  #isInEvent = false;
  /** True while decoding waits for the extension's result or for the next turn of the event loop. */
  #isHeld = false;
  /** True in a turn of the event loop without an event so far. */
  #isNewTurn = false;
  #hasConcluded = false;

  /** Limits are numbers. Invalid values and values below 1 mean unlimited. */
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

  /** Maximum length of a message in bytes; 0 is unlimited. */
  get _maxPayload(): number {
    return this.#frames.maxPayload;
  }

  set _maxPayload(octets: number) {
    this.#frames.maxPayload = limit(octets);
  }

  /** Maximum number of fragments of a message; 0 is unlimited. */
  get _maxFragments(): number {
    return this.#frames.maxFragments;
  }

  set _maxFragments(fragments: number) {
    this.#frames.maxFragments = limit(fragments);
  }

  /** Maximum number of chunks that may carry one part of a frame; 0 is unlimited. */
  get _maxBufferedChunks(): number {
    return this.#frames.maxBufferedChunks;
  }

  set _maxBufferedChunks(chunks: number) {
    this.#frames.maxBufferedChunks = limit(chunks);
  }

  /** Number of payload bytes that the frames so far of a fragmented message announce; 0 between two messages. */
  get _totalPayloadLength(): number {
    return this.#frames.messageLength;
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
      // Otherwise a Writable that resumes its buffered chunks would stop forever after an exception.
      afterTick(() => {
        throw error;
      });
    }
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#messages.discard();
    this.#payloads.discard();
    callback(error);
    // The stream itself does not call the callback of a pending write.
    if (this.#isHeld) this.#finish(error ?? destroyedError());
  }

  /**
   * Continues with the chunk until its end, or until decoding must wait. `first` handles the result that was awaited.
   */
  #proceed(first?: () => void): void {
    this.#isHeld = false;
    this.#isNewTurn = first !== undefined;
    try {
      first?.();
      this.#isNewTurn = false;
      // Data behind a close frame is ignored (§5.5.1).
      while (!this.#isHeld && !this.#hasConcluded && !this.destroyed && this.#offset < this.#chunk.length) {
        this.#frames.allowRsv1 = this._extensions['permessage-deflate'] !== undefined;
        this.#offset = this.#frames.decode(this.#chunk, this.#offset, this.#sink);
      }
    } catch (error) {
      if (!this.#isInEvent) {
        this.#finish(error as Error);
        return;
      }
      // If a listener throws, only its own event is lost.
      this.#isInEvent = false;
      this.#offset = this.#frames.offset;
      afterTick(() => this.#proceed());
      throw error;
    }
    if (!this.#isHeld) this.#finish(null);
  }

  /** Completes the write of the current chunk, with an error if the chunk is invalid. */
  #finish(error: Error | null): void {
    const callback = this.#callback;
    this.#isHeld = false;
    this.#chunk = noOctets;
    this.#callback = null;
    if (this.#hasConcluded) this.end();
    callback?.(error);
  }

  /** Decoder that receives the payload of the current frame. */
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

  /** Prepares for a new message, if the frame begins one. */
  #begin(header: FrameHeader): void {
    if (header.opcode === Opcode.continuation) return;
    this.#isCompressed = header.rsv1;
    if (this.#validates === this._skipUTF8Validation) {
      this.#validates = !this._skipUTF8Validation;
      this.#messages = this.#createMessages();
    }
    this.#messages.keepsFragments = isList(this._binaryType);
  }

  /** Inflates the payload of the frame that has just ended. Later frames wait for the result. */
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

  /** Emits an event, in a separate turn of the event loop if requested. */
  #deliver(event: string, ...args: readonly unknown[]): boolean {
    if (this._allowSynchronousEvents || this.#isNewTurn) {
      this.#emit(event, ...args);
      return !this.destroyed;
    }
    this.#isHeld = true;
    afterPoll(() => {
      if (!this.destroyed) this.#proceed(() => this.#emit(event, ...args));
    });
    return false;
  }

  /**
   * Emits an event. `isInEvent` stays true if a listener throws, which tells the listener's error from the decoder's.
   */
  #emit(event: string, ...args: readonly unknown[]): void {
    this.#isInEvent = true;
    this.emit(event, ...args);
    this.#isInEvent = false;
  }
}

function destroyedError(): Error {
  return Object.assign(new Error('The Receiver was destroyed before all data was delivered'), {
    code: 'ERR_STREAM_DESTROYED',
  });
}

/**
 * Returns a header as of an unfragmented message, because the payload of a compressed frame is assembled first and then
 * inflated.
 */
function wholeOf({ length }: FrameHeader): FrameHeader {
  return { opcode: Opcode.binary, fin: true, rsv1: false, length };
}

/** True if messages are delivered as lists of fragments, which every other value means, as in `ws`. */
function isList(binaryType: string): boolean {
  return binaryType !== 'nodebuffer' && binaryType !== 'arraybuffer' && binaryType !== 'blob';
}

import { constants, isUtf8 } from 'node:buffer';
import type { MessageInflater } from '../extension/deflate-messages.ts';
import { InflateError } from '../extension/inflate-error.ts';
import type { FrameHeader } from '../frame/frame.ts';
import { defaultMaxPayload } from '../frame/frame-decoder.ts';
import { maskInto } from '../frame/mask.ts';
import { Opcode } from '../frame/opcode.ts';
import { ProtocolError } from '../frame/protocol-error.ts';
import { Utf8Validator } from './utf8-validator.ts';

/** Payload of a message: one Buffer, or one per fragment if requested. */
export type MessageData = Buffer | Buffer[];

/**
 * Receiver of the messages of a {@link MessageDecoder}. A method returns `false` to stop decoding after this message.
 */
export interface MessageSink {
  message(data: MessageData, isBinary: boolean): boolean;
  /**
   * Handles a compressed message that {@link MessageDecoder.leavesInflating}. The receiver inflates it with the
   * inflater's {@link MessageInflater.dictionary}, and then passes the result to {@link MessageInflater.skip}. The
   * octets may lie in the chunk. Returns `false` to stop decoding after this message.
   */
  inflate?(octets: Buffer, isBinary: boolean): boolean;
}

/** Maximum length that is inflated within a call: 256 KiB, which takes about half a millisecond. */
export const inflatedAtOnce = 262_144;

/** Options of a {@link MessageDecoder}. */
export interface MessageDecoderOptions {
  /** True if text is delivered without a UTF-8 check. Default false. */
  readonly skipUTF8Validation?: boolean;
  /** Maximum length in octets of an inflated message. 0 is unlimited. Default 100 MiB. */
  readonly maxPayload?: number;
}

/** Minimum cost of one call of zlib and its reset, in octets inflated at the same cost. */
const minInflated = 4096;
const notAscii = 0x80808080 | 0;
const minCapacity = 128;
// Memory is allocated for received octets, not for the length that a header announces. At first up to 32 times the
// received octets are allocated, so that most messages are assembled in place, but at most this many octets.
const maxAhead = 1_048_576;
const ahead = 32;
/** Maximum number of fragments that are delivered separately. Later fragments are joined to the last. */
const maxFragmentsKept = 16_384;

/**
 * Decodes data frames to messages (§5.4, §6.2). A message in one frame inside one chunk is delivered in place. Others
 * are assembled in one block of memory that grows by doubling. Otherwise the cost would depend on the number of frames
 * and chunks, not only on the octets. Text is checked on arrival, and rejected at the first octet that is not UTF-8
 * (§8.1).
 */
export class MessageDecoder {
  /** True if binary messages are delivered as a list of their fragments (`binaryType` "fragments" of `ws`). */
  keepsFragments = false;

  /** Receiver of messages; may be changed between two messages. */
  sink: MessageSink;

  /**
   * Inflates compressed messages (RFC 7692 §7.2.2); may be changed between two messages. Not null if RSV1 is allowed.
   */
  inflater: MessageInflater | null = null;
  /** Maximum length in octets of an inflated message; 0 is unlimited. */
  maxPayload: number;
  /**
   * True if compressed messages longer than {@link inflatedAtOnce}, compressed or inflated, are passed to the sink's
   * `inflate`.
   */
  leavesInflating = false;
  /** Number of octets that may still be inflated before {@link isExhausted}. The caller sets it before decoding. */
  inflatable = Number.POSITIVE_INFINITY;

  private readonly validates: boolean;
  private isBinary = false;
  private isCompressed = false;
  /** Number of octets of a fragmented compressed message that were already inspected. */
  private peeked = 0;
  /** True if the current message is text that must be checked. */
  private isChecked = false;
  private isBegun = false;
  private memory: Buffer | null = null;
  private used = 0;
  /** Value of `used` at the end of the current frame. */
  private frameEnd = 0;
  private fragmentEnds: number[] | null = null;
  private utf8: Utf8Validator | null = null;

  /**
   * Creates a decoder for one direction of a connection.
   * @param sink Gets the messages.
   */
  constructor(sink: MessageSink, options: MessageDecoderOptions = {}) {
    this.sink = sink;
    this.validates = options.skipUTF8Validation !== true;
    this.maxPayload = options.maxPayload ?? defaultMaxPayload;
  }

  /** True if the frames so far end between two messages. */
  get isBetweenMessages(): boolean {
    return !this.isBegun;
  }

  /** True if the inflate budget of this call is used up, so that other connections should be served first. */
  get isExhausted(): boolean {
    return this.inflatable <= 0;
  }

  /** Handles a frame that lies completely in `octets`, unmasked; `seen` as in {@link FrameSink.data}. */
  frame(header: FrameHeader, octets: Uint8Array, start: number, end: number, seen: number): boolean {
    if (header.fin && !this.isBegun) {
      const isBinary = header.opcode === Opcode.binary;
      const data = octets.subarray(start, end) as Buffer;
      if (header.rsv1) return this.#inflate(data, isBinary);
      if (!isBinary && this.validates && (seen & notAscii) !== 0 && !isUtf8(data)) {
        throw new ProtocolError('WS_ERR_INVALID_UTF8');
      }
      return this.#deliver(data, isBinary);
    }
    this.begin(header, end - start);
    if (end > start) this.part(header, octets, start, end, 0);
    return this.end(header);
  }

  /** Handles the beginning of a frame, of which `available` octets follow at once. */
  begin(header: FrameHeader, available: number): void {
    if (!this.isBegun) {
      this.isBegun = true;
      this.isBinary = header.opcode === Opcode.binary;
      this.isCompressed = header.rsv1;
      this.peeked = 0;
      this.isChecked = !this.isBinary && this.validates && !this.isCompressed;
      if (this.isChecked) {
        this.utf8 ??= new Utf8Validator();
        this.utf8.reset();
      }
      if (this.keepsFragments && this.isBinary && !this.isCompressed) this.fragmentEnds = [];
    }
    this.#promise(header, available);
  }

  /** Handles payload of the current frame, masked with `key` as in {@link FrameSink.dataPart}. */
  part(header: FrameHeader, octets: Uint8Array, start: number, end: number, key: number): void {
    const before = this.used;
    const after = before + end - start;
    if (this.memory === null || this.memory.length < after) this.#grow(header, after);
    const memory = this.memory!;
    if (key !== 0) maskInto(octets, start, end, memory, before, key);
    else if (end - start > 16) memory.set(octets.subarray(start, end), before);
    else for (let i = start; i < end; i++) memory[before + i - start] = octets[i]!;
    this.used = after;
    if (this.isChecked && !this.utf8!.push(memory, before, after)) throw new ProtocolError('WS_ERR_INVALID_UTF8');
  }

  /** Handles the end of the current frame, and of the message if the frame is the last. */
  end(header: FrameHeader): boolean {
    const ends = this.fragmentEnds;
    if (ends !== null && header.length > 0) {
      if (ends.length === maxFragmentsKept) ends.pop();
      ends.push(this.used);
    }
    if (!header.fin) {
      if (this.isCompressed) this.#peek();
      return true;
    }
    if (this.isChecked && !this.utf8!.isComplete) throw new ProtocolError('WS_ERR_INVALID_UTF8');
    const memory = this.memory ?? Buffer.alloc(0);
    const used = this.used;
    this.memory = null;
    this.used = 0;
    this.isBegun = false;
    this.fragmentEnds = null;
    if (ends === null) {
      const data = used === memory.length ? memory : memory.subarray(0, used);
      return this.isCompressed ? this.#inflate(data, this.isBinary) : this.sink.message(data, this.isBinary);
    }
    let from = 0;
    const fragments = ends.map((to) => {
      const fragment = memory.subarray(from, to);
      from = to;
      return fragment;
    });
    return this.sink.message(fragments, this.isBinary);
  }

  /** Discards the current message and its memory. */
  discard(): void {
    this.memory = null;
    this.used = 0;
    this.isBegun = false;
    this.fragmentEnds = null;
  }

  /** Delivers contiguous octets as a message, or as a list of one fragment if lists are requested. */
  #deliver(data: Buffer, isBinary: boolean): boolean {
    return this.sink.message(this.keepsFragments && isBinary ? (data.length > 0 ? [data] : []) : data, isBinary);
  }

  #inflate(octets: Buffer, isBinary: boolean): boolean {
    const limit = this.#limit;
    const maxLength = this.leavesInflating ? Math.min(limit, inflatedAtOnce) : limit;
    const data = maxLength < octets.length && maxLength < limit ? null : this.#ask(octets, maxLength, 'inflateUpTo');
    if (data !== null) return this.#inflated(data, isBinary);
    if (maxLength === limit) throw this.#tooLong();
    return this.sink.inflate!(octets, isBinary);
  }

  #ask(octets: Buffer, maxLength: number, question: 'inflateUpTo' | 'peek'): Buffer | null {
    try {
      return this.inflater![question](octets, maxLength);
    } catch (error) {
      if (error instanceof InflateError) throw error;
      // There is no memory for zlib, or for the result. As below, only the connection must end.
      throw new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', octets.length, undefined, { cause: error });
    }
  }

  #tooLong(): ProtocolError {
    return new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', `${this.maxPayload + 1} or more`, this.maxPayload);
  }

  #inflated(data: Buffer, isBinary: boolean): boolean {
    this.#charge(data.length);
    if (!isBinary && this.validates && !isUtf8(data)) throw new ProtocolError('WS_ERR_INVALID_UTF8');
    return this.#deliver(data, isBinary);
  }

  /**
   * Checks between the fragments of a compressed message that its beginning can still be valid. Repeated when its
   * length has doubled, which costs no more than the message itself and keeps no memory between the checks.
   */
  #peek(): void {
    const { used } = this;
    if (used < this.peeked * 2 || used === 0) return;
    this.peeked = used;
    const octets = this.memory!.subarray(0, used);
    const limit = this.#limit;
    const maxLength = Math.min(limit, inflatedAtOnce);
    const beginning = this.#ask(octets, maxLength, 'peek');
    this.#charge(beginning === null ? maxLength : beginning.length);
    if (beginning === null && maxLength === limit) throw this.#tooLong();
    if (beginning === null || this.isBinary || !this.validates) return;
    this.utf8 ??= new Utf8Validator();
    this.utf8.reset();
    if (!this.utf8.push(beginning, 0, beginning.length)) throw new ProtocolError('WS_ERR_INVALID_UTF8');
  }

  #charge(inflated: number): void {
    this.inflatable -= Math.max(inflated, minInflated * this.inflater!.begins);
  }

  get #limit(): number {
    return this.maxPayload === 0 ? Number.POSITIVE_INFINITY : this.maxPayload;
  }

  /** Allocates memory for a frame of known length, limited by the octets already received. */
  #promise(header: FrameHeader, available: number): void {
    this.frameEnd = this.used + header.length;
    if (this.memory !== null || available === 0) return;
    const justified = Math.max(minCapacity, available, Math.min(available * ahead, maxAhead));
    this.memory = takeMemory(header.fin ? Math.min(header.length, justified) : justified);
  }

  #grow(header: FrameHeader, needed: number): void {
    const old = this.memory;
    const held = old === null ? 0 : old.length;
    // If the end of the message is known, no octet more is allocated. Growth is then faster, because the total length
    // is announced.
    const capacity = header.fin
      ? Math.min(this.frameEnd, Math.max(minCapacity, needed * 4))
      : Math.max(minCapacity, needed, held * 2);
    const memory = takeMemory(Math.min(capacity, Math.max(needed, constants.MAX_LENGTH)));
    if (old !== null) memory.set(this.used === held ? old : old.subarray(0, this.used));
    this.memory = memory;
  }
}

/**
 * Otherwise a message that exceeds the available memory, under no limit or a high one, would end the process and not
 * just its connection.
 */
function takeMemory(octets: number): Buffer {
  try {
    return Buffer.allocUnsafe(octets);
  } catch (cause) {
    throw new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', octets, undefined, { cause });
  }
}

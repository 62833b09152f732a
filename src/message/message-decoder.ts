import { constants, isUtf8 } from 'node:buffer';
import type { MessageInflater } from '../extension/deflate-messages.ts';
import { InflateError } from '../extension/inflate-error.ts';
import type { FrameHeader } from '../frame/frame.ts';
import { defaultMaxPayload } from '../frame/frame-decoder.ts';
import { maskInto } from '../frame/mask.ts';
import { Opcode } from '../frame/opcode.ts';
import { ProtocolError } from '../frame/protocol-error.ts';
import { Utf8Validator } from './utf8-validator.ts';

/** What a message's payload is delivered as: one Buffer, or one for each fragment where that was asked for. */
export type MessageData = Buffer | Buffer[];

/** Where a {@link MessageDecoder} puts messages. `false` stops the decoding behind this one. */
export interface MessageSink {
  message(data: MessageData, isBinary: boolean): boolean;
  /**
   * A compressed message that {@link MessageDecoder.leavesInflating}: `false` stops the decoding behind it. Whoever inflates it does so
   * with the inflater's {@link MessageInflater.dictionary}, and then tells {@link MessageInflater.skip} what came of it. The octets may
   * lie in the chunk.
   */
  inflate?(octets: Buffer, isBinary: boolean): boolean;
}

/** 256 KiB: what is inflated within a call, which takes about half a millisecond. */
export const inflatedAtOnce = 262_144;

/** What a {@link MessageDecoder} needs to know. */
export interface MessageDecoderOptions {
  /** Whether text is delivered without a look at whether it is UTF-8. Default false. */
  readonly skipUTF8Validation?: boolean;
  /** The most octets that a compressed message may inflate to; 0 is no limit. Default 100 MiB. */
  readonly maxPayload?: number;
}

/** Minimum cost of one call of zlib with its reset, in octets that could be inflated instead. */
const minInflated = 4096;
const notAscii = 0x80808080 | 0;
const minCapacity = 128;
// Memory is taken for what has come, not for what a header promises: up to 32 times as much (so that most messages are
// assembled where they stay) and no more than this before that many octets are there.
const maxAhead = 1_048_576;
const ahead = 32;
/** Maximum number of fragments that are delivered one by one. Later fragments are joined to the last. */
const maxFragmentsKept = 16_384;

/**
 * Data frames to messages (§5.4, §6.2). A message in one frame inside one chunk is delivered where it lies. Others are assembled
 * in one piece of memory that grows by doubling: what a message costs depends on its octets, not on how many frames or chunks
 * bring them. Text is checked as it comes, and refused at the first octet that is not UTF-8 (§8.1).
 */
export class MessageDecoder {
  /** Whether binary messages are delivered as a list of their fragments (`binaryType` "fragments" of `ws`). */
  keepsFragments = false;

  /** Where messages go; it may be changed between two of them. */
  sink: MessageSink;

  /** Inflates compressed messages (RFC 7692 §7.2.2); it may be changed between two of them. There is one where RSV1 is allowed. */
  inflater: MessageInflater | null = null;
  /** The most octets that a compressed message may inflate to; 0 is no limit. */
  maxPayload: number;
  /** Whether compressed messages that are longer than {@link inflatedAtOnce}, before or after, are left to the sink's `inflate`. */
  leavesInflating = false;
  /** Octets that may still be inflated before {@link isExhausted}; whoever decodes says how many at a time. */
  inflatable = Number.POSITIVE_INFINITY;

  private readonly validates: boolean;
  private isBinary = false;
  private isCompressed = false;
  /** How much of a compressed message has been looked at before its end. */
  private peeked = 0;
  /** Whether text is being assembled that must be checked. */
  private isChecked = false;
  private isBegun = false;
  private memory: Buffer | null = null;
  private used = 0;
  /** What `used` will be at the end of the frame begun. */
  private frameEnd = 0;
  private fragmentEnds: number[] | null = null;
  private utf8: Utf8Validator | null = null;

  constructor(sink: MessageSink, options: MessageDecoderOptions = {}) {
    this.sink = sink;
    this.validates = options.skipUTF8Validation !== true;
    this.maxPayload = options.maxPayload ?? defaultMaxPayload;
  }

  /** Whether the frames so far end between two messages. */
  get isBetweenMessages(): boolean {
    return !this.isBegun;
  }

  /** True if the inflate budget of this call is used up: other connections are to be served first. */
  get isExhausted(): boolean {
    return this.inflatable <= 0;
  }

  /** A frame that lies in `octets` as a whole, unmasked; `seen` as in {@link FrameSink.data}. */
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

  /** A frame begins, of which `available` octets will follow at once. */
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

  /** Payload of the frame begun, masked with `key` as in {@link FrameSink.dataPart}. */
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

  /** The frame begun has ended, and with it perhaps the message. */
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

  /** Forgets a message begun, with its memory. */
  discard(): void {
    this.memory = null;
    this.used = 0;
    this.isBegun = false;
    this.fragmentEnds = null;
  }

  /** One piece of octets as a message, or as the list of fragments that was asked for. */
  #deliver(data: Buffer, isBinary: boolean): boolean {
    return this.sink.message(this.keepsFragments && isBinary ? (data.length > 0 ? [data] : []) : data, isBinary);
  }

  #inflate(octets: Buffer, isBinary: boolean): boolean {
    const limit = this.#limit;
    const most = this.leavesInflating ? Math.min(limit, inflatedAtOnce) : limit;
    const data = most < octets.length && most < limit ? null : this.#ask(octets, most, 'inflateUpTo');
    if (data !== null) return this.#inflated(data, isBinary);
    if (most === limit) throw this.#tooLong();
    return this.sink.inflate!(octets, isBinary);
  }

  #ask(octets: Buffer, most: number, question: 'inflateUpTo' | 'peek'): Buffer | null {
    try {
      return this.inflater![question](octets, most);
    } catch (error) {
      if (error instanceof InflateError) throw error;
      // zlib has no memory, or there is none for so much. As below, that ends the connection only.
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
   * Between the fragments of a compressed message: whether what has come can still be one. Looked at anew when it has doubled, which costs
   * no more than the message itself does, and no memory between.
   */
  #peek(): void {
    const { used } = this;
    if (used < this.peeked * 2 || used === 0) return;
    this.peeked = used;
    const octets = this.memory!.subarray(0, used);
    const limit = this.#limit;
    const most = Math.min(limit, inflatedAtOnce);
    const beginning = this.#ask(octets, most, 'peek');
    this.#charge(beginning === null ? most : beginning.length);
    if (beginning === null && most === limit) throw this.#tooLong();
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

  /** Takes memory for a frame whose length is known, as far as what has come justifies it. */
  #promise(header: FrameHeader, available: number): void {
    this.frameEnd = this.used + header.length;
    if (this.memory !== null || available === 0) return;
    const justified = Math.max(minCapacity, available, Math.min(available * ahead, maxAhead));
    this.memory = takeMemory(header.fin ? Math.min(header.length, justified) : justified);
  }

  #grow(header: FrameHeader, needed: number): void {
    const old = this.memory;
    const held = old === null ? 0 : old.length;
    // Where the end of the message is known, not an octet more than that; and it is a promise with an amount, so grow faster.
    const capacity = header.fin
      ? Math.min(this.frameEnd, Math.max(minCapacity, needed * 4))
      : Math.max(minCapacity, needed, held * 2);
    const memory = takeMemory(Math.min(capacity, Math.max(needed, constants.MAX_LENGTH)));
    if (old !== null) memory.set(this.used === held ? old : old.subarray(0, this.used));
    this.memory = memory;
  }
}

/** Where there is no limit, or a high one, a message may need more than there is: that ends its connection, not the process. */
function takeMemory(octets: number): Buffer {
  try {
    return Buffer.allocUnsafe(octets);
  } catch (cause) {
    throw new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', octets, undefined, { cause });
  }
}

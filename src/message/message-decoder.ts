import { constants, isUtf8 } from 'node:buffer';
import type { FrameHeader } from '../frame/frame.ts';
import { maskInto } from '../frame/mask.ts';
import { Opcode } from '../frame/opcode.ts';
import { ProtocolError } from '../frame/protocol-error.ts';
import { Utf8Validator } from './utf8-validator.ts';

/** What a message's payload is delivered as: one Buffer, or one for each fragment where that was asked for. */
export type MessageData = Buffer | Buffer[];

/** Where a {@link MessageDecoder} puts messages. `false` stops the decoding behind this one. */
export interface MessageSink {
  message(data: MessageData, isBinary: boolean): boolean;
}

/** What a {@link MessageDecoder} needs to know. */
export interface MessageDecoderOptions {
  /** Whether text is delivered without a look at whether it is UTF-8. Default false. */
  readonly skipUTF8Validation?: boolean;
}

const notAscii = 0x80808080 | 0;
const leastCapacity = 128;
// Memory is taken for what has come, not for what a header promises: up to 32 times as much (so that most messages are
// assembled where they stay) and no more than this before that many octets are there.
const mostAhead = 1_048_576;
const ahead = 32;
/** How many fragments are told apart where they are delivered one by one; what follows is joined to the last. */
const mostFragmentsKept = 16_384;

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

  private readonly validates: boolean;
  private isBinary = false;
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
  }

  /** Whether the frames so far end between two messages. */
  get isBetweenMessages(): boolean {
    return !this.isBegun;
  }

  /** A frame that lies in `octets` as a whole, unmasked; `seen` as in {@link FrameSink.data}. */
  frame(header: FrameHeader, octets: Uint8Array, start: number, end: number, seen: number): boolean {
    if (header.fin && !this.isBegun) {
      const isBinary = header.opcode === Opcode.binary;
      const data = octets.subarray(start, end) as Buffer;
      if (!isBinary && this.validates && (seen & notAscii) !== 0 && !isUtf8(data)) {
        throw new ProtocolError('WS_ERR_INVALID_UTF8');
      }
      return this.sink.message(this.keepsFragments && isBinary ? (end > start ? [data] : []) : data, isBinary);
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
      this.isChecked = !this.isBinary && this.validates;
      if (this.isChecked) {
        this.utf8 ??= new Utf8Validator();
        this.utf8.reset();
      }
      if (this.keepsFragments && this.isBinary) this.fragmentEnds = [];
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
      if (ends.length === mostFragmentsKept) ends.pop();
      ends.push(this.used);
    }
    if (!header.fin) return true;
    if (this.isChecked && !this.utf8!.isComplete) throw new ProtocolError('WS_ERR_INVALID_UTF8');
    const memory = this.memory ?? Buffer.alloc(0);
    const used = this.used;
    this.memory = null;
    this.used = 0;
    this.isBegun = false;
    this.fragmentEnds = null;
    if (ends === null)
      return this.sink.message(used === memory.length ? memory : memory.subarray(0, used), this.isBinary);
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

  /** Takes memory for a frame whose length is known, as far as what has come justifies it. */
  #promise(header: FrameHeader, available: number): void {
    this.frameEnd = this.used + header.length;
    if (this.memory !== null || available === 0) return;
    const justified = Math.max(leastCapacity, available, Math.min(available * ahead, mostAhead));
    this.memory = takeMemory(header.fin ? Math.min(header.length, justified) : justified);
  }

  #grow(header: FrameHeader, needed: number): void {
    const old = this.memory;
    const held = old === null ? 0 : old.length;
    // Where the end of the message is known, not an octet more than that; and it is a promise with an amount, so grow faster.
    const capacity = header.fin
      ? Math.min(this.frameEnd, Math.max(leastCapacity, needed * 4))
      : Math.max(leastCapacity, needed, held * 2);
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

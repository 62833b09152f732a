import type { Frame, FrameHeader, Role } from './frame.ts';
import { maskInPlace, readKey, rotateKey } from './mask.ts';
import { viewOf } from './mask-words.ts';
import { isControlOpcode, isKnownOpcode, Opcode } from './opcode.ts';
import { ProtocolError } from './protocol-error.ts';

/**
 * Where a {@link FrameDecoder} puts what it finds. Each method may throw a {@link ProtocolError}. `header` is the decoder's own,
 * reused record: read it, do not keep it. Where a method returns a boolean, `false` stops the decoder behind that frame.
 */
export interface FrameSink {
  /** A control frame; its payload is `octets` from `start` to `end`, unmasked. */
  control(header: FrameHeader, octets: Uint8Array, start: number, end: number): boolean;
  /**
   * A data frame that lies in the chunk as a whole, unmasked in place.
   * `seen` has the bits `0x80808080` clear if the payload is known to be ASCII.
   */
  data(header: FrameHeader, octets: Uint8Array, start: number, end: number, seen: number): boolean;
  /** A data frame begins which the chunk does not hold as a whole; of its payload `available` octets are in this chunk. */
  dataBegin(header: FrameHeader, available: number): void;
  /** More payload of the frame begun: still masked, with a key that begins with the octet for `start`; 0 is no masking. */
  dataPart(octets: Uint8Array, start: number, end: number, key: number): void;
  /** The frame begun has ended. */
  dataEnd(header: FrameHeader): boolean;
}

/** What a {@link FrameDecoder} needs to know. */
export interface FrameDecoderOptions {
  /** Which end we are: a server demands masked frames, a client unmasked ones (§5.1). */
  readonly role: Role;
  /** The longest message in octets, over all its frames; 0 is no limit. Default 100 MiB. */
  readonly maxPayload?: number;
  /** The most frames of one message; 0, the default, is no limit: frames that are assembled cost only their octets. */
  readonly maxFragments?: number;
  /**
   * The most chunks that may bring one part of a frame: its first two octets, its length, its masking key, or its payload. 0, the
   * default, is no limit: what is assembled costs only its octets.
   */
  readonly maxBufferedChunks?: number;
  /** Whether an extension was negotiated that uses RSV1. Default false. */
  readonly allowRsv1?: boolean;
}

/** 100 MiB: the longest message accepted unless `maxPayload` says otherwise; as in `ws`. */
export const defaultMaxPayload = 104_857_600;

/** The first octet of unfragmented text or binary data without RSV bits. */
const wholeText = 0x81;
const wholeBinary = 0x82;

/**
 * Octets to frames (§5.2). Header rules are checked with the octet that breaks them, before anything is buffered: those of the
 * first two octets at the second, those of the length at its last. It holds at most 125 octets, those of a control frame.
 */
export class FrameDecoder implements FrameHeader {
  // Plain fields, not #private: this is the innermost loop (docs/performance.md).
  opcode: Opcode = Opcode.continuation;
  fin = true;
  rsv1 = false;
  length = 0;
  /** Octets of the current chunk that have been taken, also when the sink has thrown. */
  offset = 0;

  // What the options say. It may be changed between two chunks, and holds from the next header, or chunk, on.
  maxPayload: number;
  maxFragments: number;
  maxBufferedChunks: number;
  allowRsv1: boolean;
  private readonly maskBit: number;
  /** Whether a message has begun whose last frame has not come (§5.4). */
  private isFragmented = false;
  /** Octets and frames of the message begun. */
  private messageLength = 0;
  private fragments = 0;
  /** Chunks that have brought the part of the frame that is not complete yet; counted where there is a limit. */
  private chunks = 0;

  /** How many octets of the header have been taken, of those that came apart from the rest; 0 between frames. */
  private headerAt = 0;
  private headerEnd = 0;
  private lengthEnd = 0;
  private lengthHigh = 0;
  private key = 0;
  /** Octets of payload that are still to come; -1 between frames. */
  private remaining = -1;
  private controlPayload: Buffer | null = null;

  /** @throws RangeError if a limit is not a whole number from 0 to 2^53-1. */
  constructor(options: FrameDecoderOptions) {
    this.maskBit = options.role === 'server' ? 0x80 : 0;
    this.maxPayload = checkLimit('maxPayload', options.maxPayload ?? defaultMaxPayload);
    this.maxFragments = checkLimit('maxFragments', options.maxFragments ?? 0);
    this.maxBufferedChunks = checkLimit('maxBufferedChunks', options.maxBufferedChunks ?? 0);
    this.allowRsv1 = options.allowRsv1 ?? false;
  }

  /** Whether the octets so far end between two frames. */
  get isBetweenFrames(): boolean {
    return this.headerAt === 0 && this.remaining === -1;
  }

  /** Whether the octets so far end between two messages, not inside one, nor inside a control frame. */
  get isBetweenMessages(): boolean {
    return this.isBetweenFrames && !this.isFragmented;
  }

  /**
   * Decodes a chunk from `start` on. The decoder owns the chunk from then on: payloads are unmasked in place.
   * @returns The offset behind the last octet taken: the chunk's length, unless the sink stopped it.
   * @throws ProtocolError at the first octet that breaks a rule. The decoder cannot be used after that.
   */
  decode(chunk: Uint8Array, start: number, sink: FrameSink): number {
    const end = chunk.length;
    let at = start;
    let view: DataView | null = null;
    this.offset = at;
    // Between two frames the count is that of a frame that has ended: the sink may have stopped the decoder, or thrown.
    if (this.maxBufferedChunks !== 0 && this.headerAt !== 0) this.#countChunk();
    if (this.remaining >= 0) {
      at = this.#continue(chunk, at, sink);
      if (at < 0) return this.offset;
    }
    while (at < end) {
      // What follows handles a frame that is whole in this chunk, header and payload. All else goes the slow way.
      if (this.headerAt === 0 && end - at >= 2) {
        const first = chunk[at]!;
        const second = chunk[at + 1]!;
        let length = second & 0x7f;
        let payload = at + 2;
        if ((first !== wholeText && first !== wholeBinary) || this.isFragmented || (second & 0x80) !== this.maskBit) {
          this.#checkFirstTwo(first, second);
        } else {
          this.opcode = (first & 0x0f) as Opcode;
          this.fin = true;
          this.rsv1 = false;
        }
        if (length === 126 && end - at >= 4) {
          length = (chunk[at + 2]! << 8) | chunk[at + 3]!;
          payload = at + 4;
        }
        const masked = this.maskBit !== 0;
        if (length < 126 || payload === at + 4) {
          const body = masked ? payload + 4 : payload;
          const bodyEnd = body + length;
          if (bodyEnd <= end) {
            this.#checkLength(length);
            let seen = 0x80;
            if (masked) {
              const key = readKey(chunk, payload);
              if (view === null && end - at >= 256) view = viewOf(chunk);
              seen = maskInPlace(chunk, body, bodyEnd, key, view);
            }
            at = bodyEnd;
            this.offset = at;
            const goOn = isControlOpcode(this.opcode)
              ? sink.control(this, chunk, body, bodyEnd)
              : sink.data(this, chunk, body, bodyEnd, seen);
            if (!goOn) return at;
            continue;
          }
        }
        this.#beginHeader(second);
        at += 2;
      }
      at = this.#readHeader(chunk, at);
      this.offset = at;
      if (this.remaining < 0) break;
      this.#begin(sink, end - at);
      at = this.#continue(chunk, at, sink);
      if (at < 0) return this.offset;
    }
    this.offset = at;
    if (this.maxBufferedChunks !== 0) this.#noteChunk(end - start);
    return at;
  }

  /** A chunk has come inside a frame: it may be one too many for the part that is being waited for. */
  #countChunk(): void {
    if (this.chunks < this.maxBufferedChunks) return;
    throw new ProtocolError('WS_ERR_TOO_MANY_BUFFERED_PARTS', `${this.chunks + 1} chunks`, this.maxBufferedChunks);
  }

  /** A chunk of so many octets has been taken, and ends inside a frame or between two. */
  #noteChunk(taken: number): void {
    const held = this.#held;
    // More than this chunk has brought: the part was begun by one before it.
    this.chunks = held > taken ? this.chunks + 1 : Math.min(held, 1);
  }

  /** Octets of the part of a frame that is not complete yet. */
  get #held(): number {
    if (this.remaining >= 0) return this.length - this.remaining;
    if (this.headerAt <= 2) return this.headerAt % 2;
    return this.headerAt - (this.headerAt < this.lengthEnd ? 2 : this.lengthEnd);
  }

  /** Takes the header's octets one by one, as far as the chunk has them. */
  #readHeader(chunk: Uint8Array, at: number): number {
    const end = chunk.length;
    while (at < end && (this.headerAt < 2 || this.headerAt < this.headerEnd)) {
      const octet = chunk[at++]!;
      const index = this.headerAt++;
      if (index === 0) {
        this.key = octet;
      } else if (index === 1) {
        this.#checkFirstTwo(this.key, octet);
        this.#beginHeader(octet);
      } else if (index < this.lengthEnd) {
        if (this.lengthEnd === 10 && index < 6) {
          this.lengthHigh = this.lengthHigh * 256 + octet;
          if (this.lengthHigh > 0x1f_ffff) throw new ProtocolError('WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH');
        } else {
          this.length = this.length * 256 + octet;
        }
      } else {
        this.key |= octet << ((index - this.lengthEnd) << 3);
      }
      if (index >= 2 && this.headerAt === this.lengthEnd)
        this.#checkLength(this.lengthHigh * 0x1_0000_0000 + this.length);
    }
    if (this.headerAt >= 2 && this.headerAt === this.headerEnd) this.remaining = this.length;
    return at;
  }

  /** The first two octets of a header were taken, and the rest may come apart. */
  #beginHeader(second: number): void {
    const length = second & 0x7f;
    this.headerAt = 2;
    this.lengthEnd = length < 126 ? 2 : length === 126 ? 4 : 10;
    this.headerEnd = this.lengthEnd + (this.maskBit === 0 ? 0 : 4);
    this.length = length < 126 ? length : 0;
    this.lengthHigh = 0;
    this.key = 0;
    if (length < 126) this.#checkLength(length);
  }

  #begin(sink: FrameSink, available: number): void {
    if (isControlOpcode(this.opcode)) this.controlPayload = Buffer.allocUnsafe(this.length);
    else sink.dataBegin(this, Math.min(available, this.length));
  }

  /** Takes payload of the frame begun. Returns -1 if the sink stops the decoder. */
  #continue(chunk: Uint8Array, start: number, sink: FrameSink): number {
    const take = Math.min(this.remaining, chunk.length - start);
    const end = start + take;
    this.offset = end;
    const control = this.controlPayload;
    if (take > 0) {
      if (control !== null) {
        control.set(chunk.subarray(start, end), this.length - this.remaining);
      } else {
        sink.dataPart(chunk, start, end, this.key === 0 ? 0 : rotateKey(this.key, (this.length - this.remaining) & 3));
      }
      this.remaining -= take;
    }
    if (this.remaining > 0) return end;
    this.remaining = -1;
    this.headerAt = 0;
    let goOn: boolean;
    if (control !== null) {
      this.controlPayload = null;
      if (this.key !== 0) maskInPlace(control, 0, control.length, this.key);
      goOn = sink.control(this, control, 0, control.length);
    } else {
      goOn = sink.dataEnd(this);
    }
    return goOn ? end : -1;
  }

  /** The rules for the first two octets, in the order in which §5.2 names the fields. */
  #checkFirstTwo(first: number, second: number): void {
    const opcode = first & 0x0f;
    const fin = (first & 0x80) !== 0;
    const rsv1 = (first & 0x40) !== 0;
    if ((first & 0x30) !== 0) throw new ProtocolError('WS_ERR_UNEXPECTED_RSV_2_3');
    if (rsv1 && (!this.allowRsv1 || (opcode !== Opcode.text && opcode !== Opcode.binary))) {
      // A reserved opcode is the graver fault of the two, where an extension would make sense of the bit.
      if (this.allowRsv1 && !isKnownOpcode(opcode)) throw new ProtocolError('WS_ERR_INVALID_OPCODE', opcode);
      throw new ProtocolError('WS_ERR_UNEXPECTED_RSV_1');
    }
    if (!isKnownOpcode(opcode)) throw new ProtocolError('WS_ERR_INVALID_OPCODE', opcode);
    if (isControlOpcode(opcode)) {
      if (!fin) throw new ProtocolError('WS_ERR_EXPECTED_FIN');
      const length = second & 0x7f;
      if (length > 125 || (opcode === Opcode.close && length === 1)) {
        throw new ProtocolError('WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', length);
      }
    } else if (this.isFragmented !== (opcode === Opcode.continuation)) {
      throw new ProtocolError('WS_ERR_INVALID_OPCODE', opcode);
    }
    if ((second & 0x80) !== this.maskBit) {
      throw new ProtocolError(this.maskBit === 0 ? 'WS_ERR_UNEXPECTED_MASK' : 'WS_ERR_EXPECTED_MASK');
    }
    this.opcode = opcode;
    this.fin = fin;
    this.rsv1 = rsv1;
  }

  /** The limits, as soon as the length is known; cumulative over the frames of a message (§10.4). */
  #checkLength(length: number): void {
    this.length = length;
    if (this.opcode >= Opcode.close) return;
    const total = this.messageLength + length;
    if (this.maxPayload !== 0 && total > this.maxPayload) {
      throw new ProtocolError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', total, this.maxPayload);
    }
    if (this.fin) {
      if (this.maxFragments !== 0 && this.isFragmented && this.fragments >= this.maxFragments) this.#failFragments();
      this.isFragmented = false;
      this.messageLength = 0;
      this.fragments = 0;
    } else {
      if (this.maxFragments !== 0 && this.fragments >= this.maxFragments) this.#failFragments();
      // Where no limit is set a sum might pass 2^53; one that stays there is large enough for anything that looks at it.
      this.messageLength = Math.min(total, Number.MAX_SAFE_INTEGER);
      this.fragments++;
      this.isFragmented = true;
    }
  }

  #failFragments(): never {
    throw new ProtocolError('WS_ERR_TOO_MANY_BUFFERED_PARTS', this.fragments + 1, this.maxFragments);
  }
}

function checkLimit(name: string, limit: number): number {
  if (Number.isSafeInteger(limit) && limit >= 0) return limit;
  throw new RangeError(`${name} must be a whole number from 0 (no limit) to 2^53-1; got ${limit}`);
}

/** A {@link FrameSink} that keeps every frame as a value, for tests and tools; it puts no bound on what it keeps. */
export class FrameCollector implements FrameSink {
  /** The frames so far, in order. */
  readonly frames: Frame[] = [];
  #parts: Buffer[] = [];

  control(header: FrameHeader, octets: Uint8Array, start: number, end: number): boolean {
    return this.#add(header, Buffer.from(octets.subarray(start, end)));
  }

  data(header: FrameHeader, octets: Uint8Array, start: number, end: number): boolean {
    return this.#add(header, Buffer.from(octets.subarray(start, end)));
  }

  dataBegin(): void {
    this.#parts = [];
  }

  dataPart(octets: Uint8Array, start: number, end: number, key: number): void {
    const part = Buffer.from(octets.subarray(start, end));
    maskInPlace(part, 0, part.length, key);
    this.#parts.push(part);
  }

  dataEnd(header: FrameHeader): boolean {
    return this.#add(header, Buffer.concat(this.#parts));
  }

  #add({ opcode, fin, rsv1, length }: FrameHeader, payload: Buffer): boolean {
    this.frames.push({ opcode, fin, rsv1, length, payload });
    return true;
  }
}

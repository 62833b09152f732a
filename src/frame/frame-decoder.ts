import type { Frame, FrameHeader, Role } from './frame.ts';
import { maskInPlace, readKey, rotateKey } from './mask.ts';
import { viewOf } from './mask-words.ts';
import { isControlOpcode, isKnownOpcode, Opcode } from './opcode.ts';
import { ProtocolError } from './protocol-error.ts';

/**
 * Receiver of the frames of a {@link FrameDecoder}. Each method may throw a {@link ProtocolError}. `header` is a record
 * that the decoder reuses: read it, do not keep it. If a method returns `false`, the decoder stops behind that frame.
 */
export interface FrameSink {
  /** Handles a control frame. The payload is `octets` from `start` to `end`, unmasked. */
  control(header: FrameHeader, octets: Uint8Array, start: number, end: number): boolean;
  /**
   * Handles a data frame that lies completely in the chunk, unmasked in place. The bits `0x80808080` of `seen` are
   * clear if the payload is known to be ASCII.
   */
  data(header: FrameHeader, octets: Uint8Array, start: number, end: number, seen: number): boolean;
  /**
   * Handles the beginning of a data frame that is not complete in the chunk. This chunk has `available` octets of its
   * payload.
   */
  dataBegin(header: FrameHeader, available: number): void;
  /** Handles the next part of the payload, still masked. `key` begins with the octet for `start`; 0 means unmasked. */
  dataPart(octets: Uint8Array, start: number, end: number, key: number): void;
  /** Handles the end of the frame. */
  dataEnd(header: FrameHeader): boolean;
}

/** Options of a {@link FrameDecoder}. */
export interface FrameDecoderOptions {
  /** Role of this endpoint: a server requires masked frames, a client unmasked ones (§5.1). */
  readonly role: Role;
  /** Maximum length of a message in octets, over all its frames. 0 is unlimited. Default 100 MiB. */
  readonly maxPayload?: number;
  /**
   * Maximum number of frames of one message. 0, the default, is unlimited, because an assembled frame costs only its
   * octets.
   */
  readonly maxFragments?: number;
  /**
   * Maximum number of chunks that may carry one part of a frame: the first two octets, the length, the masking key or
   * the payload. 0, the default, is unlimited, because assembled octets cost only themselves.
   */
  readonly maxBufferedChunks?: number;
  /** True if an extension that uses RSV1 was negotiated. Default false. */
  readonly allowRsv1?: boolean;
}

/** Default of `maxPayload`: 100 MiB, as in `ws`. */
export const defaultMaxPayload = 104_857_600;

/** More frames than a chunk can have. */
const allFrames = 0x3fff_ffff;

/** First octet of an unfragmented text or binary frame without RSV bits. */
const wholeText = 0x81;
const wholeBinary = 0x82;

/**
 * Decodes octets to frames (§5.2). A header rule is checked at the octet that breaks the rule, before anything is
 * buffered. The rules of the first two octets are checked at the second octet, the rules of the length at its last. The
 * decoder buffers at most the 125 octets of a control frame.
 */
export class FrameDecoder implements FrameHeader {
  // Plain fields, not #private, because this is the innermost loop (docs/performance.md).
  opcode: Opcode = Opcode.continuation;
  fin = true;
  rsv1 = false;
  length = 0;
  /** Number of octets of the current chunk that the decoder has consumed, also if the sink has thrown. */
  offset = 0;
  /** True if the last {@link decode} stopped because it had decoded `maxFrames`. */
  hasDecodedAll = false;

  // Limits from the options. Changes between two chunks apply from the next header or chunk on.
  maxPayload: number;
  maxFragments: number;
  maxBufferedChunks: number;
  allowRsv1: boolean;
  private readonly maskBit: number;
  /** True inside a fragmented message whose last frame has not arrived (§5.4). */
  private isFragmented = false;
  /** Number of payload octets that the frames so far of the current fragmented message announce; 0 for none. */
  messageLength = 0;
  /** Number of these frames. */
  private fragments = 0;
  /** Number of chunks that carried octets of the incomplete part of a frame. Counted only if there is a limit. */
  private chunks = 0;

  /** Number of header octets read so far if the header is split between chunks; 0 between frames. */
  private headerAt = 0;
  private headerEnd = 0;
  private lengthEnd = 0;
  private lengthHigh = 0;
  private key = 0;
  /** Number of payload octets still missing; -1 between frames. */
  private remaining = -1;
  private controlPayload: Buffer | null = null;

  /**
   * Creates a decoder for one direction of a connection.
   * @throws RangeError if a limit is not an integer from 0 to 2^53-1.
   */
  constructor(options: FrameDecoderOptions) {
    this.maskBit = options.role === 'server' ? 0x80 : 0;
    this.maxPayload = checkLimit('maxPayload', options.maxPayload ?? defaultMaxPayload);
    this.maxFragments = checkLimit('maxFragments', options.maxFragments ?? 0);
    this.maxBufferedChunks = checkLimit('maxBufferedChunks', options.maxBufferedChunks ?? 0);
    this.allowRsv1 = options.allowRsv1 ?? false;
  }

  /** True if the octets so far end between two frames. */
  get isBetweenFrames(): boolean {
    return this.headerAt === 0 && this.remaining === -1;
  }

  /** True if the octets so far end between two messages and not inside a control frame. */
  get isBetweenMessages(): boolean {
    return this.isBetweenFrames && !this.isFragmented;
  }

  /**
   * Decodes a chunk from `start` on. The chunk then belongs to the decoder, which unmasks payloads in place.
   * @param maxFrames Maximum number of frames. Positive. Default: all. Then {@link hasDecodedAll} is true.
   * @returns The offset behind the last consumed octet: the chunk's length, unless the sink or `maxFrames` stopped the
   *   decoder.
   * @throws ProtocolError at the first octet that breaks a rule. The decoder must not be used after that.
   */
  decode(chunk: Uint8Array, start: number, sink: FrameSink, maxFrames: number = allFrames): number {
    const end = chunk.length;
    let framesLeft = maxFrames;
    this.hasDecodedAll = false;
    let at = start;
    let view: DataView | null = null;
    this.offset = at;
    // Checked only inside a frame. Between two frames `chunks` may still count the previous frame's, because the sink
    // has stopped the decoder or thrown.
    if (this.maxBufferedChunks !== 0 && this.headerAt !== 0) this.#countChunk();
    if (this.remaining >= 0) {
      at = this.#continue(chunk, at, sink);
      if (at < 0) return this.offset;
      if (this.remaining < 0 && --framesLeft === 0) {
        this.hasDecodedAll = true;
        return at;
      }
    }
    while (at < end) {
      // Fast path: a frame whose header and payload are complete in this chunk. All other frames take the slow path
      // below.
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
            if (--framesLeft === 0) {
              this.hasDecodedAll = true;
              return at;
            }
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
      if (this.remaining < 0 && --framesLeft === 0) {
        this.hasDecodedAll = true;
        return at;
      }
    }
    this.offset = at;
    if (this.maxBufferedChunks !== 0) this.#noteChunk(end - start);
    return at;
  }

  /** Throws if this chunk, which arrived inside a frame, exceeds the limit for the incomplete part. */
  #countChunk(): void {
    if (this.chunks < this.maxBufferedChunks) return;
    throw new ProtocolError('WS_ERR_TOO_MANY_BUFFERED_PARTS', `${this.chunks + 1} chunks`, this.maxBufferedChunks);
  }

  /** Counts a chunk of `taken` octets, which ends inside a frame or between two frames. */
  #noteChunk(taken: number): void {
    const incomplete = this.#incompleteLength;
    // If more octets are buffered than this chunk had, an earlier chunk began the part.
    this.chunks = incomplete > taken ? this.chunks + 1 : Math.min(incomplete, 1);
  }

  /** Number of octets received of the incomplete part of a frame. */
  get #incompleteLength(): number {
    if (this.remaining >= 0) return this.length - this.remaining;
    if (this.headerAt <= 2) return this.headerAt % 2;
    return this.headerAt - (this.headerAt < this.lengthEnd ? 2 : this.lengthEnd);
  }

  /** Reads header octets one by one until the header is complete or the chunk ends. */
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

  /** Prepares for the remaining header octets, which may arrive in later chunks. */
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

  /** Consumes payload of the current frame. Returns -1 if the sink stops the decoder. */
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

  /** Checks the first two octets, in the order in which §5.2 lists the fields. */
  #checkFirstTwo(first: number, second: number): void {
    const opcode = first & 0x0f;
    const fin = (first & 0x80) !== 0;
    const rsv1 = (first & 0x40) !== 0;
    if ((first & 0x30) !== 0) throw new ProtocolError('WS_ERR_UNEXPECTED_RSV_2_3');
    if (rsv1 && (!this.allowRsv1 || (opcode !== Opcode.text && opcode !== Opcode.binary))) {
      // If RSV1 could be valid here, a reserved opcode is the more specific error.
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

  /** Checks the limits as soon as the length is known, cumulatively over the frames of a message (§10.4). */
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
      // Otherwise the sum could exceed 2^53 if there is no limit. The clamped value still exceeds every later limit.
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

/**
 * A {@link FrameSink} that keeps every frame as a value, for tests and tools. The memory for these frames is not
 * limited.
 */
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

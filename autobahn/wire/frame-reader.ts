import { type IncomingFrame, isControl } from './frame.ts';
import { maskInPlace } from './mask.ts';
import { Violation } from './violation.ts';

export interface FrameReaderOptions {
  /** True if frames of the peer must be masked (it is the client); otherwise they must not be (§5.1). */
  readonly masked: boolean;
  /** True if permessage-deflate was agreed, which defines RSV1. */
  readonly deflate: boolean;
  /** Maximum payload of a frame in octets. */
  readonly maxPayload: number;
}

const knownOpcodes: ReadonlySet<number> = new Set([0, 1, 2, 8, 9, 10]);

/** Reads frames from octets in chunks of any size, and checks them by §5. */
export class FrameReader {
  readonly #options: FrameReaderOptions;
  /** Octets of an incomplete header, at most 14. */
  readonly #header = Buffer.alloc(14);
  #headerLength = 0;
  #payload: Buffer | null = null;
  #filled = 0;
  #isFragmented = false;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
  }

  /**
   * Calls `onFrame` for each frame that these octets complete.
   *
   * @throws {Violation} The peer broke the protocol. The reader must not be used after that.
   */
  read(octets: Buffer, onFrame: (frame: IncomingFrame) => void): void {
    let offset = 0;
    // A frame without payload is complete after its header, when no octet may be left.
    while (offset < octets.length || this.#payload?.length === this.#filled) {
      if (this.#payload === null) {
        this.#header[this.#headerLength++] = octets[offset++] as number;
        this.#checkHeader();
        if (this.#headerLength < this.#wanted()) continue;
        const length = this.#length();
        // A payload in one piece is not copied.
        const isWhole = length <= octets.length - offset;
        this.#payload = isWhole ? octets.subarray(offset, offset + length) : Buffer.allocUnsafe(length);
        this.#filled = isWhole ? length : 0;
        if (isWhole) offset += length;
      } else if (this.#filled < this.#payload.length) {
        const copied = octets.copy(this.#payload, this.#filled, offset);
        this.#filled += copied;
        offset += copied;
      }
      if (this.#payload.length === this.#filled) onFrame(this.#take(this.#payload));
    }
  }

  #take(payload: Buffer): IncomingFrame {
    const first = this.#header[0] as number;
    const end = this.#wanted();
    const mask = this.#options.masked ? Buffer.from(this.#header.subarray(end - 4, end)) : null;
    if (mask !== null) maskInPlace(payload, mask);
    this.#headerLength = 0;
    this.#payload = null;
    this.#filled = 0;
    const fin = (first & 0x80) !== 0;
    const opcode = first & 15;
    if (!isControl(opcode)) this.#isFragmented = !fin;
    return { opcode, payload, fin, rsv: (first >> 4) & 7, mask };
  }

  /** Length of the header in octets, as far as known. */
  #wanted(): number {
    if (this.#headerLength < 2) return 2;
    const length = (this.#header[1] as number) & 127;
    return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (this.#options.masked ? 4 : 0);
  }

  #length(): number {
    const length = (this.#header[1] as number) & 127;
    if (length < 126) return length;
    return length === 126 ? this.#header.readUInt16BE(2) : Number(this.#header.readBigUInt64BE(2));
  }

  /** Checks the rules that the latest octet decides. */
  #checkHeader(): void {
    const first = this.#header[0] as number;
    const second = this.#header[1] as number;
    const opcode = first & 15;
    const short = second & 127;
    if (this.#headerLength === 1) this.#checkFirst(first, opcode);
    if (this.#headerLength === 2) {
      const { masked } = this.#options;
      if (masked && second < 128) throw new Violation('a client sent a frame that is not masked (§5.1)');
      if (!masked && second >= 128) throw new Violation('a server sent a masked frame (§5.1)');
      if (isControl(opcode) && short > 125) throw new Violation('a control frame has more than 125 octets (§5.5)');
    }
    if (this.#headerLength === 4 && short === 126 && this.#length() < 126) {
      throw new Violation('a length is not in its shortest form (§5.2)');
    }
    if (this.#headerLength === 10 && short === 127) {
      if ((this.#header[2] as number) >= 128) throw new Violation('a length has its highest bit set (§5.2)');
      if (this.#length() < 65536) throw new Violation('a length is not in its shortest form (§5.2)');
    }
    if (this.#headerLength !== this.#wanted()) return;
    const length = this.#length();
    const { maxPayload } = this.#options;
    if (length > maxPayload) throw new Violation(`a frame has ${length} octets; expected at most ${maxPayload}`, 1009);
  }

  #checkFirst(first: number, opcode: number): void {
    const rsv = (first >> 4) & 7;
    const isFirst = opcode === 1 || opcode === 2;
    if (!knownOpcodes.has(opcode)) throw new Violation(`a frame has the reserved opcode ${opcode} (§5.2)`);
    if ((rsv & 3) !== 0) throw new Violation('a frame has RSV2 or RSV3 set (§5.2)');
    if (rsv === 4 && !this.#options.deflate) throw new Violation('a frame has RSV1 set with no extension (§5.2)');
    if (rsv === 4 && !isFirst) throw new Violation('RSV1 is set in a frame that begins no message (RFC 7692 §6)');
    if (isControl(opcode) && first < 128) throw new Violation('a control frame is fragmented (§5.5)');
    if (opcode === 0 && !this.#isFragmented) throw new Violation('a continuation frame continues no message (§5.4)');
    if (isFirst && this.#isFragmented) throw new Violation('a message began inside another one (§5.4)');
  }
}

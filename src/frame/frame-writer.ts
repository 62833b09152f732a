import { firstOctet, headerLength, maxHeaderLength, requireTrueLength, writeHeader } from './frame-encoder.ts';
import { joinChunks } from './join-chunks.ts';
import { maskInPlace, maskInto } from './mask.ts';
import { nextMaskingKey } from './masking-key.ts';
import type { Opcode } from './opcode.ts';
import { isInSlab, largeSlabSize, releaseSlab, smallSlabSize, takeSlab } from './slab-pool.ts';

/**
 * Maximum payload length that is copied into the slab. Longer payloads are queued by reference (docs/performance.md).
 */
export const copyUpTo = 8192;

/**
 * Encodes frames one behind the other, to be written together: the outgoing batch of a connection. Small payloads are
 * copied into a slab. Large payloads are kept by reference unless they must be masked. The application's octets are
 * never altered.
 */
export class FrameWriter {
  /** True if frames are masked, which a client must do (§5.1). */
  readonly masked: boolean;
  /** True if many frames follow, so that the writer takes a large slab at once. */
  isBusy = false;
  /** Number of octets of all frames written and not yet taken. */
  byteLength = 0;
  /**
   * Number of payload octets in these frames, as the application has given them: before compression. The caller adds
   * them, because only it knows which frames are messages of the application.
   */
  payloadLength = 0;
  readonly #nextKey: () => number;
  // Plain fields, not #private, because every frame uses them.
  private slab: Buffer | null = null;
  private from = 0;
  private to = 0;
  /** Number of octets at the slab's beginning that were taken, and that the kernel may still read. */
  private taken = 0;
  private chunks: Uint8Array[] | null = null;

  /**
   * Creates a writer for one direction of a connection.
   * @param masked True for a client, whose frames are masked (§5.1).
   * @param nextKey Source of masking keys. Default {@link nextMaskingKey}; tests use others.
   */
  constructor(masked: boolean, nextKey: () => number = nextMaskingKey) {
    this.masked = masked;
    this.#nextKey = nextKey;
  }

  /**
   * Writes a frame. A payload longer than {@link copyUpTo} is not copied: do not change it until it is sent.
   * @throws RangeError as {@link requireTrueLength}.
   */
  write(opcode: Opcode, payload: Uint8Array, fin = true, rsv1 = false, masked = this.masked): void {
    const { length } = payload;
    // Up to 16 octets are copied one by one, where a missing octet reads as 0. A comparison for each payload would cost
    // 5 % of an echo of 16 octets.
    if (length > 16 && length !== payload.byteLength) requireTrueLength(payload);
    const key = masked ? this.#nextKey() : null;
    const first = firstOctet(opcode, fin, rsv1);
    const header = headerLength(length, masked);
    if (length <= copyUpTo) {
      this.#reserve(header + length);
      const slab = this.slab!;
      const at = writeHeader(slab, this.to, first, length, key);
      if (key !== null) maskInto(payload, 0, length, slab, at, key);
      else if (length > 16) slab.set(payload, at);
      else for (let i = 0; i < length; i++) slab[at + i] = payload[i]!;
      this.to = at + length;
    } else if (key !== null) {
      const frame = Buffer.allocUnsafeSlow(header + length);
      maskInto(payload, 0, length, frame, writeHeader(frame, 0, first, length, key), key);
      this.#append(frame);
    } else {
      this.#reserve(maxHeaderLength);
      this.to = writeHeader(this.slab!, this.to, first, length, null);
      this.#append(payload);
    }
    this.byteLength += header + length;
  }

  /**
   * Writes a frame whose payload is `text` in UTF-8. Lone surrogates become U+FFFD. Returns the length of the payload.
   */
  writeText(opcode: Opcode, text: string, fin = true, masked = this.masked): number {
    const atMost = text.length * 3;
    if (atMost + maxHeaderLength > largeSlabSize) {
      const payload = Buffer.from(text, 'utf8');
      if (masked) this.#writeOwned(opcode, payload, fin);
      else this.write(opcode, payload, fin, false, false);
      return payload.length;
    }
    // Before room is reserved. Otherwise a `nextKey` function that sends something itself would use the same room.
    const key = masked ? this.#nextKey() : null;
    this.#reserve(atMost + maxHeaderLength);
    const slab = this.slab!;
    // The header's length depends on the payload's, which is known only after encoding. For ASCII the guess is right.
    const guess = headerLength(text.length, masked);
    const length = slab.write(text, this.to + guess, atMost, 'utf8');
    const header = headerLength(length, masked);
    if (header !== guess) {
      const payload = this.to + guess;
      slab.copyWithin(this.to + header, payload, payload + length);
    }
    const at = writeHeader(slab, this.to, firstOctet(opcode, fin, false), length, key);
    if (key !== null) maskInPlace(slab, at, at + length, key);
    this.to = at + length;
    this.byteLength += header + length;
    return length;
  }

  /**
   * Adds encoded frames, such as those encoded once for many connections. More than {@link copyUpTo} octets are kept by
   * reference.
   * @throws RangeError as {@link requireTrueLength}.
   */
  writeEncoded(frames: Uint8Array): void {
    requireTrueLength(frames);
    const { length } = frames;
    if (length <= copyUpTo) {
      this.#reserve(length);
      this.slab!.set(frames, this.to);
      this.to += length;
    } else {
      this.#append(frames);
    }
    this.byteLength += length;
  }

  /**
   * Takes all frames written, as chunks in order. Their memory is not reused until {@link release}. Without that call,
   * later frames use the rest of the slab.
   */
  take(): Uint8Array[] {
    const chunks = this.chunks ?? [];
    if (this.to > this.from) chunks.push(this.slab!.subarray(this.from, this.to));
    this.chunks = null;
    this.from = this.to;
    this.taken = this.to;
    this.byteLength = 0;
    this.payloadLength = 0;
    return chunks;
  }

  /**
   * Takes all frames written if they are one chunk, the usual case. Otherwise returns null, and {@link take} returns
   * them.
   */
  takeOne(): Uint8Array | null {
    if (this.chunks !== null || this.slab === null || this.to === this.from) return null;
    const chunk = this.slab.subarray(this.from, this.to);
    this.from = this.to;
    this.taken = this.to;
    this.byteLength = 0;
    this.payloadLength = 0;
    return chunk;
  }

  /** Takes all frames written as one copy that shares no memory. For a stream that may keep its chunks. */
  takeCopy(): Buffer {
    const { taken } = this;
    const copy = joinChunks(this.take());
    if (taken > 0) this.slab = null;
    this.#rewind(0);
    return copy;
  }

  /**
   * Takes all frames written as chunks in order, none of which lies in a slab. Octets in slabs are copied, payloads by
   * reference are not. For a socket that forwards its chunks later, and that a function may wrap before.
   */
  takeUnpooled(): Uint8Array[] {
    const { taken } = this;
    const chunks = this.take();
    for (let i = 0; i < chunks.length; i++) if (isInSlab(chunks[i]!)) chunks[i] = Buffer.from(chunks[i]!);
    this.#rewind(taken);
    return chunks;
  }

  /** True if the kernel may still read chunks taken from the slab. The slab must not be released then. */
  get isRead(): boolean {
    return this.taken > 0;
  }

  /** Releases the slab, because the kernel has consumed (or a copy holds) the chunks taken from it. */
  release(): void {
    // The slab also holds the header of a payload by reference that was not taken.
    if (this.slab === null || this.from !== this.to || this.chunks !== null) return;
    releaseSlab(this.slab);
    this.slab = null;
    this.taken = 0;
  }

  /**
   * Drops frames that were written and not taken. The slab is left to the garbage collector, because a reader may still
   * use it.
   */
  discard(): void {
    this.slab = null;
    this.chunks = null;
    this.#rewind(0);
    this.byteLength = 0;
    this.payloadLength = 0;
  }

  /** Frees the slab's octets from `taken` on, which were copied. */
  #rewind(taken: number): void {
    this.from = taken;
    this.to = taken;
    this.taken = taken;
  }

  /** Writes a payload that belongs to this writer. It is masked in place. */
  #writeOwned(opcode: Opcode, payload: Buffer, fin: boolean): void {
    const key = this.#nextKey();
    this.#reserve(maxHeaderLength);
    const before = this.to;
    this.to = writeHeader(this.slab!, before, firstOctet(opcode, fin, false), payload.length, key);
    this.byteLength += this.to - before + payload.length;
    maskInPlace(payload, 0, payload.length, key);
    this.#append(payload);
  }

  #append(chunk: Uint8Array): void {
    this.chunks ??= [];
    if (this.to > this.from) {
      this.chunks.push(this.slab!.subarray(this.from, this.to));
      this.from = this.to;
    }
    this.chunks.push(chunk);
  }

  /** Reserves `octets` contiguous octets in the slab, at most {@link largeSlabSize}. */
  #reserve(octets: number): void {
    if (this.slab !== null && this.slab.length - this.to >= octets) return;
    this.#renew(octets);
  }

  #renew(octets: number): void {
    const old = this.slab;
    const isSmall = old !== null && old.length === smallSlabSize;
    const written = this.to - this.from;
    if (isSmall && written > 0 && written + octets <= largeSlabSize) {
      // Otherwise a second slab would cause a second write. Copying two kilobytes takes less time.
      const slab = takeSlab(largeSlabSize);
      slab.set(old.subarray(this.from, this.to));
      if (this.from === 0 && this.chunks === null) releaseSlab(old);
      this.slab = slab;
      this.#rewind(0);
      this.to = written;
      return;
    }
    if (written > 0) {
      this.chunks ??= [];
      this.chunks.push(old!.subarray(this.from, this.to));
    }
    this.slab = takeSlab(this.isBusy || octets > smallSlabSize ? largeSlabSize : smallSlabSize);
    this.#rewind(0);
  }
}

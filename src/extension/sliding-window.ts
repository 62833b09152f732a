/**
 * The last octets of all inflated messages, to which later messages may refer (RFC 7692 §7.1.1). zlib has the same
 * window but does not expose it, and inflating a message elsewhere requires it.
 */
export class SlidingWindow {
  readonly #size: number;
  #memory: Buffer | null = null;
  /** Position for the next octet, and number of octets stored. */
  #at = 0;
  #length = 0;

  /** @param bits Base-2 logarithm of the window, 8–15. */
  constructor(bits: number) {
    this.#size = 1 << bits;
  }

  /** Appends octets to the window. They are copied. */
  push(octets: Uint8Array): void {
    const size = this.#size;
    this.#memory ??= Buffer.allocUnsafeSlow(size);
    const memory = this.#memory;
    const last = octets.length > size ? octets.subarray(octets.length - size) : octets;
    const untilEnd = Math.min(last.length, size - this.#at);
    memory.set(untilEnd === last.length ? last : last.subarray(0, untilEnd), this.#at);
    if (untilEnd < last.length) memory.set(last.subarray(untilEnd), 0);
    this.#at = (this.#at + last.length) % size;
    this.#length = Math.min(size, this.#length + last.length);
  }

  /** Returns a copy of the octets, the oldest first; undefined if there are none. */
  copy(): Buffer | undefined {
    if (this.#memory === null || this.#length === 0) return undefined;
    const start = this.#length < this.#size ? 0 : this.#at;
    return Buffer.concat([this.#memory.subarray(start, this.#length), this.#memory.subarray(0, start)]);
  }

  /** Empties the window and frees its memory. */
  clear(): void {
    this.#memory = null;
    this.#at = 0;
    this.#length = 0;
  }
}

/** Chunks of at least this many octets are kept as they are. Smaller ones are copied together. */
const minKept = 4096;

/** Received octets that wait to be processed: a queue of chunks. Each octet is copied at most once. */
export class KeptOctets {
  /** Chunks in order, from {@link #first} on. */
  #chunks: Buffer[] = [];
  #first = 0;
  /** Memory for small chunks, and its filled length. These octets are behind all {@link #chunks}. */
  #block: Buffer | null = null;
  #filled = 0;

  get isEmpty(): boolean {
    return this.#first === this.#chunks.length && this.#filled === 0;
  }

  /** Adds a chunk behind the others. It must not change any more. */
  append(chunk: Buffer): void {
    const { length } = chunk;
    if (length >= minKept) {
      this.#closeBlock();
      this.#chunks.push(chunk);
      return;
    }
    // Otherwise a stream that delivers octets one by one would need a hundred times their memory.
    if (this.#block !== null && this.#filled + length > minKept) this.#closeBlock();
    this.#block ??= Buffer.allocUnsafeSlow(minKept);
    this.#block.set(chunk, this.#filled);
    this.#filled += length;
  }

  /** Adds a chunk in front of the others: the rest of one that was taken. */
  prepend(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.#first > 0) this.#chunks[--this.#first] = chunk;
    else this.#chunks.unshift(chunk);
  }

  /** Removes the first chunk and returns it; null if there is none. */
  take(): Buffer | null {
    if (this.#first === this.#chunks.length) this.#closeBlock();
    if (this.#first === this.#chunks.length) return null;
    const chunk = this.#chunks[this.#first++]!;
    // Only once half is gone, so that the copying costs no more than adding did.
    if (this.#first * 2 >= this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#first = 0;
    }
    return chunk;
  }

  #closeBlock(): void {
    if (this.#block !== null && this.#filled > 0) this.#chunks.push(this.#block.subarray(0, this.#filled));
    this.#block = null;
    this.#filled = 0;
  }
}

/**
 * Joins pieces of octets in one growing block of memory, so that a million pieces of one octet take a million octets.
 */
export class Gather {
  #memory = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(octets: Buffer): void {
    const needed = this.#length + octets.length;
    if (needed > this.#memory.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#memory.length * 2, 1024));
      this.#memory.copy(grown, 0, 0, this.#length);
      this.#memory = grown;
    }
    octets.copy(this.#memory, this.#length);
    this.#length = needed;
  }

  /** Returns all octets since the last call. Their memory belongs to the caller. */
  take(): Buffer {
    const taken = this.#memory.subarray(0, this.#length);
    this.#memory = Buffer.alloc(0);
    this.#length = 0;
    return taken;
  }
}

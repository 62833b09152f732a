/** Errors of a validator: invalid sequences that it accepts, or valid ones that it rejects. */
export interface Utf8Faults {
  /** Accepts sequences for U+D800 to U+DFFF. */
  readonly surrogates?: boolean;
  /** Accepts sequences longer than necessary. */
  readonly overlong?: boolean;
  /** Accepts sequences of four octets beyond U+10FFFF. */
  readonly beyondUnicode?: boolean;
  /** Accepts a text that ends inside a sequence. */
  readonly unfinished?: boolean;
  /** Rejects U+FFFE and U+FFFF, and those of the other planes. Unicode calls them noncharacters, but they are valid. */
  readonly refusesNoncharacters?: boolean;
}

/** Validates UTF-8 in chunks: written from RFC 3629, only for the tests of the conformance runner. */
export class Utf8 {
  readonly #faults: Utf8Faults;
  #missing = 0;
  #length = 0;
  #code = 0;

  constructor(faults: Utf8Faults = {}) {
    this.#faults = faults;
  }

  /** Returns true if the text can still be valid after these octets. */
  accepts(octets: Uint8Array): boolean {
    for (const octet of octets) if (!this.#accept(octet)) return false;
    return true;
  }

  /** Returns true if the text may end here. */
  isComplete(): boolean {
    return this.#missing === 0 || this.#faults.unfinished === true;
  }

  #accept(octet: number): boolean {
    if (this.#missing === 0) return this.#begin(octet);
    if (octet >> 6 !== 0b10) return false;
    this.#code = (this.#code << 6) | (octet & 0x3f);
    this.#missing--;
    return this.#isPossible();
  }

  #begin(octet: number): boolean {
    if (octet < 0x80) return true;
    if (octet < 0xc0 || octet > 0xf7) return false;
    this.#length = octet < 0xe0 ? 2 : octet < 0xf0 ? 3 : 4;
    this.#missing = this.#length - 1;
    this.#code = octet & (0xff >> (this.#length + 1));
    return this.#isPossible();
  }

  /** Returns true if the current sequence can still become valid, so that impossible ones are rejected at once. */
  #isPossible(): boolean {
    const low = this.#code << (6 * this.#missing);
    const high = low | ((1 << (6 * this.#missing)) - 1);
    const least = [0, 0, 0x80, 0x800, 0x10000][this.#length]!;
    if (high < least && !this.#faults.overlong) return false;
    if (low > 0x10ffff && !this.#faults.beyondUnicode) return false;
    if (low >= 0xd800 && high <= 0xdfff && !this.#faults.surrogates) return false;
    return !(this.#faults.refusesNoncharacters && this.#missing === 0 && (low & 0xfffe) === 0xfffe);
  }
}

import { isUtf8 } from 'node:buffer';

// Minimum length in octets for the native check. For shorter text a loop is faster than creating a view.
const nativeFrom = 48;

/**
 * Checks whether octets are UTF-8 (§8.1, RFC 3629), in chunks of any size. Rejects at the first octet that cannot
 * belong to any valid text. The state is three small numbers.
 */
export class Utf8Validator {
  // Number of missing continuation octets, and bounds of the next one. Only the octet behind the first has bounds other
  // than 80–BF: they exclude overlong forms, surrogates and code points beyond U+10FFFF.
  private missing = 0;
  private lowest = 0x80;
  private highest = 0xbf;

  /** True if the octets so far end between two characters. */
  get isComplete(): boolean {
    return this.missing === 0;
  }

  reset(): void {
    this.missing = 0;
    this.lowest = 0x80;
    this.highest = 0xbf;
  }

  /** Checks octets `start` to `end`. Returns false if one of them is invalid; after that only `reset` may be called. */
  push(octets: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (this.missing > 0 && at < end) if (!this.#step(octets[at++]!)) return false;
    if (end - at >= nativeFrom) {
      const boundary = lastBoundary(octets, at, end);
      if (!isUtf8(octets.subarray(at, boundary))) return false;
      at = boundary;
    }
    while (at < end) if (!this.#step(octets[at++]!)) return false;
    return true;
  }

  #step(octet: number): boolean {
    if (this.missing > 0) {
      if (octet < this.lowest || octet > this.highest) return false;
      this.missing--;
      this.lowest = 0x80;
      this.highest = 0xbf;
      return true;
    }
    if (octet < 0x80) return true;
    if (octet < 0xc2 || octet > 0xf4) return false;
    if (octet < 0xe0) {
      this.missing = 1;
    } else if (octet < 0xf0) {
      this.missing = 2;
      if (octet === 0xe0) this.lowest = 0xa0;
      else if (octet === 0xed) this.highest = 0x9f;
    } else {
      this.missing = 3;
      if (octet === 0xf0) this.lowest = 0x90;
      else if (octet === 0xf4) this.highest = 0x8f;
    }
    return true;
  }
}

/**
 * Returns the offset of a lead octet among the last three whose character does not end before `end`; otherwise `end`.
 */
function lastBoundary(octets: Uint8Array, start: number, end: number): number {
  for (let back = 1; back <= 3 && end - back >= start; back++) {
    const octet = octets[end - back]!;
    if (octet < 0x80) break;
    if (octet < 0xc0) continue;
    const length = octet >= 0xf0 ? 4 : octet >= 0xe0 ? 3 : 2;
    return length > back ? end - back : end;
  }
  return end;
}

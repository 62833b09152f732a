import { xorInWasm } from './mask-wasm.ts';
import { maskWords, viewOf, xorInWords } from './mask-words.ts';

// Which loop is fastest depends on the length, and on whether there is a view already; the borders are measured
// (bench/micro/unmask.js, docs/performance.md).
const wasmFrom = 1024;
const octetsUpTo = 128;
const octetsUpToWithView = 12;

/** Turns a key so that it begins with its octet `phase` (only the two lowest bits count). */
export function rotateKey(key: number, phase: number): number {
  const bits = (phase & 3) << 3;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}

/** Four octets at `offset`, in the order of the wire, as a masking key. Nothing is checked. */
export function readKey(octets: Uint8Array, offset: number): number {
  return octets[offset]! | (octets[offset + 1]! << 8) | (octets[offset + 2]! << 16) | (octets[offset + 3]! << 24);
}

/**
 * Masks or unmasks octets in place (§5.3); the operation is its own inverse.
 * `key` starts with the octet for `start`; see {@link rotateKey} for payloads that come in parts.
 * `view` is {@link viewOf} these octets, if the caller has it.
 * @returns Its bits 7, 15, 23 and 31 are clear only if all resulting octets are ASCII: `seen & 0x80808080` is 0 then, and not
 *   0 if they are not.
 */
export function maskInPlace(
  octets: Uint8Array,
  start: number,
  end: number,
  key: number,
  view: DataView | null = null,
): number {
  const length = end - start;
  if (length >= wasmFrom) return xorInWasm(octets, start, end, octets, start, key);
  if (length <= (view === null ? octetsUpTo : octetsUpToWithView)) {
    return maskOctets(octets, start, end, octets, start, key);
  }
  return maskWords(view ?? viewOf(octets), start, end, key);
}

/**
 * Masks or unmasks octets `start` to `end` of `source` into `target` at `targetStart`, in one pass; `source` is left as it is.
 * @returns As {@link maskInPlace}.
 */
export function maskInto(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  targetStart: number,
  key: number,
): number {
  const length = end - start;
  if (length >= wasmFrom) return xorInWasm(source, start, end, target, targetStart, key);
  if (length <= octetsUpTo) return maskOctets(source, start, end, target, targetStart, key);
  return xorInWords(source, start, end, target, targetStart, key);
}

function maskOctets(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  targetStart: number,
  key: number,
): number {
  const k0 = key & 255;
  const k1 = (key >>> 8) & 255;
  const k2 = (key >>> 16) & 255;
  const k3 = key >>> 24;
  let seen = 0;
  let to = targetStart;
  let from = start;
  for (const last = end - 3; from < last; from += 4, to += 4) {
    const a = source[from]! ^ k0;
    const b = source[from + 1]! ^ k1;
    const c = source[from + 2]! ^ k2;
    const d = source[from + 3]! ^ k3;
    target[to] = a;
    target[to + 1] = b;
    target[to + 2] = c;
    target[to + 3] = d;
    seen |= a | b | c | d;
  }
  for (let shift = 0; from < end; from++, to++, shift += 8) {
    const a = source[from]! ^ ((key >>> shift) & 255);
    target[to] = a;
    seen |= a;
  }
  return seen;
}

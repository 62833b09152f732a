import { xorInWasm } from './mask-wasm.ts';
import { maskWords, viewOf, xorInWords } from './mask-words.ts';

// The fastest loop depends on the length, and on whether a view exists already. These thresholds are measured
// (bench/micro/unmask.js, docs/performance.md).
const wasmFrom = 1024;
const octetsUpTo = 128;
const octetsUpToWithView = 12;

/** Rotates a key so that it begins with its octet `phase`. Only the two lowest bits of `phase` count. */
export function rotateKey(key: number, phase: number): number {
  const bits = (phase & 3) << 3;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}

/** Reads the four octets at `offset`, in wire order, as a masking key. Bounds are not checked. */
export function readKey(octets: Uint8Array, offset: number): number {
  return octets[offset]! | (octets[offset + 1]! << 8) | (octets[offset + 2]! << 16) | (octets[offset + 3]! << 24);
}

/**
 * Masks or unmasks octets in place (§5.3); the operation is its own inverse. `key` begins with the octet for `start`;
 * see {@link rotateKey} for payloads in parts. `view` is the {@link viewOf} of the same octets, if the caller has one.
 * @returns A value `seen`: `seen & 0x80808080` is 0 if and only if all resulting octets are ASCII.
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
 * Masks or unmasks octets `start` to `end` of `source` into `target` at `targetStart`, in one pass. `source` does not
 * change.
 * @returns The same value as {@link maskInPlace}.
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

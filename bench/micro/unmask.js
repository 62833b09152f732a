/**
 * Unmasking (RFC 6455 §5.3) by payload size, with and without detecting on the way whether the text is ASCII.
 *
 *     node bench/micro/unmask.js [--quick]
 *
 * Every variant unmasks in place, at the offsets of back-to-back frames in a 64 KiB chunk. Results are checked before
 * measuring.
 */
import { isUtf8 } from 'node:buffer';
import { createRequire } from 'node:module';
import { cpus, loadavg } from 'node:os';
import { compareTable } from './harness.js';

const require = createRequire(import.meta.url);
const wabt = await require('wabt')();
// @ts-expect-error: it has no types
const bufferutil = require('bufferutil');

/**
 * 64 bytes per turn, then 16, then the rest. `unmask` works up to the next multiple of 64 bytes past the end, for which
 * the scratch memory has room. `unmaskAscii` must not count those bytes: the last vector is masked by a window into 16
 * × ff, 16 × 00.
 */
export const wat = `(module
  (memory (export "memory") 2)
  (data (i32.const 0) "\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff")
  (func (export "unmask") (param $key i32) (param $end i32)
    (local $p i32) (local $k v128)
    (local.set $k (i32x4.splat (local.get $key)))
    (local.set $p (i32.const 64))
    (loop $next
      (v128.store (local.get $p) (v128.xor (v128.load (local.get $p)) (local.get $k)))
      (v128.store offset=16 (local.get $p) (v128.xor (v128.load offset=16 (local.get $p)) (local.get $k)))
      (v128.store offset=32 (local.get $p) (v128.xor (v128.load offset=32 (local.get $p)) (local.get $k)))
      (v128.store offset=48 (local.get $p) (v128.xor (v128.load offset=48 (local.get $p)) (local.get $k)))
      (br_if $next (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 64))) (local.get $end)))))
  (func (export "unmaskAscii") (param $key i32) (param $end i32) (result i32)
    (local $p i32) (local $k v128) (local $or v128) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $k (i32x4.splat (local.get $key)))
    (local.set $p (i32.const 64))
    (block $short
      (br_if $short (i32.lt_u (local.get $end) (i32.const 128)))
      (loop $next
        (v128.store (local.get $p)
          (local.tee $a (v128.xor (v128.load (local.get $p)) (local.get $k))))
        (v128.store offset=16 (local.get $p)
          (local.tee $b (v128.xor (v128.load offset=16 (local.get $p)) (local.get $k))))
        (v128.store offset=32 (local.get $p)
          (local.tee $c (v128.xor (v128.load offset=32 (local.get $p)) (local.get $k))))
        (v128.store offset=48 (local.get $p)
          (local.tee $d (v128.xor (v128.load offset=48 (local.get $p)) (local.get $k))))
        (local.set $or (v128.or (local.get $or)
          (v128.or (v128.or (local.get $a) (local.get $b)) (v128.or (local.get $c) (local.get $d)))))
        (local.set $p (i32.add (local.get $p) (i32.const 64)))
        (br_if $next (i32.le_u (i32.add (local.get $p) (i32.const 64)) (local.get $end)))))
    (block $done
      (loop $next
        (br_if $done (i32.gt_u (i32.add (local.get $p) (i32.const 16)) (local.get $end)))
        (v128.store (local.get $p) (local.tee $a (v128.xor (v128.load (local.get $p)) (local.get $k))))
        (local.set $or (v128.or (local.get $or) (local.get $a)))
        (local.set $p (i32.add (local.get $p) (i32.const 16)))
        (br $next)))
    (v128.store (local.get $p) (local.tee $a (v128.xor (v128.load (local.get $p)) (local.get $k))))
    (local.set $or (v128.or (local.get $or)
      (v128.and (local.get $a) (v128.load (i32.sub (i32.add (i32.const 16) (local.get $p)) (local.get $end))))))
    (i8x16.bitmask (local.get $or))))`;

const parsed = wabt.parseWat('unmask.wat', wat, { simd: true });
const { buffer: wasmBinary } = parsed.toBinary({});
parsed.destroy();
const { exports: wasm } = new WebAssembly.Instance(new WebAssembly.Module(wasmBinary));
const wasmUnmask = /** @type {(key: number, end: number) => void} */ (wasm.unmask);
const wasmUnmaskAscii = /** @type {(key: number, end: number) => number} */ (wasm.unmaskAscii);
/** Offset of the scratch memory, behind the 32 bytes of the window, aligned to a cache line. */
const SCRATCH = 64;
const SCRATCH_SIZE = 65536;
const memory = Buffer.from(/** @type {WebAssembly.Memory} */ (wasm.memory).buffer);
const scratch = memory.subarray(SCRATCH, SCRATCH + SCRATCH_SIZE);

/** Chunk as received from a socket, with the views that a decoder would cache for its lifetime. */
class Chunk {
  /** @param {number} length */
  constructor(length) {
    this.memory = new ArrayBuffer((length + 7) & ~7);
    this.bytes = Buffer.from(this.memory);
    this.int32 = new Int32Array(this.memory);
    this.big64 = new BigUint64Array(this.memory);
    this.view = new DataView(this.memory);
  }
}

/** @param {Chunk} chunk @param {number} from @param {number} length @param {number} key */
function byteLoop(chunk, from, length, key) {
  const { bytes } = chunk;
  const mask = [key & 255, (key >> 8) & 255, (key >> 16) & 255, key >>> 24];
  for (let i = 0; i < length; i++) bytes[from + i] ^= mask[i & 3];
}

/** @param {Buffer} bytes @param {number} p @param {number} end @param {number} key */
function unrolled(bytes, p, end, key) {
  const a = key & 255;
  const b = (key >> 8) & 255;
  const c = (key >> 16) & 255;
  const d = key >>> 24;
  for (; p + 3 < end; p += 4) {
    bytes[p] ^= a;
    bytes[p + 1] ^= b;
    bytes[p + 2] ^= c;
    bytes[p + 3] ^= d;
  }
  if (p < end) bytes[p] ^= a;
  if (p + 1 < end) bytes[p + 1] ^= b;
  if (p + 2 < end) bytes[p + 2] ^= c;
}

/** @param {Buffer} bytes @param {number} p @param {number} end @param {number} key @returns {number} OR of the octets */
function unrolledOr(bytes, p, end, key) {
  const a = key & 255;
  const b = (key >> 8) & 255;
  const c = (key >> 16) & 255;
  const d = key >>> 24;
  let or = 0;
  for (; p + 3 < end; p += 4) {
    const w = bytes[p] ^ a;
    const x = bytes[p + 1] ^ b;
    const y = bytes[p + 2] ^ c;
    const z = bytes[p + 3] ^ d;
    bytes[p] = w;
    bytes[p + 1] = x;
    bytes[p + 2] = y;
    bytes[p + 3] = z;
    or |= w | x | y | z;
  }
  if (p < end) or |= bytes[p] ^= a;
  if (p + 1 < end) or |= bytes[p + 1] ^= b;
  if (p + 2 < end) or |= bytes[p + 2] ^= c;
  return or;
}

/** @param {Buffer} bytes @param {Int32Array} words @param {number} from @param {number} length @param {number} key */
function int32(bytes, words, from, length, key) {
  const end = from + length;
  let p = from;
  for (; p & 3 && p < end; p++) {
    bytes[p] ^= key;
    key = (key >>> 8) | (key << 24);
  }
  let w = p >> 2;
  const last = end >> 2;
  for (; w + 7 < last; w += 8) {
    words[w] ^= key;
    words[w + 1] ^= key;
    words[w + 2] ^= key;
    words[w + 3] ^= key;
    words[w + 4] ^= key;
    words[w + 5] ^= key;
    words[w + 6] ^= key;
    words[w + 7] ^= key;
  }
  for (; w < last; w++) words[w] ^= key;
  for (p = Math.max(w << 2, p); p < end; p++) {
    bytes[p] ^= key;
    key >>>= 8;
  }
}

/** @param {Buffer} bytes @param {Int32Array} words @param {number} from @param {number} length @param {number} key */
function int32Or(bytes, words, from, length, key) {
  const end = from + length;
  let or = 0;
  let p = from;
  for (; p & 3 && p < end; p++) {
    or |= (bytes[p] ^ key) & 255;
    bytes[p] ^= key;
    key = (key >>> 8) | (key << 24);
  }
  let w = p >> 2;
  const last = end >> 2;
  for (; w + 3 < last; w += 4) {
    const a = words[w] ^ key;
    const b = words[w + 1] ^ key;
    const c = words[w + 2] ^ key;
    const d = words[w + 3] ^ key;
    words[w] = a;
    words[w + 1] = b;
    words[w + 2] = c;
    words[w + 3] = d;
    or |= a | b | c | d;
  }
  for (; w < last; w++) or |= words[w] ^= key;
  for (p = Math.max(w << 2, p); p < end; p++) {
    or |= (bytes[p] ^ key) & 255;
    bytes[p] ^= key;
    key >>>= 8;
  }
  return or & 0x80808080;
}

/** @param {Buffer} bytes @param {BigUint64Array} words @param {number} from @param {number} length @param {number} key */
function big64(bytes, words, from, length, key) {
  const end = from + length;
  let p = from;
  for (; p & 7 && p < end; p++) {
    bytes[p] ^= key;
    key = (key >>> 8) | (key << 24);
  }
  let w = p >> 3;
  const last = end >> 3;
  if (w < last) {
    const half = BigInt(key >>> 0);
    const wide = BigInt.asUintN(64, (half << 32n) | half);
    for (; w + 3 < last; w += 4) {
      words[w] ^= wide;
      words[w + 1] ^= wide;
      words[w + 2] ^= wide;
      words[w + 3] ^= wide;
    }
    for (; w < last; w++) words[w] ^= wide;
    p = w << 3;
  }
  for (; p < end; p++) {
    bytes[p] ^= key;
    key = (key >>> 8) | (key << 24);
  }
}

/** Accumulator of `big64Or`. A local BigInt would be allocated at every step; a store into an array is not. */
const gathered = new BigUint64Array(1);
const gatheredInt32 = new Int32Array(gathered.buffer);

/** @param {Buffer} bytes @param {BigUint64Array} words @param {number} from @param {number} length @param {number} key */
function big64Or(bytes, words, from, length, key) {
  const end = from + length;
  let or = 0;
  let p = from;
  for (; p & 7 && p < end; p++) {
    or |= (bytes[p] ^ key) & 255;
    bytes[p] ^= key;
    key = (key >>> 8) | (key << 24);
  }
  let w = p >> 3;
  const last = end >> 3;
  if (w < last) {
    const half = BigInt(key >>> 0);
    const wide = BigInt.asUintN(64, (half << 32n) | half);
    gathered[0] = 0n;
    for (; w + 3 < last; w += 4) {
      words[w] ^= wide;
      words[w + 1] ^= wide;
      words[w + 2] ^= wide;
      words[w + 3] ^= wide;
      gathered[0] |= words[w] | words[w + 1] | words[w + 2] | words[w + 3];
    }
    for (; w < last; w++) {
      words[w] ^= wide;
      gathered[0] |= words[w];
    }
    or |= gatheredInt32[0] | gatheredInt32[1];
    p = w << 3;
  }
  for (; p < end; p++) {
    or |= (bytes[p] ^ key) & 255;
    bytes[p] ^= key;
    key = (key >>> 8) | (key << 24);
  }
  return or & 0x80808080;
}

/** @param {Buffer} bytes @param {DataView} view @param {number} p @param {number} length @param {number} key */
function dataView(bytes, view, p, length, key) {
  const end = p + length;
  for (; p + 15 < end; p += 16) {
    view.setInt32(p, view.getInt32(p, true) ^ key, true);
    view.setInt32(p + 4, view.getInt32(p + 4, true) ^ key, true);
    view.setInt32(p + 8, view.getInt32(p + 8, true) ^ key, true);
    view.setInt32(p + 12, view.getInt32(p + 12, true) ^ key, true);
  }
  for (; p + 3 < end; p += 4) view.setInt32(p, view.getInt32(p, true) ^ key, true);
  for (; p < end; p++) {
    bytes[p] ^= key;
    key >>>= 8;
  }
}

/** @param {Buffer} bytes @param {DataView} view @param {number} p @param {number} length @param {number} key */
function dataViewOr(bytes, view, p, length, key) {
  const end = p + length;
  let or = 0;
  for (; p + 15 < end; p += 16) {
    const a = view.getInt32(p, true) ^ key;
    const b = view.getInt32(p + 4, true) ^ key;
    const c = view.getInt32(p + 8, true) ^ key;
    const d = view.getInt32(p + 12, true) ^ key;
    view.setInt32(p, a, true);
    view.setInt32(p + 4, b, true);
    view.setInt32(p + 8, c, true);
    view.setInt32(p + 12, d, true);
    or |= a | b | c | d;
  }
  for (; p + 3 < end; p += 4) {
    const a = view.getInt32(p, true) ^ key;
    view.setInt32(p, a, true);
    or |= a;
  }
  for (; p < end; p++) {
    const a = (bytes[p] ^ key) & 255;
    bytes[p] = a;
    or |= a;
    key >>>= 8;
  }
  return or & 0x80808080;
}

/**
 * Unmasks through the scratch memory into `target` at `at`: the chunk itself (in place), or the message being
 * assembled.
 * @param {Buffer} bytes @param {number} p @param {number} length @param {number} key @param {Buffer} target @param
 *   {number} at
 */
function simd(bytes, p, length, key, target, at) {
  for (const end = p + length; p < end; ) {
    const part = Math.min(end - p, SCRATCH_SIZE);
    bytes.copy(memory, SCRATCH, p, p + part);
    wasmUnmask(key, SCRATCH + part);
    memory.copy(target, at, SCRATCH, SCRATCH + part);
    p += part;
    at += part;
  }
}

/** @param {Buffer} bytes @param {number} p @param {number} length @param {number} key @param {Buffer} target @param {number} at */
function simdAscii(bytes, p, length, key, target, at) {
  let high = 0;
  for (const end = p + length; p < end; ) {
    const part = Math.min(end - p, SCRATCH_SIZE);
    bytes.copy(memory, SCRATCH, p, p + part);
    high |= wasmUnmaskAscii(key, SCRATCH + part);
    memory.copy(target, at, SCRATCH, SCRATCH + part);
    p += part;
    at += part;
  }
  return high;
}

/**
 * The same with `set`, which needs a view on the source but is a shorter path into C++ for some lengths.
 * @param {Buffer} bytes @param {number} p @param {number} length @param {number} key
 */
function simdSet(bytes, p, length, key) {
  memory.set(bytes.subarray(p, p + length), SCRATCH);
  wasmUnmask(key, SCRATCH + length);
  bytes.set(memory.subarray(SCRATCH, SCRATCH + length), p);
}

/**
 * Returns the offsets of consecutive frames in a chunk: payloads at every alignment, as with real headers.
 * @param {number} size @param {number} chunkSize
 */
function offsetsOf(size, chunkSize) {
  const header = size < 126 ? 6 : size < 65536 ? 8 : 14;
  const offsets = [];
  for (let p = header; p + size <= chunkSize && offsets.length < 1024; p += size + header) offsets.push(p);
  // A power of two, so that the loop selects its offset with one AND.
  offsets.length = 2 ** Math.floor(Math.log2(offsets.length));
  return Int32Array.from(offsets);
}

const KEY = 0x37fa213d;
/** Functions of the library, if built. @type {undefined | typeof import('../../src/frame/mask.ts')} */
const built = await import(new URL('../../dist/cjs/frame/mask.js', import.meta.url).href).catch(() => undefined);
const quick = process.argv.includes('--quick');

/** @param {number} size */
function chunkFor(size) {
  return new Chunk(Math.max(65536, size + 64));
}

/** @param {number} size @returns {Record<string, (i: number) => unknown>} */
function variantsAt(size) {
  const chunk = chunkFor(size);
  const { bytes, view } = chunk;
  const words = chunk.int32;
  const longs = chunk.big64;
  const at = offsetsOf(size, bytes.length);
  const m = at.length - 1;
  const key = KEY;
  const mask = Buffer.from([key & 255, (key >> 8) & 255, (key >> 16) & 255, key >>> 24]);
  const other = Buffer.alloc(Math.max(size, 8));
  return {
    'byte loop': (i) => byteLoop(chunk, at[i & m], size, key),
    'bytes, 4× unrolled': (i) => unrolled(bytes, at[i & m], at[i & m] + size, key),
    'bytes, 4× unrolled + OR': (i) => unrolledOr(bytes, at[i & m], at[i & m] + size, key),
    'Int32Array ×8, cached': (i) => int32(bytes, words, at[i & m], size, key),
    'Int32Array ×4 + OR, cached': (i) => int32Or(bytes, words, at[i & m], size, key),
    'Int32Array ×8, new view per call': (i) => int32(bytes, new Int32Array(chunk.memory), at[i & m], size, key),
    'BigUint64Array ×4, cached': (i) => big64(bytes, longs, at[i & m], size, key),
    'BigUint64Array ×4 + OR, cached': (i) => big64Or(bytes, longs, at[i & m], size, key),
    'DataView ×4, cached': (i) => dataView(bytes, view, at[i & m], size, key),
    'DataView ×4 + OR, cached': (i) => dataViewOr(bytes, view, at[i & m], size, key),
    'WASM SIMD, copy in and out': (i) => simd(bytes, at[i & m], size, key, bytes, at[i & m]),
    'WASM SIMD + OR, copy in and out': (i) => simdAscii(bytes, at[i & m], size, key, bytes, at[i & m]),
    ...(size <= SCRATCH_SIZE && { 'WASM SIMD, set() in and out': (i) => simdSet(bytes, at[i & m], size, key) }),
    'WASM SIMD, copy in, out to another buffer': (i) => simd(bytes, at[i & m], size, key, other, 0),
    ...(built !== undefined && {
      'goodwire maskInPlace, view cached': (i) => built.maskInPlace(bytes, at[i & m], at[i & m] + size, key, view),
      'goodwire maskInto another buffer': (i) => built.maskInto(bytes, at[i & m], at[i & m] + size, other, 0, key),
    }),
    'bufferutil.unmask (view made per call)': (i) =>
      bufferutil.unmask(bytes.subarray(at[i & m], at[i & m] + size), mask),
    'memcpy to another buffer': (i) => bytes.copy(other, 0, at[i & m], at[i & m] + size),
  };
}

/**
 * From masked bytes to a checked string: shows the benefit of the OR.
 * @param {number} size @returns {Record<string, (i: number) => unknown>}
 */
function stringVariantsAt(size) {
  const chunk = chunkFor(size);
  const { bytes, view } = chunk;
  const words = chunk.int32;
  const longs = chunk.big64;
  const at = offsetsOf(size, bytes.length);
  const m = at.length - 1;
  // Unmasking in place twice restores the masked text, so each call masks the result of the previous one. The text
  // stays ASCII, because every byte of key and text is below 80.
  const ascii = 0x372a213d;
  for (let i = 0; i < bytes.length; i++) bytes[i] = 97 + (i % 26);
  /** @param {number} p */
  const utf8 = (p) => {
    const text = bytes.toString('utf8', p, p + size);
    return text.indexOf('\ufffd') === -1 ? text : isUtf8(bytes.subarray(p, p + size)) && text;
  };
  return {
    'DataView, view + isUtf8 + toString': (i) => {
      dataView(bytes, view, at[i & m], size, ascii);
      const part = bytes.subarray(at[i & m], at[i & m] + size);
      return isUtf8(part) && part.toString();
    },
    'DataView, toString + indexOf(fffd)': (i) => {
      dataView(bytes, view, at[i & m], size, ascii);
      return utf8(at[i & m]);
    },
    'DataView + OR, latin1 if ASCII': (i) => {
      const p = at[i & m];
      return dataViewOr(bytes, view, p, size, ascii) === 0 ? latin1Slice(bytes, p, p + size) : utf8(p);
    },
    'Int32Array, toString + indexOf(fffd)': (i) => {
      int32(bytes, words, at[i & m], size, ascii);
      return utf8(at[i & m]);
    },
    'Int32Array + OR, latin1 if ASCII': (i) => {
      const p = at[i & m];
      return int32Or(bytes, words, p, size, ascii) === 0 ? latin1Slice(bytes, p, p + size) : utf8(p);
    },
    'BigUint64Array, toString + indexOf(fffd)': (i) => {
      big64(bytes, longs, at[i & m], size, ascii);
      return utf8(at[i & m]);
    },
    'BigUint64Array + OR, latin1 if ASCII': (i) => {
      const p = at[i & m];
      return big64Or(bytes, longs, p, size, ascii) === 0 ? latin1Slice(bytes, p, p + size) : utf8(p);
    },
    ...(size <= SCRATCH_SIZE && {
      'WASM, copy out, toString + indexOf(fffd)': (i) => {
        simd(bytes, at[i & m], size, ascii, bytes, at[i & m]);
        return utf8(at[i & m]);
      },
      'WASM, utf8 directly from the scratch memory': (i) => {
        const p = at[i & m];
        bytes.copy(memory, SCRATCH, p, p + size);
        wasmUnmask(ascii, SCRATCH + size);
        const text = utf8Slice(memory, SCRATCH, SCRATCH + size);
        return text.indexOf('\ufffd') === -1 ? text : isUtf8(memory.subarray(SCRATCH, SCRATCH + size)) && text;
      },
      'WASM + OR, latin1 directly from the scratch memory': (i) => {
        const p = at[i & m];
        bytes.copy(memory, SCRATCH, p, p + size);
        const high = wasmUnmaskAscii(ascii, SCRATCH + size);
        return high === 0 ? latin1Slice(memory, SCRATCH, SCRATCH + size) : utf8Slice(memory, SCRATCH, SCRATCH + size);
      },
    }),
  };
}

/** @param {Buffer} bytes @param {number} from @param {number} to @returns {string} */
function latin1Slice(bytes, from, to) {
  return /** @type {any} */ (bytes).latin1Slice(from, to);
}

/** @param {Buffer} bytes @param {number} from @param {number} to @returns {string} */
function utf8Slice(bytes, from, to) {
  return /** @type {any} */ (bytes).utf8Slice(from, to);
}

/**
 * Checks that every variant returns the bytes of the plain loop, and every OR the correct result, at all lengths and
 * alignments.
 */
function check() {
  for (let size = 0; size <= 200; size++) {
    for (let from = 6; from < 14; from++) {
      for (const high of [-1, 0, size - 1, size >> 1]) {
        const plain = Buffer.alloc(size, 'goodwire');
        if (high >= 0 && high < size) plain[high] |= 0x80;
        const isAscii = !plain.some((octet) => octet > 127);
        /** @type {[string, (chunk: Chunk) => unknown][]} */
        const all = [
          ['unrolled', (c) => unrolled(c.bytes, from, from + size, KEY)],
          ['unrolledOr', (c) => (unrolledOr(c.bytes, from, from + size, KEY) & 128) === 0],
          ['int32', (c) => int32(c.bytes, c.int32, from, size, KEY)],
          ['int32Or', (c) => int32Or(c.bytes, c.int32, from, size, KEY) === 0],
          ['big64', (c) => big64(c.bytes, c.big64, from, size, KEY)],
          ['big64Or', (c) => big64Or(c.bytes, c.big64, from, size, KEY) === 0],
          ['dataView', (c) => dataView(c.bytes, c.view, from, size, KEY)],
          ['dataViewOr', (c) => dataViewOr(c.bytes, c.view, from, size, KEY) === 0],
          ['simd', (c) => simd(c.bytes, from, size, KEY, c.bytes, from)],
          ['simdAscii', (c) => simdAscii(c.bytes, from, size, KEY, c.bytes, from) === 0],
          ['simdSet', (c) => simdSet(c.bytes, from, size, KEY)],
        ];
        for (const [name, unmask] of all) {
          const chunk = new Chunk(256);
          chunk.bytes.fill(0xee);
          scratch.fill(0xee);
          plain.copy(chunk.bytes, from);
          byteLoop(chunk, from, size, KEY);
          const answer = unmask(chunk);
          const clean = chunk.bytes.every((octet, i) =>
            i < from || i >= from + size ? octet === 0xee : octet === plain[i - from],
          );
          if (!clean) throw new Error(`${name} unmasks incorrectly: ${size} bytes at ${from}`);
          if (typeof answer === 'boolean' && answer !== isAscii)
            throw new Error(`${name} detects ASCII incorrectly: ${size} bytes at ${from}, high byte at ${high}`);
        }
      }
    }
  }
}

check();
console.log(`node ${process.version}, ${cpus()[0]?.model.trim()}, load ${loadavg()[0].toFixed(2)}`);
console.log(`${wasmBinary.length} bytes of WASM: ${Buffer.from(wasmBinary).toString('base64')}\n`);
const label = (/** @type {number} */ n) => (n >= 1048576 ? `${n >> 20} Mi` : n >= 1024 ? `${n >> 10} Ki` : `${n}`);
const options = quick ? { milliseconds: 2, rounds: 3, label } : { milliseconds: 6, rounds: 9, label };
const sizes = [8, 16, 32, 64, 125, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536, 1048576];
compareTable('unmask', sizes, variantsAt, options);
compareTable(
  'masked bytes to checked ASCII string',
  [8, 16, 32, 64, 125, 256, 512, 1024, 4096, 16384, 65536],
  stringVariantsAt,
  options,
);

import { xorInWords } from './mask-words.ts';

/** Compiled module of `mask.wat`, in base64. A test compares the two. */
export const maskModule: string =
  'AGFzbQEAAAABBwFgAn9/AX8DAgEABQMBAAEHEAIGbWVtb3J5AgADeG9yAAAK/wEB/AEDAX8GewJ/IAH9ESEDAkADQCACQcAAaiAASw0BIAIgAv0ABAAgA/1RIgX9CwQAIAIgAv0ABBAgA/1RIgb9CwQQIAIgAv0ABCAgA/1RIgf9CwQgIAIgAv0ABDAgA/1RIgj9CwQwIAQgBSAG/VAgByAI/VD9UP1QIQQgAkHAAGohAgwACwsCQANAIAJBEGogAEsNASACIAL9AAQAIAP9USIF/QsEACAEIAX9UCEEIAJBEGohAgwACwsCQANAIAIgAE8NASACLQAAIAFB/wFxcyEJIAIgCToAACAKIAlyIQogAUEIeCEBIAJBAWohAgwACwsgBP1kIApBgAFxcgs=';

const scratchSize = 65_536;

type Xor = (end: number, key: number) => number;

/** Value of `seen` for a result that was not inspected: it may contain octets that are not ASCII. */
const unknown = 0x80;

// Instantiated for the first long payload; null if the platform has no WebAssembly SIMD.
let xor: Xor | null | undefined;
let scratch: Uint8Array;

interface WebAssemblyNamespace {
  Module: new (octets: Uint8Array) => object;
  Instance: new (module: object) => { exports: { memory: { buffer: ArrayBuffer }; xor: Xor } };
}

function instantiate(): Xor | null {
  try {
    const wasm = (globalThis as unknown as { WebAssembly: WebAssemblyNamespace }).WebAssembly;
    const instance = new wasm.Instance(new wasm.Module(Buffer.from(maskModule, 'base64')));
    scratch = new Uint8Array(instance.exports.memory.buffer);
    return instance.exports.xor;
  } catch {
    return null;
  }
}

/**
 * XORs octets `start` to `end` of `source` with the key into `target` at `targetStart`, through 64 KiB of WebAssembly
 * memory. Source and target may be the same place.
 * @returns A value with bits of `0x80808080` set if an octet of the result may not be ASCII.
 */
export function xorInWasm(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  targetStart: number,
  key: number,
): number {
  if (xor === undefined) xor = instantiate();
  if (xor === null) return xorInWords(source, start, end, target, targetStart, key);
  let seen = 0;
  for (let from = start, to = targetStart; from < end; from += scratchSize, to += scratchSize) {
    // Every part but the last is a multiple of four octets long, so the key is in phase at each.
    const length = Math.min(end - from, scratchSize);
    // Throws if the source is shorter than its `length` claims. Otherwise, as with `subarray`, octets of other
    // connections in the scratch memory would be copied.
    scratch.set(new Uint8Array(source.buffer, source.byteOffset + from, length));
    seen |= xor(length, key);
    target.set(length === scratchSize ? scratch : scratch.subarray(0, length), to);
  }
  return seen === 0 ? 0 : unknown;
}

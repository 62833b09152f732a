import { xorInWords } from './mask-words.ts';

/** The module that `mask.wat` describes, compiled; a test holds the two together. */
export const maskModule: string =
  'AGFzbQEAAAABBwFgAn9/AX8DAgEABQMBAAEHEAIGbWVtb3J5AgADeG9yAAAK/wEB/AEDAX8GewJ/IAH9ESEDAkADQCACQcAAaiAASw0BIAIgAv0ABAAgA/1RIgX9CwQAIAIgAv0ABBAgA/1RIgb9CwQQIAIgAv0ABCAgA/1RIgf9CwQgIAIgAv0ABDAgA/1RIgj9CwQwIAQgBSAG/VAgByAI/VD9UP1QIQQgAkHAAGohAgwACwsCQANAIAJBEGogAEsNASACIAL9AAQAIAP9USIF/QsEACAEIAX9UCEEIAJBEGohAgwACwsCQANAIAIgAE8NASACLQAAIAFB/wFxcyEJIAIgCToAACAKIAlyIQogAUEIeCEBIAJBAWohAgwACwsgBP1kIApBgAFxcgs=';

const scratchSize = 65_536;

type Xor = (end: number, key: number) => number;

/** `seen` of a result that was not looked at: "may hold octets that are not ASCII". */
const unknown = 0x80;

// Instantiated when the first long payload comes; null where the platform has no WebAssembly SIMD.
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
 * XORs octets `start` to `end` of `source` with the key into `target` at `targetStart` (which may be the same place), through
 * 64 KiB of WebAssembly memory.
 * @returns Not 0 in `0x80808080` if an octet of the result may be other than ASCII.
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
    // A part is a multiple of four octets long, all but the last: the key is in phase at each.
    const length = Math.min(end - from, scratchSize);
    // Throws if the source is shorter than it says: the scratch memory holds octets of other connections there. `subarray` would not.
    scratch.set(new Uint8Array(source.buffer, source.byteOffset + from, length));
    seen |= xor(length, key);
    target.set(length === scratchSize ? scratch : scratch.subarray(0, length), to);
  }
  return seen === 0 ? 0 : unknown;
}

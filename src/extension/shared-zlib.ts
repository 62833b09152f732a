import type { RawDeflateOptions, RawDeflater, RawInflateOptions, RawInflater, ZlibRung } from './raw-zlib.ts';

/**
 * zlib states that all connections without context takeover share. There is one per set of options, created on demand
 * and kept. Every user resets the state after each message. No lock is needed, because calls are synchronous and call
 * no callbacks.
 *
 * A peer can only choose the window, one of 8 values. All other options come from the program's configuration.
 */
interface Shared {
  readonly deflaters: Map<string, RawDeflater>;
  readonly inflaters: Map<string, RawInflater>;
}

/** Shared states by dictionary, which is compared by identity. */
const shared = new WeakMap<object, Shared>();
const noDictionary = {};

function sharedFor(dictionary: object = noDictionary): Shared {
  let found = shared.get(dictionary);
  if (found === undefined) {
    found = { deflaters: new Map(), inflaters: new Map() };
    shared.set(dictionary, found);
  }
  return found;
}

/** Returns the shared deflater for these options. Reset it after each message; never close it. */
export function sharedDeflater(rung: ZlibRung, options: RawDeflateOptions): RawDeflater {
  const { windowBits, level, memLevel, strategy, dictionary } = options;
  const { deflaters } = sharedFor(dictionary);
  const key = `${rung.name} ${windowBits} ${level} ${memLevel} ${strategy}`;
  let deflater = deflaters.get(key);
  if (deflater === undefined) {
    deflater = rung.createDeflater(options);
    deflaters.set(key, deflater);
  }
  return deflater;
}

/** Returns the shared inflater for these options. Reset it after each message; never close it. */
export function sharedInflater(rung: ZlibRung, options: RawInflateOptions): RawInflater {
  const { inflaters } = sharedFor(options.dictionary);
  const key = `${rung.name} ${options.windowBits}`;
  let inflater = inflaters.get(key);
  if (inflater === undefined) {
    inflater = rung.createInflater(options);
    inflaters.set(key, inflater);
  }
  return inflater;
}

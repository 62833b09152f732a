import type { RawDeflateOptions, RawDeflater, RawInflateOptions, RawInflater, ZlibRung } from './raw-zlib.ts';

/**
 * The zlib states that all connections without context takeover share: one for every way to be made, made when it is first needed, and
 * kept. Whoever uses one resets it behind each message. There is no guard against two who use one at once: its calls are synchronous,
 * and call nobody back.
 *
 * A peer chooses no more than the window, 8 values; all else is the program's configuration.
 */
interface Shared {
  readonly deflaters: Map<string, RawDeflater>;
  readonly inflaters: Map<string, RawInflater>;
}

/** By dictionary, which is the same if it is the same object. */
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

/** The one deflater that is made in this way. Reset it behind each message; never close it. */
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

/** The one inflater that is made in this way. Reset it behind each message; never close it. */
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

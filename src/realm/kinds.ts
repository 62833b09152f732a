// A value may come from another realm: from `node:vm`, a frame of a browser, or a test in Jest or Vitest with jsdom. Each realm has classes of
// its own, so `instanceof` is false for such a value. For Buffers it is false in jsdom, whose Uint8Array is not that of Node.

const tagOf = Object.prototype.toString;

/** Returns true for a Uint8Array of any realm, and for a Buffer. */
export function isUint8Array(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && (value as Partial<Uint8Array>)[Symbol.toStringTag] === 'Uint8Array';
}

/** Returns true for an ArrayBuffer of any realm. */
export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  return tagOf.call(value) === '[object ArrayBuffer]';
}

/** Returns true for an Error of any realm, and for an object with its properties, such as a DOMException. Throws nothing. */
export function isError(value: unknown): value is Error {
  if (typeof value !== 'object' || value === null) return false;
  try {
    if (tagOf.call(value) === '[object Error]') return true;
    const { name, message, stack } = value as Partial<Error>;
    return typeof name === 'string' && typeof message === 'string' && typeof stack === 'string';
  } catch {
    return false;
  }
}

import { Duplex } from 'node:stream';

/** Returns true if the stream is destroyed. Throws nothing: if the property `destroyed` throws, the result is false. */
export function isDestroyed(stream: Duplex): boolean {
  try {
    return stream.destroyed;
  } catch {
    return false;
  }
}

/**
 * Destroys a stream. If the stream's own `destroy()` throws, the `destroy()` of `node:stream` is called on the stream. Throws nothing.
 */
export function destroyStream(stream: Duplex): void {
  try {
    stream.destroy();
  } catch {
    destroyByForce(stream);
  }
}

/** Destroys a stream, also one whose own `destroy()` throws or has no effect. Throws nothing. */
export function forceDestroy(stream: Duplex): void {
  destroyStream(stream);
  if (!isDestroyed(stream)) destroyByForce(stream);
}

function destroyByForce(stream: Duplex): void {
  try {
    Duplex.prototype.destroy.call(stream);
  } catch {
    // Otherwise the error would reach callers that cannot end the object in another way: it is not a stream of node:stream.
  }
}

import { Duplex } from 'node:stream';

/** True if a stream says that it is destroyed. Throws nothing: a stream whose property `destroyed` throws counts as not destroyed. */
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
    // The object is no stream of node:stream. There is no other way to end it.
  }
}

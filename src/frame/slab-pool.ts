/** Octets of the slab for a connection that is handling what it received: a whole read's worth of answers. */
export const largeSlabSize = 65_536;
/** Octets of the slab for a connection that sends of itself: thousands may do so in one tick. */
export const smallSlabSize = 2048;

/** Maximum number of spare slabs of each size. */
const maxSpareSlabs = 64;
const large: Buffer[] = [];
const small: Buffer[] = [];
/** Marks the memory of slabs. A WeakSet would have to be gone through at each garbage collection, and made a new slab cost three times as much. */
const kSlab = Symbol('goodwire.slab');

interface Memory {
  [kSlab]?: true;
}

/** A slab from the free-list, or a new one. What it held before is still in it. */
export function takeSlab(size: typeof largeSlabSize | typeof smallSlabSize): Buffer {
  return (size === largeSlabSize ? large : small).pop() ?? createSlab(size);
}

function createSlab(size: number): Buffer {
  const slab = Buffer.allocUnsafeSlow(size);
  (slab.buffer as Memory)[kSlab] = true;
  return slab;
}

/** Returns true if the octets lie in a slab. */
export function isInSlab(octets: Uint8Array): boolean {
  return (octets.buffer as Memory)[kSlab] === true;
}

/** Gives a slab back. Nobody may read it any more: the kernel has the octets, or they were copied. */
export function releaseSlab(slab: Buffer): void {
  const list = slab.length === largeSlabSize ? large : small;
  if (list.length < maxSpareSlabs) list.push(slab);
}

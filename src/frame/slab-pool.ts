/** Slab size in octets for a connection that is handling received data: enough for the replies to a whole read. */
export const largeSlabSize = 65_536;
/** Slab size in octets for a connection that sends on its own: thousands may do so in one tick. */
export const smallSlabSize = 2048;

/** Maximum number of spare slabs of each size. */
const maxSpareSlabs = 64;
const large: Buffer[] = [];
const small: Buffer[] = [];
/**
 * Marks the memory of slabs. A WeakSet would be scanned at each garbage collection, and tripled the cost of a new slab.
 */
const kSlab = Symbol('goodwire.slab');

interface Memory {
  [kSlab]?: true;
}

/** Returns a slab from the free list, or a new one. A reused slab still holds its previous contents. */
export function takeSlab(size: typeof largeSlabSize | typeof smallSlabSize): Buffer {
  return (size === largeSlabSize ? large : small).pop() ?? createSlab(size);
}

function createSlab(size: number): Buffer {
  const slab = Buffer.allocUnsafeSlow(size);
  (slab.buffer as Memory)[kSlab] = true;
  return slab;
}

/** True if the octets lie in a slab. */
export function isInSlab(octets: Uint8Array): boolean {
  return (octets.buffer as Memory)[kSlab] === true;
}

/**
 * Returns a slab to the free list. The caller guarantees that its octets are no longer read: the kernel has them, or
 * they were copied.
 */
export function releaseSlab(slab: Buffer): void {
  const list = slab.length === largeSlabSize ? large : small;
  if (list.length < maxSpareSlabs) list.push(slab);
}

import { describe, expect, it } from 'vitest';
import { largeSlabSize, releaseSlab, smallSlabSize, takeSlab } from '../../src/frame/slab-pool.ts';

describe.each([
  ['large', largeSlabSize],
  ['small', smallSlabSize],
] as const)('a %s slab', (_name, size) => {
  it('has its size, and separate memory', () => {
    const [first, second] = [takeSlab(size), takeSlab(size)];
    expect([first.length, second.length]).toEqual([size, size]);
    expect(first.buffer.byteLength).toBe(size);
    expect(first.buffer).not.toBe(second.buffer);
  });

  it('is reused after its release, and by one user at a time', () => {
    const slab = takeSlab(size);
    releaseSlab(slab);
    const taken = [takeSlab(size), takeSlab(size)];
    expect(taken[0]).toBe(slab);
    expect(taken[1]).not.toBe(slab);
  });

  it('is left to the garbage collector if enough of its kind are kept', () => {
    const released: Buffer[] = Array.from({ length: 1000 }, () => Buffer.alloc(size));
    for (const slab of released) releaseSlab(slab);
    const taken = Array.from({ length: 1000 }, () => takeSlab(size));
    const kept = taken.filter((slab) => released.includes(slab));
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThanOrEqual(64);
    expect(new Set(taken).size).toBe(1000);
  });
});

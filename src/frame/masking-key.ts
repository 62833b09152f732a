import { randomFillSync } from 'node:crypto';

// Draws 8 KiB of cryptographic randomness at a time. One call per key would cost a hundred times as much
// (docs/performance.md).
const pool = new Int32Array(2048);
let next = pool.length;

/**
 * Returns a new masking key from a pool of cryptographic randomness (§5.3, §10.3), as a 32-bit integer. Octet `i` of
 * the key, in wire order, is `(key >>> (8 * i)) & 255`. No key is returned twice.
 */
export function nextMaskingKey(): number {
  if (next === pool.length) {
    randomFillSync(pool);
    next = 0;
  }
  return pool[next++]!;
}

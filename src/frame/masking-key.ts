import { randomFillSync } from 'node:crypto';

// 8 KiB of strong randomness at a time: a call for every key costs a hundred times as much (docs/performance.md).
const pool = new Int32Array(2048);
let next = pool.length;

/**
 * A fresh masking key from a pool of strong randomness (§5.3, §10.3), as a 32-bit integer: octet `i` of the key, in the order
 * of the wire, is `(key >>> (8 * i)) & 255`. Every key is handed out once.
 */
export function nextMaskingKey(): number {
  if (next === pool.length) {
    randomFillSync(pool);
    next = 0;
  }
  return pool[next++]!;
}

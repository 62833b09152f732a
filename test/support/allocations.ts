import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { vi } from 'vitest';

/** Returns the sizes of all memory blocks that Node's `Buffer` allocates during a call, in order. */
export function allocationsOf(call: () => void): number[] {
  const sizes: number[] = [];
  const spies = (['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const).map((name) => {
    const actual = Buffer[name];
    return vi.spyOn(Buffer, name).mockImplementation((size: number) => {
      sizes.push(size);
      return actual.call(Buffer, size);
    });
  });
  try {
    call();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return sizes;
}

setFlagsFromString('--expose-gc');
// Otherwise collections would also free the bytecode of functions that were not called for a while, as if the measured
// call had freed memory. How much that is depends on the files that a test imports.
setFlagsFromString('--no-flush-bytecode');
const collect: () => void = runInNewContext('gc');

/** Returns the octets in use after garbage collection: objects, and the memory of Buffers. */
export function memoryInUse(): number {
  // The memory of Buffers is freed in parallel. The second collection waits for the result of the first.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

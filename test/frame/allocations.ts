import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { vi } from 'vitest';

/** The sizes of all memory that Node's `Buffer` gives away while a call runs, in order. */
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
const collect: () => void = runInNewContext('gc');

/** Octets that are in use when all garbage has been collected: objects, and the memory of Buffers. */
export function memoryInUse(): number {
  // The memory of Buffers is freed beside the program: the second collection waits for what the first one found.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

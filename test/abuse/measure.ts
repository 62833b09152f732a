import { memoryInUse } from '../support/allocations.ts';

/**
 * Returns the CPU time of a call in microseconds: the minimum of a few runs, because other programs use the machine
 * too.
 */
function cpuTime(call: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const before = process.cpuUsage();
    call();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, user + system);
  }
  return least;
}

/**
 * Returns the factor by which eight times the work takes longer: 8 for linear work, 64 for quadratic work. A few
 * milliseconds are added to both times, because clocks are imprecise for short times.
 */
export function growth(work: (size: number) => void, size: number): number {
  // Run once in advance, so that code is compiled.
  work(size);
  const small = cpuTime(() => work(size));
  return (cpuTime(() => work(size * 8)) + 4000) / (small + 4000);
}

/** Maximum of {@link growth}: above 8, and well below 64. */
export const maxGrowth = 28;

/** Returns the octets of memory that the result of a call holds per octet of the wire. */
export function heldPerOctet<T>(wire: number, call: () => T): { ratio: number; held: T } {
  const before = memoryInUse();
  const held = call();
  return { ratio: (memoryInUse() - before) / wire, held };
}

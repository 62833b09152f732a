import { memoryInUse } from '../frame/allocations.ts';

/** CPU time of a call in microseconds: the least of a few, since others run on the machine, too. */
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
 * How many times as long eight times as much takes: 8 where the work is linear, 64 where it is quadratic. A few milliseconds are added on
 * both sides, in which a clock is not to be trusted.
 */
export function growth(work: (size: number) => void, size: number): number {
  // What is compiled is compiled before.
  work(size);
  const small = cpuTime(() => work(size));
  return (cpuTime(() => work(size * 8)) + 4000) / (small + 4000);
}

/** What {@link growth} may be at the most: far from 8, and farther from 64. */
export const maxGrowth = 28;

/** How many octets of memory are held for each octet of the wire by what a call returns. */
export function heldPerOctet<T>(wire: number, call: () => T): { ratio: number; held: T } {
  const before = memoryInUse();
  const held = call();
  return { ratio: (memoryInUse() - before) / wire, held };
}

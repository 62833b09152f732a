import { vi } from 'vitest';

/** In milliseconds. Shorter than the limit of a test, so that a hang is reported with its condition. */
const limit = 240_000;

/** Resolves once the assertion passes. If it never does, rejects with its last error. */
export const eventually = <T>(assertion: () => T): Promise<Awaited<T>> =>
  vi.waitFor(assertion, { interval: 5, timeout: limit }) as Promise<Awaited<T>>;

/** Resolves once the condition holds. */
export const until = (condition: () => boolean): Promise<unknown> =>
  vi.waitUntil(condition, { interval: 5, timeout: limit });

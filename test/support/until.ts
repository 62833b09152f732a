import { vi } from 'vitest';

/** In milliseconds. Shorter than the limit of a test, so that a hang is reported with its condition. */
const limit = 240_000;

const options = { interval: 1, timeout: limit };

/** Resolves once the condition holds. Checks the condition every millisecond, because there is no event. */
export const until = (condition: () => boolean): Promise<unknown> => vi.waitUntil(condition, options);

/** Resolves once the assertion passes. If it never does, rejects with its last error. */
export const eventually = (assertion: () => unknown): Promise<unknown> => vi.waitFor(assertion, options);

/** Waits a few turns of the event loop, after which no further event is due. */
export async function settle(turns = 5): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
}

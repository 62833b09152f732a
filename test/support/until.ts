import { vi } from 'vitest';

/** Milliseconds. Less than a test may take, so that a hang is reported with what was waited for. */
const limit = 240_000;

const options = { interval: 1, timeout: limit };

/** Resolves once the condition holds. Looks at the condition once a millisecond, because no event tells of it. */
export const until = (condition: () => boolean): Promise<unknown> => vi.waitUntil(condition, options);

/** Resolves once the assertion passes. If it never does, rejects with its last error. */
export const eventually = (assertion: () => unknown): Promise<unknown> => vi.waitFor(assertion, options);

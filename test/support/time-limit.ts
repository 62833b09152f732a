import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Maximum limit of an attempt, in milliseconds. */
const maxLimit = 60_000;

/**
 * Runs a test of an event that must occur within `limit` milliseconds. If the attempt fails and the event loop was
 * delayed by at least an eighth of the limit, repeats it with four times the limit. Rejects with the error of the last
 * attempt.
 */
export async function withTimeLimit(limit: number, attempt: (limit: number) => Promise<void>): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  try {
    return await attempt(limit);
  } catch (error) {
    const late = delay.max / 1e6;
    if (late < limit / 8 || limit * 4 > maxLimit) throw error;
  } finally {
    delay.disable();
  }
  return withTimeLimit(limit * 4, attempt);
}

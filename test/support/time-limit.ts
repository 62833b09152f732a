import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds. A machine that is later than an eighth of this does not run tests. */
const longest = 60_000;

/**
 * Runs a test of something that has to happen within a time limit of so many milliseconds. If the attempt fails and the event loop was late
 * by an eighth of the limit or more, repeats the attempt with four times the limit. Rejects with the error of the last attempt.
 */
export async function withTimeLimit(limit: number, attempt: (limit: number) => Promise<void>): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  try {
    return await attempt(limit);
  } catch (error) {
    const late = delay.max / 1e6;
    if (late < limit / 8 || limit * 4 > longest) throw error;
  } finally {
    delay.disable();
  }
  return withTimeLimit(limit * 4, attempt);
}

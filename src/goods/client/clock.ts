import { monotonicTime } from '../../event-loop/monotonic-time.ts';

/** Time and timers in milliseconds: the platform's, or those of a test. */
export interface Clock {
  /** Returns the time since an arbitrary moment. */
  now(): number;
  /** Calls back once, later. */
  setTimeout(callback: () => void, milliseconds: number): unknown;
  /** Cancels a timer that {@link setTimeout} returned. */
  clearTimeout(timer: unknown): void;
}

interface SystemTimer {
  isCancelled: boolean;
  handle: ReturnType<typeof setTimeout> | undefined;
}

/** The time of the platform: timers as they are at each call, so that a test of the application can advance them. */
export const systemClock: Clock = {
  // Otherwise a test of the application that stops the date would stop the requests that wait for the rate limit.
  now: monotonicTime,
  setTimeout(callback, milliseconds) {
    const timer: SystemTimer = { isCancelled: false, handle: undefined };
    timer.handle = setTimeout(() => {
      if (!timer.isCancelled) callback();
    }, milliseconds);
    return timer;
  },
  clearTimeout(timer) {
    const { handle } = timer as SystemTimer;
    // A timer that was started before a test has faked timers is not stopped by the fake function.
    (timer as SystemTimer).isCancelled = true;
    clearTimeout(handle);
  },
};

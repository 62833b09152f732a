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

/** The time of the platform: timers as they are at each call, so that a test of the application can advance them. */
export const systemClock: Clock = {
  // Otherwise a test of the application that stops the date would stop the requests that wait for the rate limit.
  now: monotonicTime,
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

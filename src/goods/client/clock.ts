/** Time and timers in milliseconds: the platform's, or those of a test. */
export interface Clock {
  now(): number;
  /** Calls back once, later. */
  setTimeout(callback: () => void, milliseconds: number): unknown;
  /** Cancels a timer that {@link setTimeout} returned. */
  clearTimeout(timer: unknown): void;
}

/** The time of the platform. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

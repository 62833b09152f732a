/** `performance`, as it was when this module was loaded; the date on a platform that has none. */
const clock: { now(): number } = globalThis.performance ?? Date;
const now = clock.now.bind(clock);

/**
 * Returns milliseconds since an arbitrary moment: for rates and for the age of a batch. A test of the application that sets the date or
 * fakes timers after goodwire was loaded does not stop this clock. Deadlines are timers instead, so that such a test can advance them.
 */
export const monotonicTime = (): number => now();

/**
 * Handle of a timer, as `setTimeout` or `setInterval` returned it: an object in Node.js, a number in Electron's renderer and in jsdom.
 * Only `clearTimeout`, `clearInterval` and {@link unref} take it.
 */
export type TimerHandle = Parameters<typeof clearTimeout>[0];

/**
 * Lets the process exit while a timer is pending, if the platform supports that. A timer that is a number keeps the process alive until the
 * timer fires or is cleared.
 */
export function unref(timer: TimerHandle): void {
  (timer as { unref?(): unknown } | undefined)?.unref?.();
}

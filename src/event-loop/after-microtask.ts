import { isGenuine } from './genuine.ts';

const resolved = Promise.resolve();
/** `queueMicrotask`, as it was when this module was loaded; null if it was replaced by fake timers. */
const enqueue = isGenuine(globalThis.queueMicrotask, 'queueMicrotask') ? globalThis.queueMicrotask : null;

/** Calls back after the current call stack, on every platform. What the callback throws becomes an uncaught exception. */
export function afterMicrotask(callback: () => void): void {
  // Otherwise a test of the application that fakes timers would stop the connection.
  if (enqueue !== null) enqueue(callback);
  // An exception becomes an unhandled rejection, which Node and browsers report like an uncaught exception.
  else void resolved.then(callback);
}

import { isGenuine } from './genuine.ts';

type AfterTick = <Arguments extends unknown[]>(callback: (...args: Arguments) => void, ...args: Arguments) => void;

const resolved = Promise.resolve();

// An exception becomes an unhandled rejection, which Node reports as an uncaught exception.
const afterMicrotasks: AfterTick = (callback, ...args) => void resolved.then(() => callback(...args));

/**
 * Calls back at the end of this tick. What the callback throws becomes an uncaught exception.
 *
 * `process.nextTick`, as it was when this module was loaded: a test of the application that fakes it later does not stop the connections
 * of the process. A promise takes its place if it was replaced before.
 */
export const afterTick: AfterTick = isGenuine(process.nextTick, 'nextTick') ? process.nextTick : afterMicrotasks;

/** Calls back. An error that the callback throws is rethrown at the end of this tick (uncaught) and not to the caller. */
export const callGuarded: AfterTick = (callback, ...args) => {
  try {
    callback(...args);
  } catch (thrown) {
    afterTick(rethrow, thrown);
  }
};

/** Throws its argument: for {@link afterTick}, which makes it an uncaught exception. */
export function rethrow(thrown: unknown): never {
  throw thrown;
}

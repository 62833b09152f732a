import { AsyncResource } from 'node:async_hooks';
import { setImmediate as setImmediateOfModule } from 'node:timers';
import { MessageChannel } from 'node:worker_threads';
import { callGuarded } from './after-tick.ts';
import { isGenuine } from './genuine.ts';

type AfterPoll = <Arguments extends unknown[]>(callback: (...args: Arguments) => void, ...args: Arguments) => void;

/** Returns a slower way, for a process in which `setImmediate` was replaced before goodwire was loaded: a message to this thread. */
export function afterMessage(): AfterPoll {
  let waiting: (() => void)[] = [];
  const open = () => {
    const { port1, port2 } = new MessageChannel();
    port2.on('message', () => {
      const callbacks = waiting;
      waiting = [];
      // Before the callbacks, which may add others.
      port2.unref();
      // Guarded: otherwise the callbacks behind one that throws would not be called.
      for (const callback of callbacks) callGuarded(callback);
    });
    port2.unref();
    return { port1, port2 };
  };
  let next = open();
  let previous = open();
  return (callback, ...args) => {
    const resource = new AsyncResource('GoodwireAfterPoll');
    waiting.push(() => resource.runInAsyncScope(callback, undefined, ...args));
    if (waiting.length > 1) return;
    // By turns: a port delivers up to 1000 messages in a row, also those that its listener sends meanwhile. Callbacks that call this
    // function again and again would keep the event loop for so many turns.
    [next, previous] = [previous, next];
    // Otherwise the process could end before the callback.
    next.port2.ref();
    next.port1.postMessage(null);
  };
}

const found = [setImmediateOfModule, globalThis.setImmediate].find((candidate) => isGenuine(candidate, 'setImmediate'));

/**
 * Calls back at the end of the poll phase, when all sockets that are readable now have been read.
 *
 * `setImmediate`, as it was when this module was loaded: a test of the application that fakes timers later does not stop the connections
 * of the process. That of `node:timers` comes first, because in Jest with jsdom there is no global one.
 */
export const afterPoll: AfterPoll = found ?? afterMessage();

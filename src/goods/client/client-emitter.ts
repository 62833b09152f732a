import { afterMicrotask } from '../../event-loop/after-microtask.ts';
import type { ClientEvents } from './client-options.ts';

/** The listeners of a client. `EventTarget` has no typed values, and `EventEmitter` does not exist in browsers. */
export class ClientEmitter {
  readonly #listeners = new Map<keyof ClientEvents, Set<(value: never) => void>>();

  /** Adds a listener. @returns A function that removes it. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): () => void {
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(name, listeners);
    }
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** Calls the listeners. Throws nothing. */
  emit<Name extends keyof ClientEvents>(name: Name, value: ClientEvents[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as (value: ClientEvents[Name]) => void)(value);
      } catch (error) {
        if (name === 'error') throwLater(error);
        else this.report(error);
      }
    }
  }

  /** Reports an error thrown by a callback: as event `error`, or as an uncaught exception if that event has no listener. */
  report(error: unknown): void {
    if ((this.#listeners.get('error')?.size ?? 0) > 0) this.emit('error', error);
    else throwLater(error);
  }
}

function throwLater(error: unknown): void {
  afterMicrotask(() => {
    throw error;
  });
}

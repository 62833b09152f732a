import { AsyncResource } from 'node:async_hooks';
import { callGuarded } from '../event-loop/after-tick.ts';

/** Called when the octets of a send have been handed to the kernel, or with the error that prevented it. */
export type SendCallback = (error?: Error) => void;

/** A callback with the asynchronous context of its send. Several sends leave in one write, and each callback runs in its own context. */
export class PendingSend extends AsyncResource {
  readonly callback: SendCallback;

  constructor(callback: SendCallback) {
    super('GoodwireSend');
    this.callback = callback;
  }
}

/** Returns the callback with the current asynchronous context, or undefined if there is no callback. */
export function pendingSend(callback: SendCallback | undefined): PendingSend | undefined {
  return callback === undefined ? undefined : new PendingSend(callback);
}

/** Calls callbacks, each in its own asynchronous context. An error that one throws becomes an uncaught exception. */
export function callAll(callbacks: readonly PendingSend[], error?: Error): void {
  for (const pending of callbacks) {
    // Guarded: otherwise the callbacks behind one that throws would not be called.
    callGuarded(() => {
      if (error === undefined || error === null) pending.runInAsyncScope(pending.callback);
      else pending.runInAsyncScope(pending.callback, undefined, error);
    });
  }
}

/** Returns the error for sends that the end of the connection has prevented. */
export function notWritable(message = 'The connection was closed before the data was sent'): Error {
  return Object.assign(new Error(message), { code: 'ERR_STREAM_DESTROYED' });
}

/** Returns the error for queued sends that the end of the connection has prevented. The wording is that of `ws`. */
export function closedWhile(meanwhile: string): Error {
  return notWritable(`The socket was closed while ${meanwhile}`);
}

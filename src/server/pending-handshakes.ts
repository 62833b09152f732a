import type { Duplex } from 'node:stream';
import { type TimerHandle, unref } from '../transport/timer.ts';
import { maxTimerDelay } from '../transport/transport-settings.ts';

interface Waiting {
  readonly socket: Duplex;
  timer: TimerHandle;
  /** The client has gone. */
  readonly onClose: () => void;
  isGone: boolean;
}

/** The handshakes of a server that wait for an answer of the application, and for how long they do. */
export class PendingHandshakes {
  readonly #waiting = new Map<object, Waiting>();
  #size = 0;

  /** How many there are whose client is still there. */
  get size(): number {
    return this.#size;
  }

  /** Whether this handshake waits: an answer that comes later is none. */
  has(handshake: object): boolean {
    return this.#waiting.has(handshake);
  }

  /**
   * Adds a handshake. Calls `expired` after `timeout` milliseconds; 0 disables the timeout. The timer does not keep the process alive,
   * unless the platform's timers are numbers.
   * @throws what the socket or the platform throws. The handshake has to be removed by `delete` then, too.
   */
  add(handshake: object, socket: Duplex, timeout: number, expired: () => void): void {
    const onTimeout = () => {
      this.delete(handshake);
      expired();
    };
    const waiting: Waiting = {
      socket,
      timer: undefined,
      onClose: () => {
        if (waiting.isGone) return;
        waiting.isGone = true;
        this.#size--;
      },
      isGone: false,
    };
    this.#waiting.set(handshake, waiting);
    this.#size++;
    waiting.timer = timeout > 0 ? setTimeout(onTimeout, Math.min(timeout, maxTimerDelay)) : undefined;
    unref(waiting.timer);
    // Not once(), which would throw into the event of a stream whose removeListener() throws.
    socket.on('close', waiting.onClose);
  }

  /** Removes a handshake, if it is there. Throws nothing. */
  delete(handshake: object): void {
    const waiting = this.#waiting.get(handshake);
    if (waiting === undefined) return;
    this.#waiting.delete(handshake);
    if (!waiting.isGone) this.#size--;
    waiting.isGone = true;
    clearTimeout(waiting.timer);
    try {
      waiting.socket.removeListener('close', waiting.onClose);
    } catch {
      // The listener has no effect any more. Otherwise the exception would take the place of the answer that is about to be given.
    }
  }
}

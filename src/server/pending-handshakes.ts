import type { Duplex } from 'node:stream';
import { reportLimit } from '../transport/diagnostics.ts';
import { type TimerHandle, unref } from '../transport/timer.ts';
import { maxTimerDelay } from '../transport/transport-settings.ts';

interface Waiting {
  readonly socket: Duplex;
  readonly expired: (isClosing: boolean) => void;
  timer: TimerHandle;
  /** Called when the client has disconnected. */
  readonly onClose: () => void;
  isGone: boolean;
}

/** Handshakes of a server that wait for an answer of the application, with their timeouts. */
export class PendingHandshakes {
  readonly #waiting = new Map<object, Waiting>();
  #size = 0;

  /** Number of waiting handshakes whose client is still connected. */
  get size(): number {
    return this.#size;
  }

  /** True if this handshake still waits. Later answers are ignored. */
  has(handshake: object): boolean {
    return this.#waiting.has(handshake);
  }

  /**
   * Adds a handshake. Calls `expired` after `timeout` milliseconds, or in {@link endAll} with true; 0 disables the
   * timeout. The timer does not keep the process alive, unless the platform's timers are numbers.
   * @throws an error of the socket or the platform. The handshake must then be removed by `delete` too.
   */
  add(handshake: object, socket: Duplex, timeout: number, expired: (isClosing: boolean) => void): void {
    const onTimeout = () => {
      this.delete(handshake);
      expired(false);
    };
    const waiting: Waiting = {
      socket,
      expired,
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
    // Not once(). Otherwise a stream whose removeListener() throws would throw into its own event.
    socket.on('close', waiting.onClose);
  }

  /** Ends all handshakes, because `closeTimeout` has passed since the server's `close()`. */
  endAll(closeTimeout: number): void {
    for (const [handshake, { socket, expired }] of this.#waiting) {
      this.delete(handshake);
      reportLimit(() => ({ limit: 'closeTimeout', value: closeTimeout, socket }));
      expired(true);
    }
  }

  /** Removes a handshake, if present. Never throws. */
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
      // The listener has no effect any more. Otherwise this exception would replace the response that is about to be
      // sent.
    }
  }
}

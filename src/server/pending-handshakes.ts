import type { Duplex } from 'node:stream';
import { longestDelay } from '../transport/transport.ts';

interface Waiting {
  readonly socket: Duplex;
  readonly timer: NodeJS.Timeout | undefined;
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

  /** A handshake begins to wait, for so many milliseconds at most, and is `expired` then; 0 is any time. */
  add(handshake: object, socket: Duplex, timeout: number, expired: () => void): void {
    const onTimeout = () => {
      this.delete(handshake);
      expired();
    };
    const waiting: Waiting = {
      socket,
      timer: timeout > 0 ? setTimeout(onTimeout, Math.min(timeout, longestDelay)) : undefined,
      onClose: () => {
        waiting.isGone = true;
        this.#size--;
      },
      isGone: false,
    };
    waiting.timer?.unref();
    socket.once('close', waiting.onClose);
    this.#waiting.set(handshake, waiting);
    this.#size++;
  }

  /** It waits no more, if it did. */
  delete(handshake: object): void {
    const waiting = this.#waiting.get(handshake);
    if (waiting === undefined) return;
    this.#waiting.delete(handshake);
    if (!waiting.isGone) this.#size--;
    clearTimeout(waiting.timer);
    waiting.socket.removeListener('close', waiting.onClose);
  }
}

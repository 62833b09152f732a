import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { forceDestroy } from '../transport/destroy-stream.ts';

/**
 * The connections of an HTTP server on which nobody has asked for a WebSocket yet. Where they become too many, the one that has waited
 * longest gives way: who means it asks at once, so that those who only hold connections cannot keep others out.
 */
export class UnaskedConnections {
  readonly #sockets = new Set<Duplex>();
  readonly #forget: (this: Duplex) => void;

  /** @param most How many there may be now; 0 is any number. */
  constructor(server: Server, most: () => number) {
    const sockets = this.#sockets;
    this.#forget = function () {
      sockets.delete(this);
    };
    server.on('connection', (socket: Duplex) => {
      sockets.add(socket);
      socket.on('close', this.#forget);
      const limit = most();
      if (limit === 0 || sockets.size <= limit) return;
      const [oldest] = sockets;
      sockets.delete(oldest!);
      forceDestroy(oldest!);
    });
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** Somebody asks on it now. */
  delete(socket: Duplex): void {
    if (this.#sockets.delete(socket)) socket.removeListener('close', this.#forget);
  }
}

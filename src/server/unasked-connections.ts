import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { forceDestroy } from '../transport/destroy-stream.ts';

/**
 * Connections of an HTTP server without a WebSocket request so far. If there are too many, the connection that has
 * waited longest is destroyed. Genuine clients send their request at once, so that idle connections cannot keep them
 * out.
 */
export class UnaskedConnections {
  readonly #sockets = new Set<Duplex>();
  readonly #forget: (this: Duplex) => void;

  /** @param maxConnections Returns the current maximum number of connections; 0 is unlimited. */
  constructor(server: Server, maxConnections: () => number) {
    const sockets = this.#sockets;
    this.#forget = function () {
      sockets.delete(this);
    };
    server.on('connection', (socket: Duplex) => {
      sockets.add(socket);
      socket.on('close', this.#forget);
      const limit = maxConnections();
      if (limit === 0 || sockets.size <= limit) return;
      const [oldest] = sockets;
      sockets.delete(oldest!);
      forceDestroy(oldest!);
    });
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** Removes a connection, because its upgrade request has arrived. */
  delete(socket: Duplex): void {
    if (this.#sockets.delete(socket)) socket.removeListener('close', this.#forget);
  }
}

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * Proxy to a server that cuts each connection after a given number of bytes from the server: possibly inside a frame or
 * the handshake.
 */
export class FrailWay {
  readonly #server = createServer((socket) => this.#join(socket));
  readonly #sockets = new Set<Socket>();
  readonly #cuts: number[];
  readonly #target: number;

  constructor(target: number, cuts: readonly number[]) {
    this.#target = target;
    this.#cuts = [...cuts];
  }

  async open(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Number of remaining cuts. */
  get left(): number {
    return this.#cuts.length;
  }

  #join(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    near.pipe(far);
    let left = this.#cuts.shift() ?? Number.POSITIVE_INFINITY;
    far.on('data', (octets) => {
      near.write(octets.subarray(0, left));
      left -= octets.length;
      if (left <= 0) near.end(() => far.destroy());
    });
  }
}

/**
 * Load of the echo rows: keeps `depth` messages in flight on each of `connections` connections. Replies are not parsed,
 * because all have the same known length. Bytes are counted, and the same number of messages is sent again in one
 * write.
 */
import { answer, settings } from '../control.js';
import { frameLength, frames, request } from '../wire.js';
import { Flight, LoadConnection, openAll } from './flight.js';

/** @typedef {import('../wire.js').MessageShape} MessageShape */
/** @typedef {{ port: number, connections: number, depth: number, message: MessageShape }} EchoLoad */

const { port, connections, depth, message } = /** @type {EchoLoad} */ (settings());
const replyLength = frameLength(message);
const octets = frames(message, { count: depth, masked: true });
/** `bursts[n]`: the first n frames. One Buffer for all connections, so that it stays in the cache. */
const bursts = Array.from({ length: depth + 1 }, (_, n) => octets.subarray(0, (octets.length / depth) * n));
const flight = new Flight();

class Connection {
  #octets = 0;
  #connection;

  /** @param {(error?: Error) => void} opened */
  constructor(opened) {
    this.#connection = new LoadConnection(
      { port, request, answer: '' },
      flight,
      (length) => this.#landed(length),
      opened,
    );
  }

  /** @param {number} length */
  #landed(length) {
    const total = this.#octets + length;
    if (total < replyLength) {
      this.#octets = total;
      return;
    }
    const replies = Math.floor(total / replyLength);
    this.#octets = total - replies * replyLength;
    if (flight.back(replies)) this.send(replies);
  }

  /** @param {number} count */
  send(count) {
    this.#connection.socket.write(bursts[count]);
  }
}

const all = await openAll(connections, (opened) => new Connection(opened));

answer({
  /** @param {{ seconds: number, count?: number }} bounds */
  run: (bounds) =>
    flight.run(bounds, connections * depth, () => {
      for (const connection of all) connection.send(depth);
    }),
});

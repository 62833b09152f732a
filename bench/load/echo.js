/**
 * The load of the echo rows: keeps `depth` messages in flight on each of `connections` connections. Replies are not
 * parsed: each has the same known length, so the octets are counted, and what came back is sent again in one write.
 */
import { connect } from 'node:net';
import { answer, settings } from '../control.js';
import { frameLength, frames, request } from '../wire.js';
import { Flight } from './flight.js';

/** @typedef {import('../wire.js').MessageShape} MessageShape */
/** @typedef {{ port: number, connections: number, depth: number, message: MessageShape }} EchoLoad */

const { port, connections, depth, message } = /** @type {EchoLoad} */ (settings());
const replyLength = frameLength(message);
const octets = frames(message, { count: depth, masked: true });
/** `bursts[n]`: the first n frames. One Buffer for all connections: it stays in the cache. */
const bursts = Array.from({ length: depth + 1 }, (_, n) => octets.subarray(0, (octets.length / depth) * n));
/** All reads of all connections land here: nothing is allocated, and a read takes as much as there is. */
const landing = Buffer.alloc(1 << 20);

const flight = new Flight();

class Connection {
  #head = '';
  #octets = 0;

  /** @param {(error?: Error) => void} opened */
  constructor(opened) {
    this.opened = opened;
    this.open = false;
    this.socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer: landing,
        callback: (length) => {
          if (this.open) this.count(length);
          else this.greet(length);
          return true;
        },
      },
    });
    this.socket.write(request);
    this.socket.on('error', (error) => this.fail(error));
    this.socket.on('close', () => this.fail(new Error('the server closed a connection')));
  }

  /** @param {Error} error */
  fail(error) {
    this.opened(error);
    flight.fail(error);
  }

  /** @param {number} length */
  greet(length) {
    this.#head += landing.toString('latin1', 0, length);
    if (!this.#head.endsWith('\r\n\r\n')) return;
    this.open = true;
    this.opened(this.#head.startsWith('HTTP/1.1 101 ') ? undefined : new Error(this.#head));
  }

  /** @param {number} length */
  count(length) {
    const total = this.#octets + length;
    if (total < replyLength) {
      this.#octets = total;
      return;
    }
    const replies = Math.floor(total / replyLength);
    this.#octets = total - replies * replyLength;
    if (flight.back(replies)) this.socket.write(bursts[replies]);
  }
}

/** @type {Connection[]} */
const all = [];
for (let i = 0; i < connections; i++) {
  await /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      all.push(new Connection((error) => (error ? reject(error) : resolve())));
    })
  );
}

answer({
  /** @param {{ seconds: number, count?: number }} bounds */
  run: (bounds) =>
    flight.run(bounds, connections * depth, () => {
      for (const { socket } of all) socket.write(bursts[depth]);
    }),
});

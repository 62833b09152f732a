/**
 * The load of the compressed rows: as that of the echo rows, with messages that were compressed before. How long a reply is depends on who
 * compressed it, so the headers of the frames are read, and nothing else.
 */
import { connect } from 'node:net';
import { answer, settings } from '../control.js';
import { compressedFrame, deflateAll, deflateRequest, FrameCounter, jsonText } from '../wire.js';
import { Flight } from './flight.js';

/** @typedef {{ port: number, connections: number, depth: number, size: number, context: import('../wire.js').Context }} DeflateLoad */

const { port, connections, depth, size, context } = /** @type {DeflateLoad} */ (settings());
/** Messages that differ, sent one after the other, and again. At least two windows of text, so that none refers to itself. */
const cycle = Math.max(depth, Math.ceil(65_536 / size));
const texts = Array.from({ length: cycle }, (_, i) => jsonText(size, i));
// With takeover the first round has nothing before it, and all the others the round before.
const [first, second] = [
  await deflateAll(texts, context),
  (await deflateAll([...texts, ...texts], context)).slice(cycle),
].map((messages) => messages.map(compressedFrame));
/** Frames one behind another, the second round twice over, and where each begins: any run of frames is one write. */
const octets = Buffer.concat([...first, ...second, ...second]);
const starts = [0];
for (const { length } of [...first, ...second, ...second]) starts.push(starts[starts.length - 1] + length);
const landing = Buffer.alloc(1 << 20);
const flight = new Flight();

class Connection {
  #head = '';
  #isOpen = false;
  #next = 0;
  #counter = new FrameCounter();

  /** @param {(error?: Error) => void} opened */
  constructor(opened) {
    this.opened = opened;
    this.socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer: landing,
        callback: (length) => {
          if (this.#isOpen) this.count(length);
          else this.greet(length);
          return true;
        },
      },
    });
    this.socket.write(deflateRequest);
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
    this.#isOpen = true;
    const isAgreed = this.#head.startsWith('HTTP/1.1 101 ') && this.#head.includes('permessage-deflate');
    this.opened(isAgreed ? undefined : new Error(this.#head));
  }

  /** @param {number} length */
  count(length) {
    const replies = this.#counter.count(landing, length);
    if (replies > 0 && flight.back(replies)) this.send(replies);
  }

  /** @param {number} count */
  send(count) {
    this.socket.write(octets.subarray(starts[this.#next], starts[this.#next + count]));
    this.#next += count;
    if (this.#next >= 2 * cycle) this.#next -= cycle;
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
      for (const connection of all) connection.send(depth);
    }),
});

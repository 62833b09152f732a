/**
 * Load of the compressed rows: like the echo rows, with messages compressed in advance. The length of a reply depends
 * on its compressor, so only the headers of the frames are read.
 */
import { answer, settings } from '../control.js';
import { compressedFrame, deflateAll, deflateRequest, FrameCounter, jsonText } from '../wire.js';
import { Flight, LoadConnection, landing, openAll } from './flight.js';

/** @typedef {{ port: number, connections: number, depth: number, size: number, context: import('../wire.js').Context }} DeflateLoad */

const { port, connections, depth, size, context } = /** @type {DeflateLoad} */ (settings());
/**
 * Number of different messages, which are sent repeatedly. At least two windows of text, so that no message refers to
 * its previous copy.
 */
const cycle = Math.max(depth, Math.ceil(65_536 / size));
const texts = Array.from({ length: cycle }, (_, i) => jsonText(size, i));
// With takeover the first round refers to nothing before it, and each later round to the previous one.
const [first, second] = [
  await deflateAll(texts, context),
  (await deflateAll([...texts, ...texts], context)).slice(cycle),
].map((messages) => messages.map(compressedFrame));
/**
 * Frames one behind another, the second round twice, and below their offsets, so that any run of frames is one write.
 */
const octets = Buffer.concat([...first, ...second, ...second]);
const starts = [0];
for (const { length } of [...first, ...second, ...second]) starts.push(starts[starts.length - 1] + length);
const flight = new Flight();

class Connection {
  #next = 0;
  #counter = new FrameCounter();
  #connection;

  /** @param {(error?: Error) => void} opened */
  constructor(opened) {
    const handshake = { port, request: deflateRequest, answer: 'permessage-deflate' };
    this.#connection = new LoadConnection(handshake, flight, (length) => this.#landed(length), opened);
  }

  /** @param {number} length */
  #landed(length) {
    const replies = this.#counter.count(landing, length);
    if (replies > 0 && flight.back(replies)) this.send(replies);
  }

  /** @param {number} count */
  send(count) {
    this.#connection.socket.write(octets.subarray(starts[this.#next], starts[this.#next + count]));
    this.#next += count;
    if (this.#next >= 2 * cycle) this.#next -= cycle;
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

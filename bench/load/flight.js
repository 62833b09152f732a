/** Common parts of the loads of the echo rows: connections, and the messages in flight. */
import { connect } from 'node:net';
import { cpuMicroseconds } from '../control.js';

/** Buffer for all reads of all connections: nothing is allocated, and a read takes all available data. */
export const landing = Buffer.alloc(1 << 20);

/** Connection of a load: performs the handshake, and then reports the number of received bytes. */
export class LoadConnection {
  #head = '';
  #isOpen = false;

  /**
   * @param {{ port: number, request: Buffer, answer: string }} handshake `answer`: text that the response must contain
   * @param {Flight} flight
   * @param {(length: number) => void} landed
   * @param {(error?: Error) => void} opened
   */
  constructor({ port, request, answer }, flight, landed, opened) {
    const fail = (/** @type {Error} */ error) => {
      opened(error);
      flight.fail(error);
    };
    this.socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer: landing,
        callback: (length) => {
          if (this.#isOpen) {
            landed(length);
            return true;
          }
          this.#head += landing.toString('latin1', 0, length);
          if (!this.#head.endsWith('\r\n\r\n')) return true;
          this.#isOpen = true;
          const isAgreed = this.#head.startsWith('HTTP/1.1 101 ') && this.#head.includes(answer);
          opened(isAgreed ? undefined : new Error(this.#head));
          return true;
        },
      },
    });
    this.socket.write(request);
    this.socket.on('error', fail);
    this.socket.on('close', () => fail(new Error('the server closed a connection')));
  }
}

/**
 * Opens connections one after the other.
 * @template Connection
 * @param {number} count
 * @param {(opened: (error?: Error) => void) => Connection} open
 * @returns {Promise<Connection[]>}
 */
export async function openAll(count, open) {
  /** @type {Connection[]} */
  const all = [];
  for (let i = 0; i < count; i++) {
    await /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        all.push(open((error) => (error ? reject(error) : resolve())));
      })
    );
  }
  return all;
}

/** Messages in flight: each reply is followed by another message during the run. */
export class Flight {
  #isRunning = false;
  #inFlight = 0;
  #completed = 0;
  #limit = Infinity;
  /** @type {(error?: Error) => void} */
  #drained = () => {};

  /**
   * @param {number} replies number of replies received
   * @returns {boolean} true if the same number of messages must be sent again
   */
  back(replies) {
    this.#completed += replies;
    if (this.#isRunning && this.#completed < this.#limit) return true;
    this.#inFlight -= replies;
    if (this.#inFlight === 0) this.#drained();
    return false;
  }

  /** @param {Error} error */
  fail(error) {
    this.#drained(error);
  }

  /**
   * Runs for `seconds`, or until `count` messages came back, and then until no message is in flight.
   * @param {{ seconds: number, count?: number }} bounds
   * @param {number} inFlight number of messages that `begin` sends
   * @param {() => void} begin
   */
  async run({ seconds, count = Infinity }, inFlight, begin) {
    this.#completed = 0;
    this.#limit = count;
    this.#isRunning = true;
    this.#inFlight = inFlight;
    const start = process.hrtime.bigint();
    const cpu = cpuMicroseconds();
    await /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        const stalled = setTimeout(() => this.#drained(new Error('replies are missing')), seconds * 1e3 + 20_000);
        const over = setTimeout(() => {
          this.#isRunning = false;
        }, seconds * 1e3);
        this.#drained = (error) => {
          this.#drained = () => {};
          clearTimeout(stalled);
          clearTimeout(over);
          if (error) reject(error);
          else resolve();
        };
        begin();
      })
    );
    const elapsed = Number(process.hrtime.bigint() - start) / 1e9;
    return { messages: this.#completed, seconds: elapsed, cpu: cpuMicroseconds() - cpu };
  }
}

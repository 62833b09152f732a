/** What is in flight between a load and the server: as much is sent again as came back, for as long as it runs. */
import { cpuMicroseconds } from '../control.js';

export class Flight {
  #isRunning = false;
  #inFlight = 0;
  #completed = 0;
  #limit = Infinity;
  /** @type {(error?: Error) => void} */
  #drained = () => {};

  /**
   * @param {number} replies that have come
   * @returns {boolean} whether as many are to be sent again
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
   * Runs for `seconds`, or until `count` messages came back, and until nothing is in flight.
   * @param {{ seconds: number, count?: number }} bounds
   * @param {number} inFlight how many `begin` sends
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

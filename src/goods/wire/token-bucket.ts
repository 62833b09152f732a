/** A rate limit: a maximum at once, and a maximum a second in the long run. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #time: number;

  /**
   * @param perSecond Number of tokens a second.
   * @param burst Maximum number of tokens at once.
   * @param now Milliseconds.
   */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#time = now;
  }

  /** Takes tokens, if there are enough. @returns 0, or the milliseconds until there will be enough. */
  take(now: number, count = 1): number {
    // Otherwise a clock that is set back would take tokens away.
    this.#tokens = Math.min(this.#burst, this.#tokens + (Math.max(0, now - this.#time) / 1000) * this.#perSecond);
    this.#time = now;
    if (this.#tokens >= count) {
      this.#tokens -= count;
      return 0;
    }
    return Math.ceil(((count - this.#tokens) / this.#perSecond) * 1000);
  }
}

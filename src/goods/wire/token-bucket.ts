/** So many at once, and so many a second in the long run. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #time: number;

  /** @param now Milliseconds. */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#time = now;
  }

  /** Takes some if they are there. @returns 0, or the milliseconds until they will be. */
  take(now: number, count = 1): number {
    // A clock may be set back.
    this.#tokens = Math.min(this.#burst, this.#tokens + (Math.max(0, now - this.#time) / 1000) * this.#perSecond);
    this.#time = now;
    if (this.#tokens >= count) {
      this.#tokens -= count;
      return 0;
    }
    return Math.ceil(((count - this.#tokens) / this.#perSecond) * 1000);
  }
}

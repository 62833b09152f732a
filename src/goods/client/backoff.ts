/** Lengths of pauses. */
export interface BackoffOptions {
  /** Milliseconds: maximum of the first pause. The maximum doubles with each further pause. */
  readonly base: number;
  /** Milliseconds: maximum of every pause. */
  readonly max: number;
  /** Returns a number from 0 to 1. */
  readonly random: () => number;
}

/**
 * Pauses between attempts: a random time from 0 up to a ceiling that doubles ("full jitter"), so that clients that have failed together do
 * not come back together.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #attempts = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Number of failed attempts since the last success. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Milliseconds: maximum of the next pause. */
  get ceiling(): number {
    const { base, max } = this.#options;
    // 2 ** 1024 is Infinity, of which Math.min makes `max`.
    return Math.min(max, base * 2 ** this.#attempts);
  }

  /** Returns the milliseconds of the next pause. */
  next(): number {
    const pause = this.#options.random() * this.ceiling;
    this.#attempts++;
    return pause;
  }

  /** Starts again with short pauses. */
  reset(): void {
    this.#attempts = 0;
  }
}

/** How long pauses are. */
export interface BackoffOptions {
  /** Milliseconds: the max that the first pause can be; each next one can be twice as long. */
  readonly base: number;
  /** Milliseconds that no pause is longer than. */
  readonly max: number;
  /** From 0 to 1. */
  readonly random: () => number;
}

/**
 * Pauses between attempts: anything from nothing up to a ceiling that doubles ("full jitter"), so that many who have failed together do not
 * come back together.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  /** Attempts that have failed since the last success. */
  attempts = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** The max that the next pause can be. */
  get ceiling(): number {
    const { base, max } = this.#options;
    // Above 2^1023 there is Infinity, of which the least with `max` is right too.
    return Math.min(max, base * 2 ** this.attempts);
  }

  /** The milliseconds of the next pause. */
  next(): number {
    const pause = this.#options.random() * this.ceiling;
    this.attempts++;
    return pause;
  }

  /** Begins again with short pauses. */
  reset(): void {
    this.attempts = 0;
  }
}

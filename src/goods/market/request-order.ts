/** Keeps the requests of one connection about the same goods in order, also where the application takes time to decide. */
export class RequestOrder {
  /** The last request about each goods that has not been done yet. */
  #last: Map<string, Promise<void>> | null = null;
  #pending = 0;

  /** Number of requests that have not been done yet. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Does a request: now, or after the requests about the same goods that are pending.
   * @param perform Does the request. Throws nothing. Returns a promise that is never rejected if it takes time.
   */
  run(goods: string, perform: () => Promise<void> | undefined): void {
    const before = this.#last?.get(goods);
    const done = before === undefined ? perform() : before.then(perform);
    if (done !== undefined) this.#wait(goods, done);
  }

  #wait(goods: string, done: Promise<void>): void {
    this.#last ??= new Map();
    const last = this.#last;
    this.#pending++;
    const settled = done.then(() => {
      this.#pending--;
      if (last.get(goods) === settled) last.delete(goods);
    });
    last.set(goods, settled);
  }
}

import type { Backplane, BackplaneListener, Published } from '../../src/goods/backplane/backplane.ts';
import type { MemoryBackplane } from '../../src/goods/backplane/memory-backplane.ts';

/** A backplane in another process, as it seems: every answer takes a turn of the event loop. */
export class DistantBackplane implements Backplane {
  readonly #plane: MemoryBackplane;
  /** Reports that items of goods may have been lost. */
  gap: (goods: string) => void = () => {};
  /** True if every call fails. */
  isDown = false;

  constructor(plane: MemoryBackplane) {
    this.#plane = plane;
  }

  async #away<T>(answer: () => T): Promise<T> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.isDown) throw new Error('down');
    return answer();
  }

  publish = (...args: Parameters<Backplane['publish']>) => this.#away(() => this.#plane.publish(...args));
  subscribe = (goods: string, listener: BackplaneListener) => this.#away(() => this.#plane.subscribe(goods, listener));
  unsubscribe = (goods: string, listener: BackplaneListener) =>
    this.#away(() => this.#plane.unsubscribe(goods, listener));
  history = (goods: string, count: number): Promise<readonly Published[]> =>
    this.#away(() => this.#plane.history(goods, count));

  onGap(listener: (goods: string) => void): void {
    this.gap = listener;
  }
}

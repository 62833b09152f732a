import { type Delivery, type Gap, joinGaps } from './delivery.ts';

/** What happens when more items wait than may: the oldest go, all but the latest of each goods go, or the subscription ends. */
export type BacklogOverflow = 'drop-oldest' | 'conflate' | 'fail';

/** How many items may wait until a program takes them. */
export interface BacklogOptions {
  /** Items. Default 1000. */
  readonly size?: number | undefined;
  /** Default `drop-oldest`. `conflate` keeps the latest item of each goods only, from the first on. */
  readonly overflow?: BacklogOverflow | undefined;
}

/** Items that have arrived and that nobody has taken yet. */
export class Backlog<Item> {
  readonly size: number;
  readonly overflow: BacklogOverflow;
  /** By goods if only the latest counts, else by a number: the first of a Map is the oldest. */
  readonly #waiting = new Map<string | number, Delivery<Item>>();
  /** What was dropped before what waits, by goods. */
  readonly #dropped = new Map<string, Gap>();
  #lastKey = 0;

  /** @throws RangeError or TypeError for options that are not valid. */
  constructor({ size = 1000, overflow = 'drop-oldest' }: BacklogOptions = {}) {
    if (!Number.isSafeInteger(size) || size < 1) throw new RangeError(`buffer.size is an integer ≥ 1; got ${size}`);
    if (overflow !== 'drop-oldest' && overflow !== 'conflate' && overflow !== 'fail') {
      throw new TypeError(`buffer.overflow is drop-oldest, conflate or fail; got ${String(overflow)}`);
    }
    this.size = size;
    this.overflow = overflow;
  }

  get length(): number {
    return this.#waiting.size;
  }

  /**
   * Puts an item behind the others.
   * @returns What had to go for it; null if nothing had to; `full` if nothing may go, and the item was not taken.
   */
  push(delivery: Delivery<Item>): Gap | null | 'full' {
    const { goods } = delivery;
    if (this.overflow === 'conflate') {
      const overtaken = this.#waiting.get(goods);
      if (overtaken !== undefined) {
        // To its place, or goods that come often would always be behind those that come seldom.
        this.#waiting.set(goods, delivery);
        return this.#note(overtaken, 'conflated');
      }
    }
    if (this.overflow === 'fail' && this.#waiting.size >= this.size) return 'full';
    this.#waiting.set(this.overflow === 'conflate' ? goods : ++this.#lastKey, delivery);
    if (this.#waiting.size <= this.size) return null;
    const [[key, oldest]] = this.#waiting as unknown as [[string | number, Delivery<Item>]];
    this.#waiting.delete(key);
    return this.#note(oldest, 'backlog');
  }

  #note({ goods, offset, gap }: Delivery<Item>, reason: 'backlog' | 'conflated'): Gap {
    const dropped: Gap = { goods, reason, from: offset, to: offset };
    this.#dropped.set(goods, joinGaps(joinGaps(this.#dropped.get(goods), gap), dropped)!);
    // Goods may come and go for ever, and never be followed by an item that would tell of this.
    if (this.#dropped.size > this.size) for (const oldest of this.#dropped.keys()) return this.#forget(oldest, dropped);
    return dropped;
  }

  #forget(goods: string, dropped: Gap): Gap {
    this.#dropped.delete(goods);
    return dropped;
  }

  /** Takes the oldest item; undefined if there is none. */
  shift(): Delivery<Item> | undefined {
    for (const [key, delivery] of this.#waiting) {
      this.#waiting.delete(key);
      const dropped = this.#dropped.get(delivery.goods);
      if (dropped === undefined) return delivery;
      this.#dropped.delete(delivery.goods);
      return { ...delivery, gap: joinGaps(dropped, delivery.gap) };
    }
    return undefined;
  }

  clear(): void {
    this.#waiting.clear();
    this.#dropped.clear();
  }
}

import { type Delivery, type Gap, joinGaps } from './delivery.ts';

/** Effect of too many waiting items: the oldest are dropped, only the latest of each goods is kept, or the subscription ends with an error. */
export type BacklogOverflow = 'drop-oldest' | 'conflate' | 'fail';

/** Limits of the items that wait until the application takes them. */
export interface BacklogOptions {
  /** Maximum number of items. An integer of at least 1. Default 1000. */
  readonly size?: number | undefined;
  /** Default `drop-oldest`. `conflate` keeps only the latest item of each goods, also while there is room. */
  readonly overflow?: BacklogOverflow | undefined;
}

/** Items that have arrived and that the application has not taken. */
export class Backlog<Item> {
  readonly size: number;
  readonly overflow: BacklogOverflow;
  /** By goods with `conflate`, otherwise by a growing number. The first entry of a Map is the oldest. */
  readonly #waiting = new Map<string | number, Delivery<Item>>();
  /** Gaps before the waiting items, by goods. */
  readonly #dropped = new Map<string, Gap>();
  #lastKey = 0;

  /** @throws RangeError or TypeError if an option is invalid. */
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
   * Adds an item behind the others.
   * @returns The gap that its arrival has caused; null if there is none; `full` if the item was not taken.
   */
  push(delivery: Delivery<Item>): Gap | null | 'full' {
    const { goods } = delivery;
    if (this.overflow === 'conflate') {
      const overtaken = this.#waiting.get(goods);
      if (overtaken !== undefined) {
        // In the place of the older item. Otherwise goods that come often would always wait behind goods that come seldom.
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
    // Otherwise goods that never get another item, under ever new names, would fill the memory.
    if (this.#dropped.size > this.size) for (const oldest of this.#dropped.keys()) return this.#forget(oldest, dropped);
    return dropped;
  }

  #forget(goods: string, dropped: Gap): Gap {
    this.#dropped.delete(goods);
    return dropped;
  }

  /** Removes and returns the oldest item, with the gap before it; undefined if there is none. */
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

/** Counts of some goods since they were put on the shelf. */
export interface ShelvedGoodsStatistics {
  /** Number of items supplied. */
  readonly items: number;
  /** Bytes of the frames encoded, each counted once and not once per subscriber. */
  readonly bytes: number;
  /** Number of frames encoded. Compare it with items × subscribers. */
  readonly encoded: number;
  /** Number of item frames queued for subscribers when the items were supplied. Replays and catch-up are not counted. */
  readonly delivered: number;
  /** Number of times that `tailor` left an item out of a variant, replays included. */
  readonly filtered: number;
  /** Number of times that `tailor` failed, replays included. */
  readonly failed: number;
  /** Number of items that slow subscribers did not get because a later one replaced them. */
  readonly conflated: number;
  /** Number of items that slow subscribers did not get because the history no longer had them. */
  readonly dropped: number;
}

/** Reason for which an item was not encoded. */
export type EncodingFailure = 'filtered' | 'failed';
/** Reason for which slow subscribers miss items. */
export type Miss = 'conflated' | 'dropped';

/** The counters behind {@link ShelvedGoodsStatistics}. */
export class GoodsCounters {
  #items = 0;
  #bytes = 0;
  #encoded = 0;
  #delivered = 0;
  readonly #left: Record<EncodingFailure | Miss, number> = { filtered: 0, failed: 0, conflated: 0, dropped: 0 };

  countItems(items: number): void {
    this.#items += items;
  }

  countFrame(bytes: number): void {
    this.#encoded++;
    this.#bytes += bytes;
  }

  countDeliveries(frames: number): void {
    this.#delivered += frames;
  }

  countLeftOut(reason: EncodingFailure | Miss, items: number): void {
    this.#left[reason] += items;
  }

  read(): ShelvedGoodsStatistics {
    return {
      items: this.#items,
      bytes: this.#bytes,
      encoded: this.#encoded,
      delivered: this.#delivered,
      ...this.#left,
    };
  }
}

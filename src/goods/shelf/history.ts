import type { HistoryOptions } from '../definition/goods.ts';
import type { EncodedMessage } from '../fan-out/encoded-message.ts';

/** An item in the history of goods, with the frames encoded of it so far. */
export class HistoryEntry {
  readonly offset: number;
  /** The item as supplied. Variants that are needed later are made from it. */
  readonly item: unknown;
  /** The item as JSON; undefined if variants differ, or if the items are bytes. */
  readonly text: string | undefined;
  /** Milliseconds of the clock of the backplane. */
  readonly time: number;
  /** Frames by variant. */
  #frames: Map<string, EncodedMessage> | null = null;

  constructor(offset: number, item: unknown, text: string | undefined, time: number) {
    this.offset = offset;
    this.item = item;
    this.text = text;
    this.time = time;
  }

  /** Returns the frame for a variant, if it was encoded before. */
  frame(variant: string): EncodedMessage | undefined {
    return this.#frames?.get(variant);
  }

  keepFrame(variant: string, frame: EncodedMessage): void {
    this.#frames ??= new Map();
    this.#frames.set(variant, frame);
  }
}

/** Stands in the place of a removed entry, so that the entry can be garbage-collected. */
const removed = new HistoryEntry(0, undefined, undefined, 0);

/** The latest items of goods: a moving window, with consecutive offsets. */
export class History {
  readonly #size: number;
  /** Milliseconds; Infinity if items do not expire. */
  readonly #ttl: number;
  readonly #now: () => number;
  #entries: HistoryEntry[] = [];
  /** Number of removed entries at the front of the array. */
  #removed = 0;

  constructor({ size, ttl }: HistoryOptions, now: () => number) {
    this.#size = size;
    this.#ttl = ttl ?? Number.POSITIVE_INFINITY;
    this.#now = now;
  }

  /** Adds an item. Its offset must follow the offset of the entry before. */
  append(offset: number, item: unknown, text?: string, time = this.#now()): HistoryEntry {
    const entry = new HistoryEntry(offset, item, text, time);
    if (this.#size === 0) return entry;
    this.#entries.push(entry);
    this.#trim();
    return entry;
  }

  /** Number of items. */
  get length(): number {
    this.#trim();
    return this.#entries.length - this.#removed;
  }

  /** Offset of the oldest item; undefined if there is none. */
  get oldest(): number | undefined {
    this.#trim();
    return this.#entries[this.#removed]?.offset;
  }

  /** Returns the entry with an offset; undefined if it was removed or has not been added. */
  at(offset: number): HistoryEntry | undefined {
    const { oldest } = this;
    return oldest === undefined || offset < oldest ? undefined : this.#entries[this.#removed + offset - oldest];
  }

  #trim(): void {
    // Most goods have no ttl. Reading the clock for each of their items would cost time for nothing.
    const since = this.#ttl === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : this.#now() - this.#ttl;
    const entries = this.#entries;
    while (this.#removed < entries.length) {
      const isSurplus = entries.length - this.#removed > this.#size;
      if (!isSurplus && entries[this.#removed]!.time > since) break;
      entries[this.#removed++] = removed;
    }
    // Copying the array for each item would cost time in proportion to its length.
    if (this.#removed > 16 && this.#removed * 2 > entries.length) {
      this.#entries = entries.slice(this.#removed);
      this.#removed = 0;
    }
  }
}

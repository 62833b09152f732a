import type { HistoryOptions } from '../definition/goods.ts';
import type { EncodedMessage } from '../fan-out/encoded-message.ts';

/** An item that is kept, with what was encoded of it. */
export interface HistoryEntry {
  readonly offset: number;
  /** As supplied, for those whose variant is made later. */
  readonly item: unknown;
  /** The item as JSON, if it is the same for every variant. */
  readonly text: string | undefined;
  readonly time: number;
  /** By variant; made when first needed. */
  frames: Map<string, EncodedMessage> | null;
}

/** The latest items of goods: a window that moves, with offsets that follow one another. */
export class History {
  readonly #size: number;
  readonly #ttl: number;
  readonly #now: () => number;
  #entries: HistoryEntry[] = [];
  /** How many at the front are not there any more. */
  #gone = 0;

  constructor({ size, ttl }: HistoryOptions, now: () => number) {
    this.#size = size;
    this.#ttl = ttl ?? Number.POSITIVE_INFINITY;
    this.#now = now;
  }

  /** Adds an item, whose offset follows the one before it. */
  append(offset: number, item: unknown, text?: string, time = this.#now()): HistoryEntry {
    const entry: HistoryEntry = { offset, item, text, time, frames: null };
    if (this.#size === 0) return entry;
    this.#entries.push(entry);
    this.#trim();
    return entry;
  }

  /** How many there are. */
  get length(): number {
    this.#trim();
    return this.#entries.length - this.#gone;
  }

  /** The offset of the oldest, if there is one. */
  get oldest(): number | undefined {
    this.#trim();
    return this.#entries[this.#gone]?.offset;
  }

  /** The entry with an offset, if it is still there. */
  at(offset: number): HistoryEntry | undefined {
    const { oldest } = this;
    return oldest === undefined || offset < oldest ? undefined : this.#entries[this.#gone + offset - oldest];
  }

  #trim(): void {
    // Most goods are kept for ever: nobody need look at the clock.
    const since = this.#ttl === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : this.#now() - this.#ttl;
    const entries = this.#entries;
    while (this.#gone < entries.length) {
      const isSurplus = entries.length - this.#gone > this.#size;
      if (!isSurplus && entries[this.#gone]!.time > since) break;
      entries[this.#gone++] = gone;
    }
    // Not with every item: that would cost as much as there are.
    if (this.#gone > 16 && this.#gone * 2 > entries.length) {
      this.#entries = entries.slice(this.#gone);
      this.#gone = 0;
    }
  }
}

/** Stands where one was, so that it can be collected. */
const gone: HistoryEntry = { offset: 0, item: undefined, text: undefined, time: 0, frames: null };

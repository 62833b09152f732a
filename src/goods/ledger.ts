import { matches } from './goods-name.ts';

/** Who has booked what, both ways. */
export class Ledger<Subscriber, Entry> {
  readonly #patterns = new Map<string, Map<Subscriber, Set<Entry>>>();

  /** @returns false if it was booked already. */
  book(subscriber: Subscriber, pattern: string, entry: Entry): boolean {
    let subscribers = this.#patterns.get(pattern);
    if (subscribers === undefined) {
      subscribers = new Map();
      this.#patterns.set(pattern, subscribers);
    }
    let entries = subscribers.get(subscriber);
    if (entries === undefined) {
      entries = new Set();
      subscribers.set(subscriber, entries);
    }
    if (entries.has(entry)) return false;
    entries.add(entry);
    return true;
  }

  strike(subscriber: Subscriber, pattern: string, entry: Entry): boolean {
    const subscribers = this.#patterns.get(pattern);
    const entries = subscribers?.get(subscriber);
    if (!entries?.delete(entry)) return false;
    if (entries.size === 0) subscribers!.delete(subscriber);
    if (subscribers!.size === 0) this.#patterns.delete(pattern);
    return true;
  }

  strikeAll(subscriber: Subscriber): void {
    for (const [pattern, subscribers] of this.#patterns) {
      subscribers.delete(subscriber);
      if (subscribers.size === 0) this.#patterns.delete(pattern);
    }
  }

  forEachSubscriber(name: string, visit: (subscriber: Subscriber, entry: Entry, pattern: string) => void): void {
    for (const [pattern, subscribers] of this.#patterns) {
      if (!matches(pattern, name)) continue;
      for (const [subscriber, entries] of subscribers) for (const entry of entries) visit(subscriber, entry, pattern);
    }
  }

  get size(): number {
    let size = 0;
    for (const subscribers of this.#patterns.values()) for (const { size: own } of subscribers.values()) size += own;
    return size;
  }
}

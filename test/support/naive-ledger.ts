import { matches } from '../../src/goods/definition/goods-name.ts';
import type { Line } from '../../src/goods/ledger/ledger-lines.ts';

/** Simple ledger that the tests compare the real one with. It takes time in proportion to all its entries. */
export class NaiveLedger<Subscriber, Entry> {
  readonly #patterns = new Map<string, Map<Subscriber, Set<Entry>>>();

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

  strikeAll(subscriber: Subscriber): Line<Subscriber, Entry>[] {
    const lines = this.ofSubscriber(subscriber);
    for (const { pattern, entry } of lines) this.strike(subscriber, pattern, entry);
    return lines;
  }

  lines(): Line<Subscriber, Entry>[] {
    const lines: Line<Subscriber, Entry>[] = [];
    for (const [pattern, subscribers] of this.#patterns) {
      for (const [subscriber, entries] of subscribers) {
        for (const entry of entries) lines.push({ subscriber, pattern, entry });
      }
    }
    return lines;
  }

  ofSubscriber(subscriber: Subscriber): Line<Subscriber, Entry>[] {
    return this.lines().filter((line) => line.subscriber === subscriber);
  }

  ofPattern(pattern: string): Line<Subscriber, Entry>[] {
    return this.lines().filter((line) => line.pattern === pattern);
  }

  ofGoods(name: string): Line<Subscriber, Entry>[] {
    return this.lines().filter(({ pattern }) => matches(pattern, name));
  }

  get size(): number {
    return this.lines().length;
  }

  get subscribers(): number {
    return new Set(this.lines().map(({ subscriber }) => subscriber)).size;
  }

  get patterns(): number {
    return this.#patterns.size;
  }
}

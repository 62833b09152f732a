import { hasStars } from '../definition/goods-name.ts';
import {
  type Account,
  appended,
  enter,
  findLine,
  type Line,
  linesOf,
  type Page,
  patternOf,
  remove,
  struck,
  type WrittenLine,
} from './ledger-lines.ts';
import { PatternTree } from './pattern-tree.ts';

/**
 * Subscribers and the patterns that they have booked, found from either side. A data structure only: subscribers and entries may be
 * anything, and no callback is called except `visit`.
 *
 * A line is a subscriber, a pattern and an entry. The entry distinguishes several lines of a subscriber with the same pattern; entries are
 * compared as a `Set` does. Names and patterns are any text, with segments separated by `/`. In a pattern, a segment `*` matches one segment of
 * a name, and `**` any number of segments, also none.
 *
 * Booking and striking take the same time however many lines there are, apart from the segments of a pattern with stars. A line takes 100 to
 * 370 bytes, by the shape of the patterns.
 */
export class Ledger<Subscriber extends object, Entry> {
  /**
   * Pages by pattern: all plain names, and wildcard patterns with two or more lines. A wildcard pattern with one line is kept in the tree only,
   * to save memory.
   */
  readonly #pages = new Map<string, Page<Subscriber, Entry>>();
  readonly #accounts = new Map<Subscriber, Account<Subscriber, Entry>>();
  /** The pages of the patterns with stars. */
  readonly #tree = new PatternTree<Page<Subscriber, Entry>>({ patternOf });
  #size = 0;
  #patterns = 0;

  /** Number of lines. */
  get size(): number {
    return this.#size;
  }

  /** Number of subscribers with at least one line. */
  get subscribers(): number {
    return this.#accounts.size;
  }

  /** Number of different patterns. */
  get patterns(): number {
    return this.#patterns;
  }

  /** Adds a line. @returns false if it exists already. */
  book(subscriber: Subscriber, pattern: string, entry: Entry): boolean {
    const account = this.#accounts.get(subscriber);
    if (findLine(account, pattern, entry) !== undefined) return false;
    const page = this.#page(pattern);
    const line = { subscriber, pattern, entry, at: 0 };
    if (page === undefined) {
      this.#setPage(line);
      this.#patterns++;
    } else {
      // Otherwise each line would keep a string of its own with the same content.
      line.pattern = patternOf(page);
      line.at = Array.isArray(page) ? page.length : 1;
      const longer = appended(page, line);
      if (longer !== page) this.#setPage(longer);
    }
    const now = enter(account, line);
    if (now !== account) this.#accounts.set(subscriber, now);
    this.#size++;
    return true;
  }

  /** Removes a line. @returns false if it does not exist. */
  strike(subscriber: Subscriber, pattern: string, entry: Entry): boolean {
    const account = this.#accounts.get(subscriber);
    const line = findLine(account, pattern, entry);
    if (account === undefined || line === undefined) return false;
    const rest = remove(account, line);
    if (rest === undefined) this.#accounts.delete(subscriber);
    else if (rest !== account) this.#accounts.set(subscriber, rest);
    this.#strikeFromPage(line);
    return true;
  }

  /**
   * Removes all lines of a subscriber.
   * @returns The removed lines.
   */
  strikeAll(subscriber: Subscriber): Line<Subscriber, Entry>[] {
    const lines = linesOf(this.#accounts.get(subscriber));
    this.#accounts.delete(subscriber);
    for (const line of lines) this.#strikeFromPage(line);
    return lines;
  }

  #strikeFromPage(line: WrittenLine<Subscriber, Entry>): void {
    const { pattern } = line;
    // A page with one line is removed as a whole.
    const page = this.#pages.get(pattern);
    this.#size--;
    if (Array.isArray(page) && page.length > 1) {
      // The last line takes its place, so that no others move.
      const last = page.pop()!;
      if (last !== line) {
        page[line.at] = last;
        last.at = line.at;
      }
    } else {
      this.#pages.delete(pattern);
      if (hasStars(pattern)) this.#tree.delete(pattern);
      this.#patterns--;
    }
    line.at = struck;
  }

  #page(pattern: string): Page<Subscriber, Entry> | undefined {
    return this.#pages.get(pattern) ?? (hasStars(pattern) ? this.#tree.get(pattern) : undefined);
  }

  #setPage(page: Page<Subscriber, Entry>): void {
    const pattern = patternOf(page);
    const isForMany = hasStars(pattern);
    if (isForMany) this.#tree.set(page);
    if (!isForMany || Array.isArray(page)) this.#pages.set(pattern, page);
  }

  /** Returns the lines of a subscriber. */
  ofSubscriber(subscriber: Subscriber): Line<Subscriber, Entry>[] {
    return linesOf(this.#accounts.get(subscriber));
  }

  /** Returns the lines with exactly this pattern. */
  ofPattern(pattern: string): Line<Subscriber, Entry>[] {
    return this.#linesOn(this.#page(pattern));
  }

  /** Returns the lines whose pattern matches a name. */
  ofGoods(name: string): Line<Subscriber, Entry>[] {
    return this.#matching(name);
  }

  /**
   * Visits each line whose pattern matches a name, in no particular order. The time grows with the number of lines found and with the nodes of
   * wildcard patterns that the name leads to (see {@link PatternTree.forEachMatch}), not with the number of lines in the ledger.
   *
   * `visit` may book and strike. Each line that existed at the start is visited once, unless it is struck before its turn. A line that is
   * struck and booked again is a new line, and is not visited. An error thrown by `visit` ends the walk.
   */
  forEachSubscriber(name: string, visit: (subscriber: Subscriber, entry: Entry, pattern: string) => void): void {
    for (const { subscriber, entry, pattern, at } of this.#matching(name)) {
      if (at !== struck) visit(subscriber, entry, pattern);
    }
  }

  #matching(name: string): WrittenLine<Subscriber, Entry>[] {
    // A name with stars would find the page of a pattern, which the tree finds too.
    let found = this.#linesOn(hasStars(name) ? undefined : this.#pages.get(name));
    this.#tree.forEachMatch(name, (page) => {
      const lines = this.#linesOn(page);
      if (found.length === 0) found = lines;
      else for (const line of lines) found.push(line);
    });
    return found;
  }

  /** Returns a copy of the lines, which `visit` cannot change. */
  #linesOn(page: Page<Subscriber, Entry> | undefined): WrittenLine<Subscriber, Entry>[] {
    if (page === undefined) return [];
    return Array.isArray(page) ? page.slice() : [page];
  }
}

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
 * Who has booked what, both ways. A pure value: it knows nothing of what subscribers and entries are, and tells nobody.
 *
 * A line is a subscriber, a pattern and an entry, which is what distinguishes several bookings of a subscriber with the same pattern;
 * they are compared as a `Set` does. Names and patterns are segments apart by `/`, and may be any text; a segment `*` of a pattern stands for
 * one segment of a name, and `**` for any number of them, also none.
 *
 * To book and to strike take the same time however many lines there are, but for the segments of a pattern with stars. A line takes
 * 100 to 170 octets, and what is booked once is not kept in a set of its own.
 */
export class Ledger<Subscriber extends object, Entry> {
  /** Of names, and of those patterns with stars that have more than one line: for the others this would take more memory than they do in the tree. */
  readonly #pages = new Map<string, Page<Subscriber, Entry>>();
  readonly #accounts = new Map<Subscriber, Account<Subscriber, Entry>>();
  /** The pages of the patterns with stars. */
  readonly #tree = new PatternTree<Page<Subscriber, Entry>>({ patternOf });
  #size = 0;
  #patterns = 0;

  /** The number of lines. */
  get size(): number {
    return this.#size;
  }

  /** The number of subscribers that have booked anything. */
  get subscribers(): number {
    return this.#accounts.size;
  }

  /** The number of different patterns that are booked. */
  get patterns(): number {
    return this.#patterns;
  }

  /** @returns false if it was booked already. */
  book(subscriber: Subscriber, pattern: string, entry: Entry): boolean {
    const account = this.#accounts.get(subscriber);
    if (findLine(account, pattern, entry) !== undefined) return false;
    const page = this.#page(pattern);
    const line = { subscriber, pattern, entry, at: 0 };
    if (page === undefined) {
      this.#setPage(line);
      this.#patterns++;
    } else {
      // A text of the page, not another of the same content for each of its lines.
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

  /** @returns false if it was not booked. */
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
   * Strikes all that a subscriber has booked.
   * @returns What that was.
   */
  strikeAll(subscriber: Subscriber): Line<Subscriber, Entry>[] {
    const lines = linesOf(this.#accounts.get(subscriber));
    this.#accounts.delete(subscriber);
    for (const line of lines) this.#strikeFromPage(line);
    return lines;
  }

  #strikeFromPage(line: WrittenLine<Subscriber, Entry>): void {
    const { pattern } = line;
    // A line that is alone on its page need not be looked for.
    const page = this.#pages.get(pattern);
    this.#size--;
    if (Array.isArray(page) && page.length > 1) {
      // The last takes its place.
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

  /** What a subscriber has booked. */
  ofSubscriber(subscriber: Subscriber): Line<Subscriber, Entry>[] {
    return linesOf(this.#accounts.get(subscriber));
  }

  /** What is booked with exactly this pattern. */
  ofPattern(pattern: string): Line<Subscriber, Entry>[] {
    return this.#linesOn(this.#page(pattern));
  }

  /** What is booked with any pattern that matches a name. */
  ofGoods(name: string): Line<Subscriber, Entry>[] {
    return this.#matching(name);
  }

  /**
   * Visits each line whose pattern matches a name, in no order that counts. Its time grows with the number of lines that it finds and with the
   * nodes of patterns with stars that the name leads to (see {@link PatternTree.forEachMatch}), not with the number of lines.
   *
   * `visit` may book and strike whatever it likes: visited are the lines that stood when the walk began, each once, but for those that have been
   * struck before their turn; what is struck and booked again is a new line, and is not visited. What `visit` throws ends the walk.
   */
  forEachSubscriber(name: string, visit: (subscriber: Subscriber, entry: Entry, pattern: string) => void): void {
    for (const { subscriber, entry, pattern, at } of this.#matching(name)) {
      if (at !== struck) visit(subscriber, entry, pattern);
    }
  }

  #matching(name: string): WrittenLine<Subscriber, Entry>[] {
    // With stars it would be a pattern, and those are in the tree.
    let found = this.#linesOn(hasStars(name) ? undefined : this.#pages.get(name));
    this.#tree.forEachMatch(name, (page) => {
      const lines = this.#linesOn(page);
      if (found.length === 0) found = lines;
      else for (const line of lines) found.push(line);
    });
    return found;
  }

  /** A copy, which no visit changes. */
  #linesOn(page: Page<Subscriber, Entry> | undefined): WrittenLine<Subscriber, Entry>[] {
    if (page === undefined) return [];
    return Array.isArray(page) ? page.slice() : [page];
  }
}

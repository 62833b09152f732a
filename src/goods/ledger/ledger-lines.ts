/** One line of a ledger: a subscriber has booked a pattern with an entry. */
export interface Line<Subscriber, Entry> {
  readonly subscriber: Subscriber;
  readonly pattern: string;
  readonly entry: Entry;
}

export interface WrittenLine<Subscriber, Entry> extends Line<Subscriber, Entry> {
  /** Index on the page of its pattern; {@link struck} if it was struck. */
  at: number;
}

/** Index of a line that was struck. */
export const struck = -1;

/** The lines of one pattern. A single line has no array, to save memory. */
export type Page<Subscriber, Entry> = WrittenLine<Subscriber, Entry> | WrittenLine<Subscriber, Entry>[];

export function patternOf<S, E>(page: Page<S, E>): string {
  return (Array.isArray(page) ? page[0]! : page).pattern;
}

/** The lines of one subscriber: one line, a short array, or a Map by pattern. */
export type Account<Subscriber, Entry> =
  | WrittenLine<Subscriber, Entry>
  | WrittenLine<Subscriber, Entry>[]
  | Map<string, WrittenLine<Subscriber, Entry> | Map<Entry, WrittenLine<Subscriber, Entry>>>;

/** Maximum number of lines that are searched one by one. An account with more is a Map, which takes more memory. */
const maxLinesInArray = 8;

/** Compares as a Map does: NaN equals NaN. */
function isSame(a: unknown, b: unknown): boolean {
  return a === b || Object.is(a, b);
}

/** Returns the items with another one at the end. A short array is copied: `push` would reserve 16 places in it. */
export function appended<T>(items: T | T[], item: T): T[] {
  if (!Array.isArray(items)) return [items, item];
  if (items.length < maxLinesInArray) return items.concat([item]);
  items.push(item);
  return items;
}

export function findLine<S, E>(
  account: Account<S, E> | undefined,
  pattern: string,
  entry: E,
): WrittenLine<S, E> | undefined {
  const isIt = (line: WrittenLine<S, E>) => line.pattern === pattern && isSame(line.entry, entry);
  if (account === undefined) return undefined;
  if (Array.isArray(account)) return account.find(isIt);
  if (!(account instanceof Map)) return isIt(account) ? account : undefined;
  const lines = account.get(pattern);
  if (lines === undefined || lines instanceof Map) return lines?.get(entry);
  return isSame(lines.entry, entry) ? lines : undefined;
}

export function linesOf<S, E>(account: Account<S, E> | undefined): WrittenLine<S, E>[] {
  if (account === undefined) return [];
  if (Array.isArray(account)) return [...account];
  if (!(account instanceof Map)) return [account];
  const lines: WrittenLine<S, E>[] = [];
  for (const some of account.values()) {
    if (!(some instanceof Map)) lines.push(some);
    else for (const line of some.values()) lines.push(line);
  }
  return lines;
}

/** Returns the account with a line added. The line must not be in it. */
export function enter<S, E>(account: Account<S, E> | undefined, line: WrittenLine<S, E>): Account<S, E> {
  if (account === undefined) return line;
  if (!(account instanceof Map)) {
    if (!Array.isArray(account) || account.length < maxLinesInArray) return appended(account, line);
    const map: Account<S, E> = new Map();
    for (const earlier of account) enter(map, earlier);
    return enter(map, line);
  }
  const { pattern, entry } = line;
  const lines = account.get(pattern);
  if (lines === undefined) account.set(pattern, line);
  else if (lines instanceof Map) lines.set(entry, line);
  else {
    account.set(
      pattern,
      new Map([
        [lines.entry, lines],
        [entry, line],
      ]),
    );
  }
  return account;
}

/** Returns the account without a line, which must be in it; undefined if it was the last one. */
export function remove<S, E>(account: Account<S, E>, line: WrittenLine<S, E>): Account<S, E> | undefined {
  if (Array.isArray(account)) {
    const [one, other] = account;
    if (account.length === 2) return line === one ? other : one;
    return account.filter((another) => another !== line);
  }
  if (!(account instanceof Map)) return undefined;
  const lines = account.get(line.pattern);
  if (lines instanceof Map && lines.size > 1) lines.delete(line.entry);
  else account.delete(line.pattern);
  return account.size === 0 ? undefined : account;
}

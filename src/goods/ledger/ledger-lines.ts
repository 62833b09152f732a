/** One line of a ledger: who has booked what. */
export interface Line<Subscriber, Entry> {
  readonly subscriber: Subscriber;
  readonly pattern: string;
  readonly entry: Entry;
}

export interface WrittenLine<Subscriber, Entry> extends Line<Subscriber, Entry> {
  /** Where it stands on the page of its pattern. */
  at: number;
}

/** Where a line stands that has been struck. */
export const struck = -1;

/** The lines of one pattern. */
export type Page<Subscriber, Entry> = WrittenLine<Subscriber, Entry> | WrittenLine<Subscriber, Entry>[];

export function patternOf<S, E>(page: Page<S, E>): string {
  return (Array.isArray(page) ? page[0]! : page).pattern;
}

/** The lines of one subscriber. */
export type Account<Subscriber, Entry> =
  | WrittenLine<Subscriber, Entry>
  | WrittenLine<Subscriber, Entry>[]
  | Map<string, WrittenLine<Subscriber, Entry> | Map<Entry, WrittenLine<Subscriber, Entry>>>;

/** Lines that an account looks through one by one; with more it keeps a map, which takes more memory. */
const few = 8;

/** As a map or a set compares: `NaN` is itself. */
function isSame(a: unknown, b: unknown): boolean {
  return a === b || Object.is(a, b);
}

/** With another at its end. While it is small the array has no room to spare, of which `push` would leave it 16 places. */
export function appended<T>(items: T | T[], item: T): T[] {
  if (!Array.isArray(items)) return [items, item];
  if (items.length < few) return items.concat([item]);
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

/** @returns The account with the line in it, which is not there yet. */
export function enter<S, E>(account: Account<S, E> | undefined, line: WrittenLine<S, E>): Account<S, E> {
  if (account === undefined) return line;
  if (!(account instanceof Map)) {
    if (!Array.isArray(account) || account.length < few) return appended(account, line);
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

/** @returns The account without the line, which is in it; undefined when it was the last. */
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

import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Ledger } from '../../../src/goods/ledger/ledger.ts';
import type { Line } from '../../../src/goods/ledger/ledger-lines.ts';
import { PatternTree } from '../../../src/goods/ledger/pattern-tree.ts';
import { NaiveLedger } from '../../support/naive-ledger.ts';
import { anyName as name, anyPattern as pattern } from './arbitraries.ts';

interface Subscriber {
  readonly id: number;
}

/** Entries of several types. Some are equal by other comparisons, none as a Set compares. */
const entries: readonly unknown[] = [Number.NaN, 0, '0', undefined, null, {}, {}, 'NaN', 1, 2, 3, 4];

/** Returns a text that no other line has, to compare lists whose order does not matter. */
const inWords = ({ subscriber, pattern, entry }: Line<Subscriber, unknown>): string =>
  `${subscriber.id} ${entries.findIndex((other) => Object.is(other, entry))} ${JSON.stringify(pattern)}`;

const allInWords = (lines: readonly Line<Subscriber, unknown>[]): string[] => lines.map(inWords).sort();

function visited(ledger: Ledger<Subscriber, unknown>, goods: string): Line<Subscriber, unknown>[] {
  const lines: Line<Subscriber, unknown>[] = [];
  ledger.forEachSubscriber(goods, (subscriber, entry, pattern) => lines.push({ subscriber, pattern, entry }));
  return lines;
}

/** Runs a program. Returns the pattern trees from which ledgers have deleted meanwhile. */
function treesOf(program: () => void): Set<PatternTree<object>> {
  const spy = vi.spyOn(PatternTree.prototype, 'delete');
  try {
    program();
    return new Set(spy.mock.contexts as PatternTree<object>[]);
  } finally {
    spy.mockRestore();
  }
}

test('a line is found by the goods that it matches, by its subscriber and by its pattern', () => {
  const ledger = new Ledger<Subscriber, string>();
  const [ada, grace] = [{ id: 1 }, { id: 2 }];
  expect(ledger.book(ada, 'fruit/apple', 'in CNY')).toBe(true);
  expect(ledger.book(ada, 'fruit/*', 'in EUR')).toBe(true);
  expect(ledger.book(grace, 'fruit/apple', 'in USD')).toBe(true);

  expect(allInWords(visited(ledger, 'fruit/apple'))).toHaveLength(3);
  expect(visited(ledger, 'fruit/pear')).toEqual([{ subscriber: ada, pattern: 'fruit/*', entry: 'in EUR' }]);
  expect(ledger.ofGoods('fruit/pear')).toMatchObject([{ subscriber: ada, pattern: 'fruit/*', entry: 'in EUR' }]);
  expect(ledger.ofSubscriber(grace)).toMatchObject([{ subscriber: grace, pattern: 'fruit/apple', entry: 'in USD' }]);
  expect(ledger.ofSubscriber({ id: 1 })).toEqual([]);
  expect(ledger.ofPattern('fruit/*')).toMatchObject([{ subscriber: ada, pattern: 'fruit/*', entry: 'in EUR' }]);
  expect(ledger.ofPattern('fruit/**')).toEqual([]);
  expect(ledger).toMatchObject({ size: 3, subscribers: 2, patterns: 2 });
});

test('a line that is booked twice exists once, and is struck once', () => {
  const ledger = new Ledger<Subscriber, number>();
  const ada = { id: 1 };
  expect(ledger.book(ada, 'a', 1)).toBe(true);
  expect(ledger.book(ada, 'a', 1)).toBe(false);
  expect(ledger.size).toBe(1);
  expect(ledger.strike(ada, 'a', 2)).toBe(false);
  expect(ledger.strike(ada, 'b', 1)).toBe(false);
  expect(ledger.strike({ id: 1 }, 'a', 1)).toBe(false);
  expect(ledger.strike(ada, 'a', 1)).toBe(true);
  expect(ledger.strike(ada, 'a', 1)).toBe(false);
  expect(ledger.size).toBe(0);
});

test.each([1, 2, 8, 9, 40])('entries are compared as a Set compares, also if a subscriber has %i of them', (count) => {
  const ledger = new Ledger<Subscriber, unknown>();
  const ada = { id: 1 };
  expect(ledger.book(ada, 'a', Number.NaN)).toBe(true);
  for (let i = 1; i < count; i++) ledger.book(ada, 'a', i);
  expect(ledger.book(ada, 'a', Number.NaN)).toBe(false);
  expect(ledger.book(ada, 'a', 0)).toBe(true);
  expect(ledger.book(ada, 'a', -0)).toBe(false);
  expect(ledger.strike(ada, 'a', -0)).toBe(true);
  expect(ledger.strike(ada, 'a', Number.NaN)).toBe(true);
  expect(ledger.size).toBe(count - 1);
});

test('a list that was returned does not change', () => {
  const ledger = new Ledger<Subscriber, number>();
  const ada = { id: 1 };
  ledger.book(ada, 'a', 1);
  ledger.book(ada, 'a', 2);
  const lists = [ledger.ofSubscriber(ada), ledger.ofPattern('a'), ledger.ofGoods('a')];
  ledger.book(ada, 'a', 3);
  ledger.strike(ada, 'a', 1);
  for (const list of lists) expect(list.map(({ entry }) => entry).sort()).toEqual([1, 2]);
  lists[0]!.pop();
  expect(ledger.ofSubscriber(ada)).toHaveLength(2);
});

test('all lines of a pattern keep the same string', () => {
  const ledger = new Ledger<Subscriber, number>();
  ledger.book({ id: 1 }, 'a', 1);
  ledger.strike({ id: 1 }, 'a', 1);
  for (const id of [1, 2, 3]) ledger.book({ id }, ['fruit', '*'].join('/'), id);
  expect(new Set(ledger.ofPattern('fruit/*').map(({ pattern }) => pattern))).toEqual(new Set(['fruit/*']));
});

describe('compared with the naive ledger', () => {
  const subscribers: readonly Subscriber[] = [{ id: 0 }, { id: 1 }, { id: 2 }];
  const subscriber = fc.constantFrom(...subscribers);
  const entry = fc.constantFrom(...entries);
  type Real = Ledger<Subscriber, unknown>;
  type Model = NaiveLedger<Subscriber, unknown>;

  /** A command for both ledgers, whose results must be equal. */
  class Same implements fc.Command<Model, Real> {
    readonly #words: string;
    readonly #answer: (ledger: Model | Real) => unknown;
    constructor(words: string, answer: (ledger: Model | Real) => unknown) {
      this.#words = words;
      this.#answer = answer;
    }
    check(): boolean {
      return true;
    }
    run(model: Model, real: Real): void {
      expect(this.#answer(real)).toEqual(this.#answer(model));
      const { size, subscribers, patterns } = model;
      expect(real).toMatchObject({ size, subscribers, patterns });
    }
    toString(): string {
      return this.#words;
    }
  }

  const book = fc
    .tuple(subscriber, pattern, entry)
    .map(([who, what, how]) => new Same(`book(${who.id}, ${what})`, (ledger) => ledger.book(who, what, how)));

  /** Strikes an existing line: a line drawn at random seldom exists. */
  class StrikeSome implements fc.Command<Model, Real> {
    readonly #which: number;
    constructor(which: number) {
      this.#which = which;
    }
    check({ size }: Model): boolean {
      return size > 0;
    }
    run(model: Model, real: Real): void {
      const lines = model.lines();
      const { subscriber, pattern, entry } = lines[this.#which % lines.length]!;
      for (const ledger of [model, real]) expect(ledger.strike(subscriber, pattern, entry)).toBe(true);
      expect(real.size).toBe(model.size);
    }
    toString(): string {
      return `strikeSome(${this.#which})`;
    }
  }

  /**
   * Books and strikes in both ledgers during a visit, given all lines and the visited one.
   * @returns The line that was struck and booked again, if any.
   */
  type Act = (
    ledgers: readonly (Model | Real)[],
    lines: readonly Line<Subscriber, unknown>[],
    visited: Line<Subscriber, unknown>,
  ) => Line<Subscriber, unknown> | undefined;

  /** Visits the subscribers of goods, and books and strikes during each visit. */
  class Walk implements fc.Command<Model, Real> {
    readonly #goods: string;
    readonly #acts: readonly Act[];
    constructor(goods: string, acts: readonly Act[]) {
      this.#goods = goods;
      this.#acts = acts;
    }
    check(): boolean {
      return true;
    }
    run(model: Model, real: Real): void {
      // `due`: lines that existed at the start and were neither visited nor struck since.
      const due = new Set(allInWords(model.ofGoods(this.#goods)));
      let turn = 0;
      real.forEachSubscriber(this.#goods, (subscriber, entry, pattern) => {
        const line = { subscriber, entry, pattern };
        expect(due.delete(inWords(line))).toBe(true);
        const bookedAnew = this.#acts[turn++]?.([model, real], model.lines(), line);
        if (bookedAnew !== undefined) due.delete(inWords(bookedAnew));
        const standing = new Set(allInWords(model.lines()));
        for (const words of due) if (!standing.has(words)) due.delete(words);
      });
      expect(due).toEqual(new Set());
      expect(allInWords(real.ofGoods(this.#goods))).toEqual(allInWords(model.ofGoods(this.#goods)));
    }
    toString(): string {
      return `walk(${this.#goods}, ${this.#acts.length} acts)`;
    }
  }

  const act = fc.oneof(
    fc.tuple(subscriber, pattern, entry).map(
      ([who, what, how]): Act =>
        (ledgers) => {
          for (const ledger of ledgers) ledger.book(who, what, how);
          return undefined;
        },
    ),
    fc.tuple(fc.nat(), fc.boolean()).map(
      ([which, isBookedAnew]): Act =>
        (ledgers, lines) => {
          const line = lines[which % lines.length];
          if (line === undefined) return undefined;
          for (const ledger of ledgers) {
            ledger.strike(line.subscriber, line.pattern, line.entry);
            if (isBookedAnew) ledger.book(line.subscriber, line.pattern, line.entry);
          }
          return isBookedAnew ? line : undefined;
        },
    ),
    subscriber.map(
      (who): Act =>
        (ledgers) => {
          for (const ledger of ledgers) ledger.strikeAll(who);
          return undefined;
        },
    ),
    fc.constant<Act>((ledgers, _lines, { subscriber, pattern, entry }) => {
      for (const ledger of ledgers) ledger.strike(subscriber, pattern, entry);
      return undefined;
    }),
  );

  const strikes = [
    fc.nat().map((which) => new StrikeSome(which)),
    fc
      .tuple(subscriber, pattern, entry)
      .map(([who, what, how]) => new Same(`strike(${who.id}, ${what})`, (ledger) => ledger.strike(who, what, how))),
    subscriber.map((who) => new Same(`strikeAll(${who.id})`, (ledger) => allInWords(ledger.strikeAll(who)))),
  ];
  const questions = [
    subscriber.map((who) => new Same(`ofSubscriber(${who.id})`, (ledger) => allInWords(ledger.ofSubscriber(who)))),
    pattern.map((what) => new Same(`ofPattern(${what})`, (ledger) => allInWords(ledger.ofPattern(what)))),
    name.map((goods) => new Same(`ofGoods(${goods})`, (ledger) => allInWords(ledger.ofGoods(goods)))),
    fc.tuple(name, fc.array(act, { maxLength: 12 })).map(([goods, acts]) => new Walk(goods, acts)),
  ];

  test.each([
    ['many strikes', [book, book, ...strikes, ...questions]],
    ['few strikes, so that there are many lines', [book, book, book, book, book, book, strikes[0]!, ...questions]],
  ])('any commands give the same results, and the last strike leaves nothing behind: %s', (_title, commands) => {
    fc.assert(
      fc.property(fc.commands(commands, { maxCommands: 150, size: 'max' }), (all) => {
        const model: Model = new NaiveLedger();
        const real: Real = new Ledger();
        fc.modelRun(() => ({ model, real }), all);
        const hadStars = model.lines().some(({ pattern }) => pattern.includes('*'));
        const trees = treesOf(() => {
          for (const who of subscribers) {
            expect(allInWords(real.strikeAll(who))).toEqual(allInWords(model.strikeAll(who)));
          }
        });
        expect(real).toMatchObject({ size: 0, subscribers: 0, patterns: 0 });
        expect([...trees].map(({ size, nodes }) => [size, nodes])).toEqual(hadStars ? [[0, 0]] : []);
      }),
      { numRuns: 150 },
    );
  });

  test('hundreds of lines of a subscriber can be struck in any order', () => {
    const what = Array.from({ length: 120 }, (_, i) => ({
      pattern: `goods/${i % 40}${i % 3 ? '' : '/**'}`,
      entry: i % 7,
    }));
    fc.assert(
      fc.property(fc.shuffledSubarray(what, { minLength: what.length }), (order) => {
        const real = new Ledger<Subscriber, unknown>();
        const model = new NaiveLedger<Subscriber, unknown>();
        for (const who of subscribers) {
          for (const { pattern, entry } of what) {
            expect(real.book(who, pattern, entry)).toBe(model.book(who, pattern, entry));
          }
        }
        const trees = treesOf(() => {
          for (const { pattern, entry } of order) {
            for (const who of subscribers) {
              expect(real.strike(who, pattern, entry)).toBe(model.strike(who, pattern, entry));
            }
          }
        });
        expect(real).toMatchObject({ size: 0, subscribers: 0, patterns: 0 });
        expect([...trees].map(({ size, nodes }) => [size, nodes])).toEqual([[0, 0]]);
      }),
      { numRuns: 10 },
    );
  });
});

describe('during a visit', () => {
  const many = 100;

  test.each(['a', '*', '**'])('a subscriber may strike itself, and all others are still visited: %s', (pattern) => {
    const ledger = new Ledger<Subscriber, number>();
    for (let id = 0; id < many; id++) ledger.book({ id }, pattern, id);
    const seen: number[] = [];
    ledger.forEachSubscriber('a', (subscriber, entry) => {
      seen.push(subscriber.id);
      expect(ledger.strike(subscriber, pattern, entry)).toBe(true);
    });
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: many }, (_, id) => id));
    expect(ledger).toMatchObject({ size: 0, subscribers: 0, patterns: 0 });
  });

  test('a line that is struck before its turn is not visited, and neither is a line that was booked meanwhile', () => {
    const ledger = new Ledger<Subscriber, number>();
    const everyone = Array.from({ length: many }, (_, id) => ({ id }));
    for (const subscriber of everyone) ledger.book(subscriber, subscriber.id % 2 ? 'a' : '**', 0);
    let visits = 0;
    ledger.forEachSubscriber('a', () => {
      visits++;
      for (const subscriber of everyone) ledger.strikeAll(subscriber);
      for (const subscriber of everyone) ledger.book(subscriber, '*', 0);
    });
    expect(visits).toBe(1);
    expect(ledger.ofGoods('a')).toHaveLength(many);
  });

  test('a subscriber that books again in each visit is not visited without end', () => {
    const ledger = new Ledger<Subscriber, number>();
    const ada = { id: 1 };
    ledger.book(ada, 'a', 0);
    let visits = 0;
    ledger.forEachSubscriber('a', (_subscriber, entry) => {
      visits++;
      ledger.strike(ada, 'a', entry);
      ledger.book(ada, 'a', entry);
      ledger.book(ada, '*', entry + 1);
    });
    expect(visits).toBe(1);
    expect(ledger.size).toBe(2);
  });

  test('another walk may run inside of a visit', () => {
    const ledger = new Ledger<Subscriber, number>();
    for (let id = 0; id < 10; id++) ledger.book({ id }, id % 2 ? 'a' : '*', id);
    let inner = 0;
    let outer = 0;
    ledger.forEachSubscriber('a', () => {
      outer++;
      ledger.forEachSubscriber('a', (subscriber, entry, pattern) => {
        inner++;
        ledger.strike(subscriber, pattern, entry);
      });
    });
    expect([outer, inner]).toEqual([1, 10]);
  });

  test('an error thrown by a visit ends the walk, and the ledger stays as it is', () => {
    const ledger = new Ledger<Subscriber, number>();
    for (let id = 0; id < 10; id++) ledger.book({ id }, '*', id);
    expect(() =>
      ledger.forEachSubscriber('a', () => {
        throw new Error('no more');
      }),
    ).toThrow('no more');
    expect(ledger.ofGoods('a')).toHaveLength(10);
  });
});

describe('a ledger of many lines', () => {
  test('does not look at lines of other goods', () => {
    const ledger = new Ledger<Subscriber, number>();
    let looks = 0;
    for (let id = 0; id < 2000; id++) ledger.book({ id }, id < 3 ? 'rare/*' : `common/${id % 5}/*`, id);
    const spy = vi.spyOn(PatternTree.prototype, 'forEachMatch');
    ledger.forEachSubscriber('rare/goods', () => looks++);
    expect(looks).toBe(3);
    expect(spy.mock.results).toEqual([{ type: 'return', value: 2 }]);
    spy.mockRestore();
  });
});

import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { matches } from '../../../src/goods/definition/goods-name.ts';
import { Ledger } from '../../../src/goods/ledger/ledger.ts';
import type { Line } from '../../../src/goods/ledger/ledger-lines.ts';
import { PatternTree } from '../../../src/goods/ledger/pattern-tree.ts';
import { NaiveLedger } from '../../support/naive-ledger.ts';

interface Subscriber {
  readonly id: number;
}

/** Entries of several kinds; several of them are equal in some ways, none as a set compares. */
const entries: readonly unknown[] = [Number.NaN, 0, '0', undefined, null, {}, {}, 'NaN', 1, 2, 3, 4];

/** Segments that are no identifiers, and those that mean something. */
const segments = ['a', 'b', '', '__proto__', 'constructor', '\0', '\ud800', '*', '**', 'a*', '***', '1'];

const name = fc.array(fc.constantFrom(...segments), { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
/** Mostly stars and two segments, so that much matches. */
const pattern = fc.oneof(
  name,
  fc.array(fc.constantFrom('a', 'b', '*', '**'), { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/')),
);

/** A line in words that no other line has, to compare lists whose order does not count. */
const inWords = ({ subscriber, pattern, entry }: Line<Subscriber, unknown>): string =>
  `${subscriber.id} ${entries.findIndex((other) => Object.is(other, entry))} ${JSON.stringify(pattern)}`;

const allInWords = (lines: readonly Line<Subscriber, unknown>[]): string[] => lines.map(inWords).sort();

function visited(ledger: Ledger<Subscriber, unknown>, goods: string): Line<Subscriber, unknown>[] {
  const lines: Line<Subscriber, unknown>[] = [];
  ledger.forEachSubscriber(goods, (subscriber, entry, pattern) => lines.push({ subscriber, pattern, entry }));
  return lines;
}

/** Runs a program, and gives the trees of patterns that ledgers took something out of meanwhile. */
function treesOf(program: () => void): Set<PatternTree<object>> {
  const spy = vi.spyOn(PatternTree.prototype, 'delete');
  try {
    program();
    return new Set(spy.mock.contexts as PatternTree<object>[]);
  } finally {
    spy.mockRestore();
  }
}

test('a booking is found by its goods, by its subscriber and by its pattern', () => {
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

test('what is booked twice is booked once, and struck once', () => {
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

test.each([1, 2, 8, 9, 40])(
  'entries are compared as a set compares, also when a subscriber has %i of them',
  (count) => {
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
  },
);

test('a list that was given out does not change', () => {
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

test('each pattern is kept as one text, whoever books it', () => {
  const ledger = new Ledger<Subscriber, number>();
  ledger.book({ id: 1 }, 'a', 1);
  ledger.strike({ id: 1 }, 'a', 1);
  for (const id of [1, 2, 3]) ledger.book({ id }, ['fruit', '*'].join('/'), id);
  expect(new Set(ledger.ofPattern('fruit/*').map(({ pattern }) => pattern))).toEqual(new Set(['fruit/*']));
});

describe('compared with a naive ledger', () => {
  const subscribers: readonly Subscriber[] = [{ id: 0 }, { id: 1 }, { id: 2 }];
  const subscriber = fc.constantFrom(...subscribers);
  const entry = fc.constantFrom(...entries);
  type Real = Ledger<Subscriber, unknown>;
  type Model = NaiveLedger<Subscriber, unknown>;

  /** A command that both obey, and whose answers are to be the same. */
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

  /** Strikes what is there, as a text out of the blue seldom is. */
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
   * What a visit does to both ledgers, given the lines that there are and the one that is visited.
   * @returns A line that it has booked anew.
   */
  type Act = (
    ledgers: readonly (Model | Real)[],
    lines: readonly Line<Subscriber, unknown>[],
    visited: Line<Subscriber, unknown>,
  ) => Line<Subscriber, unknown> | undefined;

  /** Walks, and books and strikes at each visit. */
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
      // Due is what stood at the start, has not been visited and has not been struck.
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
    ['few strikes, so that much is booked', [book, book, book, book, book, book, strikes[0]!, ...questions]],
  ])('it answers the same to any commands, and nothing is left behind the last strike: %s', (_title, commands) => {
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

  test('a subscriber of hundreds of bookings gets rid of them in any order', () => {
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

describe('while it visits', () => {
  const many = 100;

  test.each(['a', '*', '**'])('a subscriber may strike itself, and all others still have their turn: %s', (pattern) => {
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

  test('one that is struck before its turn has none, and one that has been booked meanwhile neither', () => {
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

  test('who books again with each visit is not visited for ever', () => {
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

  test('another walk may go on inside', () => {
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

  test('what a visit throws ends the walk, and harms nothing', () => {
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

describe('a tree of patterns', () => {
  interface Value {
    readonly pattern: string;
  }
  const found = (tree: PatternTree<Value>, goods: string): string[] => {
    const patterns: string[] = [];
    tree.forEachMatch(goods, ({ pattern }) => patterns.push(pattern));
    return patterns.sort();
  };
  const treeOf = (patterns: Iterable<string>): PatternTree<Value> => {
    const tree = new PatternTree<Value>({ patternOf: ({ pattern }) => pattern });
    for (const pattern of patterns) tree.set({ pattern });
    return tree;
  };
  /** How many beginnings more than one pattern has. */
  const shared = (patterns: Iterable<string>): number => {
    const counts = new Map<string, number>();
    for (const pattern of patterns) {
      let beginning = '';
      for (const segment of pattern.split('/')) {
        beginning += `/${segment}`;
        counts.set(beginning, (counts.get(beginning) ?? 0) + 1);
      }
    }
    return [...counts.values()].filter((count) => count > 1).length;
  };
  const repeated = (part: string, times: number) => new Array(times).fill(part).join('/');

  test.each([
    ['*', ['a', '', '*'], ['a/b', '/']],
    ['**', ['a', 'a/b', '', '/', '**'], []],
    ['a/*', ['a/b', 'a/'], ['a', 'a/b/c', 'b/b']],
    ['a/**', ['a', 'a/b', 'a/b/c', 'a/'], ['b', 'b/a', 'aa']],
    ['**/a', ['a', 'b/a', 'a/a/a', '/a'], ['a/b', 'b']],
    ['a/**/b', ['a/b', 'a/c/b', 'a/b/b', 'a/b/c/b'], ['a', 'b', 'a/b/c']],
    ['**/*', ['a', 'a/b', ''], []],
    ['*/**/*', ['a/b', 'a/b/c', '/'], ['a', '']],
    ['**/__proto__/*', ['__proto__/constructor', 'a/__proto__/a'], ['__proto__', 'constructor/a']],
    ['*/\0', ['a/\0', '\0/\0'], ['\0', 'a/\0\0']],
    ['*/\ud800', ['a/\ud800'], ['a/\ud801', 'a/\ufffd']],
    ['a*/***', ['a*/***'], ['ab/c', 'a/b']],
  ])('%j matches what it should', (pattern, names, others) => {
    const tree = treeOf([pattern]);
    for (const goods of names) expect(found(tree, goods), JSON.stringify(goods)).toEqual([pattern]);
    for (const goods of others) expect(found(tree, goods), JSON.stringify(goods)).toEqual([]);
  });

  test('it finds what matches, each once, whatever has been added and deleted', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(pattern, { maxLength: 60 }),
        fc.array(fc.nat(), { maxLength: 60 }),
        fc.array(name),
        (all, gone, names) => {
          const tree = treeOf([...all, ...all]);
          expect([tree.size, tree.nodes]).toEqual([all.length, shared(all)]);
          const left = new Set(all);
          for (const which of gone) {
            const pattern = all[which % all.length];
            if (pattern === undefined) continue;
            tree.delete(pattern);
            left.delete(pattern);
            expect([tree.size, tree.nodes]).toEqual([left.size, shared(left)]);
            expect(tree.get(pattern)).toBe(undefined);
          }
          for (const pattern of left) expect(tree.get(pattern)).toEqual({ pattern });
          for (const goods of names) {
            expect(found(tree, goods)).toEqual([...left].filter((pattern) => matches(pattern, goods)).sort());
          }
          for (const pattern of left) tree.delete(pattern);
          expect([tree.size, tree.nodes]).toEqual([0, 0]);
          expect(tree.forEachMatch('a', () => {})).toBe(0);
        },
      ),
    );
  });

  test('a pattern that is not there is not deleted, nor one that it begins with or that begins with it', () => {
    const tree = treeOf(['a/*/b', '*']);
    for (const pattern of ['a', 'a/*', 'a/*/b/c', 'b', 'b/*', '**']) tree.delete(pattern);
    expect([tree.size, tree.nodes]).toEqual([2, 0]);
    expect(found(tree, 'a/c/b')).toEqual(['a/*/b']);
    expect(found(tree, 'a')).toEqual(['*']);
    tree.set({ pattern: 'a/*/b/c' });
    for (const pattern of ['a', 'a/*', 'a/*/b/d', 'a/*/b/c/d']) tree.delete(pattern);
    expect(found(tree, 'a/c/b')).toEqual(['a/*/b']);
    expect(found(tree, 'a/c/b/c')).toEqual(['a/*/b/c']);
  });

  test.each([
    ['one alone has no nodes, however long', ['a/b/c/d/*'], 0],
    ['two part where they differ', ['a/b/c/*', 'a/b/d/*'], 2],
    ['one may end on the way of others', ['a/*', 'a/*/b', 'a/*/b/c'], 3],
    ['those that begin alike share what they begin with', ['a/b/*', 'a/b/**', 'a/b/*/c'], 3],
    ['those that differ at once share nothing', ['a/*', 'b/*', '*/a', '**/a'], 0],
  ])('of patterns, %s, in whatever order they come and go', (_title, patterns, nodes) => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(patterns, { minLength: patterns.length }),
        fc.shuffledSubarray(patterns, { minLength: patterns.length }),
        (come, go) => {
          const tree = treeOf(come);
          expect(tree.nodes).toBe(nodes);
          for (const [i, pattern] of go.entries()) {
            tree.delete(pattern);
            const left = go.slice(i + 1);
            expect([tree.size, tree.nodes]).toEqual([left.length, shared(left)]);
            for (const one of left) expect(found(tree, one.replaceAll('*', 'x'))).toContain(one);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  test('the value of a pattern may be replaced, be it alone or not', () => {
    const tree = treeOf(['a/*', 'a/*/b', 'c/*']);
    for (const pattern of ['a/*', 'a/*/b', 'c/*']) {
      const value = { pattern };
      tree.set(value);
      expect(tree.get(pattern)).toBe(value);
    }
    expect([tree.size, tree.nodes]).toEqual([3, 2]);
  });

  test.each([
    ['**', 64],
    ['**/*', 64],
    ['**/a', 32],
    ['a/**', 32],
    ['**/a/**/*', 16],
  ])('no repetition of %s is exponential: its steps are bounded by the product of the lengths', (part, times) => {
    const length = 128;
    const goods = repeated('a', length);
    // With an end that never comes, a search that goes back would try all ways to share out the segments.
    const tree = treeOf(['y', 'z'].map((end) => `${repeated(part, times)}/${end}`));
    expect(tree.nodes).toBe(part.split('/').length * times);
    expect(tree.forEachMatch(goods, () => {})).toBeLessThanOrEqual((tree.nodes + 1) * length);
    expect(found(tree, `${goods}/z`)).toHaveLength(1);
    // One alone is compared, once.
    const alone = treeOf([`${repeated(part, times)}/z`]);
    expect(alone.forEachMatch(goods, () => {})).toBeLessThanOrEqual(length + 1);
    expect(found(alone, `${goods}/z`)).toHaveLength(1);
  });

  test('patterns that a name does not lead to cost nothing', () => {
    const few = treeOf(['fruit/*', 'fruit/**', '*/apple/**', '**/price']);
    const steps = few.forEachMatch('fruit/apple/price', () => {});
    for (let i = 0; i < 10_000; i++) few.set({ pattern: `fruit/kind ${i}/*` });
    for (let i = 0; i < 10_000; i++) few.set({ pattern: `${i}/**/price` });
    expect(few.forEachMatch('fruit/apple/price', () => {})).toBe(steps);
    expect(steps).toBeLessThanOrEqual(16);
  });
});

describe('in a ledger of many lines', () => {
  test('what is found costs by what is found: lines of other goods are not looked at', () => {
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

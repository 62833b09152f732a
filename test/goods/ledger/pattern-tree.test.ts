import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matches } from '../../../src/goods/definition/goods-name.ts';
import { PatternTree } from '../../../src/goods/ledger/pattern-tree.ts';
import { anyName, anyPattern } from './arbitraries.ts';

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
/** Returns the number of beginnings that more than one pattern has. */
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
])('%j matches the names that it should, and no others', (pattern, names, others) => {
  const tree = treeOf([pattern]);
  for (const goods of names) expect(found(tree, goods), JSON.stringify(goods)).toEqual([pattern]);
  for (const goods of others) expect(found(tree, goods), JSON.stringify(goods)).toEqual([]);
});

test('a search finds every pattern that matches once, whatever was added and deleted before', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(anyPattern, { maxLength: 60 }),
      fc.array(fc.nat(), { maxLength: 60 }),
      fc.array(anyName),
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

test('deleting a pattern that does not exist deletes no other, neither one that it begins with nor one that begins with it', () => {
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
  ['one pattern alone has no nodes, however long it is', ['a/b/c/d/*'], 0],
  ['two patterns have a node for each segment that they share', ['a/b/c/*', 'a/b/d/*'], 2],
  ['a pattern may end where others go on', ['a/*', 'a/*/b', 'a/*/b/c'], 3],
  ['patterns with the same beginning share its nodes', ['a/b/*', 'a/b/**', 'a/b/*/c'], 3],
  ['patterns that differ in the first segment share no node', ['a/*', 'b/*', '*/a', '**/a'], 0],
])('%s, in whatever order patterns are added and deleted', (_title, patterns, nodes) => {
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

test('the value of a pattern can be replaced, in a leaf and in a node', () => {
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
])('no repetition of %s is exponential: the steps are at most the product of the lengths', (part, times) => {
  const length = 128;
  const goods = repeated('a', length);
  // The end never matches, so a search that goes back would try all ways to distribute the segments.
  const tree = treeOf(['y', 'z'].map((end) => `${repeated(part, times)}/${end}`));
  expect(tree.nodes).toBe(part.split('/').length * times);
  expect(tree.forEachMatch(goods, () => {})).toBeLessThanOrEqual((tree.nodes + 1) * length);
  expect(found(tree, `${goods}/z`)).toHaveLength(1);
  // A pattern alone is compared once.
  const alone = treeOf([`${repeated(part, times)}/z`]);
  expect(alone.forEachMatch(goods, () => {})).toBeLessThanOrEqual(length + 1);
  expect(found(alone, `${goods}/z`)).toHaveLength(1);
});

test('patterns that a name does not lead to cost no steps', () => {
  const few = treeOf(['fruit/*', 'fruit/**', '*/apple/**', '**/price']);
  const steps = few.forEachMatch('fruit/apple/price', () => {});
  for (let i = 0; i < 10_000; i++) few.set({ pattern: `fruit/kind ${i}/*` });
  for (let i = 0; i < 10_000; i++) few.set({ pattern: `${i}/**/price` });
  expect(few.forEachMatch('fruit/apple/price', () => {})).toBe(steps);
  expect(steps).toBeLessThanOrEqual(16);
});

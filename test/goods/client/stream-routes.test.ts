import { expect, test } from 'vitest';
import { StreamCursor } from '../../../src/goods/client/stream-cursor.ts';
import { StreamRoutes } from '../../../src/goods/client/stream-routes.ts';

const cursor = (goods: string, variant?: string): StreamCursor =>
  new StreamCursor({ goods, kind: 'json', epoch: 'e', offset: 0, ...(variant === undefined ? {} : { variant }) }, 1, {
    deliver: () => {},
    miss: () => {},
  });

test('a frame goes to all cursors of its goods and variant, and to no others', () => {
  const routes = new StreamRoutes();
  const [one, two, other, plain] = [cursor('a', 'v'), cursor('a', 'v'), cursor('a', 'w'), cursor('a')];
  for (const each of [one, two, other, plain]) routes.add(each);
  expect(routes.cursorsFor('a', 'v')).toEqual([one, two]);
  expect(routes.cursorsFor('a', 'w')).toEqual([other]);
  expect(routes.cursorsFor('a')).toEqual([plain]);
  expect(routes.cursorsFor('b')).toEqual([]);
});

test.each([
  [
    ['bc', 'a'],
    ['c', 'ab'],
  ],
  [
    ['', '1 a'],
    ['1 a', ''],
  ],
  [
    ['a', '1'],
    ['1a', ''],
  ],
])('goods and variants are never mixed up: %j and %j', ([goods, variant], [otherGoods, otherVariant]) => {
  const routes = new StreamRoutes();
  const one = cursor(goods!, variant);
  routes.add(one);
  expect(routes.cursorsFor(otherGoods!, otherVariant)).toEqual([]);
  expect(routes.cursorsFor(goods!, variant)).toEqual([one]);
});

test('a cursor is added once, and gets no frame after it was deleted', () => {
  const routes = new StreamRoutes();
  const [one, two] = [cursor('a'), cursor('a')];
  for (const each of [one, one, two]) routes.add(each);
  const before = routes.cursorsFor('a');
  routes.delete(one);
  routes.delete(one);
  expect([before, routes.cursorsFor('a')]).toEqual([[one, two], [two]]);
  routes.delete(two);
  expect(routes.cursorsFor('a')).toEqual([]);
  routes.delete(cursor('unknown'));
});

test('clear deletes all', () => {
  const routes = new StreamRoutes();
  routes.add(cursor('a'));
  routes.clear();
  expect(routes.cursorsFor('a')).toEqual([]);
});

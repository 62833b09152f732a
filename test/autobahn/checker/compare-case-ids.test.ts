import { expect, test } from 'vitest';
import { compareCaseIds } from '../../../autobahn/checker/compare-case-ids.ts';

test('orders by numbers, not by letters', () => {
  const ids = ['10.1.1', '9.1.10', '9.1.2', '2.11', '2.2', '9.1', 'x', '1.1.1', '9.1.x'];
  expect(ids.toSorted(compareCaseIds)).toEqual([
    '1.1.1',
    '2.2',
    '2.11',
    '9.1',
    '9.1.2',
    '9.1.10',
    '9.1.x',
    '10.1.1',
    'x',
  ]);
});

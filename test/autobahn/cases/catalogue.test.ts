import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { caseNumber, catalogue } from '../../../autobahn/cases/catalogue.ts';
import { selectCases } from '../../../autobahn/cases/select-cases.ts';

/**
 * Numbers of cases in the groups 1, 2, … below a prefix, in Autobahn's order. Cases are numbered from 1 without gaps.
 */
const groups: readonly (readonly [group: string, cases: readonly number[]])[] = [
  ['1.', [8, 8]],
  ['', [0, 11, 7]],
  ['4.', [5, 5]],
  ['', [0, 0, 0, 0, 20]],
  ['6.', [3, 4, 2, 4, 5, 11, 4, 2, 4, 3, 5, 8, 5, 10, 1, 3, 5, 5, 5, 7, 8, 34, 7]],
  ['7.', [6, 0, 6, 0, 1, 0, 13, 0, 9, 0, 0, 0, 2]],
  ['9.', [6, 6, 9, 9, 6, 6, 6, 6]],
  ['10.', [1]],
  ['12.', [18, 18, 18, 18, 18]],
  ['13.', [18, 18, 18, 18, 18, 18, 18]],
];
const ids = groups.flatMap(([prefix, counts]) =>
  counts.flatMap((count, index) => Array.from({ length: count }, (_, number) => `${prefix}${index + 1}.${number + 1}`)),
);

test('the catalogue has the 517 cases of Autobahn, in its order', () => {
  expect(ids).toHaveLength(517);
  expect(catalogue.map(({ id }) => id)).toEqual(ids);
});

test('each case has the description of Autobahn, word for word', () => {
  const lines = catalogue.map(({ id, description, expectation }) => `${id}\t${description}\t=> ${expectation}\n`);
  const digest = createHash('sha256').update(lines.join('')).digest('hex');
  expect(digest).toBe('85931087a9e429a344afeb933122860bb26bcd8e261652eaaf64956726c83ed3');
});

test('cases are numbered from 1', () => {
  expect([caseNumber('1.1.1'), caseNumber('13.7.18'), caseNumber('8.1')]).toEqual([1, 517, 0]);
});

test.each([
  ['*', '', 517],
  ['1.*', '', 16],
  ['1.1.*,7.9.*', '', 17],
  ['6.4.1', '', 1],
  ['1', '', 16],
  ['1.*, 2.*', '', 27],
  ['*', '12.*,13.*', 301],
  ['9.*', '9.7.*,9.8.*', 42],
])('%s without %j selects the expected number of cases', (include, exclude, count) => {
  expect(selectCases(include, exclude)).toHaveLength(count);
});

test.each([
  ['8.*', '', 'no case matches 8.*'],
  ['1.1.9', '', 'no case matches 1.1.9'],
  ['1.*', 'nonsense', 'no case matches nonsense'],
  ['1.*', '1.*', 'no case is selected'],
  ['', '', 'no case is selected'],
  ['__proto__', '', 'no case matches __proto__'],
])('%j without %j is refused: %s', (include, exclude, message) => {
  expect(() => selectCases(include, exclude)).toThrow(new RangeError(message));
});

test('a pattern matches whole numbers: 1.* does not match 10.1.1, and 6.2.* does not match 6.22.1', () => {
  expect(selectCases('1.*').some(({ id }) => id.startsWith('10'))).toBe(false);
  expect(selectCases('6.2.*')).toHaveLength(4);
});

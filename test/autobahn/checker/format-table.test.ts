import { expect, test } from 'vitest';
import { checkReport } from '../../../autobahn/checker/check-report.ts';
import { formatTable } from '../../../autobahn/checker/format-table.ts';
import { goodReport } from './reports.ts';

const ids = ['1.1.1', '1.1.2', '2.1', '7.1.6', '10.1.1', '12.1.1'];
const tableOf = (report: object): string => formatTable(checkReport(JSON.stringify(report), ids));

test('counts the cases of each group, in the order of the numbers, without empty columns', () => {
  expect(tableOf(goodReport(['peer'], ids)).split('\n')).toEqual([
    'peer  OK  INFORMATIONAL',
    '1      2',
    '2      1',
    '7                     1',
    '10     1',
    '12     1',
    'all    5              1',
  ]);
});

test('counts a case by the worse of its two behaviors', () => {
  const report = goodReport(['peer'], ids);
  report.peer!['1.1.1']!.behavior = 'NON-STRICT';
  report.peer!['1.1.2']!.behaviorClose = 'UNCLEAN';
  Object.assign(report.peer!['2.1']!, { behavior: 'NON-STRICT', behaviorClose: 'FAILED' });
  report.peer!['12.1.1']!.behavior = 'SPLENDID';
  expect(tableOf(report).split('\n')).toEqual([
    'peer  OK  INFORMATIONAL  NON-STRICT  UNCLEAN  FAILED  other',
    '1                                 1        1',
    '2                                                  1',
    '7                     1',
    '10     1',
    '12                                                        1',
    'all    1              1           1        1       1      1',
  ]);
});

test('has a table for each agent', () => {
  expect(tableOf(goodReport(['first', 'second'], ids)).split('\n\n')).toHaveLength(2);
});

test('an agent name cannot send control sequences to the terminal', () => {
  const table = tableOf(goodReport(['\u001b[2J\u202eevil\n1 2 3'], ids));
  expect(table.split('\n')[0]).toMatch(/^\ufffd\[2J\ufffdevil\ufffd1 2 3 /);
});

import { expect, test } from 'vitest';
import { FileNames, indexOf } from '../../../autobahn/report/index-json.ts';
import { caseResult } from './results.ts';

test('the file name of an agent is in lower case, with underscores for other characters than letters and digits', () => {
  const names = new FileNames();
  expect(names.nameOf({ agent: 'AutobahnPython/0.6.0', id: '7.1.6' })).toBe('autobahnpython_0_6_0_case_7_1_6.json');
  expect(names.nameOf({ agent: '../../etc/passwd', id: '1.1.1' })).toBe('______etc_passwd_case_1_1_1.json');
});

test('agents with the same file name get separate files, and no name is too long for a file', () => {
  const names = new FileNames();
  const id = '1.1.1';
  expect(['a b', 'a-b', 'A B', 'a b', ''].map((agent) => names.nameOf({ agent, id }))).toEqual([
    'a_b_case_1_1_1.json',
    'a_b_2_case_1_1_1.json',
    'a_b_3_case_1_1_1.json',
    'a_b_case_1_1_1.json',
    'agent_case_1_1_1.json',
  ]);
  expect(names.nameOf({ agent: 'x'.repeat(16_000), id }).length).toBeLessThan(200);
});

test('an agent called __proto__ is in the index like any other', () => {
  const index = indexOf([caseResult({ agent: '__proto__', id: '1.1.1' })], new FileNames());
  expect(Object.keys(JSON.parse(JSON.stringify(index)))).toEqual(['__proto__']);
});

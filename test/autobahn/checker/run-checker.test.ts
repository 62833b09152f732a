import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runChecker } from '../../../autobahn/checker/run-checker.ts';
import { goodReport } from './reports.ts';

const ids = ['1.1.1', '3.2', '6.4.1', '7.1.6'];
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'goodwire-checker-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string | object): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function run(paths: readonly string[], expectedCases: readonly string[] = ids): { code: number; lines: string[] } {
  const lines: string[] = [];
  const code = runChecker({ paths, expectedCases, write: (line) => lines.push(line) });
  return { code, lines };
}

const good = goodReport(['peer'], ids);
const bad = goodReport(['peer'], ids);
bad.peer!['3.2']!.behavior = 'NON-STRICT';

test('exits with 0 if all cases passed, and says so below the table', () => {
  const { code, lines } = run([write('good.json', good)]);
  expect(code).toBe(0);
  expect(lines[1]).toMatch(/^peer +OK +INFORMATIONAL\n/);
  expect(lines.at(-1)).toBe('✓ all 4 cases are present and good');
});

test('exits with 1 and names the case, the agent and the defect', () => {
  const { code, lines } = run([write('bad.json', bad)]);
  expect(code).toBe(1);
  expect(lines).toContain('✗ peer: 3.2: behavior is NON-STRICT');
});

test('requires every report to pass, in any order', () => {
  const paths = [write('good.json', good), write('bad.json', bad)];
  expect(run(paths).code).toBe(1);
  expect(run(paths.toReversed()).code).toBe(1);
  expect(run([paths[0]!, paths[0]!]).code).toBe(0);
});

test('fails for a missing report and for an invalid one', () => {
  for (const path of [join(folder, 'nowhere.json'), folder, write('text.json', 'OK')]) {
    const { code, lines } = run([path]);
    expect(code).toBe(1);
    expect(lines.join('\n')).toMatch(/✗ the report (cannot be read|is not JSON)/);
  }
});

test('fails without any report', () => {
  expect(run([]).code).toBe(1);
});

test('fails for a report that lacks a case', () => {
  const { code, lines } = run([write('good.json', good)], [...ids, '9.1.1']);
  expect(code).toBe(1);
  expect(lines).toContain('✗ peer: 9.1.1: is missing');
});

test('names a hundred defects and counts the others', () => {
  const many = Array.from({ length: 250 }, (_, index) => `1.1.${index}`);
  const { lines } = run([write('empty.json', { peer: {} })], many);
  expect(lines.filter((line) => line.startsWith('✗'))).toHaveLength(101);
  expect(lines).toContain('✗ 150 more');
});

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { quotedTitles } from './titles.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const rows = read('docs/security.md')
  .split('\n')
  .filter((line) => /^\| \d/.test(line))
  .map((line) => line.slice(2, -2).split(' | '));

describe('docs/security.md', () => {
  test('has every case from 1 to 53, in order', () => {
    const cases = rows.map(([number]) => number);
    const all = Array.from({ length: 53 }, (_, i) => String(i + 1));
    all.splice(33, 0, '33b');
    expect(cases).toEqual(all);
  });

  test('says for each what is done, and which test holds it', () => {
    for (const [number, what = '', tests = '', ...more] of rows) {
      expect(what.length, number).toBeGreaterThan(10);
      expect(quotedTitles(tests).titles.length, number).toBeGreaterThan(0);
      expect(more, number).toEqual([]);
    }
  });

  test('quotes titles that stand in their files', () => {
    expect(rows.flatMap(([, , tests = '']) => quotedTitles(tests).missing)).toEqual([]);
  });

  test('has every test of test/abuse that carries the number of a case', () => {
    const titles = rows.flatMap(([, , tests = '']) => quotedTitles(tests).titles);
    const folder = join(root, 'test', 'abuse');
    const numbered = readdirSync(folder)
      .flatMap((file) => [...read(join('test', 'abuse', file)).matchAll(/(['"`])(case [%\d].*?)\1,/g)])
      .map(([, , title]) => title);
    expect(numbered.length).toBeGreaterThan(10);
    expect(numbered.filter((title) => !titles.includes(title!))).toEqual([]);
  });
});

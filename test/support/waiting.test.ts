import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const folder = join(import.meta.dirname, '..');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts') && !path.includes('node_modules') && !path.endsWith('/until.ts'));

/** Returns matching lines of test files, with their files. */
const linesWith = (pattern: RegExp): string[] =>
  files.flatMap((path) => {
    const lines = readFileSync(join(folder, path), 'utf8').split('\n');
    return lines.filter((line) => pattern.test(line)).map((line) => `${path}: ${line.trim()}`);
  });

test('no test uses a helper that gives up after a second by default', () => {
  expect(linesWith(/\bvi\.wait(?:For|Until)\(/)).toEqual([]);
});

test('every wait for a time says why no event could be awaited, in the line above', () => {
  const waits = files
    .filter((path) => !path.startsWith('ecosystem/') && path !== 'support/time-limit.test.ts')
    .flatMap((path) => {
      const lines = readFileSync(join(folder, path), 'utf8').split('\n');
      return lines.flatMap((line, i) => {
        if (!/\bawait .*(?:\bdelay\(|setTimeout\(resolve)/.test(line)) return [];
        return [{ at: `${path}: ${line.trim()}`, isExplained: lines[i - 1]!.trim().startsWith('//') }];
      });
    });
  expect(waits.length).toBeGreaterThan(5);
  expect(waits.filter(({ isExplained }) => !isExplained)).toEqual([]);
});

test('every page of a browser is opened with the timeout of a test', () => {
  const others = linesWith(/\.newPage\(/).filter(
    (line) => !/^(?:support\/chromium|ecosystem\/puppeteer\.test)\.ts/.test(line),
  );
  expect(others).toEqual([]);
});

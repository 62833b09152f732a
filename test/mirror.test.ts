import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Folders of src/ in which every source file has a test file of its name, or a row in the README.md of the test folder. */
const mirrored = ['transport', 'websocket'];

/** Rows of a table in a README.md: for each source file the test files that it names, relative to the folder. */
function rowsOf(readme: string): ReadonlyMap<string, readonly string[]> {
  const rows = [...readme.matchAll(/^\| `([\w.-]+\.ts)` \| (.*) \|$/gm)];
  return new Map(
    rows.map(([, file, tests]) => [file!, [...tests!.matchAll(/`([\w./-]+\.test\.ts)`/g)].map(([, path]) => path!)]),
  );
}

describe.each(mirrored)('src/%s/', (folder) => {
  const sources = readdirSync(join(root, 'src', folder)).filter((name) => name.endsWith('.ts'));
  const rows = rowsOf(readFileSync(join(root, 'test', folder, 'README.md'), 'utf8'));
  const exists = (path: string): boolean => existsSync(join(root, 'test', folder, path));

  test('has a test file, or a row in the README.md of its tests, for each file', () => {
    expect(sources.length).toBeGreaterThan(5);
    const untested = sources.filter((name) => !exists(name.replace(/\.ts$/, '.test.ts')) && !rows.get(name)?.length);
    expect(untested).toEqual([]);
  });

  test('has no row for a file or a test that does not exist', () => {
    expect([...rows.keys()].filter((name) => !sources.includes(name))).toEqual([]);
    expect([...rows.values()].flat().filter((path) => !exists(path))).toEqual([]);
  });
});

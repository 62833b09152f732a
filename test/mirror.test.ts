import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

const isSource = (name: string): boolean => /\.c?ts$/.test(name);

/** Returns the folders of src/ that contain source files, '' for src/ itself. */
function sourceFolders(): string[] {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(isSource);
  const folders = new Set(files.map((path) => posix.dirname(path.replaceAll('\\', '/')).replace(/^\.$/, '')));
  return [...folders].sort();
}

/** Returns the text of a file, empty if there is none. */
const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/** Rows of a table in a README.md: for each source file the test files that it names, relative to the folder. */
function rowsOf(readme: string): ReadonlyMap<string, readonly string[]> {
  const rows = [...readme.matchAll(/^\| `([\w.-]+\.c?ts)` \| (.*) \|$/gm)];
  return new Map(
    rows.map(([, file, tests]) => [file!, [...tests!.matchAll(/`([\w./-]+\.test\.ts)`/g)].map(([, path]) => path!)]),
  );
}

const folders = sourceFolders();

test('the folders of src/ are found', () => {
  expect(folders.length).toBeGreaterThan(15);
  expect(folders).toEqual(expect.arrayContaining(['', 'frame', 'goods', 'goods/wire']));
});

describe.each(folders)('src/%s', (folder) => {
  const sources = readdirSync(join(root, 'src', folder)).filter(isSource);
  const rows = rowsOf(textOf(join(root, 'test', folder, 'README.md')));
  const exists = (path: string): boolean => existsSync(join(root, 'test', folder, path));

  test('has a test file, or a row in the README.md of its tests, for each file', () => {
    expect(sources).not.toEqual([]);
    const untested = sources.filter((name) => !exists(name.replace(/\.c?ts$/, '.test.ts')) && !rows.get(name)?.length);
    expect(untested).toEqual([]);
  });

  test('has no row for a file or a test that does not exist', () => {
    expect([...rows.keys()].filter((name) => !sources.includes(name))).toEqual([]);
    expect([...rows.values()].flat().filter((path) => !exists(path))).toEqual([]);
  });
});

test('the README.md of test/support has a row for each helper', () => {
  const folder = join(root, 'test', 'support');
  const helpers = readdirSync(folder).filter((name) => /\.[jt]s$/.test(name) && !name.endsWith('.test.ts'));
  const rows = [...textOf(join(folder, 'README.md')).matchAll(/^\| `([\w.-]+)` \| .+ \|$/gm)].map(([, name]) => name);
  expect(rows).toEqual(helpers.sort());
});

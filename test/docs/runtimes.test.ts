import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Rows of the table in README.md, "Runtimes": each has one version for each environment that it names. */
const rows = [
  ...read('README.md')
    .split('\n## Runtimes\n')[1]!
    .split('\n## ')[0]!
    .matchAll(/^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$/gm),
]
  .slice(1)
  .map(([, names, versions]) => ({ names: names!.split(', '), versions: versions!.split(', ') }));

/** Versions that test/environments installs, by the names of the table. */
const { dependencies, optionalDependencies } = JSON.parse(read('test/environments/package.json')) as Record<
  string,
  Record<string, string>
>;
const installed: Readonly<Record<string, string | undefined>> = {
  ...dependencies,
  bun: optionalDependencies!['@oven/bun-linux-x64'],
  deno: optionalDependencies!['@deno/linux-x64-glibc'],
};

test('README.md names the versions that test/environments runs', () => {
  const pinned = rows.flatMap(({ names, versions }) =>
    names.map((name, i) => [name.toLowerCase(), versions[i]!] as const).filter(([name]) => name in installed),
  );
  expect(pinned.length).toBeGreaterThanOrEqual(9);
  expect(pinned).toEqual(pinned.map(([name]) => [name, installed[name]]));
  const webpack = rows.find(({ names }) => names[0] === 'webpack')!;
  expect(webpack.versions.map((version) => `npm:webpack@${version}`)).toEqual([installed.webpack4, installed.webpack5]);
});

test('README.md names the versions of Node.js that CI installs', () => {
  const [, versions] = /for version in ([\d. ]+); do/.exec(read('.ci/run'))!;
  expect(rows[0]).toEqual({ names: ['Node.js'], versions: versions!.split(' ') });
});

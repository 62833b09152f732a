import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

/** Returns the paths of all files that npm would publish. dist/ may be missing. */
function packed(): string[] {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const report = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }));
  // npm 12 reports an object keyed by name; earlier versions report a list.
  const [{ files }] = (Array.isArray(report) ? report : Object.values(report)) as [{ files: { path: string }[] }];
  return files.map(({ path }) => path);
}

/** Returns the relative links of a document as paths from the root, without those in code. */
function linksOf(document: string): string[] {
  const text = readFileSync(join(root, document), 'utf8').replaceAll(/```[\s\S]*?```|<!--.*?-->/gs, '');
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!.split('#')[0]!);
  const relative = targets.filter((target) => target !== '' && !/^[a-z]+:/.test(target));
  return relative.map((target) => posix.join(posix.dirname(document), target).replace(/\/$/, ''));
}

test('every relative link of a document in the tarball leads to a file or a folder in the tarball', () => {
  const files = packed();
  const folders = new Set(files.flatMap((file) => file.split('/').map((_, i, parts) => parts.slice(0, i).join('/'))));
  const documents = files.filter((file) => file.endsWith('.md'));
  expect(documents).toEqual(expect.arrayContaining(['README.md', 'docs/api.md', 'examples/README.md']));
  const links = documents.flatMap((document) => linksOf(document).map((target) => [document, target] as const));
  expect(links.length).toBeGreaterThan(100);
  expect(links.filter(([, target]) => !files.includes(target) && !folders.has(target))).toEqual([]);
});

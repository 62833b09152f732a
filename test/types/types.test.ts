import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, test } from 'vitest';

const here = import.meta.dirname;
const root = join(here, '..', '..');
const modules = join(root, 'node_modules');
const tsc = join(modules, 'typescript', 'bin', 'tsc');
const config = join(here, 'programs', 'tsconfig.json');

const projects: string[] = [];

beforeAll(() => {
  if (!existsSync(join(root, 'dist', 'index.d.ts')))
    throw new Error('dist/ is missing: run npm run build, or npm test');
});

afterEach(() => {
  for (const project of projects.splice(0)) rmSync(project, { recursive: true, force: true });
});

/** Compiles a folder of programs as a project in which each of `packages` is installed; returns what tsc complains about. */
function compile(programs: string, packages: Readonly<Record<string, string>>): string {
  const project = mkdtempSync(join(tmpdir(), 'goodwire-types-'));
  projects.push(project);
  cpSync(join(here, programs), project, { recursive: true });
  cpSync(config, join(project, 'tsconfig.json'));
  for (const [name, target] of Object.entries(packages)) {
    const link = join(project, 'node_modules', name);
    mkdirSync(join(link, '..'), { recursive: true });
    symlinkSync(target, link);
  }
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  // tsc says what is wrong on stdout; a status without a word must not pass for success.
  return stdout + stderr || (status === 0 ? '' : `tsc ended with ${status}`);
}

const node = { '@types/node': join(modules, '@types', 'node') };
const ws = { '@types/ws': join(modules, '@types', 'ws') };

test('the programs compile against @types/ws, so that they are programs for ws', () => {
  expect(compile('programs', { ...node, ...ws })).toBe('');
});

test('the same programs compile unchanged when goodwire is installed in the place of ws', () => {
  expect(compile('programs', { ...node, ws: root })).toBe('');
});

test('no name that @types/ws exports is missing in the programs', () => {
  const modules = readFileSync(join(ws['@types/ws'], 'index.d.mts'), 'utf8');
  const exported = [...modules.matchAll(/^export (?:import|const|function|interface|type|\{ (?:type )?)\s*(\w+)/gm)];
  const classic = readFileSync(join(ws['@types/ws'], 'index.d.ts'), 'utf8');
  const namespaced = [...classic.matchAll(/^ {4}(?:type|interface|class|const|function) (\w+)/gm)];
  for (const [names, program, least] of [
    [exported, 'every-name.mts', 19],
    [namespaced, 'import-equals.cts', 20],
  ] as const) {
    const text = readFileSync(join(here, 'programs', program), 'utf8');
    const all = [...new Set(names.map(([, name]) => name as string))];
    expect(all.length).toBeGreaterThanOrEqual(least);
    expect(all.filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
  }
});

test('goodwire types what ws does not have, and its objects go into code that is typed for ws', () => {
  expect(compile('own', { ...node, ...ws, goodwire: root })).toBe('');
});

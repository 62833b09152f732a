// Runs test/environments: test runners with fake timers and other realms, bundlers, Bun and Deno, each with goodwire as npm installs it.
// Packs the existing dist/, creates a project from test/environments with that tarball in a temporary directory, installs it, compiles its
// tests and runs them.
//
//   node scripts/test-environments.js [option of vitest, or part of a file name]...
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const modules = join(root, 'node_modules');
const fixture = join(root, 'test', 'environments');
const temporary = mkdtempSync(join(tmpdir(), 'goodwire-environments-'));
const project = join(temporary, 'project');

/**
 * Runs a program to its end, with its output visible. Returns false if it fails.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} [cwd]
 */
function run(command, args, cwd = project) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd,
    stdio: 'inherit',
    timeout: 15 * 60_000,
    env: { ...process.env, GOODWIRE_REPOSITORY: root },
  });
  if (error !== undefined) throw error;
  if (status !== 0) console.error(`${[command, ...args].join(' ')} ended with ${signal ?? status}`);
  return status === 0;
}

/** Packs goodwire, under two names: npm installs one file under one name only. */
function pack() {
  const isPacked = run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', temporary], root);
  if (!isPacked) return false;
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  renameSync(join(temporary, `${name}-${version}.tgz`), join(project, 'goodwire.tgz'));
  copyFileSync(join(project, 'goodwire.tgz'), join(project, 'ws.tgz'));
  return true;
}

/**
 * Links a package that compiles the tests. The project's own dependencies are only those that the tests run.
 * @param {string} name
 */
function link(name) {
  const target = join(project, 'node_modules', name);
  mkdirSync(dirname(target), { recursive: true });
  rmSync(target, { recursive: true, force: true });
  symlinkSync(join(modules, name), target);
}

function test() {
  if (!pack() || !run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])) return false;
  link('@types/node');
  if (!run(process.execPath, [join(modules, 'typescript', 'bin', 'tsc'), '-p', project])) return false;
  const vitest = join(project, 'node_modules', 'vitest', 'vitest.mjs');
  return run(process.execPath, [vitest, 'run', '--root', project, ...process.argv.slice(2)]);
}

try {
  cpSync(fixture, project, { recursive: true, filter: (path) => !path.startsWith(join(fixture, 'node_modules')) });
  if (!test()) process.exitCode = 1;
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

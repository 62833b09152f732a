// Runs test/ecosystem: packages that need ws, as npm installs them, with goodwire in place of ws. Packs the existing
// dist/, creates a project from test/ecosystem with that tarball in a temporary directory, installs it, compiles its
// tests and runs them.
//
//   node scripts/test-ecosystem.js [--with-ws] [option of vitest, or part of a file name]...
//
// --with-ws: uses ws itself, which tells faults of goodwire from faults of a test.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const modules = join(root, 'node_modules');
const fixture = join(root, 'test', 'ecosystem');
const withWs = process.argv.includes('--with-ws');
const forVitest = process.argv.slice(2).filter((argument) => argument !== '--with-ws');
const temporary = mkdtempSync(join(tmpdir(), 'goodwire-ecosystem-'));
const project = join(temporary, 'project');

class StepFailed extends Error {}

/**
 * Runs a program to its end, with its output visible; throws if it fails.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, minutes?: number, quiet?: boolean }} [options]
 */
function run(command, args, { cwd = project, minutes = 15, quiet = false } = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: quiet ? 'pipe' : 'inherit',
    timeout: minutes * 60_000,
  });
  if (error !== undefined) throw error;
  if (status === 0) return;
  throw new StepFailed(
    `${[command, ...args].join(' ')} ended with ${signal ?? status}\n${stdout ?? ''}${stderr ?? ''}`,
  );
}

/** @param {string} path */
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** @param {string} path @param {unknown} value */
const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);

function packGoodwire() {
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', temporary], { cwd: root, quiet: true });
  const { name, version } = readJson(join(root, 'package.json'));
  renameSync(join(temporary, `${name}-${version}.tgz`), join(project, 'goodwire.tgz'));
}

/** Adds to the manifest and the lock file the version of ws that goodwire itself is tested against. */
function takeWs() {
  const manifest = readJson(join(project, 'package.json'));
  const lock = readJson(join(project, 'package-lock.json'));
  const ws = readJson(join(root, 'package-lock.json')).packages['node_modules/ws'];
  manifest.dependencies.ws = ws.version;
  lock.packages[''].dependencies.ws = ws.version;
  lock.packages['node_modules/ws'] = ws;
  writeJson(join(project, 'package.json'), manifest);
  writeJson(join(project, 'package-lock.json'), lock);
}

/**
 * Links a package that the tests need. The project's own dependencies are only those of a user. @param {string} name
 */
function link(name) {
  const target = join(project, 'node_modules', name);
  mkdirSync(dirname(target), { recursive: true });
  rmSync(target, { recursive: true, force: true });
  symlinkSync(join(modules, name), target);
}

try {
  cpSync(fixture, project, { recursive: true, filter: (path) => !path.startsWith(join(fixture, 'node_modules')) });
  if (withWs) takeWs();
  else packGoodwire();
  run('npm', ['ci', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  for (const name of ['vitest', '@types/node']) link(name);
  run(process.execPath, [join(modules, 'typescript', 'bin', 'tsc'), '-p', project]);
  const vitest = join(modules, 'vitest', 'vitest.mjs');
  run(process.execPath, [vitest, 'run', '--root', project, ...forVitest], { minutes: 20 });
} catch (error) {
  if (!(error instanceof StepFailed)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

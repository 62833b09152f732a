import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { kitFolder } from '../folders.ts';
import { type Mutant, mutants } from './list.ts';

const root = join(kitFolder, '..');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
/** Maximum duration of the tests in milliseconds. A fault may cause an endless loop, which then counts as detected. */
const patience = 60_000;
/** Short timeouts, because a fault may prevent an event that a test awaits. */
const timeouts = ['--testTimeout=12000', '--hookTimeout=5000'];

/** Copies the files that the tests need. */
function copy(): string {
  const folder = mkdtempSync(join(tmpdir(), 'goodwire-mutant-'));
  for (const entry of ['src', 'test', 'fuzz', 'docs', 'scripts', 'package.json', 'tsconfig.json', 'vitest.config.ts'])
    cpSync(join(root, entry), join(folder, entry), { recursive: true });
  // Some tests start programs that use the build, which has no fault.
  for (const entry of ['node_modules', 'dist']) symlinkSync(join(root, entry), join(folder, entry));
  return folder;
}

interface Verdict {
  readonly isCaught: boolean;
  /** True if the tests were killed after the maximum duration. */
  readonly isLate: boolean;
  readonly milliseconds: number;
}

/** Runs the tests in a copy, and returns whether they detect the fault. */
function runTests(folder: string, tests: readonly string[], limit = patience): Promise<Verdict> {
  const start = performance.now();
  const paths = tests.map((name) => `test/${name}`);
  const args = [vitest, 'run', '--bail=1', '--silent', '--reporter=dot', '--maxWorkers=1', ...timeouts, ...paths];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore', detached: true });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    // The process group, to include the workers.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, limit);
  return new Promise((resolve) => {
    child.on('exit', (status) => {
      clearTimeout(timer);
      resolve({ isCaught: status !== 0, isLate, milliseconds: performance.now() - start });
    });
  });
}

async function isCaughtIn(folder: string, { file, from, to, fault, tests }: Mutant): Promise<boolean> {
  const path = join(folder, 'src', file);
  const text = readFileSync(path, 'utf8');
  const parts = text.split(from);
  if (parts.length !== 2)
    throw new Error(`${file}: ${JSON.stringify(from)} occurs ${parts.length - 1} times; expected 1`);
  writeFileSync(path, parts.join(to));
  const { isCaught, isLate, milliseconds } = await runTests(folder, tests);
  writeFileSync(path, text);
  console.log(
    `${isCaught ? '✓' : '✗'} ${file}: ${fault} (${(milliseconds / 1000).toFixed(1)} s${isLate ? ', stopped' : ''})`,
  );
  return isCaught;
}

/**
 * Puts each fault into a copy of `src/` and runs the tests that must detect it, two at a time. A text selects faults by
 * their file or description. Prints the score.
 * @returns The exit status: 1 if a fault survives.
 */
export async function runMutants(wanted = ''): Promise<number> {
  const queue = mutants.filter(({ file, fault }) => `${file} ${fault}`.includes(wanted));
  const total = queue.length;
  const start = performance.now();
  const survivors: Mutant[] = [];
  const work = async () => {
    const folder = copy();
    try {
      // Without a fault all tests must pass. Otherwise the score would be meaningless.
      const all = [...new Set(queue.flatMap(({ tests }) => tests))];
      const { isCaught } = await runTests(folder, all, 10 * patience);
      if (isCaught) throw new Error('The tests fail without a fault: run npm test first');
      for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
        if (!(await isCaughtIn(folder, mutant))) survivors.push(mutant);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
  const minutes = ((performance.now() - start) / 60_000).toFixed(1);
  console.log(`\n${total - survivors.length} of ${total} faults are detected (${minutes} min)`);
  for (const { file, fault } of survivors) console.log(`✗ ${file}: ${fault}`);
  return survivors.length === 0 && total > 0 ? 0 : 1;
}

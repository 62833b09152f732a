import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { kitFolder } from '../folders.ts';
import { type Mutant, mutants } from './list.ts';

const root = join(kitFolder, '..');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
/** How long the tests may take. A fault may make an endless loop: that is noticed, too. */
const patience = 60_000;
/** Tests wait for events, some of which a fault lets never come. */
const timeouts = ['--testTimeout=12000', '--hookTimeout=5000'];

/** A copy of what the tests need. */
function copy(): string {
  const folder = mkdtempSync(join(tmpdir(), 'goodwire-mutant-'));
  for (const entry of ['src', 'test', 'fuzz', 'docs', 'package.json', 'tsconfig.json', 'vitest.config.ts'])
    cpSync(join(root, entry), join(folder, entry), { recursive: true });
  // Some tests start programs that use what was built: that is without a fault.
  for (const entry of ['node_modules', 'dist']) symlinkSync(join(root, entry), join(folder, entry));
  return folder;
}

interface Verdict {
  readonly isCaught: boolean;
  /** The tests had to be stopped. */
  readonly isLate: boolean;
  readonly milliseconds: number;
}

/** Whether the tests of a copy notice something. */
function runTests(folder: string, tests: readonly string[], most = patience): Promise<Verdict> {
  const start = performance.now();
  const paths = tests.map((name) => `test/${name}`);
  const args = [vitest, 'run', '--bail=1', '--silent', '--reporter=dot', '--maxWorkers=1', ...timeouts, ...paths];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore', detached: true });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    // Its workers, too.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, most);
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
  if (parts.length !== 2) throw new Error(`${file}: ${JSON.stringify(from)} is there ${parts.length - 1} times`);
  writeFileSync(path, parts.join(to));
  const { isCaught, isLate, milliseconds } = await runTests(folder, tests);
  writeFileSync(path, text);
  console.log(
    `${isCaught ? '✓' : '✗'} ${file}: ${fault} (${(milliseconds / 1000).toFixed(1)} s${isLate ? ', stopped' : ''})`,
  );
  return isCaught;
}

/**
 * Puts each fault into a copy of `src/` and runs the tests that have to notice, two at a time; with a text only the faults that have it
 * in their file or in their words. Prints the score.
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
      // Without a fault there has to be nothing to notice, or the score would say nothing.
      const all = [...new Set(queue.flatMap(({ tests }) => tests))];
      const { isCaught } = await runTests(folder, all, 10 * patience);
      if (isCaught) throw new Error('The tests notice a fault where none was put in: run npm test first');
      for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
        if (!(await isCaughtIn(folder, mutant))) survivors.push(mutant);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
  const minutes = ((performance.now() - start) / 60_000).toFixed(1);
  console.log(`\n${total - survivors.length} of ${total} faults are noticed (${minutes} min)`);
  for (const { file, fault } of survivors) console.log(`✗ ${file}: ${fault}`);
  return survivors.length === 0 && total > 0 ? 0 : 1;
}

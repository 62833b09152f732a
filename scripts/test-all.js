// Runs every test, with all the cases of which `npm test` runs a part, and properties with new examples
// (test/support/fixed-seed.ts). Skips only the heavy cases with broken peers, which `npm run conformance:peers` runs.
// Arguments are passed to vitest. Requires a build.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  cwd: root,
  env: { GOODWIRE_SEED: 'random', ...process.env, GOODWIRE_ALL_CASES: 'light' },
  stdio: 'inherit',
});
process.exitCode = status ?? 1;

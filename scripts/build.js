// Builds dist/ from src/: tsc and nothing else.
import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const dist = join(root, 'dist');
// Built beside and swapped in, so that a server or a test that runs meanwhile never sees half a dist/.
const fresh = join(root, `dist.${process.pid}`);
const old = `${fresh}.old`;
let status = 1;
try {
  const project = join(root, 'tsconfig.build.json');
  status = spawnSync(process.execPath, [tsc, '-p', project, '--outDir', fresh], { stdio: 'inherit' }).status ?? 1;
  if (existsSync(dist)) renameSync(dist, old);
  if (existsSync(fresh)) renameSync(fresh, dist);
} finally {
  rmSync(fresh, { recursive: true, force: true });
  rmSync(old, { recursive: true, force: true });
}
process.exit(status);

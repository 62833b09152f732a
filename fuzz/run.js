// Compiles the kit into a folder beside dist/ and runs it: the kit is TypeScript and tests src/ itself, but Node.js 20
// cannot run TypeScript.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');
// A separate folder for each run, so that runs may overlap.
const compiled = join(root, `dist.fuzz-${process.pid}`);

process.on('exit', () => rmSync(compiled, { recursive: true, force: true }));
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => process.exit(130));

const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const args = [tsc, '-p', join(import.meta.dirname, 'tsconfig.json'), '--outDir', compiled];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

/** @type {{ main(args: readonly string[]): Promise<number> }} */
const { main } = await import(pathToFileURL(join(compiled, 'fuzz', 'main.js')).href);
process.exit(await main(process.argv.slice(2)));

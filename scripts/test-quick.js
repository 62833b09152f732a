// Runs all tests except the long ones (scripts/long-tests.js), and lists those at the end. Arguments are passed to
// vitest. Requires a build.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { longTests } from './long-tests.js';

const root = join(import.meta.dirname, '..');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const exclude = longTests.map((file) => `--exclude=${file}`);
const { status } = spawnSync(process.execPath, [vitest, 'run', ...exclude, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
console.log(`\nSkipped ${longTests.length} long test files:\n${longTests.map((file) => `  ${file}`).join('\n')}`);
console.log('Run them with `npx vitest run FILE`, or all tests with `npm test`.');
process.exitCode = status ?? 1;

// Runs the tests while other processes keep the processors busy, to find tests that fail only on a busy machine. Runs
// the whole suite a few times, then more often the files that open sockets or start processes (scripts/test-files.js
// determines them). Needs a build.
//
//   node scripts/test-loaded.js [--spinners N] [--whole N] [--repeat N] [--files TEXT]
//
//   --spinners N   number of busy processes. Default 4.
//   --whole N      number of runs of the whole suite. Default 2.
//   --repeat N     number of runs of the files that open sockets or start processes. Default 10.
//   --files TEXT   runs only files whose path contains TEXT, or one of several texts separated by commas.
//
// Prints each failed test, and each error outside of tests. Exit codes: 0 if everything passed in every run, 1 if
// anything failed, 2 for a wrong command line.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isOutgoing, testFiles } from './test-files.js';

/** @typedef {{ assertionResults: readonly { fullName: string, status: string, failureMessages: readonly string[] }[] }} FileReport */
/** @typedef {FileReport & { name: string, status: string, message: string }} NamedReport */
/** @typedef {{ numPassedTests: number, numFailedTests: number, testResults: readonly NamedReport[] }} Report */

const root = join(import.meta.dirname, '..');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');

/** Keeps a processor busy until the parent ends and thus closes the channel. */
const spinner = `
  process.on('disconnect', () => process.exit());
  const spin = () => {
    const end = performance.now() + 50;
    while (performance.now() < end);
    setImmediate(spin);
  };
  spin();
`;

/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();

/**
 * Starts a process that ends with this one.
 * @param {readonly string[]} args @param {import('node:child_process').SpawnOptions} options
 */
function start(args, options) {
  const child = spawn(process.execPath, args, { cwd: root, ...options });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

process.on('exit', () => {
  for (const child of children) child.kill();
});
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => process.exit(1));

/** @param {string} name @param {string} text */
function count(name, text) {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  console.error(`--${name} must be an integer from 0 to 9999; got ${text}`);
  process.exit(2);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        spinners: { type: 'string', default: '4' },
        whole: { type: 'string', default: '2' },
        repeat: { type: 'string', default: '10' },
        files: { type: 'string', default: '' },
      },
    });
    const texts = values.files.split(',');
    return {
      spinners: count('spinners', values.spinners),
      whole: count('whole', values.whole),
      repeat: count('repeat', values.repeat),
      isChosen: (/** @type {string} */ file) => texts.some((text) => file.includes(text)),
    };
  } catch (error) {
    console.error(/** @type {Error} */ (error).message);
    process.exit(2);
  }
}

/** Removes the colors of a terminal. @param {string} text */
const plain = (text) => text.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g'), '');

/** Returns a text for each failure of a run. @param {Report} report */
function failuresOf({ testResults }) {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = name.slice(root.length + 1);
    const failed = assertionResults.filter((result) => result.status === 'failed');
    if (failed.length === 0 && status === 'failed') return [`${file}\n${message}`];
    return failed.map(({ fullName, failureMessages }) => `${file} > ${fullName}\n${failureMessages.join('\n')}`);
  });
}

/**
 * Runs test files once, and prints failures. Returns true if everything passed. @param {string} title @param {readonly
 * string[]} files
 */
async function run(title, files) {
  const folder = mkdtempSync(join(tmpdir(), 'goodwire-loaded-'));
  try {
    const path = join(folder, 'report.json');
    const begin = performance.now();
    const child = start([vitest, 'run', '--reporter=json', `--outputFile=${path}`, ...files], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
        output = (output + text).slice(-20_000);
      });
    }
    const [code] = await once(child, 'close');
    const seconds = Math.round((performance.now() - begin) / 1000);
    if (!existsSync(path)) {
      console.log(`✗ ${title}: no report after ${seconds} s (exit ${code})\n${plain(output)}`);
      return false;
    }
    /** @type {Report} */
    const report = JSON.parse(readFileSync(path, 'utf8'));
    const failures = failuresOf(report);
    const isGood = code === 0 && failures.length === 0;
    console.log(
      `${isGood ? '✓' : '✗'} ${title}: ${report.numPassedTests} passed, ${report.numFailedTests} failed, ${seconds} s`,
    );
    for (const failure of failures) console.log(plain(failure).replaceAll(/^/gm, '    '));
    // Errors outside of tests are not in the report.
    if (!isGood && failures.length === 0) console.log(plain(output).replaceAll(/^/gm, '    '));
    return isGood;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { spinners, whole, repeat, isChosen } = readOptions();
const files = testFiles().filter(isChosen);
const outgoing = files.filter(isOutgoing);
if (files.length === 0) {
  console.error('no test file is selected');
  process.exit(2);
}

for (let i = 0; i < spinners; i++) start(['-e', spinner], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
console.log(
  `${files.length} files ${whole} times, then ${outgoing.length} of them ${repeat} times, beside ${spinners} busy processes`,
);

let isGood = true;
for (let i = 1; i <= whole; i++) isGood = (await run(`all, ${i} of ${whole}`, files)) && isGood;
for (let i = 1; i <= repeat && outgoing.length > 0; i++)
  isGood = (await run(`sockets and processes, ${i} of ${repeat}`, outgoing)) && isGood;
process.exit(isGood ? 0 : 1);

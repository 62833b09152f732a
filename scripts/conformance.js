// Runs the 517 cases against goodwire, as a server and as a client. Fails if a case is not OK, except for the three
// whose outcome the RFC leaves open.
//   node scripts/conformance.js [--budget SECONDS] [--parallel N] [--output DIR]
// --budget: maximum time for the groups 12 and 13, with a thousand compressed messages per case, in both directions
// together. Small messages of every kind come first; cases beyond the budget are counted. Without it all cases run.
// Exit code 0 if every case that ran passes, otherwise 1.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { selectCases, startServer, testClient, writeReports } from './conformance-run.js';

const { values: options } = parseArgs({
  options: {
    budget: { type: 'string' },
    parallel: { type: 'string', default: '4' },
    output: { type: 'string', default: join(import.meta.dirname, '..', 'conformance-report') },
  },
});
const budget = options.budget === undefined ? Number.POSITIVE_INFINITY : Number(options.budget);
const parallel = Number(options.parallel);
if (!(budget >= 0) || !(parallel >= 1)) throw new RangeError('--budget and --parallel must be numbers');

const informational = new Set(['7.1.6', '7.13.1', '7.13.2']);
const run = { agent: 'goodwire', parallel, patience: 10_000 };

/** Numbers of the cases in a compression group, in ascending order of their effort. */
const columns = [1, 2, 3, 4, 5, 6, 7, 11, 8, 12, 9, 13, 10, 18, 17, 14, 16, 15];
const groups = [
  ...Array.from({ length: 5 }, (_, index) => `12.${index + 1}`),
  ...Array.from({ length: 7 }, (_, index) => `13.${index + 1}`),
];
const compressed = columns.flatMap((number) => groups.map((group) => `${group}.${number}`));
const basic = selectCases('*', '12.*,13.*');

/** @typedef {import('./conformance-run.js').Result} Result */
/** @typedef {(cases: readonly unknown[]) => Promise<Result[]>} Test */

/**
 * Returns all results of a direction, whose share of the budget is `seconds`.
 * @param {Test} test @param {number} seconds
 */
async function testAll(test, seconds) {
  const results = await test(basic);
  const begin = performance.now();
  // Few cases at a time, so that the last ones exceed the budget only slightly.
  const size = seconds === Number.POSITIVE_INFINITY ? compressed.length : parallel * 2;
  for (let first = 0; first < compressed.length; first += size) {
    if (performance.now() - begin > seconds * 1000) break;
    const ids = compressed.slice(first, first + size);
    results.push(...(await test(selectCases(ids.join()))));
  }
  return results;
}

/** @param {Result} result */
function isGood({ id, behavior, behaviorClose }) {
  const wanted = informational.has(id) ? 'INFORMATIONAL' : 'OK';
  return behavior === wanted && behaviorClose === wanted;
}

/** @param {string} direction @param {Test} test */
async function check(direction, test) {
  const begin = performance.now();
  const results = await testAll(test, budget / 2);
  const bad = results.filter((result) => !isGood(result));
  for (const { id, behavior, behaviorClose } of bad) console.log(`✗ ${id}  ${behavior}, close ${behaviorClose}`);
  const directory = join(options.output, direction);
  writeReports(directory, results);
  const [total, all] = [results.length, basic.length + compressed.length];
  const notRun = total === all ? '' : `, ${all - total} of the groups 12 and 13 not run within the budget`;
  const seconds = Math.round((performance.now() - begin) / 1000);
  console.log(`goodwire as a ${direction}: ${total - bad.length} of ${total} cases passed${notRun} (${seconds} s)`);
  console.log(`Report: ${join(directory, 'index.html')}`);
  return bad.length === 0 && total >= basic.length && (budget !== Number.POSITIVE_INFINITY || total === all);
}

const server = await startServer('goodwire');
let areGood = true;
try {
  areGood = await check('server', (cases) => server.test({ ...run, cases }));
} finally {
  server.stop();
}
areGood = (await check('client', (cases) => testClient('goodwire', { ...run, cases }))) && areGood;
process.exitCode = areGood ? 0 : 1;

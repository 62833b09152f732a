// Runs the cases of Autobahn against goodwire and other implementations, as servers and as clients. Then runs the
// broken peers of test/autobahn/broken, each of which must fail exactly its expected cases. Prints the tables of
// docs/conformance.md and writes reports with the implementations side by side. Requires a build.
//   node scripts/conformance-peers.js [--cases '1.*,9.*'] [--peers goodwire,ws] [--output DIR] [--parallel N] [--no-faults]
// Exit code 0 if goodwire passes every case and every fault is detected, otherwise 1.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadPeer, peerNames } from '../autobahn/peers/peer.js';
import { selectCases, startServer, testClient, writeReports } from './conformance-run.js';

const root = join(import.meta.dirname, '..');
const { values: options } = parseArgs({
  options: {
    cases: { type: 'string', default: '*' },
    peers: { type: 'string', default: peerNames.join(',') },
    output: { type: 'string', default: join(root, 'conformance-report', 'peers') },
    parallel: { type: 'string', default: '2' },
    'no-faults': { type: 'boolean', default: false },
  },
});
const parallel = Number(options.parallel);
/** In milliseconds. Long, because the peers share the machine with the runner. */
const patience = 10_000;

const cases = selectCases(options.cases, '');

/** @typedef {import('./conformance-run.js').Result} Result */

/** Best first. */
const statuses = [
  'OK',
  'INFORMATIONAL',
  'UNIMPLEMENTED',
  'NON-STRICT',
  'WRONG CODE',
  'UNCLEAN',
  'FAILED BY CLIENT',
  'FAILED',
];

/** Returns the status of a case: the worse of its two behaviors. @param {Result} result */
function statusOf({ behavior, behaviorClose }) {
  return /** @type {string} */ (statuses[Math.max(statuses.indexOf(behavior), statuses.indexOf(behaviorClose))]);
}

/** @param {readonly Result[]} results such as `142 OK, 3 FAILED` */
function summarize(results) {
  const counts = statuses.map((status) => results.filter((result) => statusOf(result) === status).length);
  const parts = statuses.flatMap((status, index) => (counts[index] === 0 ? [] : [`${counts[index]} ${status}`]));
  return parts.join(', ');
}

/** @param {ReadonlyMap<string, readonly Result[]>} byAgent */
function formatMarkdown(byAgent) {
  const groups = [...new Set(cases.map((/** @type {Result} */ { id }) => id.split('.', 1)[0]))];
  const row = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  const lists = [...byAgent.values()];
  return [
    row(['group', ...byAgent.keys()]),
    row(['---', ...lists.map(() => '---')]),
    ...groups.map((group) =>
      row([String(group), ...lists.map((list) => summarize(list.filter(({ id }) => id.startsWith(`${group}.`))))]),
    ),
    row(['all', ...lists.map(summarize)]),
  ].join('\n');
}

const run = { cases, parallel, patience };

/** @param {string} name @param {string} agent */
async function testServer(name, agent) {
  const server = await startServer(name);
  try {
    return await server.test({ ...run, agent });
  } finally {
    server.stop();
  }
}

let isGood = true;
for (const [role, test] of /** @type {const} */ ([
  ['server', testServer],
  ['client', (/** @type {string} */ name, /** @type {string} */ agent) => testClient(name, { ...run, agent })],
])) {
  /** @type {Map<string, Result[]>} */
  const byAgent = new Map();
  for (const name of options.peers.split(',')) {
    const { version } = await loadPeer(name);
    const agent = `${name} ${await version()}`;
    const begin = performance.now();
    const results = await test(name, agent);
    console.error(
      `${agent} as a ${role}: ${results.length} cases in ${Math.round((performance.now() - begin) / 1000)} s`,
    );
    byAgent.set(agent, results);
    const isPerfect = results.every((result) => ['OK', 'INFORMATIONAL'].includes(statusOf(result)));
    if (name === 'goodwire') isGood &&= isPerfect && results.length === cases.length;
  }
  const folder = join(options.output, `${role}s`);
  writeReports(folder, [...byAgent.values()].flat());
  console.log(`As ${role}s:\n\n${formatMarkdown(byAgent)}\n\nReport: ${join(folder, 'index.html')}\n`);
}

if (!options['no-faults']) {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const { status } = spawnSync(process.execPath, [vitest, 'run', 'test/autobahn/broken/faults.test.ts'], {
    cwd: root,
    env: { ...process.env, GOODWIRE_ALL_CASES: '1' },
    stdio: 'inherit',
  });
  isGood &&= status === 0;
}
process.exitCode = isGood ? 0 : 1;

// Runs the cases of Autobahn against goodwire and against other implementations, as servers and as clients; then each of the broken
// peers of test/autobahn/broken, which has to fail exactly the cases that it should. Prints the tables of docs/conformance.md and writes
// reports in which the implementations stand side by side. Needs a build.
//   node scripts/conformance-peers.js [--cases '1.*,9.*'] [--peers goodwire,ws] [--output DIR] [--parallel N] [--no-faults]
// Exit codes: 0 when goodwire is good in every case and every fault was found out, else 1.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { loadPeer, peerNames } from '../autobahn/peers/peer.js';

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
/** Milliseconds. Generous: the peers share the machine with the runner. */
const patience = 10_000;

/** What has no types. @param {string} path below dist/autobahn */
const load = (path) => import(pathToFileURL(join(root, 'dist', 'autobahn', path)).href);
const { selectCases } = await load('cases/select-cases.js');
const { runFuzzingClient } = await load('run/fuzzing-client.js');
const { FuzzingServer } = await load('run/fuzzing-server.js');
const { writeReports } = await load('report/write-reports.js');
const cases = selectCases(options.cases, '');

/**
 * @typedef {object} Result what counts here of a result
 * @property {string} id
 * @property {string} behavior
 * @property {string} behaviorClose
 */

/** @param {string} program @param {readonly string[]} args @param {Record<string, string>} env */
function start(program, args, env) {
  return spawn(process.execPath, [join(root, 'autobahn', 'peers', program), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** @param {string} name @param {string} agent @returns {Promise<Result[]>} */
async function testServer(name, agent) {
  const server = start('echo-server.js', [name], { PORT: '0' });
  try {
    const [line] = await once(server.stdout, 'data');
    return await runFuzzingClient({ url: new URL(String(line).trim()), agent, cases, parallel, patience });
  } finally {
    server.kill('SIGKILL');
  }
}

/** @param {string} name @param {string} agent @returns {Promise<Result[]>} */
async function testClient(name, agent) {
  const server = new FuzzingServer({ port: 0, cases, patience });
  const port = await server.listen();
  const client = start('echo-client.js', [`ws://127.0.0.1:${port}`, name], {
    AGENT: agent,
    PARALLEL: String(parallel),
  });
  client.stdout.resume();
  await once(client, 'close');
  const results = await server.results(agent);
  await server.close();
  return results;
}

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

/** What a case counts as: the worse of its two behaviors. @param {Result} result */
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

let isGood = true;
for (const [role, test] of /** @type {const} */ ([
  ['server', testServer],
  ['client', testClient],
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

// Runs the cases of the conformance kit against the echo programs of autobahn/peers, each in its own process. Requires
// a build.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');

/** Imports a module without types. @param {string} path below dist/autobahn */
const load = (path) => import(pathToFileURL(join(root, 'dist', 'autobahn', path)).href);
const { runFuzzingClient } = await load('run/fuzzing-client.js');
const { FuzzingServer } = await load('run/fuzzing-server.js');
export const { selectCases } = await load('cases/select-cases.js');
export const { writeReports } = await load('report/write-reports.js');

/**
 * @typedef {object} Result relevant part of a result
 * @property {string} id
 * @property {string} behavior
 * @property {string} behaviorClose
 */

/**
 * @typedef {object} Run
 * @property {string} agent name in the report
 * @property {readonly unknown[]} cases
 * @property {number} parallel number of concurrent cases
 * @property {number} patience in milliseconds
 */

/** @param {string} program @param {readonly string[]} args @param {Record<string, string>} env */
function start(program, args, env) {
  return spawn(process.execPath, [join(root, 'autobahn', 'peers', program), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/**
 * Starts the echo server of an implementation.
 * @param {string} name
 */
export async function startServer(name) {
  const server = start('echo-server.js', [name], { PORT: '0' });
  const [line] = await once(server.stdout, 'data');
  const url = new URL(String(line).trim());
  return {
    /** @param {Run} run @returns {Promise<Result[]>} */
    test: (run) => runFuzzingClient({ url, ...run }),
    stop: () => void server.kill('SIGKILL'),
  };
}

/**
 * Runs the echo client of an implementation against a fuzzing server.
 * @param {string} name @param {Run} run @returns {Promise<Result[]>}
 */
export async function testClient(name, { agent, cases, parallel, patience }) {
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

// Runs the Autobahn testsuite in Docker, in both directions, and checks its reports: npm run autobahn
//   AUTOBAHN_IMAGE, AUTOBAHN_NODE_IMAGE     other images of the testsuite and of Node.js
//   AUTOBAHN_REPORTS                        directory of the reports; default autobahn/reports
// Exit code 0 if every case is good in both directions, 1 if one is not, 2 if the testsuite could not run.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const folder = import.meta.dirname;
const root = join(folder, '..', '..');
const reports = process.env.AUTOBAHN_REPORTS ?? join(root, 'autobahn', 'reports');

/**
 * Directions, each with the service whose end is the end of the run, the service that writes the report, and the
 * report's folder.
 */
const directions = [
  { name: 'fuzzingclient', last: 'fuzzingclient', suite: 'fuzzingclient', report: 'servers' },
  { name: 'fuzzingserver', last: 'echo-client', suite: 'fuzzingserver', report: 'clients' },
];

/** @param {readonly string[]} args @param {'inherit' | 'pipe'} stdio */
const docker = (args, stdio = 'inherit') => spawnSync('docker', args, { stdio, encoding: 'utf8' });

/** @param {string} message @returns {never} */
function giveUp(message) {
  console.error(message);
  process.exit(2);
}

function demandDocker() {
  const instead = 'To run the same cases without Docker: npm run conformance';
  const compose = docker(['compose', 'version'], 'pipe');
  if (compose.error) giveUp(`docker is not installed: ${compose.error.message}\n${instead}`);
  if (compose.status !== 0) giveUp(`docker has no plugin "compose": ${compose.stderr.trim()}\n${instead}`);
  const engine = docker(['version', '--format', '{{.Server.Version}}'], 'pipe');
  if (engine.status !== 0) giveUp(`the Docker engine does not answer: ${engine.stderr.trim()}\n${instead}`);
}

/**
 * Runs one direction. Returns the path of its report, which may not exist. @param {(typeof directions)[number]}
 * direction
 */
function run({ name, last, suite, report }) {
  const compose = [
    'compose',
    '--project-name',
    `goodwire-autobahn-${name}`,
    '--file',
    join(folder, `${name}.compose.yaml`),
  ];
  const target = join(reports, report);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(reports, { recursive: true });
  try {
    const { status } = docker([...compose, 'up', '--abort-on-container-exit', '--exit-code-from', last]);
    if (status !== 0) console.error(`${name}: docker compose ended with ${status}`);
    // Copied out of the container. Otherwise a mounted folder on the host would belong to root.
    docker([...compose, 'cp', `${suite}:/reports/${report}`, target]);
  } finally {
    docker([...compose, 'down', '--volumes', '--timeout', '1']);
  }
  return join(target, 'index.json');
}

demandDocker();
const paths = directions.map(run);
if (!paths.some((path) => existsSync(path))) giveUp('the testsuite did not write a report');
const checker = join(root, 'dist', 'autobahn', 'checker', 'main.js');
const { status } = spawnSync(process.execPath, [checker, ...paths], { stdio: 'inherit' });
process.exitCode = status ?? 2;

import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { catalogue } from '../../../autobahn/cases/catalogue.ts';
import { portOf } from '../../support/port-of.ts';
import { type Exit, start } from '../../support/program.ts';
import { goodReport } from '../checker/reports.ts';

const ids = catalogue.map(({ id }) => id);

describe('npm run autobahn', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'goodwire-docker-'));
    mkdirSync(join(folder, 'bin'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Installs a fake docker that records its calls and copies given reports. `fails` is the call that fails. */
  function installDocker(reports: Readonly<Record<string, object>>, fails = ''): void {
    for (const [name, report] of Object.entries(reports)) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'index.json'), JSON.stringify(report));
    }
    const script = `#!${process.execPath}
const { appendFileSync, cpSync } = require('node:fs');
const command = process.argv.slice(2).join(' ');
appendFileSync(${JSON.stringify(join(folder, 'log'))}, command + '\\n');
if (${JSON.stringify(fails)} !== '' && command.includes(${JSON.stringify(fails)})) {
  console.error('that does not work');
  process.exit(1);
}
const copied = /cp \\w+:\\/reports\\/(\\w+) (.+)$/.exec(command);
if (copied) cpSync(${JSON.stringify(`${folder}/`)} + copied[1], copied[2], { recursive: true });
`;
    writeFileSync(join(folder, 'bin', 'docker'), script);
    chmodSync(join(folder, 'bin', 'docker'), 0o755);
  }

  const run = (): Promise<Exit> =>
    start('autobahn/docker/run.js', { PATH: join(folder, 'bin'), AUTOBAHN_REPORTS: join(folder, 'reports') }).exit;
  const commands = (): string[] => readFileSync(join(folder, 'log'), 'utf8').trim().split('\n');

  test('reports that docker is not installed, and the alternative', async () => {
    const { code, stderr } = await run();
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^docker is not installed: .*\nTo run the same cases without Docker: npm run conformance\n$/,
    );
  });

  test.each([
    ['compose version', 'docker has no plugin "compose"'],
    ['{{.Server.Version}}', 'the Docker engine does not answer'],
  ])('reports that docker cannot do %s', async (fails, words) => {
    installDocker({}, fails);
    const { code, stderr } = await run();
    expect(code).toBe(2);
    expect(stderr).toContain(`${words}: that does not work`);
  });

  test('runs both directions, removes the containers, and passes with two good reports', async () => {
    installDocker({ servers: goodReport(['goodwire'], ids), clients: goodReport(['goodwire'], ids) });
    const { code, stdout, stderr } = await run();
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout.match(/✓ all 517 cases are present and good/g)).toHaveLength(2);
    const verbs = commands().map((command) => / (up|cp|down) .*$/.exec(command)?.[0].trim());
    expect(verbs.slice(2)).toEqual([
      'up --abort-on-container-exit --exit-code-from fuzzingclient',
      `cp fuzzingclient:/reports/servers ${join(folder, 'reports', 'servers')}`,
      'down --volumes --timeout 1',
      'up --abort-on-container-exit --exit-code-from echo-client',
      `cp fuzzingserver:/reports/clients ${join(folder, 'reports', 'clients')}`,
      'down --volumes --timeout 1',
    ]);
  });

  test('fails if one case is NON-STRICT, in either direction', async () => {
    const bad = goodReport(['goodwire'], ids);
    bad.goodwire!['6.4.2']!.behavior = 'NON-STRICT';
    installDocker({ servers: goodReport(['goodwire'], ids), clients: bad });
    const { code, stdout } = await run();
    expect(code).toBe(1);
    expect(stdout).toContain('✗ goodwire: 6.4.2: behavior is NON-STRICT');
  });

  test('fails if one direction wrote no report, even if an older report exists', async () => {
    installDocker({ servers: goodReport(['goodwire'], ids) });
    mkdirSync(join(folder, 'reports', 'clients'), { recursive: true });
    writeFileSync(join(folder, 'reports', 'clients', 'index.json'), JSON.stringify(goodReport(['goodwire'], ids)));
    const { code, stdout } = await run();
    expect(code).toBe(1);
    expect(stdout).toContain('✗ the report cannot be read');
  });

  test('ends with 2 if neither direction wrote a report', async () => {
    installDocker({}, ' up ');
    const { code, stderr } = await run();
    expect(code).toBe(2);
    expect(stderr).toContain('fuzzingclient: docker compose ended with 1');
    expect(stderr).toContain('the testsuite did not write a report');
    expect(commands().filter((command) => command.includes(' down '))).toHaveLength(2);
  });
});

test('the health check of the echo server detects whether the port is open', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = String(portOf(server));
  expect((await start('autobahn/docker/is-listening.js', {}, [port]).exit).code).toBe(0);
  await new Promise((resolve) => server.close(resolve));
  expect((await start('autobahn/docker/is-listening.js', {}, [port]).exit).code).toBe(1);
});

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..', '..');
const folder = join(root, 'autobahn', 'docker');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

describe.each(['fuzzingclient', 'fuzzingserver'])('the configuration of the %s', (mode) => {
  const configuration = JSON.parse(read(`config/${mode}.json`));
  const compose = read(`${mode}.compose.yaml`);

  test('runs every case and excludes no case', () => {
    expect(configuration).toMatchObject({ cases: ['*'], 'exclude-cases': [], 'exclude-agent-cases': {} });
  });

  test('fails a connection with a close frame instead of dropping it', () => {
    expect(configuration.options).toEqual({ failByDrop: false });
  });

  test('is the configuration with which the testsuite is started', () => {
    expect(compose).toMatch(/image: \$\{AUTOBAHN_IMAGE:-crossbario\/autobahn-testsuite\}/);
    expect(compose).toContain(`command: [wstest, --mode, ${mode}, --spec, /config/${mode}.json]`);
    expect(compose).toContain('- ./config:/config:ro');
  });

  test('opens no port of the host, and names existing programs', () => {
    expect(compose).not.toMatch(/ports:|network_mode:/);
    const programs = [...compose.matchAll(/\/goodwire\/([\w/-]+\.js)/g)].map(([, path]) => path!);
    expect(programs.length).toBeGreaterThan(0);
    expect(programs.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

test('the fuzzing client connects to the address of the echo server', () => {
  const { servers } = JSON.parse(read('config/fuzzingclient.json'));
  const compose = read('fuzzingclient.compose.yaml');
  expect(servers).toEqual([{ agent: 'goodwire', url: 'ws://echo-server:9002' }]);
  expect(compose).toMatch(/^ {2}echo-server:$/m);
  expect(compose).toContain('HOST: 0.0.0.0');
  expect(compose).toContain('PORT: "9002"');
  expect(compose).toContain('is-listening.js, "9002"]');
});

test('the echo client connects to the address of the fuzzing server', () => {
  const { url } = JSON.parse(read('config/fuzzingserver.json'));
  const compose = read('fuzzingserver.compose.yaml');
  expect(url).toBe('ws://0.0.0.0:9001');
  expect(compose).toMatch(/^ {2}fuzzingserver:$/m);
  expect(compose).toContain('echo-client.js, "ws://fuzzingserver:9001"]');
});

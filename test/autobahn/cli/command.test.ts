import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { readConformanceOptions } from '../../../autobahn/cli/conformance-options.ts';
import { runCommand } from '../../../autobahn/cli/run-command.ts';
import packageJson from '../../../package.json' with { type: 'json' };
import { portOf } from '../../support/port-of.ts';
import { echoFrom, startEchoServer } from '../run/peers.ts';

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'goodwire-conformance-'));
  directories.push(directory);
  return directory;
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs the command in this process. `onError` receives the output to stderr immediately. */
async function run(
  args: readonly string[],
  {
    columns = null,
    stop = new AbortController().signal,
    onError = (_text: string) => {},
  }: Partial<{
    columns: number | null;
    stop: AbortSignal;
    onError: (text: string) => void;
  }> = {},
): Promise<Ran> {
  let [out, error] = ['', ''];
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    error: (text: string) => {
      error += text;
      onError(text);
    },
    columns,
  };
  return { code: await runCommand(args, terminal, stop), out, error };
}

test('prints its help and its version', async () => {
  expect(await run(['--version'])).toEqual({ code: 0, out: `${packageJson.version}\n`, error: '' });
  expect((await run(['--help'])).out).toContain('conformance');
  const { code, out } = await run(['conformance', '--help']);
  expect(code).toBe(0);
  for (const option of [
    '--cases',
    '--exclude',
    '--agent',
    '--output',
    '--parallel',
    '--json',
    '--listen',
    'Exit codes',
  ]) {
    expect(out).toContain(option);
  }
});

test.each([
  [[], 'no command given'],
  [['fly'], 'unknown command "fly"'],
  [['__proto__'], 'unknown command "__proto__"'],
  [['conformance'], 'specify the URL of a server'],
  [['conformance', 'localhost'], 'invalid URL "localhost"'],
  [['conformance', 'http://localhost'], 'the URL must begin with ws: or wss:; got http:'],
  [['conformance', 'ws://a', 'ws://b'], 'expected one URL'],
  [['conformance', 'ws://a', '--listen', '9001'], 'exclude each other'],
  [['conformance', '--listen', 'nowhere'], '--listen must be a port'],
  [['conformance', '--listen', '65536'], '--listen must be a port'],
  [['conformance', 'ws://a', '--once'], '--once requires --listen'],
  [['conformance', 'ws://a', '--cases', '8.*'], 'no case matches 8.*'],
  [['conformance', 'ws://a', '--cases', '1.1.1', '--exclude', '1.*'], 'no case is selected'],
  [['conformance', 'ws://a', '--parallel', '0'], '--parallel must be an integer from 1 to 256'],
  [['conformance', 'ws://a', '--patience', '1e9'], '--patience must be an integer'],
  [['conformance', 'ws://a', '--time-limit', '-1'], 'time-limit'],
  [['conformance', 'ws://a', '--no-report', '--output', 'x'], 'exclude each other'],
  [['conformance', 'ws://a', '--frobnicate'], '--frobnicate'],
])('%j is refused with the reason and exit code 2', async (args, message) => {
  const { code, out, error } = await run(args);
  expect(error).toContain(message);
  expect([code, out]).toEqual([2, '']);
});

test('the options have the defaults that the help states', () => {
  expect(readConformanceOptions(['ws://localhost:9001/path'])).toMatchObject({
    url: new URL('ws://localhost:9001/path'),
    listen: null,
    agent: null,
    output: 'conformance-report',
    parallel: 4,
    patience: 3000,
    timeLimit: null,
    once: false,
    insecure: false,
    json: false,
  });
  expect(readConformanceOptions(['--listen', '[::1]:9001'])?.listen).toEqual({ host: '::1', port: 9001 });
  expect(readConformanceOptions(['--listen', '0.0.0.0:9001'])?.listen).toEqual({ host: '0.0.0.0', port: 9001 });
  expect(readConformanceOptions(['--listen', '9001'])?.listen).toEqual({ host: '127.0.0.1', port: 9001 });
});

describe('a server under test', () => {
  test('that passes gives exit code 0, and reports in Autobahn’s format', async () => {
    const { url, close } = await startEchoServer('goodwire');
    const output = join(newDirectory(), 'below', 'it');
    const args = ['--cases', '1.1.*,7.13.1', '--agent', 'Good Wire/1', '--parallel', '1', '--output', output];
    const { code, out, error } = await run(['conformance', url.href, ...args]);
    await close();
    expect(code).toBe(0);
    expect(out).toMatch(/^Good Wire\/1 +OK +INFORMATIONAL\n1 +8\n7 +1\nall +8 +1\n\nReport: .*index\.html\n$/);
    expect(error).toBe('  1.1  8 passed\n  7.13  1 passed\n');
    const index = JSON.parse(readFileSync(join(output, 'index.json'), 'utf8'));
    expect(index['Good Wire/1']['1.1.8']).toEqual({
      behavior: 'OK',
      behaviorClose: 'OK',
      duration: expect.any(Number),
      remoteCloseCode: 1000,
      reportfile: 'good_wire_1_case_1_1_8.json',
    });
    const result = JSON.parse(readFileSync(join(output, 'good_wire_1_case_1_1_8.json'), 'utf8'));
    expect(result).toMatchObject({ case: 8, id: '1.1.8', agent: 'Good Wire/1', isServer: false, wasClean: true });
    expect(readdirSync(output)).toContain('index.html');
  });

  test('that fails gives exit code 1, and each failed case is named at once', async () => {
    const { url, close } = await startEchoServer('ws');
    const { code, out, error } = await run(['conformance', url.href, '--cases', '6.4.1,6.6.1', '--no-report']);
    await close();
    expect(code).toBe(1);
    expect(error).toContain('✗ 6.4.1  NON-STRICT, close OK  The peer failed the connection, but later');
    expect(out).toMatch(/all +1 +1\n$/);
  });

  test('may use TLS, with an untrusted certificate only with --insecure', async () => {
    const { url, close } = await startEchoServer('ws', { isSecure: true });
    const args = ['conformance', url.href, '--no-report', '--cases', '1.1.1,1.2.8,6.2.1,7.1.1,9.1.3,12.1.1'];
    const refused = await run(args);
    const taken = await run([...args, '--insecure']);
    await close();
    expect([refused.code, refused.out]).toEqual([2, '']);
    expect(refused.error).toContain(`cannot connect to ${url.host}: self-signed certificate`);
    expect([taken.code, taken.error]).toEqual([0, expect.not.stringContaining('✗')]);
    expect(taken.out).toMatch(/all +6\n$/);
  });

  test('prints only JSON on stdout with --json', async () => {
    const { url, close } = await startEchoServer('goodwire');
    const { code, out } = await run(['conformance', url.href, '--cases', '1.1.1', '--no-report', '--json']);
    await close();
    expect(code).toBe(0);
    expect(JSON.parse(out)[url.host]['1.1.1']).toMatchObject({ behavior: 'OK', behaviorClose: 'OK' });
  });

  test('prints one line that is updated on a terminal', async () => {
    const { url, close } = await startEchoServer('goodwire');
    const { error } = await run(['conformance', url.href, '--cases', '1.1.1,1.1.2', '--no-report'], { columns: 80 });
    await close();
    expect(error).toContain(' 2 of 2  ');
    expect(error).not.toContain('\n');
    expect(error.endsWith('\r\u001b[K')).toBe(true);
  });

  test('that is unreachable gives exit code 2', async () => {
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const port = portOf(free);
    free.close();
    await once(free, 'close');
    const { code, error } = await run(['conformance', `ws://127.0.0.1:${port}`, '--no-report']);
    expect(error).toContain(`cannot connect to 127.0.0.1:${port}: connection refused`);
    expect(code).toBe(2);
  });

  test('that is not a WebSocket server gives exit code 2', async () => {
    const refusing = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end('HTTP/1.1 404 Not \u001b[31mFound\r\n\r\n'));
    }).listen(0, '127.0.0.1');
    await once(refusing, 'listening');
    const port = portOf(refusing);
    const { code, error } = await run(['conformance', `ws://127.0.0.1:${port}`, '--no-report']);
    refusing.close();
    expect(error).toContain('the server answered HTTP/1.1 404 Not');
    expect(error).not.toContain('\u001b');
    expect(code).toBe(2);
  });

  test('gives an error if the report folder is a file', async () => {
    const { url, close } = await startEchoServer('goodwire');
    const file = join(newDirectory(), 'taken');
    writeFileSync(file, '');
    const { code, error } = await run(['conformance', url.href, '--cases', '1.1.1', '--output', file]);
    await close();
    expect(error).toContain('cannot write the reports');
    expect(code).toBe(2);
  });

  test('is disconnected when the run is stopped', async () => {
    const { url, close } = await startEchoServer('goodwire');
    const stop = new AbortController();
    const onError = () => stop.abort();
    const args = ['--cases', '1.*', '--parallel', '1', '--no-report'];
    const { code, out } = await run(['conformance', url.href, ...args], { stop: stop.signal, onError });
    await close();
    expect(code).toBe(2);
    expect(out).toMatch(/all +8\n$/);
  });
});

describe('clients under test', () => {
  test('get cases from Autobahn’s URLs, and --once ends with their reports', async () => {
    const output = newDirectory();
    let answers: Promise<string[]> | undefined;
    const drive = async (base: string): Promise<string[]> => {
      const said: string[] = [];
      for (const path of [
        'getCaseCount',
        'getCaseInfo?case=2',
        'runCase?case=1&agent=driver',
        'getCaseStatus?case=1&agent=driver',
        'getCaseStatus?case=2&agent=driver',
        'runCase?casetuple=2.1&agent=driver',
        'updateReports?agent=driver',
      ]) {
        said.push(await echoFrom('goodwire', `${base}/${path}`));
      }
      return said;
    };
    const onError = (text: string) => {
      const [address] = /ws:\S+/.exec(text) ?? [];
      if (address !== undefined) answers = drive(address);
    };
    const args = ['--listen', '0', '--cases', '1.1.1,2.1', '--once', '--output', output];
    const { code, out } = await run(['conformance', ...args], { onError });
    expect(await answers).toEqual([
      '2',
      '{"id":"2.1","description":"Send ping without payload."}',
      '',
      '{"behavior":"OK"}',
      '{"behavior":"MISSING"}',
      '',
      '',
    ]);
    expect(code).toBe(0);
    expect(out).toMatch(/^driver +OK\n1 +1\n2 +1\nall +2\n/);
    expect(existsSync(join(output, 'driver_case_2_1.json'))).toBe(true);
  });

  test('that do not connect give exit code 2', async () => {
    const stop = new AbortController();
    const { code, error } = await run(['conformance', '--listen', '0', '--no-report'], {
      stop: stop.signal,
      onError: () => stop.abort(),
    });
    expect(error).toContain('no case was run');
    expect(code).toBe(2);
  });

  test('cannot connect if another program uses the port', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const port = portOf(taken);
    const { code, error } = await run(['conformance', '--listen', String(port), '--no-report']);
    taken.close();
    expect(error).toContain(`cannot listen on 127.0.0.1:${port}: EADDRINUSE`);
    expect(code).toBe(2);
  });
});

describe('the built program', () => {
  const program = join(import.meta.dirname, '..', '..', '..', packageJson.bin.goodwire);

  test('is executable and has an exit code', () => {
    const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, `${packageJson.version}\n`]);
    expect(spawnSync(process.execPath, [program, 'fly']).status).toBe(2);
  });

  test('tests a server', async () => {
    const { url, close } = await startEchoServer('goodwire');
    const args = [program, 'conformance', url.href, '--cases', '1.*,7.*', '--no-report', '--json'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let out = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    const [code] = await once(child, 'close');
    await close();
    expect(code).toBe(0);
    expect(Object.keys(JSON.parse(out)[url.host])).toHaveLength(53);
  });

  test('ends with its reports when it is stopped', async () => {
    const args = [program, 'conformance', '--listen', '0', '--cases', '1.1.1', '--no-report', '--json'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    const [line] = await once(child.stderr, 'data');
    const [address] = /ws:\S+/.exec(String(line)) ?? [];
    await echoFrom('goodwire', `${address}/runCase?case=1&agent=a`);
    child.kill('SIGTERM');
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ a: { '1.1.1': { behavior: 'OK' } } });
  });
});

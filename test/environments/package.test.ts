import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folder, linesOf, project, run } from './run.ts';

const installed = join(project, 'node_modules', 'goodwire');
/** The repository; scripts/test-environments.js names it. */
const { GOODWIRE_REPOSITORY: repository } = process.env;

const endless = ['client.js', 'echo-server.js', 'with-http-server.js'];

test.each(readdirSync(join(installed, 'examples')).filter((file) => file.endsWith('.js') && !endless.includes(file)))(
  'the example %s runs where npm has put it',
  async (example) => {
    const { code, stdout, stderr } = await run(process.execPath, [join(installed, 'examples', example)]);
    expect(stderr).toBe('');
    expect(stdout).not.toBe('');
    expect(code).toBe(0);
  },
);

test('npm installs a git repository with dist/, which it has not, and with all that the tarball has', async () => {
  const place = folder();
  const bare = join(place, 'goodwire.git');
  execFileSync('git', ['clone', '--quiet', '--bare', repository!, bare], { stdio: 'pipe' });
  expect(execFileSync('git', ['ls-tree', '-r', '--name-only', 'HEAD', 'dist'], { cwd: bare, encoding: 'utf8' })).toBe(
    '',
  );
  writeFileSync(join(place, 'package.json'), '{ "private": true }');
  const options = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
  const { code, stderr } = await run('npm', ['install', ...options, `git+file://${bare}`], place);
  expect(code, stderr).toBe(0);
  const package_ = join(place, 'node_modules', 'goodwire');
  for (const part of ['dist/index.js', 'docs/README.md', 'examples/README.md', 'goods/client/package.json'])
    expect(existsSync(join(package_, part)), part).toBe(true);
  writeFileSync(
    join(place, 'program.mjs'),
    "import WebSocket from 'goodwire';\nimport { Market } from 'goodwire/goods';\nconsole.log(WebSocket.name, Market.name);\n",
  );
  expect(await linesOf(process.execPath, ['program.mjs'], place)).toEqual(['WebSocket Market']);
});

test('in a checkout, npm ci does not build: each script that needs dist/ builds it first', async () => {
  const { code, stdout } = await run(process.execPath, [join(repository!, 'scripts', 'prepare.js')], repository, {
    INIT_CWD: repository,
    // Otherwise the build would be tried, and this test would wait for it: without a PATH nothing is found.
    PATH: '',
  });
  expect([code, stdout]).toEqual([0, '']);
});

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildCommit, commitOf, removeOldBuilds } from '../../bench/old-build.js';

const lock = JSON.stringify({ name: 'small', lockfileVersion: 3, packages: { '': { name: 'small' } } });
/** Script of a build that copies `source.js`, which differs between commits. */
const copies = `node -e "fs.mkdirSync('dist'); fs.copyFileSync('source.js', 'dist/index.js')"`;

let root: string;

function git(...args: string[]): string {
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.com', '-c', 'commit.gpgsign=false'];
  const { status, stdout, stderr } = spawnSync('git', [...identity, ...args], { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}

/** Commits a package, and returns its hash. */
function commit({ build, source, lockFile = lock }: { build: string; source: string; lockFile?: string }): string {
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'small', scripts: { build } }));
  writeFileSync(join(root, 'package-lock.json'), lockFile);
  writeFileSync(join(root, 'source.js'), source);
  git('add', '.');
  git('commit', '--quiet', '--message', 'a commit');
  return git('rev-parse', 'HEAD');
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'goodwire-old-build-'));
  git('init', '--quiet');
  writeFileSync(join(root, '.gitignore'), 'node_modules/\n');
  mkdirSync(join(root, 'node_modules', 'tool'), { recursive: true });
});

afterEach(() => {
  removeOldBuilds();
  rmSync(root, { recursive: true, force: true });
});

describe('the build of a git ref', () => {
  test('is the build of the commit, whatever the working tree contains', async () => {
    const old = commit({ build: copies, source: 'old' });
    commit({ build: copies, source: 'new' });
    writeFileSync(join(root, 'source.js'), 'not committed');
    const { entry, installed } = await buildCommit(await commitOf('HEAD~1', root), root);
    expect(await commitOf('HEAD~1', root)).toBe(old);
    expect(readFileSync(entry, 'utf8')).toBe('old');
    expect(installed).toBe(false);
    expect(existsSync(join(root, 'dist'))).toBe(false);
  });

  test('uses the installed packages if the lock files are equal, and installs those of the commit if not', async () => {
    const old = commit({ build: copies, source: 'old', lockFile: `${lock}\n` });
    const now = commit({ build: copies, source: 'new' });
    const [before, after] = [await buildCommit(old, root), await buildCommit(now, root)];
    expect([before.installed, after.installed]).toEqual([true, false]);
    const tools = [before, after].map(({ folder }) => existsSync(join(folder, 'checkout', 'node_modules', 'tool')));
    expect(tools).toEqual([false, true]);
  });

  test('is removed with its folder, but the shared packages stay', async () => {
    const { folder } = await buildCommit(commit({ build: copies, source: 'old' }), root);
    removeOldBuilds();
    expect(existsSync(folder)).toBe(false);
    expect(readdirSync(join(root, 'node_modules'))).toEqual(['tool']);
    expect(git('status', '--short')).toBe('');
  });

  test('accepts tags, branches and short hashes', async () => {
    const hash = commit({ build: copies, source: 'old' });
    git('tag', '--annotate', '--message', 'a tag', 'v1');
    git('branch', 'side/branch');
    const refs = ['v1', 'side/branch', hash.slice(0, 8), 'HEAD'];
    expect(await Promise.all(refs.map((ref) => commitOf(ref, root)))).toEqual(refs.map(() => hash));
  });

  test.each(['no-such-branch', 'HEAD~1', 'HEAD:source.js'])('is refused for %s: it is not a commit', async (ref) => {
    commit({ build: copies, source: 'old' });
    await expect(commitOf(ref, root)).rejects.toThrow(`got "${ref}", which is neither a file nor a commit`);
  });

  test('is refused in a shallow clone with a hint, if the commit may be among those that were not fetched', async () => {
    commit({ build: copies, source: 'old' });
    commit({ build: copies, source: 'new' });
    git('clone', '--quiet', '--depth', '1', pathToFileURL(root).href, 'shallow');
    await expect(commitOf('HEAD~1', join(root, 'shallow'))).rejects.toThrow(/got "HEAD~1".*git fetch --unshallow$/);
  });

  test('fails with the output of a build that fails', async () => {
    const hash = commit({ build: `node -e "console.error('line 7 is wrong'); process.exit(3)"`, source: 'old' });
    await expect(buildCommit(hash, root)).rejects.toThrow(/^npm run --silent build ended with 3\n.*line 7 is wrong/s);
  });

  test('fails if the commit builds no entry file', async () => {
    const hash = commit({ build: 'node -e 0', source: 'old' });
    await expect(buildCommit(hash, root)).rejects.toThrow('makes dist/index.js, got no such file');
  });

  test.skipIf(process.platform === 'win32')('is removed when a signal ends the run in the middle of it', async () => {
    const started = join(root, 'started');
    // Renamed. Otherwise the file would be visible before its text is complete.
    const script = `
      const { renameSync, writeFileSync } = require('node:fs');
      writeFileSync(${JSON.stringify(`${started}.new`)}, process.cwd());
      renameSync(${JSON.stringify(`${started}.new`)}, ${JSON.stringify(started)});
      setInterval(() => {}, 1e3);
    `;
    writeFileSync(join(root, 'wait.cjs'), script);
    const hash = commit({ build: 'node wait.cjs', source: 'old' });
    const module = (name: string) =>
      JSON.stringify(pathToFileURL(join(import.meta.dirname, '..', '..', 'bench', name)).href);
    const program = `
      import { watch } from 'node:fs';
      import ${module('control.js')};
      import { buildCommit } from ${module('old-build.js')};
      watch(${JSON.stringify(root)}, (event, name) => { if (name === 'started') console.log('building'); });
      await buildCommit(${JSON.stringify(hash)}, ${JSON.stringify(root)});
    `;
    const run = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(run.stdout, 'data');
    run.kill('SIGINT');
    expect(await once(run, 'exit')).toEqual([130, null]);
    const checkout = readFileSync(started, 'utf8');
    expect(checkout).toMatch(/goodwire-against-/);
    expect(existsSync(join(checkout, '..'))).toBe(false);
  });
});

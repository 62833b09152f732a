/** Builds a commit of this repository in a temporary folder, for `--against REF`. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXPECTED } from './against.js';

/** @type {Set<string>} */
const folders = new Set();
/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
const hasGroups = process.platform !== 'win32';

/** Ends running commands, and removes the temporary folders. May be called at any time and repeatedly. */
export function removeOldBuilds() {
  for (const child of running) {
    try {
      // The process group. Otherwise the compiler started by npm would continue to write into the folder.
      if (hasGroups && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      else child.kill('SIGKILL');
    } catch {
      // The command has already ended.
    }
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  folders.clear();
}

// Also runs after a signal, because control.js turns signals into an exit.
process.on('exit', removeOldBuilds);

/**
 * Runs a command to its end.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} cwd
 * @returns {Promise<string>} output of the command on stdout
 * @throws {Error} if the command cannot be started or fails; the message contains its output
 */
function run(command, args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, detached: hasGroups, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', (error) => {
      running.delete(child);
      reject(new Error(`${command} cannot be started: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      if (code === 0) resolve(stdout);
      else reject(new Error(`${[command, ...args].join(' ')} ended with ${signal ?? code}\n${stdout}${stderr}`));
    });
  });
}

/**
 * Resolves a git ref to the full hash of its commit.
 * @param {string} ref
 * @param {string} root folder inside the repository
 * @returns {Promise<string>}
 * @throws {RangeError} if the repository has no such commit
 */
export async function commitOf(ref, root) {
  // Otherwise a missing git would be reported as an invalid ref.
  const shallow = (await run('git', ['rev-parse', '--is-shallow-repository'], root)).trim() === 'true';
  try {
    return (await run('git', ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`], root)).trim();
  } catch {
    const hint = shallow ? ' This clone is shallow and has the newest commits only: git fetch --unshallow' : '';
    throw new RangeError(`${EXPECTED}, got "${ref}", which is neither a file nor a commit of this repository.${hint}`);
  }
}

/**
 * Builds a commit in a temporary folder, which is removed when this process exits.
 *
 * The installed packages of `root` are used if both lock files are equal. Otherwise `npm ci` installs those of the
 * commit.
 * @param {string} commit
 * @param {string} root folder of the package inside its repository
 * @returns {Promise<{ folder: string, entry: string, installed: boolean }>} `installed`: true if `npm ci` was run
 * @throws {Error} if a step fails, or if the build makes no dist/index.js
 */
export async function buildCommit(commit, root) {
  const folder = mkdtempSync(join(tmpdir(), 'goodwire-against-'));
  folders.add(folder);
  const checkout = join(folder, 'checkout');
  const archive = join(folder, 'checkout.tar');
  mkdirSync(checkout);
  // An archive does not change .git, whereas a worktree that is not removed properly would stay registered.
  await run('git', ['archive', '--format=tar', `--output=${archive}`, commit], root);
  await run('tar', ['-xf', archive, '-C', checkout], root);

  const modules = join(root, 'node_modules');
  const [own, old] = [root, checkout].map((at) => join(at, 'package-lock.json'));
  const isSame = existsSync(modules) && existsSync(own) && existsSync(old) && isEqual(own, old);
  if (isSame) symlinkSync(modules, join(checkout, 'node_modules'), 'junction');
  else await run('npm', ['ci', '--no-audit', '--no-fund'], checkout);

  await run('npm', ['run', '--silent', 'build'], checkout);
  const entry = join(checkout, 'dist', 'index.js');
  if (!existsSync(entry))
    throw new Error(`expected that npm run build of ${commit} makes dist/index.js, got no such file`);
  return { folder, entry, installed: !isSame };
}

/** @param {string} one @param {string} other */
const isEqual = (one, other) => readFileSync(one).equals(readFileSync(other));

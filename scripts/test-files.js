// Lists of test files, for scripts that run a part of the tests.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Returns the paths of all test files that `npm test` runs, relative to the root, with slashes, sorted. */
export function testFiles() {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map((path) => `test/${path.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.test.ts') && !path.startsWith('test/ecosystem/'))
    .sort();
}

/** Modules that open sockets or start processes. */
const outside = new Set([
  ...['node:child_process', 'node:cluster', 'node:http', 'node:http2', 'node:https', 'node:net', 'node:tls'],
  ...['faye-websocket', 'playwright-core', 'websocket', 'ws'],
]);

/**
 * Returns the names of the modules that a file imports at run time; type imports are omitted.
 * @param {string} code
 */
export function modulesOf(code) {
  // Biome puts every import statement at the start of a line. Comments are removed, because they may contain examples.
  const bare = code.replace(/^\s*(?:\/\/|\/?\*).*$/gm, '');
  const statements = bare.matchAll(/^(?:import|export)\b(?! type\b)(?:[^;'"]*?\bfrom)?\s*(['"])(.+?)\1/gm);
  const calls = bare.matchAll(/\b(?:import|require|getBuiltinModule)\(\s*(['"`])(.+?)\1/g);
  return [...statements, ...calls].map((match) => /** @type {string} */ (match[2]));
}

/** @type {Map<string, readonly string[]>} */
const modules = new Map();

/** @param {string} path */
function modulesOfFile(path) {
  const known = modules.get(path);
  if (known !== undefined) return known;
  const file = join(root, path);
  const list = existsSync(file) ? modulesOf(readFileSync(file, 'utf8')) : [];
  modules.set(path, list);
  return list;
}

/**
 * True if the file, or a file of this repository that it imports at any depth, imports a module that opens sockets or
 * starts processes.
 * @param {string} path relative to the root
 */
export function isOutgoing(path) {
  const seen = new Set([path]);
  for (const file of seen) {
    for (const name of modulesOfFile(file)) {
      if (outside.has(name)) return true;
      if (name.startsWith('.')) seen.add(posix.join(dirname(file).replaceAll('\\', '/'), name));
    }
  }
  return false;
}

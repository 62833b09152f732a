// Builds dist/ from src/ with tsc. Node runs CommonJS, in dist/cjs. CommonJS loads everywhere, also in Jest and in
// bundlers, and a program that imports goodwire and a package that requires it share one class. dist/index.js,
// dist/protocol.js and dist/goods.js are thin ES modules over it. So is dist/goods/shared-client.js, outside of
// browsers. dist/browser.js, dist/goods/client.js and their imports are ES modules throughout. dist/legacy has these two in CommonJS with older syntax, for webpack 4,
// browserify and Metro. All types are those of the ES modules. dist/autobahn is the command line: a
// program and not a library, so ES modules without types.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const dist = join(root, 'dist');
// Built in a temporary folder and then swapped in, so that a running server or test never sees an incomplete dist/.
const fresh = join(root, `dist.${process.pid}`);
const old = `${fresh}.old`;
const require = createRequire(import.meta.url);

/** @param {string} config @param {string} directory */
function compile(config, directory) {
  const args = [tsc, '-p', join(root, config), '--outDir', directory];
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
}

/** @param {string} file @param {readonly string[]} lines */
const write = (file, lines) => writeFileSync(join(fresh, file), `${lines.join('\n')}\n`);

/** @param {string} name @returns {Readonly<Record<string, unknown>>} */
const load = (name) => require(join(fresh, 'cjs', `${name}.js`));

/**
 * Writes the ES module of an entry point, which re-exports its CommonJS module by name, so that Node and every bundler
 * find the names statically.
 * @param {string} name
 * @param {string} [module] File of the ES module, without its extension.
 */
function writeModule(name, module = name) {
  const exported = load(name);
  const names = Object.keys(exported).filter((key) => /^\w+$/.test(key) && key !== 'default');
  const clauses = names.toSorted();
  // An ES module sees the whole of module.exports under these two names, so each is exported from its own name.
  for (const alias of ['default', 'module.exports']) {
    if (!Object.hasOwn(exported, alias)) continue;
    const own = names.find((key) => exported[key] === exported[alias]);
    if (own === undefined) throw new Error(`${name}: the export ${alias} has no name of its own`);
    clauses.push(`${own} as ${alias === 'default' ? alias : `'${alias}'`}`);
  }
  const common = `${module.includes('/') ? '../' : './'}cjs/${name}.js`;
  write(`${module}.js`, ['export {', ...clauses.map((clause) => `  ${clause},`), `} from '${common}';`]);
}

/**
 * Writes the types of an entry point for CommonJS compiled by TypeScript: each export by name, with its type in the ES
 * modules. (A re-export is impossible, because TypeScript's node16 mode rejects one from an ES module in a CommonJS
 * file.)
 * @param {string} name
 */
function writeCommonTypes(name) {
  const values = new Set(Object.keys(load(name)));
  /** @type {Map<string, string>} */
  const types = new Map();
  const declarations = readFileSync(join(fresh, `${name}.d.ts`), 'utf8');
  for (const [, list, from] of declarations.matchAll(/^export (?:type )?\{([^}]*)\} from '(.+)';$/gm)) {
    const file = join(fresh, dirname(name), /** @type {string} */ (from).replace(/\.[jt]s$/, '.d.ts'));
    const source = readFileSync(file, 'utf8');
    for (const clause of /** @type {string} */ (list).split(',').filter((text) => text.trim() !== '')) {
      const [, key] = /^\s*(?:type )?(\w+)\s*$/.exec(clause) ?? [];
      if (key === undefined) throw new Error(`${name}: cannot read the export ${clause.trim()}`);
      const type = new RegExp(`^export (?:declare )?(?:abstract )?(?:class|interface|type) ${key}\\b(<?)`, 'm').exec(
        source,
      );
      if (type?.[1] === '<') types.set(key, typeParameters(source.slice(type.index + type[0].length - 1)));
      else if (type !== null) types.set(key, '');
      else if (!values.has(key)) throw new Error(`${name}: no declaration of ${key} in ${from}`);
    }
  }
  write(`${name}.d.cts`, [
    `import type * as module from './${basename(name)}.js' with { 'resolution-mode': 'import' };`,
    ...[...values].toSorted().map((key) => `export declare const ${key}: typeof module.${key};`),
    ...[...types.keys()].toSorted().map((key) => {
      const parameters = /** @type {string} */ (types.get(key));
      // Bounds and defaults stay with the declaration; only the names are passed on.
      const passed = parameters.replace(/<(.*)>/, (_, list) => `<${list.replace(/(\w+)[^,]*/g, '$1')}>`);
      return `export type ${key}${parameters} = module.${key}${passed};`;
    }),
  ]);
}

/**
 * Returns the type parameters at the beginning of a declaration: names, whose bounds and defaults are names too.
 * @param {string} text
 */
function typeParameters(text) {
  const list = /^<\w+(?: extends \w+)?(?: = \w+)?(?:, \w+(?: extends \w+)?(?: = \w+)?)*>/.exec(text)?.[0];
  if (list === undefined) throw new Error(`cannot read the type parameters ${text.slice(0, 60)}`);
  return list;
}

/** Writes the CommonJS entry point for the `browser` condition: the platform's class, like the default import. */
function writeCommonBrowser() {
  write('browser.cjs', [`module.exports = require('./cjs/browser.js').WebSocket;`]);
  write('browser.d.cts', [
    `import type { WebSocket as Class } from './browser.js' with { 'resolution-mode': 'import' };`,
    'declare const WebSocket: typeof Class;',
    'type WebSocket = Class;',
    'export = WebSocket;',
  ]);
}

/**
 * Writes the entry point for tools that read no `exports`, such as webpack 4 and browserify. It is the platform's class, with the names that
 * other bundles for browsers import.
 */
function writeLegacyBrowser() {
  write('legacy/package.json', ['{ "type": "commonjs" }']);
  write('legacy/index.js', [
    `const names = require('./browser.js');`,
    'const get = (target, key) => (key in names && !(key in Object.prototype) ? names[key] : Reflect.get(target, key));',
    'module.exports = names.WebSocket === undefined ? names : new Proxy(names.WebSocket, { get });',
  ]);
}

/**
 * Changes how dist/cjs loads modules of Node: where there is no `require`, `process.getBuiltinModule` takes its place. That is so in a bundle
 * that is an ES module itself: esbuild leaves `require('node:net')` in it, and it throws. `require` comes first, because mocks and tracers
 * replace what it returns.
 */
function loadBuiltinsInBundles() {
  for (const entry of readdirSync(join(fresh, 'cjs'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue;
    const file = join(entry.parentPath, entry.name);
    const code = readFileSync(file, 'utf8');
    const changed = code.replaceAll(
      /\brequire\(("node:[\w/]+")\)/g,
      '(() => { try { return require($1); } catch { return process.getBuiltinModule($1); } })()',
    );
    if (changed !== code) writeFileSync(file, changed);
  }
}

/** Deletes ES modules that no entry point imports, so that the tarball does not contain the code twice. */
function prune() {
  const reached = new Set(
    ['index.js', 'protocol.js', 'goods.js', 'goods/shared-client.js', 'goods/client.js', 'browser.js'].map((file) =>
      join(fresh, file),
    ),
  );
  // Iterating over a set includes elements added during the iteration.
  for (const file of reached) {
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(/\b(?:from|import)\s*\(?'(\.[^']+)'/g)) {
      reached.add(join(dirname(file), /** @type {string} */ (specifier)));
    }
  }
  for (const entry of readdirSync(fresh, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    const isCommon = ['cjs', 'legacy'].some((folder) => file.startsWith(join(fresh, folder, '/')));
    if (entry.isFile() && entry.name.endsWith('.js') && !isCommon && !reached.has(file)) rmSync(file);
  }
}

let status = 1;
try {
  status =
    compile('tsconfig.build.json', fresh) ||
    compile('tsconfig.cjs.json', join(fresh, 'cjs')) ||
    compile('tsconfig.legacy.json', join(fresh, 'legacy'));
  if (status === 0) {
    write('cjs/package.json', ['{ "type": "commonjs" }']);
    writeCommonTypes('protocol');
    writeCommonTypes('goods');
    writeCommonTypes('goods/client');
    writeCommonBrowser();
    writeLegacyBrowser();
    loadBuiltinsInBundles();
    writeModule('index');
    writeModule('protocol');
    writeModule('goods');
    writeModule('goods/client', 'goods/shared-client');
    prune();
    status = compile('tsconfig.autobahn.json', join(fresh, 'autobahn'));
  }
  if (status === 0) {
    chmodSync(join(fresh, 'autobahn', 'cli', 'goodwire.js'), 0o755);
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
  rmSync(old, { recursive: true, force: true });
}
process.exit(status);

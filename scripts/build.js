// Builds dist/ from src/ with tsc. Node runs CommonJS, in dist/cjs. CommonJS loads everywhere, also in Jest and in
// bundlers, and a program that imports goodwire and a package that requires it share one class. dist/index.js,
// dist/protocol.js and dist/goods.js are thin ES modules over it. So is dist/goods/shared-client.js, outside of
// browsers. dist/browser.js, dist/goods/client.js and their imports are ES modules throughout. dist/legacy has these two
// in CommonJS with older syntax, for webpack 4, browserify and Metro. All types are those of the CommonJS modules, which
// the types of the entry points re-export: in every module mode of TypeScript, both kinds of module may import CommonJS.
// dist/autobahn is the command line: a program and not a library, so ES modules without types.
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, posix } from 'node:path';

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
  const names = Object.keys(exported).filter((key) => key !== 'default');
  const clauses = names.toSorted();
  // The class. require() of the ES module returns it. No declaration may have the second export, because TypeScript
  // before 5.6 cannot read it.
  if ('default' in exported) clauses.push('WebSocket as default', `WebSocket as 'module.exports'`);
  const common = `${module.includes('/') ? '../' : './'}cjs/${name}.js`;
  write(`${module}.js`, ['export {', ...clauses.map((clause) => `  ${clause},`), `} from '${common}';`]);
}

/** Makes the imports of the declarations name the compiled files, as tools other than TypeScript expect. */
function finishDeclarations() {
  for (const file of filesBelow(join(fresh, 'cjs'))) {
    if (!file.endsWith('.d.ts')) continue;
    const code = readFileSync(file, 'utf8');
    writeFileSync(file, code.replaceAll(/(\b(?:from|import) ?\(?['"]\.[^'"]*)\.ts(?=['"])/g, '$1.js'));
  }
}

/**
 * Writes the types of an entry point for programs that import it and for programs that require it.
 * @param {string} name
 */
function writeTypes(name) {
  const target = posix.relative(posix.dirname(name), `cjs/${name}.js`);
  const specifier = target.startsWith('.') ? target : `./${target}`;
  for (const extension of ['ts', 'cts']) write(`${name}.d.${extension}`, [`export * from '${specifier}';`]);
}

/**
 * Writes the types of the class WebSocket, which has the other names as properties: its namespace, the class as
 * require() returns it, and the ES module. The last two have aliases of each declaration, because a program may merge
 * fields into it (`declare module 'goodwire' { interface WebSocket … }`), and TypeScript then follows the alias. require()
 * needs a derived class: TypeScript loses the fields if a class is an alias in its own namespace.
 */
function writeClassTypes() {
  const source = readFileSync(join(root, 'src', 'websocket-namespace.d.ts'), 'utf8');
  const parts = /^((?:import .*\n)+)\n(export declare namespace WebSocket \{\n[\s\S]*\}\n)$/m.exec(source);
  if (parts === null) throw new Error('cannot read src/websocket-namespace.d.ts');
  const [, imports, namespace] = /** @type {readonly [string, string, string]} */ (/** @type {unknown} */ (parts));
  /** @param {string} folder */
  const from = (folder) => imports.replaceAll(/'\.\/(.*)\.ts'/g, `'${folder}$1.js'`);
  const file = join(fresh, 'cjs', 'websocket', 'websocket.d.ts');
  const [, comment] =
    /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\nexport declare class WebSocket /.exec(readFileSync(file, 'utf8')) ?? [];
  if (comment === undefined) throw new Error('the class WebSocket has no comment');
  appendFileSync(file, `${from('../')}\n${namespace}`);

  const aliases = [
    ...[...namespace.matchAll(/^ {2}(export import .*;)$/gm)].map(([, alias]) => alias),
    'export import WebSocket = socket.WebSocket;',
    'export import WebSocketServer = socket.WebSocket.WebSocketServer;',
  ];
  const types = [...namespace.matchAll(/^ {2}(export type (\w+) = (.*);)$/gm)];
  write('index.d.cts', [
    from('./cjs/'),
    comment,
    'declare class WebSocket extends socket.WebSocket {}',
    'declare namespace WebSocket {',
    ...[...aliases, ...types.map(([, type]) => type)].map((line) => `  ${line}`),
    '}',
    'export = WebSocket;',
  ]);
  write('index.d.ts', [
    from('./cjs/'),
    // The ES module of ws has no value of this name.
    ...aliases.map((alias) => alias?.replace(/^export (import Server =.*)$/, '$1\nexport { type Server };')),
    ...types.map(([, , name, type]) => `export import ${name} = ${type};`),
    'export import upgrade = goodwire.upgrade;',
    'export default WebSocket;',
  ]);
}

/**
 * Writes an entry point for require() that is the class, like the default import.
 * @param {string} name
 */
const writeClassEntry = (name) => write(`${name}.cjs`, [`module.exports = require('./cjs/${name}.js').WebSocket;`]);

/** Writes the types of the entry points for browsers. */
function writeBrowserTypes() {
  write('browser.d.cts', [`import { WebSocket } from './cjs/browser.js';`, 'export = WebSocket;']);
  write('browser.d.ts', [
    `export * from './cjs/browser.js';`,
    `export { WebSocket as default } from './cjs/browser.js';`,
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
  for (const file of filesBelow(join(fresh, 'cjs'))) {
    if (!file.endsWith('.js')) continue;
    const code = readFileSync(file, 'utf8');
    const changed = code.replaceAll(
      /\brequire\(("node:[\w/]+")\)/g,
      '(() => { try { return require($1); } catch { return process.getBuiltinModule($1); } })()',
    );
    if (changed !== code) writeFileSync(file, changed);
  }
}

/** @param {string} directory */
const filesBelow = (directory) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

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
  for (const file of filesBelow(fresh)) {
    const isCommon = ['cjs', 'legacy'].some((folder) => file.startsWith(join(fresh, folder, '/')));
    if (file.endsWith('.js') && !isCommon && !reached.has(file)) rmSync(file);
  }
  const folders = readdirSync(fresh, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory());
  const paths = folders.map((entry) => join(entry.parentPath, entry.name));
  // The longest first, so that a folder of empty folders is empty too.
  for (const path of paths.toSorted((a, b) => b.length - a.length)) if (readdirSync(path).length === 0) rmdirSync(path);
}

let status = 1;
try {
  status =
    compile('tsconfig.build.json', fresh) ||
    compile('tsconfig.cjs.json', join(fresh, 'cjs')) ||
    compile('tsconfig.legacy.json', join(fresh, 'legacy'));
  if (status === 0) {
    write('cjs/package.json', ['{ "type": "commonjs" }']);
    finishDeclarations();
    writeLegacyBrowser();
    loadBuiltinsInBundles();
    for (const name of ['index', 'protocol', 'goods']) writeModule(name);
    writeModule('goods/client', 'goods/shared-client');
    for (const name of ['protocol', 'goods', 'goods/client']) writeTypes(name);
    writeClassTypes();
    writeBrowserTypes();
    writeClassEntry('index');
    writeClassEntry('browser');
    appendFileSync(join(fresh, 'browser.js'), `export { WebSocket as 'module.exports' };\n`);
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

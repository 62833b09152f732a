// Packs goodwire as for publishing. Checks the contents of the tarball and the reports of publint and arethetypeswrong.
// Installs the tarball, and checks that programs with it run and compile.
//
//   node scripts/check-package.js [path of another node executable to run the programs with]...
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const modules = join(root, 'node_modules');
const nodes = [process.execPath, ...process.argv.slice(2)];
const commonJsOnly = '--no-experimental-require-module';
const temporary = mkdtempSync(join(tmpdir(), 'goodwire-package-'));

/**
 * Runs a program to its end. Returns its stdout and stderr; throws if it fails.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} [cwd]
 */
function run(command, args, cwd = root) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: 600_000,
  });
  if (error !== undefined) throw error;
  if (status !== 0) {
    throw new Error(`${[command, ...args].join(' ')} ended with ${signal ?? status}\n${stdout}${stderr}`);
  }
  return { stdout, stderr };
}

/** @param {string} name @param {...string} args */
const bin = (name, ...args) => run(join(modules, '.bin', name), args);

/** @param {string} title @param {() => void} check */
function step(title, check) {
  check();
  console.log(`  ok  ${title}`);
}

/** @param {string} directory @returns {string[]} */
const filesBelow = (directory) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));

/** Creates the tarball as npm publish would, from the existing dist/. */
function pack() {
  const { stdout } = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', temporary]);
  const report = JSON.parse(stdout);
  // npm 12 reports an object keyed by name; earlier versions report a list.
  const [packed] = Array.isArray(report) ? report : Object.values(report);
  return {
    tarball: join(temporary, packed.filename),
    files: packed.files.map((/** @type {{ path: string }} */ file) => file.path),
  };
}

/** @param {readonly string[]} files */
function checkContents(files) {
  const documents = ['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json'];
  // Links of the documents lead to these.
  documents.push('bench/README.md', 'fuzz/README.md', 'docs/README.md', 'examples/README.md');
  const entries = [
    'index.js',
    'index.d.ts',
    'index.cjs',
    'index.d.cts',
    'protocol.js',
    'protocol.d.ts',
    'protocol.d.cts',
    'goods.js',
    'goods.d.ts',
    'goods.d.cts',
    'goods/client.js',
    'goods/client.d.ts',
    'goods/client.d.cts',
    'goods/shared-client.js',
    'browser.js',
    'browser.d.ts',
    'browser.cjs',
    'browser.d.cts',
    'cjs/index.js',
    'cjs/protocol.js',
    'cjs/goods.js',
    'cjs/goods/client.js',
    'cjs/package.json',
    'legacy/index.js',
    'legacy/goods/client.js',
    'legacy/package.json',
    'autobahn/cli/goodwire.js',
  ];
  for (const file of [...documents, ...entries.map((entry) => `dist/${entry}`)]) {
    assert.ok(files.includes(file), `${file} is missing from the tarball`);
  }
  // Tools that read no `exports` resolve goodwire/goods/client as a path.
  const paths = ['dist/cjs/package.json', 'dist/legacy/package.json', 'goods/client/package.json'];
  const surplus = files.filter(
    (file) =>
      ![...documents, ...paths].includes(file) &&
      !/^(?:docs|examples)\/[\w/-]+\.(?:md|js)$/.test(file) &&
      !/^dist\/(?:cjs\/[\w/-]+\.(?:js|d\.ts)|(?:legacy|autobahn)\/[\w/-]+\.js|(?!cjs\/|legacy\/|autobahn\/)[\w/-]+\.c?js)$/.test(
        file,
      ) &&
      !/^dist\/(?:index|browser|protocol|goods|goods\/client)\.d\.c?ts$/.test(file),
  );
  assert.deepEqual(surplus, [], 'unneeded files are in the tarball');
  const built = files.filter((file) => file.startsWith('dist/'));
  // Every module has its types once, beside the CommonJS module. The command line is a program that is never imported.
  const library = built.filter((name) => /\.js$/.test(name) && !/^dist\/(?:autobahn|legacy)\//.test(name));
  // These are other files for the types of dist/cjs/goods/client.js.
  const typedElsewhere = ['dist/goods/shared-client.js'];
  for (const file of library.filter((name) => !typedElsewhere.includes(name))) {
    const types = file.replace(/^dist\/(?:cjs\/)?(.*)\.js$/, 'dist/cjs/$1.d.ts');
    assert.ok(files.includes(types), `${file} has no types`);
  }
  for (const file of built.filter((name) => /^dist\/cjs\/.*\.d\.ts$/.test(name))) {
    assert.ok(files.includes(file.replace('.d.ts', '.js')), `${file} describes no module`);
  }
  // Only dist/browser.js and dist/goods/client.js need ES modules, so most modules are there once.
  const common = built.filter((file) => /^dist\/cjs\/.*\.js$/.test(file));
  const twice = common.filter((file) => files.includes(file.replace('/cjs/', '/')));
  assert.ok(
    twice.length < common.length / 2,
    `${twice.length} of ${common.length} modules are in the tarball both as ES modules and as CommonJS`,
  );
}

/**
 * Checks that every relative import of every shipped file leads to a shipped file, and that no file refers to a missing
 * source map.
 * @param {string} directory
 */
function checkReferences(directory) {
  for (const file of filesBelow(directory)) {
    if (!/\.(?:js|cjs|ts|cts)$/.test(file)) continue;
    const code = readFileSync(join(directory, file), 'utf8');
    assert.doesNotMatch(code, /^\/\/# sourceMappingURL=/m, `${file} points to a source map`);
    if (/\.d\.c?ts$/.test(file)) checkDeclaration(file, code);
    for (const [, specifier] of code.matchAll(/\b(?:from|import|require)\b\s*\(?\s*['"](\.[^'"]+)['"]/g)) {
      const path = join(directory, dirname(file), /** @type {string} */ (specifier));
      const target = /\.d\.c?ts$/.test(file) ? path.replace(/\.(c?)js$/, '.d.$1ts') : path;
      assert.doesNotThrow(() => readFileSync(target), `${file} imports ${specifier}, which is not in the tarball`);
    }
  }
}

/**
 * Checks that a declaration has nothing that TypeScript 5.0 cannot read, and that an entry point only re-exports.
 * @param {string} file
 * @param {string} code
 */
function checkDeclaration(file, code) {
  const isEntry = !file.startsWith('dist/cjs/');
  assert.doesNotMatch(code, /module\.exports|resolution-mode|\.ts['"]/, `${file} is for newer versions of TypeScript`);
  assert.doesNotMatch(code, /^declare module/m, `${file} changes a module, so that programs cannot merge into it`);
  if (isEntry) assert.doesNotMatch(code, /^export (?:declare |interface |class )/m, `${file} declares something`);
}

/**
 * Creates a user's project, with the tarball installed by npm under each of the names.
 * @param {string} name
 * @param {string} tarball
 * @param {readonly string[]} packages
 */
function project(name, tarball, packages) {
  const directory = join(temporary, name);
  mkdirSync(directory);
  const dependencies = Object.fromEntries(packages.map((installed) => [installed, `file:${tarball}`]));
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ private: true, dependencies }));
  run('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'], directory);
  return directory;
}

/** @param {string} directory */
function checkRuntime(directory) {
  cpSync(join(root, 'scripts', 'consumers'), directory, { recursive: true });
  for (const node of nodes) {
    const version = run(node, ['--version']).stdout.trim();
    const programs = [
      ['esm.mjs'],
      ['commonjs.cjs'],
      ['conformance.mjs'],
      ['--no-warnings', '--conditions=browser', 'browser.mjs'],
      ['compression.mjs'],
      ['compression.mjs', 'documented'],
      ['other-listeners.mjs'],
      ['http-upgrade.mjs'],
      ['limits.mjs'],
    ];
    // If Node can require an ES module, that is forbidden here, so that only CommonJS passes, as in Jest.
    if (run(node, ['-p', `process.allowedNodeEnvironmentFlags.has('${commonJsOnly}')`]).stdout === 'true\n') {
      programs.push([commonJsOnly, 'commonjs.cjs'], [commonJsOnly, '--conditions=browser', 'browser.cjs']);
    }
    for (const args of programs) {
      step(`Node ${version}: ${args.join(' ')}`, () => {
        const { stdout, stderr } = run(node, args, directory);
        // Some versions warn that JSON modules are experimental. That warning concerns the program, not goodwire.
        const said = stderr.replace(/^.*ExperimentalWarning: Importing JSON modules.*\n(?:\(Use .*\n)?/m, '');
        assert.equal(stdout + said, '', 'a warning, or other noise');
      });
    }
  }
}

/**
 * Compiles the programs for ws against the tarball installed as ws, in every module mode of TypeScript.
 * @param {string} directory
 */
function checkTypes(directory) {
  const programs = join(root, 'test', 'types', 'programs');
  cpSync(programs, directory, { recursive: true });
  mkdirSync(join(directory, 'node_modules', '@types'), { recursive: true });
  symlinkSync(join(modules, '@types', 'node'), join(directory, 'node_modules', '@types', 'node'));
  const sources = readdirSync(programs).filter((file) => !file.endsWith('.json'));
  const esm = sources.filter((file) => file.endsWith('.mts'));
  const dom = ['--lib', 'es2023,dom'];
  for (const { title, files, flags } of [
    { title: 'node16', files: sources, flags: ['--module', 'node16', '--target', 'es2022'] },
    { title: 'nodenext', files: sources, flags: ['--module', 'nodenext', '--target', 'es2022'] },
    { title: 'nodenext with the DOM', files: sources, flags: ['--module', 'nodenext', '--target', 'es2022', ...dom] },
    {
      title: 'bundler',
      files: esm,
      flags: ['--module', 'esnext', '--moduleResolution', 'bundler', '--target', 'es2022'],
    },
  ]) {
    step(`TypeScript, ${title}`, () => {
      const strict = ['--ignoreConfig', '--noEmit', '--strict', '--types', 'node', '--allowJs', '--checkJs'];
      run(process.execPath, [join(modules, 'typescript', 'bin', 'tsc'), ...strict, ...flags, ...files], directory);
    });
  }

  const protocol = `import { CloseCode, Connection, type ConnectionOptions, ConnectionSettings, ProtocolError } from 'ws/protocol';
const options: ConnectionOptions = { role: 'server' };
const settings: ConnectionSettings = new ConnectionSettings(options);
const code: CloseCode = CloseCode.normalClosure;
const error: unknown = new Error();
if (error instanceof ProtocolError) error.closeCode satisfies number;
// @ts-expect-error the member does not exist
Connection.noSuchMember;
export { code, settings };
`;
  const goods = `import { defineGoods, type Goods, Market, type Validator } from 'ws/goods';
import { GoodsError } from 'ws/goods/client';
const params: Validator<{ currency: string }> = (value) => ({ currency: String(value) });
const apple: Goods<{ price: number }, { currency: string }> = defineGoods('fruit/apple', { params });
const market = new Market<string>({ authorize: ({ user }) => user.length > 0 });
const orchard = market.provider('orchard');
orchard.shelve(apple);
orchard.supply(apple, { price: 1 });
// @ts-expect-error the item is invalid
orchard.supply(apple, { cost: 1 });
const error: unknown = new Error();
if (error instanceof GoodsError) error.code satisfies string;
export { market };
`;
  const imported = ['protocol.cts', 'protocol.mts', 'goods.cts', 'goods.mts'];
  for (const file of imported) writeFileSync(join(directory, file), file.startsWith('goods') ? goods : protocol);
  // node10 is the resolution from before 2022, which does not support exports. TypeScript 7 has removed it.
  const node10 = ['--module', 'commonjs', '--moduleResolution', 'node10'];
  for (const { title, compiler, flags, files } of [
    {
      title: 'TypeScript, node16',
      compiler: 'typescript',
      flags: ['--ignoreConfig', '--module', 'node16'],
      files: imported,
    },
    {
      title: 'TypeScript, nodenext',
      compiler: 'typescript',
      flags: ['--ignoreConfig', '--module', 'nodenext'],
      files: imported,
    },
    { title: 'TypeScript 5.0, nodenext', compiler: 'typescript-5.0', flags: ['--module', 'nodenext'], files: imported },
    {
      title: 'TypeScript 5.0, node10',
      compiler: 'typescript-5.0',
      flags: node10,
      files: ['protocol.cts', 'goods.cts'],
    },
  ]) {
    step(`${title}, other entry points: ${files.join(', ')}`, () => {
      const strict = ['--noEmit', '--strict', '--types', 'node', '--target', 'es2022'];
      run(process.execPath, [join(modules, compiler, 'bin', 'tsc'), ...strict, ...flags, ...files], directory);
    });
  }

  const shared = join(directory, 'shared.mts');
  writeFileSync(
    shared,
    `import WebSocket from 'ws';
import { defineGoods, GoodsClient } from 'ws/goods/client';
export const client: GoodsClient = new GoodsClient('ws://127.0.0.1', { WebSocket });
export const goods = defineGoods('fruit/apple');
const socket: WebSocket = new WebSocket('ws://127.0.0.1');
socket.onmessage = (event: MessageEvent<string>) => event.data.length;
// @ts-expect-error the WebSocket of a browser has no such method
socket.terminate();
`,
  );
  step('TypeScript, for browsers', () => {
    const flags = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--types',
      '',
      '--lib',
      'es2023,dom',
      '--module',
      'esnext',
    ];
    const resolution = ['--moduleResolution', 'bundler', '--customConditions', 'browser', '--target', 'es2022'];
    run(process.execPath, [join(modules, 'typescript', 'bin', 'tsc'), ...flags, ...resolution, shared], directory);
  });
}

try {
  const { tarball, files } = pack();
  step(`the tarball holds ${files.length} files, and no unneeded ones`, () => checkContents(files));
  step('publint', () => void bin('publint', tarball, '--strict'));
  for (const entry of ['.', './protocol', './goods', './goods/client']) {
    step(`arethetypeswrong: ${entry}`, () => void bin('attw', tarball, '--entrypoints', entry));
  }

  const runtime = project('runtime', tarball, ['goodwire']);
  const installed = join(runtime, 'node_modules', 'goodwire');
  assert.deepEqual(
    readdirSync(join(runtime, 'node_modules')).filter((name) => !name.startsWith('.')),
    ['goodwire'],
  );
  step('every import leads to a shipped file', () => checkReferences(installed));
  checkRuntime(runtime);
  checkTypes(project('types', tarball, ['ws']));
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  alias,
  asCommonJs,
  type Compiler,
  type CompilerOptions,
  compile,
  compilers,
  goodwire,
  node,
  type Packages,
  type Programs,
  programsAt,
  root,
  ws,
} from './compile.ts';

const here = import.meta.dirname;

test('the programs compile against @types/ws, so that they are programs for ws', async () => {
  const programs = readdirSync(join(here, 'programs')).map((name) => `programs/${name}`);
  expect(await compile(programsAt(programs), { ...node, ...ws })).toBe('');
});

test('no name that @types/ws exports is missing in the programs', () => {
  const types = join(root, 'node_modules', '@types', 'ws');
  const modules = readFileSync(join(types, 'index.d.mts'), 'utf8');
  const exported = [...modules.matchAll(/^export (?:import|const|function|interface|type|\{ (?:type )?)\s*(\w+)/gm)];
  const classic = readFileSync(join(types, 'index.d.ts'), 'utf8');
  const namespaced = [...classic.matchAll(/^ {4}(?:type|interface|class|const|function) (\w+)/gm)];
  for (const [names, program, least] of [
    [exported, 'every-name.mts', 19],
    [namespaced, 'import-equals.cts', 20],
  ] as const) {
    const text = readFileSync(join(here, 'programs', program), 'utf8');
    const all = [...new Set(names.map(([, name]) => name as string))];
    expect(all.length).toBeGreaterThanOrEqual(least);
    expect(all.filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
  }
});

const list = (folder: string, ...names: readonly string[]): Programs =>
  programsAt(names.map((name) => `${folder}/${name}`));

const handed = list('own', 'handed-to-ws-code.mts');

/** Programs by the kind of their modules. `programs/` are for ws; `own/` has what ws does not have. */
const programs = {
  esm: {
    ...list('programs', 'client.mts', 'events.mts', 'every-name.mts', 'mistakes.mts', 'server.mts'),
    ...list('own', 'beyond-ws.mts', 'goods.mts', 'subpaths.mts'),
    ...handed,
  },
  /** Not for node10, which takes the types for require(). */
  named: list('own', 'esm-only.mts'),
  commonjs: {
    ...list('programs', 'import-equals.cts', 'named-imports.cts', 'require.cjs'),
    ...list('own', 'subpaths.cts'),
    ...asCommonJs(handed),
  },
};
const all: Programs = { ...programs.esm, ...programs.named, ...programs.commonjs };

/** For the programs of own/, the name ws has its own types: they hand objects of goodwire to code that is typed for ws. */
const packages: Packages = {
  ...node,
  ...alias,
  ...goodwire,
  'own/node_modules/@types/ws': ws['@types/ws']!,
};

interface Mode {
  readonly title: string;
  readonly programs: Programs;
  readonly options: CompilerOptions;
  readonly compilers: readonly Compiler[];
}

const before7 = compilers.filter((version) => version !== 'newest');

/** Ways in which TypeScript resolves a package. node10 is older than package exports; TypeScript 7 has removed it. */
const modes: readonly Mode[] = [
  { title: 'node16', programs: all, options: { module: 'node16' }, compilers },
  { title: 'nodenext', programs: all, options: { module: 'nodenext' }, compilers },
  {
    title: 'bundler',
    programs: { ...programs.esm, ...programs.named },
    options: { module: 'esnext', moduleResolution: 'bundler' },
    compilers,
  },
  {
    title: 'node10, ES modules',
    programs: programs.esm,
    options: { module: 'esnext', moduleResolution: 'node10', esModuleInterop: true },
    compilers: before7,
  },
  {
    title: 'node10, CommonJS',
    programs: programs.commonjs,
    options: { module: 'commonjs', moduleResolution: 'node10' },
    compilers: before7,
  },
];

const withDom = { lib: ['es2023', 'dom'] };
const lax = { exactOptionalPropertyTypes: false };
const read = { skipLibCheck: true };
/** Each compiler has all of these, each in another mode. With `read` the declarations are read, otherwise also checked. */
const variants: readonly { title: string; options: CompilerOptions }[] = [
  { title: 'checked, without the DOM', options: {} },
  { title: 'read, with the DOM, inexact optional properties', options: { ...read, ...withDom, ...lax } },
  { title: 'checked, with the DOM, inexact optional properties', options: { ...withDom, ...lax } },
  { title: 'read, without the DOM', options: read },
];

const rows = compilers.flatMap((compiler, i) =>
  modes
    .filter((mode) => mode.compilers.includes(compiler))
    .map((mode, j) => ({ compiler, mode, variant: variants[(i + j) % variants.length]! })),
);

describe.concurrent('goodwire installed in the place of ws, and under its own name', () => {
  test.each(rows)('TypeScript $compiler, $mode.title, $variant.title', async ({ compiler, mode, variant }) => {
    const options = { ...mode.options, ...variant.options };
    expect(await compile(mode.programs, packages, options, compiler)).toBe('');
  });

  test.each(compilers)('TypeScript %s, for browsers: without the types of Node.js', async (compiler) => {
    const resolution = { module: 'esnext', moduleResolution: 'bundler', customConditions: ['browser'] };
    const options = { ...resolution, types: [], lib: ['es2022', 'dom', 'dom.iterable'] };
    expect(await compile(list('own', 'browser.mts'), goodwire, options, compiler)).toBe('');
  });

  test.each(compilers.filter((version) => version !== '5.0'))('TypeScript %s, await using', async (compiler) => {
    expect(await compile(list('own', 'disposal.mts'), { ...node, ...goodwire }, {}, compiler)).toBe('');
  });

  const declarations = compilers.flatMap((compiler) => [
    { compiler, title: 'without the DOM', options: lax },
    { compiler, title: 'with the DOM', options: withDom },
  ]);

  test.each(declarations)('TypeScript $compiler, every declaration, $title', async ({ compiler, options }) => {
    const files = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' });
    const modules = files
      .filter((file) => /\.d\.c?ts$/.test(file))
      .map((file) => file.replace(/\.d\.(c?)ts$/, '.$1js'));
    expect(modules.length).toBeGreaterThan(100);
    const importing = modules.map((file) => `import '${root}/dist/${file}';`).join('\n');
    expect(await compile({ 'all.mts': importing }, node, options, compiler)).toBe('');
  });
});

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
/** The repository. */
export const root = join(here, '..', '..');
const modules = join(root, 'node_modules');

/** Versions of TypeScript that the declarations are for: the oldest, two between, and the newest. */
export const compilers = ['5.0', '5.4', '5.9', 'newest'] as const;
export type Compiler = (typeof compilers)[number];

/** Packages that are installed in a project: the name, or a path through node_modules, and the folder of the package. */
export type Packages = Readonly<Record<string, string>>;

/** @types/node, which every project needs. */
export const node: Packages = { '@types/node': join(modules, '@types', 'node') };
/** @types/ws: the types for `import … from 'ws'`. */
export const ws: Packages = { '@types/ws': join(modules, '@types', 'ws') };
/** goodwire under its name. */
export const goodwire: Packages = { goodwire: root };
/** goodwire in the place of ws. */
export const alias: Packages = { ws: root };

/** Options of a strict project for Node.js that uses ws. */
export const strict: CompilerOptions = {
  target: 'es2022',
  lib: ['es2023'],
  types: ['node'],
  module: 'nodenext',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  // The libraries of TypeScript are not checked, which takes half of the time; all other declarations are.
  skipLibCheck: false,
  skipDefaultLibCheck: true,
  allowJs: true,
  checkJs: true,
  noEmit: true,
};

export type CompilerOptions = Readonly<Record<string, string | boolean | readonly string[]>>;

/** Creates a project in which packages are installed. The caller removes it. */
export function createProject(packages: Packages): string {
  if (!existsSync(join(root, 'dist', 'index.d.ts')))
    throw new Error('dist/ is missing: run npm run build, or npm test');
  const project = mkdtempSync(join(tmpdir(), 'goodwire-types-'));
  for (const [name, target] of Object.entries(packages)) {
    const link = join(project, name.includes('node_modules') ? '' : 'node_modules', name);
    mkdirSync(join(link, '..'), { recursive: true });
    symlinkSync(target, link);
  }
  return project;
}

/** Programs of a project: their texts by file name. */
export type Programs = Readonly<Record<string, string>>;

/** Reads programs of this folder by their paths, which they keep. */
export const programsAt = (paths: readonly string[]): Programs =>
  Object.fromEntries(paths.map((path) => [path, readFileSync(join(here, path), 'utf8')]));

/** Returns the programs as CommonJS modules. */
export const asCommonJs = (programs: Programs): Programs =>
  Object.fromEntries(Object.entries(programs).map(([name, text]) => [name.replace(/\.mts$/, '.cts'), text]));

/** Compiles programs as a project in which packages are installed. Returns the complaints of tsc; empty if there are none. */
export async function compile(
  programs: Programs,
  packages: Packages,
  options: CompilerOptions = {},
  compiler: Compiler = 'newest',
): Promise<string> {
  const project = createProject(packages);
  try {
    for (const [name, text] of Object.entries(programs)) {
      mkdirSync(join(project, name, '..'), { recursive: true });
      writeFileSync(join(project, name), text);
    }
    const configuration = { compilerOptions: { ...strict, ...options } };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(configuration));
    return await tsc(compiler, ['-p', project, '--pretty', 'false']);
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

/** Runs tsc to its end. Returns its output; a failure without a word is not taken for success. */
async function tsc(compiler: Compiler, args: readonly string[]): Promise<string> {
  const folder = compiler === 'newest' ? 'typescript' : `typescript-${compiler}`;
  const child = spawn(process.execPath, [join(modules, folder, 'bin', 'tsc'), ...args]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve(output || (status === 0 ? '' : `tsc ended with ${status}`)));
  });
}

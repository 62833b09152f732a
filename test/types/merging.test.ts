import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { alias, compile, compilers, goodwire, node, programsAt, ws } from './compile.ts';

const folder = join(import.meta.dirname, 'merging');
const shared = ['heartbeat.mts', 'heartbeat.cts'];

/** types.test.ts checks the declarations. */
const quick = { skipLibCheck: true };

/** Returns a program with the package under the name goodwire. */
const renamed = (name: string): string => {
  const text = readFileSync(join(folder, name), 'utf8');
  expect(text).toContain("declare module 'ws'");
  return text.replaceAll("'ws'", "'goodwire'");
};

describe.concurrent('own fields that a program merges into the types', () => {
  test.each(shared)('%s compiles against @types/ws, so that it is a program for ws', async (name) => {
    expect(await compile(programsAt([`merging/${name}`]), { ...node, ...ws }, quick)).toBe('');
  });

  const programs = [['heartbeat.mts'], ['heartbeat.cts', 'classic-sockets.cts']];

  test.each(compilers.flatMap((compiler) => programs.map((files) => ({ compiler, files }))))(
    'TypeScript $compiler, $files: declare module "ws", with goodwire in its place',
    async ({ compiler, files }) => {
      const paths = files.map((name) => `merging/${name}`);
      expect(await compile(programsAt(paths), { ...node, ...alias }, quick, compiler)).toBe('');
    },
  );

  test.each(programs)('%s: declare module "goodwire"', async (...files) => {
    const texts = Object.fromEntries(files.map((name) => [name, renamed(name)]));
    expect(await compile(texts, { ...node, ...goodwire }, quick)).toBe('');
  });
});

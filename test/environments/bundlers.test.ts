import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { folder, linesOf, project } from './run.ts';
import scenario from './scenario.cjs';

const node = process.execPath;
const { talked, traded } = scenario;
const refusal = 'goodwire: WebSocketServer requires Node.js and does not work in a browser';

/** Bundles an entry of the folder bundles/, and returns the path of the bundle. */
async function bundle(bundler: string, entry: string, extension: string): Promise<string> {
  const output = join(folder(), `bundle${extension}`);
  expect(await linesOf(node, ['bundles/build.cjs', bundler, `bundles/${entry}`, output])).toEqual(['']);
  return output;
}

describe.each([
  ['webpack4', 'web.cjs', refusal],
  ['webpack4', 'web.js', refusal],
  ['webpack5', 'web.cjs', 'the class alone'],
  ['webpack5', 'web.js', refusal],
  ['browserify', 'web.cjs', refusal],
  ['metro', 'web.cjs', refusal],
  ['metro-without-exports', 'web.cjs', refusal],
])('%s, %s', (bundler, entry, names) => {
  test("bundles the platform's class and a client of goods, which work", async () => {
    const output = await bundle(bundler, entry, '.js');
    // Nothing of Node came with it.
    expect(/\b(?:require|from)\b\s*\(?['"]node:/.test(readFileSync(output, 'utf8'))).toBe(false);
    expect(await linesOf(node, ['programs/web-bundle.mjs', output])).toEqual(['true 1', names, traded]);
  });
});

describe.each([
  ['esbuild', '.mjs'],
  ['rollup', '.mjs'],
  ['webpack5-for-node', '.cjs'],
])('%s, for Node', (bundler, extension) => {
  test('gives one class to all who import and require, and it works', async () => {
    const output = await bundle(bundler, 'node.mjs', extension);
    expect(await linesOf(node, [output], folder())).toEqual(['one class each', talked, traded]);
  });
});

test('the project has the goodwire under test', () => {
  expect(JSON.parse(readFileSync(join(project, 'node_modules/goodwire/package.json'), 'utf8'))).toMatchObject({
    name: 'goodwire',
  });
});

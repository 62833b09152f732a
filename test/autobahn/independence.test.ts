import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf } from '../support/imports-of.ts';

const root = join(import.meta.dirname, '..', '..');

/** Returns every import of the TypeScript files in a folder, as [file, target from the root or name of a module]. */
function importsBelow(folder: string): [file: string, target: string][] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
    .filter((path) => /\.c?ts$/.test(path));
  return files.flatMap((file) => {
    return importsOf(readFileSync(join(root, file), 'utf8')).map((specifier): [string, string] => {
      return [file, specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : specifier];
    });
  });
}

test('the test program shares no code with goodwire: it imports only its own files and Node', () => {
  const imports = importsBelow('autobahn');
  expect(imports.length).toBeGreaterThan(50);
  expect(imports.filter(([, target]) => !target.startsWith('autobahn/') && !target.startsWith('node:'))).toEqual([]);
});

test('the library does not import the test program', () => {
  expect(importsBelow('src').filter(([, target]) => /autobahn/.test(target))).toEqual([]);
});

test('the test program uses no module of Node for WebSocket or HTTP', () => {
  const builtins = new Set(importsBelow('autobahn').map(([, target]) => target));
  for (const name of ['node:http', 'node:https', 'node:http2', 'node:undici', 'node:module']) {
    expect(builtins).not.toContain(name);
  }
});

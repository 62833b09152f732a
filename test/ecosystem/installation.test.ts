import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import WebSocket, * as exported from 'ws';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const here = import.meta.dirname;
const require = createRequire(import.meta.url);

const readManifest = (directory: string): Manifest =>
  JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;

/** scripts/test-ecosystem.js installs goodwire from a tarball, or ws from the registry. */
const isAliased = readManifest(here).dependencies?.ws?.startsWith('file:') === true;
const expected = isAliased ? 'goodwire' : 'ws';

/** Yields the directories of all packages in a node_modules, including nested ones. */
function* packagesBelow(modules: string): Generator<string> {
  if (!existsSync(modules)) return;
  for (const entry of readdirSync(modules, { withFileTypes: true })) {
    // Links are skipped: they lead to the test runner, which has its own modules.
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    const directory = join(modules, entry.name);
    if (entry.name.startsWith('@')) yield* packagesBelow(directory);
    else {
      if (existsSync(join(directory, 'package.json'))) yield directory;
      yield* packagesBelow(join(directory, 'node_modules'));
    }
  }
}

const packages = [...packagesBelow(join(here, 'node_modules'))].map((directory) => ({
  directory,
  manifest: readManifest(directory),
}));

const users = packages.filter(({ manifest }) =>
  [manifest.dependencies, manifest.peerDependencies, manifest.optionalDependencies].some((list) => list?.ws),
);

test('the tree contains one implementation of WebSocket under the name ws, and no other copy', () => {
  const named = packages.filter(({ directory }) => directory.endsWith(join('node_modules', 'ws')));
  expect(named.map(({ manifest }) => manifest.name)).toEqual([expected]);
  const real = packages.filter(({ manifest }) => manifest.name === 'ws');
  expect(real).toHaveLength(isAliased ? 0 : 1);
});

test('packages that require ws of four major versions are among those tested', () => {
  const names = users.map(({ manifest }) => manifest.name);
  expect(names).toEqual(
    expect.arrayContaining([
      '@fastify/websocket',
      '@hocuspocus/provider',
      '@hocuspocus/server',
      'chrome-remote-interface',
      'engine.io',
      'engine.io-client',
      'ethers',
      'express-ws',
      'graphql-ws',
      'isomorphic-ws',
      'jsdom',
      'mqtt',
      'puppeteer-core',
      'socket.io-adapter',
      'y-websocket',
    ]),
  );
});

test.each(users.map(({ manifest, directory }) => [manifest.name, directory]))('%s gets it', (_name, directory) => {
  const resolved = createRequire(join(directory as string, 'package.json')).resolve('ws/package.json');
  expect((require(resolved) as Manifest).name).toBe(expected);
});

test('import and require return the same class', () => {
  const required = require('ws') as Record<string, unknown>;
  expect(required).toBe(WebSocket);
  expect(exported.WebSocketServer).toBe(required.WebSocketServer);
  expect(exported.createWebSocketStream).toBe(required.createWebSocketStream);
});

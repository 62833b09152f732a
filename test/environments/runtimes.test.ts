import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { linesOf } from './run.ts';
import scenario from './scenario.cjs';

const { talked, traded } = scenario;
const require = createRequire(import.meta.url);

/** Packages that carry a runtime, of which npm has installed the one for this machine. */
const packages = {
  bun: { arm64: '@oven/bun-linux-aarch64/bin/bun', x64: '@oven/bun-linux-x64/bin/bun' },
  deno: { arm64: '@deno/linux-arm64-glibc/deno', x64: '@deno/linux-x64-glibc/deno' },
} as const;

/** Returns the path of a runtime's executable. */
function executable(runtime: keyof typeof packages): string {
  const [scope, name, ...path] = packages[runtime][process.arch as 'x64'].split('/');
  return join(dirname(require.resolve(`${scope}/${name}/package.json`)), ...path);
}

const own = [`goodwire to goodwire: ${talked}`, 'stream: through a stream', `market: ${traded}`];
const platforms = [`platform to goodwire: ${talked}`, `market for the platform: ${traded}`];
const served = `goodwire to platform: ${talked}`;

describe.each([
  [
    'Node.js',
    process.execPath,
    [],
    [...own, ...(globalThis.WebSocket === undefined ? [] : platforms), 'end'],
    'goodwire',
  ],
  ['Bun', executable('bun'), [], [...own, ...platforms, served, 'end'], 'the runtime'],
  ['Deno', executable('deno'), ['run', '--allow-all', '--quiet'], [...own, ...platforms, served, 'end'], 'goodwire'],
])('%s', (_title, command, args, lines, ws) => {
  test('runs servers, clients, streams and markets, against itself and against its own WebSocket', async () => {
    expect(existsSync(command)).toBe(true);
    expect(await linesOf(command, [...args, 'programs/everything.mjs'])).toEqual(lines);
  });

  test(`takes the ws of ${ws} if goodwire is installed under that name`, async () => {
    expect(await linesOf(command, [...args, 'programs/whose-ws.mjs'])).toEqual([`${ws} ${ws}`]);
  });
});

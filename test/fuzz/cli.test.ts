import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { main } from '../../fuzz/main.ts';

/** Returns the output of the command line, and its exit status. */
async function run(...args: string[]): Promise<{ text: string; status: number }> {
  const lines: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  try {
    const status = await main(args);
    return { text: lines.join('\n'), status };
  } finally {
    log.mockRestore();
  }
}

describe('npm run fuzz', () => {
  test('compiles itself, and prints its seed, and the number, speed and kinds of executions', () => {
    const program = join(import.meta.dirname, '..', '..', 'fuzz', 'run.js');
    const args = [program, '--runs', '128', '--seed', '3', '--target', 'close', '--target', 'response'];
    const { stdout, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stdout).toMatch(/^seed 3$/m);
    for (const name of ['close', 'response']) {
      const line = `^✓ ${name}: \\d+ executions in [\\d.]+ s, [\\d ]+/s, \\d+ kinds of outcome$`;
      expect(stdout).toMatch(new RegExp(line, 'm'));
    }
    expect(status).toBe(0);
  });

  test('uses a random seed by default, and accepts fractions of minutes', async () => {
    const seeds = [
      await run('--minutes', '0.0001', '--target', 'close'),
      await run('--minutes', '0.0001', '--target', 'close'),
    ];
    expect(seeds.map(({ status }) => status)).toEqual([0, 0]);
    const numbers = seeds.map(({ text }) => /^seed (\d+)$/m.exec(text)?.[1]);
    expect(new Set(numbers).size).toBe(2);
  });

  test.each([
    ['--target', 'nothing'],
    ['--minutes', '0'],
    ['--seed', 'x'],
    ['--unknown', 'y'],
    ['--runs', '-1'],
  ])('prints its usage for %s %s', async (...args) => {
    const { text, status } = await run(...args);
    expect(text).toMatch(/--minutes {2}.*[\s\S]*^ {2}frame +FrameDecoder/m);
    expect(status).toBe(2);
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mutants } from '../../fuzz/mutants/list.ts';

const root = new URL('../../', import.meta.url);
const files = readdirSync(new URL('test/', root), { recursive: true, encoding: 'utf8' });

describe('the faults of npm run mutants', () => {
  it('number at least thirty, in every folder above the I/O line and in those below it', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(30);
    const folders = new Set(mutants.map(({ file }) => file.split('/')[0]));
    for (const folder of ['frame', 'extension', 'message', 'handshake', 'connection', 'transport', 'client', 'server'])
      expect(folders).toContain(folder);
  });

  it.each(mutants)('can be put into $file: $fault', ({ file, from, to, tests }) => {
    expect(readFileSync(new URL(`src/${file}`, root), 'utf8').split(from)).toHaveLength(2);
    expect(to).not.toBe(from);
    for (const path of tests) expect(files.some((file) => file.startsWith(path))).toBe(true);
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as protocol from '../../src/protocol.ts';
import { start } from '../support/program.ts';

const guide = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');

describe('docs/protocol.md', () => {
  test('lists the violations as their table has them', () => {
    const rows = [...guide.matchAll(/^\| `(WS_ERR_\w+)` \| (\d+) \| (.*?) \| (.*) \|$/gm)].map(([, ...cells]) => cells);
    const table = Object.entries(protocol.violations);
    expect(rows).toEqual(
      table.map(([code, { closeCode, section, expected }]) => [code, `${closeCode}`, section, expected]),
    );
  });

  test('names everything that goodwire/protocol exports, and nothing that it does not', () => {
    const parts = guide.slice(guide.indexOf('## The parts'));
    const named = [...parts.matchAll(/`(\w+)`/g)].map((match) => match[1] as string);
    const types = ['FrameSink'];
    expect(named.filter((name) => !types.includes(name)).sort()).toEqual(Object.keys(protocol).sort());
  });

  test('has snippets that do what they say', async () => {
    const snippets = [...guide.matchAll(/^```js\n(.*?)^```$/gms)].map((match) => match[1] as string);
    const outputs = [
      '<Buffer 81 05 48 65 6c 6c 6f>\n',
      '1000\n',
      'one\ntwo\n',
      'HTTP/1.1 101 Switching Protocols superchat\nsuperchat\n',
      'true\n2200\n',
    ];
    expect(snippets).toHaveLength(outputs.length);
    const exits = await Promise.all(snippets.map((code) => start('--input-type=module', {}, ['-e', code]).exit));
    expect(exits.map(({ stderr }) => stderr)).toEqual(outputs.map(() => ''));
    expect(exits.map(({ stdout }) => stdout)).toEqual(outputs);
  });
});

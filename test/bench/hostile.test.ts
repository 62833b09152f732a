import { createHook } from 'node:async_hooks';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { forms } from '../../bench/hostile/forms.js';
import { noTakeover, takeover } from '../support/deflating.ts';
import { until } from '../support/until.ts';
import { idle, serverEnd } from '../transport/compressing.ts';

const document = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'security.md'), 'utf8');
const section = document.split('## CPU per hostile byte')[1]?.split('\n## ')[0] ?? '';
/** Rows of the table: the title, the costs and the ratio. */
const rows = section
  .split('\n')
  .filter((line) => /^\| .* \| [\d .]+ \| [\d .]+ \| [\d.]+( †)? \|$/.test(line))
  .map((line) => line.slice(2, -2).split(' | '));

describe('the table of docs/security.md', () => {
  test('has a row for each form of the bench, in order, and no other', () => {
    expect(rows.map(([title]) => title)).toEqual(forms.map(({ title }) => title));
  });

  test('has no form that costs more than ten times what it costs ws, unless ws loses the data', () => {
    const ratios = rows.filter(([, , , ratio = '']) => !ratio.endsWith('†')).map(([, , , ratio]) => Number(ratio));
    expect(ratios.length).toBeGreaterThan(30);
    expect(Math.max(...ratios)).toBeLessThan(10);
    const lost = rows.filter(([, , , ratio = '']) => ratio.endsWith('†')).map(([title]) => title);
    expect(lost).toEqual(forms.filter(({ isLost }) => isLost).map(({ title }) => title));
  });

  test('has no form beside ws losing data that costs more than ten times the plain bomb costs ws', () => {
    const cost = (text = '') => Number(text.replaceAll(' ', ''));
    const lost = rows.filter(([, , , ratio = '']) => ratio.endsWith('†')).map(([, ours]) => cost(ours));
    expect(Math.max(...lost)).toBeLessThan(10 * cost(rows[0]?.[2]));
  });
});

describe('hostile input', () => {
  /** States of zlib that were made since the hook was enabled. */
  let states = 0;
  const hook = createHook({
    init(_, type) {
      if (type === 'ZLIB') states++;
    },
  });

  /** Octets of a ping, which is answered when everything before it has been read. */
  const ping = Buffer.from('898100000000' + '21', 'hex');

  test.each(forms)(
    'makes few states of zlib for each message: $id',
    async ({ octets, context, ends = false, windowBits }) => {
      await idle();
      const deflate = {
        ...(context === 'takeover' ? takeover : noTakeover),
        ...(windowBits !== undefined && { clientMaxWindowBits: windowBits }),
      };
      const { stream, socket } = serverEnd({ deflate, perMessageDeflate: { concurrencyLimit: 10 } });
      let messages = 0;
      let isDone = false;
      socket.on('message', () => {
        messages++;
      });
      socket.on('error', () => {
        isDone = true;
      });
      states = 0;
      hook.enable();
      try {
        stream.push(octets());
        stream.push(ping);
        await until(() => isDone || stream.written.some((chunk) => chunk.includes('\x8a\x01!', 0, 'latin1')));
      } finally {
        hook.disable();
      }
      socket.terminate();
      expect(messages).toBeGreaterThan(ends ? -1 : 0);
      // A message of 66 KiB pieces has a state for each of them, as each takes as long to inflate as a state to make.
      const pieces = Math.ceil(octets().length / 75);
      expect(states).toBeLessThanOrEqual(5 + Math.max(3 * messages, pieces));
    },
  );
});

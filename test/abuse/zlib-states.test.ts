import { createHook } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { noTakeover, takeover } from '../support/deflating.ts';
import { until } from '../support/until.ts';
import { idle, serverEnd } from '../transport/compressing.ts';

/** The fields of a form that this test needs: `bench/hostile/forms.js` has the others. */
interface Form {
  readonly id: string;
  readonly context?: 'none' | 'takeover';
  readonly windowBits?: number;
  readonly ends?: boolean;
  octets(): Buffer;
}

// JavaScript, whose types belong to another project of TypeScript.
const path = new URL('../../bench/hostile/forms.js', import.meta.url).href;
const { forms } = (await import(path)) as { forms: readonly Form[] };

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

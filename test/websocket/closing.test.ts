import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { closed, record } from '../support/life.ts';
import { memoryPair } from '../support/peers.ts';

describe('what ws does not promise', () => {
  test('nothing is delivered after terminate(), not even what had arrived', async () => {
    const { client, served } = memoryPair();
    const log = record(served);
    served.pause();
    client.send('held back');
    await immediate();
    served.terminate();
    await closed(served);
    expect(log).toEqual(['close 1006  [3]']);
    client.terminate();
  });

  test('terminate() in a listener of ping or pong stops the messages behind it', async () => {
    for (const kind of ['ping', 'pong'] as const) {
      const { client, served } = memoryPair();
      const message = vi.fn();
      served.on('message', message);
      served.on(kind, () => served.terminate());
      client[kind]();
      client.send('behind');
      await closed(served);
      expect(message).not.toHaveBeenCalled();
    }
  });
});

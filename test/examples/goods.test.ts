import { describe, expect, test } from 'vitest';
import { start } from '../support/program.ts';

/** Returns the output of an example, line by line, after it has ended successfully. */
async function run(example: string): Promise<string[]> {
  const { code, stdout, stderr } = await start(`examples/${example}`).exit;
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return stdout.trimEnd().split('\n');
}

describe('examples/fruit-market.js', () => {
  test('prints the shelf, prices by currency, encoded once for each, and a resume after a lost connection', async () => {
    expect(await run('fruit-market.js')).toEqual([
      'on the shelf: fruit/apple, fruit/pear',
      'XXX is refused: bad-params',
      'first: #1 fuji at 8 CNY',
      'second: #1 fuji at 1 EUR',
      'third: #1 fuji at 1 EUR',
      'encoded 2 times, delivered 3 times',
      'second, connected again: #2 gala at 2 EUR',
      'second, connected again: #3 fuji at 1.5 EUR',
      'the first is subscribed to fruit/apple {"currency":"CNY"}',
      'subscriptions after unsubscribing: 0',
    ]);
  });
});

describe('examples/chat-room.js', () => {
  test('delivers messages to the members of a room, gives the latest to new members, and refuses unauthorized ones', async () => {
    expect(await run('chat-room.js')).toEqual([
      'alice hears alice: anybody here?',
      'alice hears alice: hello?',
      'bob hears alice: anybody here?',
      'bob hears alice: hello?',
      'bob hears bob: I am',
      'alice hears bob: I am',
      'the guest is refused: forbidden',
      'bob is refused: bad-item',
    ]);
  });
});

describe('examples/stock-ticker.js', () => {
  test('delivers every price to a fast reader, and the latest to a slow one', async () => {
    const [fast, ...slow] = await run('stock-ticker.js');
    expect(fast).toBe('fast: 200 prices, the last one is 200');
    // The buffer size of the kernel differs between machines.
    expect(slow.at(-2)).toMatch(/^slow: offsets \d+ to 199 were conflated, then came 200$/);
    expect(slow.at(-1)).toBe('slow: skipped some prices, the last one is 200');
  });
});

describe('examples/remote-provider.js', () => {
  test('runs a sensor over its own WebSocket only while there are subscribers', async () => {
    expect(await run('remote-provider.js')).toEqual([
      'the display is refused: forbidden',
      'sensor: started, because there is a subscriber',
      'display: sensors/kitchen #1 21 °C',
      'display: sensors/kitchen #2 22 °C',
      'display: sensors/kitchen #3 23 °C',
      'sensor: stopped, because there is no subscriber',
    ]);
  });
});

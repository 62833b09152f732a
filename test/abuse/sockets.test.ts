import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { attack, leftovers, type Report } from '../../fuzz/hostile/sockets.ts';

const clean: Report = {
  opened: 100,
  closed: 100,
  closedAgain: 0,
  afterClose: 0,
  clients: 0,
  resources: { TCPServerWrap: 1, Timeout: 1 },
  heapUsed: 10_000_000,
  arrayBuffers: 1_000_000,
  uncaught: [],
};

describe('over TCP', () => {
  test('hostile peers and hostile servers leave nothing behind, and good clients are still served', async () => {
    const seed = randomInt(2 ** 31);
    const rounds: string[] = [];
    const found = await attack({
      seed,
      size: 1,
      peers: 4,
      goesOn: (round) => round <= 1,
      onRound: (text) => rounds.push(text),
    });
    expect(found, `seed ${seed}: ${rounds.join('; ')}`).toEqual([]);
    expect(rounds).toHaveLength(2);
  });
});

describe('leftovers()', () => {
  test('returns nothing if nothing is left, or less than before', () => {
    expect(leftovers(clean, clean)).toEqual([]);
    expect(leftovers(clean, { ...clean, heapUsed: 5_000_000, resources: { TCPServerWrap: 1 } })).toEqual([]);
  });

  test.each<[string, Partial<Report>]>([
    ['1 sockets are still open', { clients: 1 }],
    ['100 sockets were opened, but 99 emitted close', { closed: 99 }],
    ['1 sockets closed more than once', { closedAgain: 1 }],
    ['2 events were emitted after close', { afterClose: 2 }],
    ['2 of Timeout are left; 1 before', { resources: { TCPServerWrap: 1, Timeout: 2 } }],
    ['1 of TCPSocketWrap are left; 0 before', { resources: { TCPSocketWrap: 1 } }],
    ['the heap has grown from 10000000 to 20000000 bytes', { heapUsed: 20_000_000 }],
    ['buffers have grown from 1000000 to 20000000 bytes', { arrayBuffers: 20_000_000 }],
    ['uncaught: Error: x', { uncaught: ['Error: x'] }],
  ])('finds that %s', (text, change) => {
    expect(leftovers(clean, { ...clean, ...change })).toEqual([text]);
  });
});

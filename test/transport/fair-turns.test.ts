import { AsyncLocalStorage } from 'node:async_hooks';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FairTurns, firstFrames, maxFrames, type Reading } from '../../src/transport/fair-turns.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { eventually } from '../support/until.ts';

/** Turns with a clock that moves only when a frame is processed. */
function fakeTurns() {
  const platform = {
    time: 0,
    flushes: 0,
    ends: [] as (() => void)[],
    now: () => platform.time,
    atEndOfTurn: (callback: () => void) => {
      platform.ends.push(callback);
    },
    flush: () => {
      platform.flushes++;
    },
  };
  return { platform, turns: new FairTurns(platform) };
}

type Fake = ReturnType<typeof fakeTurns>;

/** A connection with a backlog of frames of equal cost, in milliseconds. */
class Peer implements Reading {
  turn = 0;
  chunks = 0;
  frames = 0;
  isWaiting = false;
  /** Number of frames that were processed in each slice or chunk. */
  readonly slices: number[] = [];
  readonly #fake: Fake;
  readonly #cost: number;

  constructor(fake: Fake, cost: number) {
    this.#fake = fake;
    this.#cost = cost;
  }

  /** Receives a chunk, as Transport does. */
  receive(frames: number): void {
    this.frames += frames;
    if (this.isWaiting) return;
    if (this.#fake.turns.mayRead(this)) this.#process();
    else this.#wait();
  }

  #wait(): void {
    this.isWaiting = true;
    this.#fake.turns.wait(() => {
      this.isWaiting = false;
      expect(this.#fake.turns.mayRead(this)).toBe(true);
      this.#process();
    });
  }

  /** Processes frames, as Connection does. */
  #process(): void {
    let done = 0;
    let left = firstFrames;
    while (this.frames > 0) {
      this.frames--;
      done++;
      this.#fake.platform.time += this.#cost;
      if (--left === 0) {
        left = this.#fake.turns.moreFrames();
        if (left === 0) break;
      }
    }
    this.slices.push(done);
    if (this.frames > 0) this.#wait();
  }
}

/** Ends the turn. Returns false if nobody awaits its end. */
function endTurn({ platform }: Fake): boolean {
  const ends = platform.ends.splice(0);
  expect(ends.length).toBeLessThanOrEqual(1);
  for (const end of ends) end();
  return ends.length > 0;
}

describe('a connection that is alone', () => {
  test.each([
    ['63 frames, if it has no more, without awaiting the end of the turn', 63, 0.001, [63], 0],
    ['all frames of a chunk that take less than 5 ms', 4900, 0.001, [4900], 1],
    ['5 ms of a chunk that takes longer, and then slices of 1 ms', 8000, 0.001, [5056, 1024, 1024, 896], 4],
    ['few frames that take long', 100, 0.5, [32, 32, 32, 4], 5],
  ])('processes %s', (_, frames, cost, slices, ends) => {
    const fake = fakeTurns();
    const peer = new Peer(fake, cost);
    peer.receive(frames);
    let turns = 0;
    while (endTurn(fake)) turns++;
    expect(peer.slices).toEqual(slices);
    expect(peer.frames).toBe(0);
    expect(turns).toBeLessThanOrEqual(ends);
  });

  test('reads 8 chunks of a turn unmeasured, and then chunks for 1 ms and the shared 5 ms', () => {
    const fake = fakeTurns();
    const peer = new Peer(fake, 0.05);
    // 0.3 ms for each chunk
    for (let chunk = 0; chunk < 40; chunk++) peer.receive(6);
    expect(peer.slices).toEqual(Array(8 + 20).fill(6));
    expect(peer.frames).toBe(12 * 6);
    // The connection is measured from the first chunk on in the next turn.
    while (peer.isWaiting) endTurn(fake);
    const before = peer.slices.length;
    for (let chunk = 0; chunk < 40; chunk++) peer.receive(6);
    expect(peer.slices.length - before).toBe(20);
  });

  test('that reads one chunk in each turn is never made to wait, and few ends of turns are awaited', () => {
    const fake = fakeTurns();
    const peer = new Peer(fake, 0.9);
    let ends = 0;
    for (let turn = 0; turn < 1000; turn++) {
      peer.receive(1);
      if (endTurn(fake)) ends++;
    }
    expect(peer.slices).toEqual(Array(1000).fill(1));
    expect(ends).toBeLessThanOrEqual(1000 / 8);
  });
});

describe('connections with much to read', () => {
  test('get slices of 64 frames in turn while others wait', () => {
    const fake = fakeTurns();
    const peers = Array.from({ length: 10 }, () => new Peer(fake, 0.001));
    for (const peer of peers) peer.receive(10_000);
    endTurn(fake);
    for (const { slices } of peers) {
      for (const slice of slices.slice(1)) expect(slice).toBe(maxFrames);
    }
    const counts = peers.map(({ slices }) => slices.length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  test('process no more than 64 frames each before the end of the turn, once 5 ms are used up', () => {
    const fake = fakeTurns();
    const peers = Array.from({ length: 500 }, () => new Peer(fake, 0.01));
    for (const peer of peers) peer.receive(10_000);
    const first = peers.map(({ slices }) => slices[0]!);
    expect(first.filter((slice) => slice > maxFrames).length).toBeLessThan(20);
    expect(Math.min(...first)).toBe(maxFrames);
    // The slices of this turn get 1 ms, because these connections have used up the shared budget.
    const before = fake.platform.time;
    endTurn(fake);
    expect(fake.platform.time - before).toBeLessThan(1 + maxFrames * 0.01 * 2);
  });

  test('get everything done, in any number and at any cost, while no turn takes longer than its budgets and one slice', () => {
    const peer = fc.record({
      cost: fc.constantFrom(0.0005, 0.01, 0.2),
      chunks: fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 6 }),
    });
    fc.assert(
      fc.property(fc.array(peer, { minLength: 1, maxLength: 12 }), (given) => {
        const fake = fakeTurns();
        const peers = given.map(({ cost }) => new Peer(fake, cost));
        const total = given.map(({ chunks }) => chunks.reduce((sum, frames) => sum + frames, 0));
        // Between two checks at most as many frames are processed as before them, or 64.
        const slice = 1 + maxFrames * Math.max(...given.map(({ cost }) => cost));
        for (let turn = 0; ; turn++) {
          const before = fake.platform.time;
          peers.forEach((one, i) => {
            const frames = given[i]!.chunks[turn];
            // A stream is paused while its connection waits.
            if (frames !== undefined && !one.isWaiting) one.receive(frames);
            else if (frames !== undefined) one.frames += frames;
          });
          expect(fake.platform.time - before).toBeLessThanOrEqual(peers.length * slice + 5 + slice);
          const inEnd = fake.platform.time;
          const isOver = !endTurn(fake);
          expect(fake.platform.time - inEnd).toBeLessThanOrEqual(5 + slice);
          if (isOver && turn >= 6) break;
        }
        expect(peers.map(({ slices }) => slices.reduce((sum, frames) => sum + frames, 0))).toEqual(total);
      }),
      { numRuns: 40 },
    );
  });

  test('share 1 ms of a turn behind their first chunks, and the budget of all, if they are read by turns', () => {
    const fake = fakeTurns();
    const peers = Array.from({ length: 20 }, () => new Peer(fake, 0.01));
    for (let chunk = 0; chunk < 1000; chunk++) for (const peer of peers) peer.receive(1);
    // 9 chunks of each: 8 are not timed, and with the 9th its time begins.
    expect(fake.platform.time).toBeGreaterThan(20 * 9 * 0.01);
    expect(fake.platform.time).toBeLessThan(20 * 9 * 0.01 + 1 + 5 + 0.1);
    while (endTurn(fake));
    for (const { slices } of peers) expect(slices.reduce((sum, frames) => sum + frames, 0)).toBe(1000);
  });

  test('are served before any of them is served twice, over all turns', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0.001, 0.05, 1), { minLength: 2, maxLength: 10 }), (costs) => {
        const fake = fakeTurns();
        const peers = costs.map((cost) => new Peer(fake, cost));
        for (const peer of peers) peer.receive(2000);
        while (peers.every(({ isWaiting }) => isWaiting)) {
          const served = peers.map(({ slices }) => slices.length);
          expect(Math.max(...served) - Math.min(...served)).toBeLessThanOrEqual(1);
          endTurn(fake);
        }
      }),
    );
  });
});

describe('the end of a turn', () => {
  test('flushes the answers before and after the slices', () => {
    const fake = fakeTurns();
    fake.turns.wait(() => expect(fake.platform.flushes).toBe(1));
    endTurn(fake);
    expect(fake.platform.flushes).toBe(2);
  });

  test('calls back in the asynchronous context of the one that waits', () => {
    const fake = fakeTurns();
    const context = new AsyncLocalStorage<string>();
    const log: unknown[] = [];
    context.run('one', () => fake.turns.wait(() => log.push(context.getStore())));
    context.run('two', () => fake.turns.wait(() => log.push(context.getStore())));
    endTurn(fake);
    expect(log).toEqual(['one', 'two']);
  });

  test('serves the others if one throws, whose error is an uncaught exception', async () => {
    const fake = fakeTurns();
    using uncaught = captureUncaught();
    const log: string[] = [];
    fake.turns.wait(() => {
      throw new Error('of a listener');
    });
    fake.turns.wait(() => log.push('served'));
    endTurn(fake);
    expect(log).toEqual(['served']);
    await eventually(() => expect(uncaught.exceptions.map(({ message }) => message)).toEqual(['of a listener']));
  });

  test('may add to those who wait: they are served in later rounds', () => {
    const fake = fakeTurns();
    let served = 0;
    const again = () => {
      served++;
      fake.platform.time += 2;
      fake.turns.wait(again);
    };
    again();
    endTurn(fake);
    expect(served).toBe(4);
    endTurn(fake);
    expect(served).toBe(7);
  });
});

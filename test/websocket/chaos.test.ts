import { type Duplex, duplexPair } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { WebSocket } from '../../src/index.ts';
import { connectPair, implementations, listen } from '../support/peers.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { until } from '../support/until.ts';

/** Random numbers from 0 to below 1, the same ones for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed * 2_654_435_761 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

interface Observed {
  readonly log: string[];
  readonly states: number[];
  sent: number;
  called: number;
}

const oddBlob = () => Object.assign(new Blob(['odd']), { arrayBuffer: () => Promise.reject(new Error('unreadable')) });

/** Does something at random to a socket that an application or a fault might do at a bad moment. */
function act(random: () => number, socket: WebSocket, stream: Duplex | null, seen: Observed): void {
  const callback = () => {
    seen.called++;
  };
  const send = (data: Parameters<WebSocket['send']>[0]) => {
    seen.sent++;
    socket.send(data, callback);
  };
  const deeds: readonly [weight: number, deed: () => void][] = [
    [20, () => send('text'.repeat(random() * 20))],
    [10, () => send(Buffer.alloc(random() * 20_000, 1))],
    [3, () => send(Buffer.alloc(400_000))],
    [6, () => send(new Blob(['blob'.repeat(random() * 100)]))],
    [1, () => send(oddBlob())],
    [
      6,
      () => {
        seen.sent++;
        socket.ping('ping', undefined, callback);
      },
    ],
    [
      3,
      () => {
        seen.sent++;
        socket.pong(new Blob(['p']), undefined, callback);
      },
    ],
    [4, () => socket.pause()],
    [8, () => socket.resume()],
    [
      4,
      () => {
        socket.pause();
        setImmediate(() => socket.resume());
      },
    ],
    [2, () => socket.close(random() < 0.5 ? 1000 : undefined)],
    [1, () => socket.terminate()],
    [
      3,
      () => {
        throw new Error('chaos');
      },
    ],
    [1, () => stream?.destroy()],
    [1, () => stream?.destroy(new Error('broken'))],
    [1, () => stream?.write(Buffer.from([0xff, 0xff, 0xff]))],
    [1, () => stream?.end()],
    [1, () => process.nextTick(() => act(random, socket, stream, seen))],
    [
      1,
      () =>
        setImmediate(() => {
          try {
            act(random, socket, stream, seen);
          } catch {
            /* thrown on purpose */
          }
        }),
    ],
  ];
  let at = random() * deeds.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, deed] of deeds) {
    at -= weight;
    if (at < 0) {
      // Every method may be called on a socket that is open, closing or closed.
      if (socket.readyState !== 0) deed();
      return;
    }
  }
}

function observe(random: () => number, socket: WebSocket, stream: Duplex | null): Observed {
  const seen: Observed = { log: [], states: [socket.readyState], sent: 0, called: 0 };
  for (const name of ['message', 'ping', 'pong', 'error', 'close']) {
    socket.on(name, () => {
      seen.log.push(name);
      seen.states.push(socket.readyState);
      if (random() < 0.7) act(random, socket, stream, seen);
      seen.states.push(socket.readyState);
    });
  }
  return seen;
}

function check(seed: number, seen: Observed, mustCall: boolean): void {
  const label = `seed ${seed}: ${seen.log.join(' ')}`;
  expect(seen.log.filter((name) => name === 'close').length, label).toBe(1);
  expect(seen.log.at(-1), label).toBe('close');
  expect(seen.log.filter((name) => name === 'error').length, label).toBeLessThanOrEqual(1);
  expect([...seen.states].sort(), label).toEqual(seen.states);
  expect(seen.called, `${label}: callbacks`).toBeLessThanOrEqual(seen.sent);
  if (mustCall) expect(seen.called, `${label}: callbacks`).toBe(seen.sent);
}

async function run(seed: number, pairs: { sockets: WebSocket[]; streams: (Duplex | null)[] }): Promise<void> {
  const random = randomFrom(seed);
  const { sockets, streams } = pairs;
  // Added before the listeners that throw, which would keep this one from being called.
  const closed = sockets.map((socket) => new Promise((resolve) => socket.on('close', resolve)));
  const observed = sockets.map((socket, i) => observe(random, socket, streams[i]!));
  for (let round = 0; round < 12; round++) {
    const i = random() < 0.5 ? 0 : 1;
    for (let n = random() * 6; n > 0; n--) {
      try {
        act(random, sockets[i]!, streams[i]!, observed[i]!);
      } catch (error) {
        expect((error as Error).message).toBe('chaos');
      }
    }
    await immediate();
  }
  for (const socket of sockets) socket.terminate();
  // Otherwise a socket that never closes would end the test without the seed and the state that are needed to repeat it.
  const report = setTimeout(() => {
    const states = sockets.map(({ readyState, isPaused }, i) => ({ readyState, isPaused, log: observed[i]!.log }));
    console.error(`seed ${seed}: not closed after a minute`, states);
  }, 60_000);
  await Promise.all(closed);
  clearTimeout(report);
  // Waits for the callbacks of Blobs, and for what listeners have scheduled.
  const isAllCalled = () => observed.every(({ sent, called }) => sent === called);
  // A stream in memory may lose callbacks when its peer is destroyed. A TCP stream calls all of them.
  if (streams[0] === null) await until(isAllCalled);
  else for (let i = 0; i < 50 && !isAllCalled(); i++) await immediate();
  for (const seen of observed) check(seed, seen, streams[0] === null);
}

const promise =
  'each socket closes exactly once, nothing follows, at most one error comes, states only grow, and every callback is called once';

describe('whatever listeners, peers and faults do, at whatever moment', () => {
  test(`${promise}: on streams in memory`, async () => {
    using uncaught = captureUncaught();
    for (let seed = 1; seed <= 400; seed++) {
      const streams = duplexPair();
      const defer = seed % 3 === 0 ? { allowSynchronousEvents: false } : {};
      const sockets = streams.map((stream, i) => {
        const socket = new WebSocket(null, undefined, { isServer: i === 1, closeTimeout: 50 });
        socket.setSocket(stream, Buffer.alloc(0), defer);
        return socket;
      });
      await run(seed, { sockets, streams: [...streams] });
    }
    expect(uncaught.exceptions.filter(({ message }) => message !== 'chaos')).toEqual([]);
    expect(uncaught.rejections).toEqual([]);
  });

  test(`${promise}: over TCP`, async () => {
    using uncaught = captureUncaught();
    const { goodwire } = implementations;
    await using peers = await listen(goodwire, 'tcp', { closeTimeout: 50 });
    const streams: Duplex[] = [];
    peers.httpServer.on('connection', (socket: Duplex) => streams.push(socket));
    for (let seed = 1; seed <= 120; seed++) {
      const { client, served } = await connectPair(peers, goodwire, { closeTimeout: 50 });
      await run(seed, { sockets: [client, served], streams: [null, streams.at(-1)!] });
    }
    expect(uncaught.exceptions.filter(({ message }) => message !== 'chaos')).toEqual([]);
    expect(uncaught.rejections).toEqual([]);
  });
});

import { once } from 'node:events';
import { deflateRawSync, inflateRawSync, constants as zlib } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { deflateOnThreadPool, inflateOnThreadPool } from '../../src/transport/thread-pool-zlib.ts';
import { compressed, deflated } from '../support/deflating.ts';
import { sampleOctets } from '../support/octets.ts';
import { connectPair, implementations, listen, type Peers, rawClient } from '../support/peers.ts';
import { until } from '../support/until.ts';
import { idle } from './compressing.ts';

const { goodwire } = implementations;
const mebibyte = 1_048_576;
const limits = { maxLength: 100 * mebibyte, isText: false, maxFinalBlocks: 1024 };

/** Starts a job; resolves with its result. The name is logged when it is there. */
function inflate(octets: Buffer, log: string[] = [], name = '', concurrencyLimit = 1): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    inflateOnThreadPool(octets, { windowBits: 15 }, limits, concurrencyLimit, (error, data) => {
      log.push(name);
      if (data === undefined) reject(error);
      else resolve(data);
    });
  });
}

function deflate(octets: Buffer, log: string[] = [], name = '', concurrencyLimit = 1): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    deflateOnThreadPool(octets, { windowBits: 15 }, concurrencyLimit, (error, data) => {
      log.push(name);
      if (data === undefined) reject(error);
      else resolve(data);
    });
  });
}

/** Octets of all kinds: repetitive, random, or some of both, around the ends of slices. */
const anyOctets = fc
  .tuple(fc.constantFrom(0, 1, 65_535, 65_536, 65_537, 131_072, 400_000), fc.nat(255), fc.boolean())
  .map(([length, octet, isRandom]) =>
    isRandom ? Buffer.from(sampleOctets(length, octet)) : Buffer.alloc(length, octet),
  );

describe('jobs on the thread pool', () => {
  test('make of any octets the same as zlib in one call, in both directions, beside each other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyOctets, { maxLength: 6 }), fc.constantFrom(1, 2, 10), async (all, limit) => {
        const there = await Promise.all(all.map((octets) => deflate(octets, [], '', limit)));
        for (const [i, octets] of there.entries()) {
          expect(inflateRawSync(octets, { finishFlush: zlib.Z_SYNC_FLUSH }).equals(all[i]!)).toBe(true);
        }
        const back = await Promise.all(there.map((octets) => inflate(octets, [], '', limit)));
        expect(back.every((octets, i) => octets.equals(all[i]!))).toBe(true);
      }),
      { numRuns: 30 },
    );
    await idle();
  });

  test('compress a short message before a long one that runs, with a limit of 1', async () => {
    const log: string[] = [];
    const long = deflate(Buffer.alloc(20 * mebibyte), log, 'long');
    const short = deflate(Buffer.alloc(20_000), log, 'short');
    await Promise.all([long, short]);
    expect(log).toEqual(['short', 'long']);
  });

  test('compress a message before any of forty bombs is inflated, with a limit of 1', async () => {
    const log: string[] = [];
    const bomb = deflated(Buffer.alloc(8 * mebibyte));
    const bombs = Array.from({ length: 40 }, () => inflate(bomb, log, 'bomb'));
    await deflate(Buffer.alloc(100_000), log, 'answer');
    expect(log).toEqual(['answer']);
    await Promise.all(bombs);
  });

  test('inflate a message of 300 KB before bombs that came earlier', async () => {
    const log: string[] = [];
    const bomb = deflated(Buffer.alloc(8 * mebibyte));
    const bombs = Array.from({ length: 20 }, () => inflate(bomb, log, 'bomb', 10));
    await inflate(deflated(Buffer.alloc(300_000, 'some text')), log, 'short', 10);
    expect(log).toEqual(['short']);
    await Promise.all(bombs);
  });

  test('inflate bombs that had to start anew completely, with their text checked and with their final blocks', async () => {
    const part = Buffer.alloc(3 * mebibyte, 'ä');
    const final = Buffer.concat([Buffer.of(0x03, 0x00), deflateRawSync(part), Buffer.of(0x03, 0x00)]);
    const results = await Promise.all(
      Array.from(
        { length: 12 },
        () =>
          new Promise<Buffer | undefined>((resolve) => {
            const text = { ...limits, isText: true };
            inflateOnThreadPool(final, { windowBits: 15 }, text, 2, (_, data) => resolve(data));
          }),
      ),
    );
    expect(results.map((octets) => octets?.equals(part))).toEqual(Array(12).fill(true));
    await idle();
  });

  test('count final blocks with the limit of their connection', async () => {
    // Long pieces, each of which needs a stream of its own.
    const piece = deflateRawSync(Buffer.alloc(100_000, 1));
    const final = Buffer.concat([piece, piece, piece, Buffer.of(0x00)]);
    for (const [maxFinalBlocks, expected] of [
      [3, 300_000],
      [Number.POSITIVE_INFINITY, 300_000],
      [2, { exceeded: { limit: 2, received: 3 }, closeCode: 1007 }],
    ] as const) {
      const result = await new Promise<unknown>((resolve) =>
        inflateOnThreadPool(final, { windowBits: 15 }, { ...limits, maxFinalBlocks }, 2, (error, data) =>
          resolve(error ?? data?.length),
        ),
      );
      if (typeof expected === 'number') expect(result).toBe(expected);
      else expect(result).toMatchObject(expected);
    }
    await idle();
  });

  test('may be cancelled at any time, and leave their slots', async () => {
    const bomb = deflated(Buffer.alloc(4 * mebibyte));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), fc.nat(8)), { maxLength: 12 }), async (plans) => {
        let called = 0;
        const jobs = plans.map(([deflates]) =>
          deflates
            ? deflateOnThreadPool(Buffer.alloc(300_000), { windowBits: 15 }, 2, () => called++)
            : inflateOnThreadPool(bomb, { windowBits: 15 }, limits, 2, () => called++),
        );
        const early = jobs.filter((_, i) => plans[i]![1] > 4);
        for (const job of early) job.cancel();
        await until(() => called >= Math.min(1, jobs.length - early.length));
        for (const job of jobs) job.cancel();
        await idle();
      }),
      { numRuns: 20 },
    );
  });
});

describe('over TCP', () => {
  let peers: Peers;
  const text = Array.from({ length: 3000 }, (_, i) => `line ${i} ${(i * 7919) % 1013}`).join('\n');
  const bombs = 40;
  /** Ends of the server that have received a bomb; they are paused while it waits. */
  const attacked: WebSocket[] = [];
  let inflated = 0;

  beforeAll(async () => {
    peers = await listen(goodwire, 'tcp', { perMessageDeflate: true });
    peers.server.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => {
        if (isBinary) inflated++;
        else if (String(data) === 'hostile') attacked.push(socket);
        else socket.send(text);
      });
    });
  });
  afterAll(() => peers[Symbol.asyncDispose]());

  test('an answer that is compressed overtakes forty bombs that were there before it', async () => {
    const { client } = await connectPair(peers, goodwire, { perMessageDeflate: true });
    const bomb = compressed(Buffer.alloc(20 * mebibyte));
    for (let i = 0; i < bombs; i++) {
      const socket = await rawClient(peers, 'permessage-deflate');
      socket.write(Buffer.concat([compressed('hostile'), bomb]));
    }
    const stream = (socket: WebSocket) => (socket as unknown as { _socket: import('node:net').Socket })._socket;
    await until(
      () => attacked.length === bombs && attacked.every((socket) => stream(socket).isPaused() || inflated > 0),
    );
    client.send('please');
    const [answer] = (await once(client, 'message')) as [Buffer];
    // In the order of their requests the answer would be behind all of them.
    expect(inflated).toBeLessThan(bombs / 2);
    expect(String(answer)).toBe(text);
    await until(() => inflated === bombs);
  });

  test('a client with fifty large messages to be sent lets another client have its turn', async () => {
    const [busy, quiet] = await Promise.all(
      [0, 1].map(() => connectPair(peers, goodwire, { perMessageDeflate: true })),
    );
    const log: string[] = [];
    busy!.client.on('message', () => log.push('busy'));
    quiet!.client.on('message', () => log.push('quiet'));
    for (let i = 0; i < 50; i++) busy!.served.send(text);
    quiet!.served.send(text);
    await until(() => log.length === 51);
    expect(log.indexOf('quiet')).toBeLessThan(10);
  });
});

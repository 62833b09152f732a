import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { compressed, deflated, deflatedFrame, holdZlibSlot, noTakeover, takeover } from '../support/deflating.ts';
import { fromClient } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import { closed } from '../support/life.ts';
import { connectPair, implementations, listen, memoryPair, rawClient } from '../support/peers.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { eventually, settle, until } from '../support/until.ts';
import { agreements, idle, large, largeInBrief, serverEnd } from './compressing.ts';

const { goodwire } = implementations;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/**
 * Two connections receive the same chain of `count` messages. Returns the maximum number of messages of one that came between two of the
 * other, while both had messages left.
 */
async function longestRun(message: () => Buffer, count: number, ends = false): Promise<number> {
  const order: number[] = [];
  const both = [serverEnd(), serverEnd()];
  both.forEach(({ stream, socket }, i) => {
    socket.on('message', () => order.push(i));
    stream.push(Buffer.concat(Array.from({ length: count }, message)));
    if (ends) stream.push(null);
  });
  await until(() => order.length === 2 * count);
  const left = [count, count];
  let run = 0;
  let longest = 0;
  order.forEach((who, i) => {
    run = who === order[i - 1] ? run + 1 : 1;
    left[who]!--;
    if (left.every((some) => some > 0)) longest = Math.max(longest, run);
  });
  for (const { socket } of both) {
    if (ends) await closed(socket);
    else socket.terminate();
  }
  return longest;
}

describe('one connection does not keep others waiting', () => {
  /** Inflates to nearly the whole inflate budget of one slice. The message behind it uses the budget up. */
  const budget = Buffer.alloc(250_000);

  test.each([
    ['goes on', false],
    ['ends', true],
  ])('whose peer %s behind a chain of small bombs', async (_, ends) => {
    expect(await longestRun(() => compressed(budget), 100, ends)).toBeLessThanOrEqual(2);
  });

  test('who is served while it is being held back may close, pause and end as ever', async () => {
    const chain = () => Buffer.concat(Array.from({ length: 40 }, () => compressed(budget)));
    for (const how of ['pause', 'terminate', 'close', 'reset'] as const) {
      const { stream, socket, log } = serverEnd();
      stream.push(chain());
      await eventually(() => expect(log.length).toBeGreaterThan(0));
      const before = log.length;
      expect(before).toBeLessThan(40);
      if (how === 'pause') {
        socket.pause();
        await settle(20);
        expect(log.length).toBe(before);
        socket.resume();
        await eventually(() => expect(log.length).toBe(40));
        socket.terminate();
        continue;
      }
      if (how === 'terminate') socket.terminate();
      else if (how === 'close') stream.destroy();
      else stream.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
      await closed(socket);
      // Only terminate() gives up what had come.
      expect(log.length).toBe(how === 'terminate' ? before + 1 : 41);
      expect(log.at(-1)).toBe('close 1006');
    }
  });

  test('an echo goes on over a socket beside it', async () => {
    await using peers = await listen(goodwire, 'tcp', { perMessageDeflate: true });
    const accepted = once(peers.server, 'connection') as Promise<[WebSocket]>;
    const hostile = await rawClient(peers, 'permessage-deflate');
    const [bombed] = await accepted;
    let exploded = 0;
    bombed.on('message', () => exploded++);
    const { client, served } = await connectPair(peers, goodwire, { perMessageDeflate: true });
    served.on('message', (data) => served.send(data));
    hostile.write(Buffer.concat(Array.from({ length: 600 }, () => compressed(budget))));
    await eventually(() => expect(exploded).toBeGreaterThan(0));
    for (let i = 0; i < 10; i++) {
      client.send('x'.repeat(2000));
      await once(client, 'message');
    }
    // Each echo has taken some turns. In each turn a part of the chain was inflated.
    expect(exploded).toBeLessThan(600);
    hostile.destroy();
  });

  test('peeking into fragments counts against the inflate budget too', async () => {
    const octets = deflated(Buffer.alloc(240_000));
    // The first fragment inflates to the whole message. The last one has an empty block.
    const message = () =>
      Buffer.concat([
        deflatedFrame(2, Buffer.concat([octets, fromHex('00 00 ff ff')]), { fin: false }),
        deflatedFrame(0, fromHex('00'), { rsv1: false }),
      ]);
    expect(await longestRun(message, 40)).toBe(1);
  });

  test('final blocks count against the inflate budget too, because each costs a stream of zlib', async () => {
    expect(await longestRun(() => deflatedFrame(2, Buffer.alloc(2040, fromHex('03 00'))), 30)).toBe(1);
  });

  test('large messages of many connections are inflated in the order in which they came, as many at once as the limit allows', async () => {
    const order: number[] = [];
    const sockets = Array.from({ length: 30 }, (_, i) => {
      const { stream, socket } = serverEnd({ perMessageDeflate: { concurrencyLimit: 2 } });
      socket.on('message', () => order.push(i));
      return { stream, socket };
    });
    {
      using _ = holdZlibSlot();
      {
        using _ = holdZlibSlot();
        for (const { stream } of sockets) stream.push(compressed(large));
        await settle(20);
        expect(order).toEqual([]);
      }
      // One slot is held, so that one is left for all connections: their messages are inflated one by one.
      await eventually(() => expect(order.length).toBe(30));
    }
    expect(order).toEqual(Array.from({ length: 30 }, (_, i) => i));
    for (const { socket } of sockets) socket.terminate();
  });
});

describe.each(agreements)('what a hostile peer compresses, $name', ({ deflate }) => {
  const limited = (maxPayload: number) => ({ deflate, maxPayload });
  const whole = (data: Uint8Array, opcode = 2) => deflatedFrame(opcode, data);
  /** A message in fragments of `size` octets. */
  const inFragments = (data: Uint8Array, size: number, opcode = 2) => {
    const frames: Buffer[] = [];
    for (let at = 0; at < data.length; at += size) {
      const isFirst = at === 0;
      const fin = at + size >= data.length;
      frames.push(deflatedFrame(isFirst ? opcode : 0, data.subarray(at, at + size), { fin, rsv1: isFirst }));
    }
    return Buffer.concat(frames);
  };
  const tail = fromHex('00 00 ff ff');
  const final = (data: Uint8Array) => deflateRawSync(data);
  const badText = Buffer.concat([Buffer.from('text '), fromHex('ff'), Buffer.from('x'.repeat(300_000))]);

  test.each([
    ['a bomb', limited(1000), () => whole(deflated(Buffer.alloc(1_000_000))), 1009],
    [
      'a bomb that is large when it is compressed',
      limited(5_000_000),
      () => whole(deflated(Buffer.alloc(2 ** 29))),
      1009,
    ],
    ['a bomb of one octet too many', limited(1000), () => whole(deflated(Buffer.alloc(1001))), 1009],
    ['a large bomb of one octet too many', limited(1_000_000), () => whole(deflated(Buffer.alloc(1_000_001))), 1009],
    ['a bomb in fragments', limited(1000), () => inFragments(deflated(Buffer.alloc(1_000_000)), 10), 1009],
    ['a large bomb in fragments', limited(5_000_000), () => inFragments(deflated(Buffer.alloc(2 ** 27)), 9000), 1009],
    [
      'a chain of small ones and one that is none',
      limited(1000),
      () =>
        Buffer.concat([
          ...Array.from({ length: 1000 }, () => whole(deflated(Buffer.alloc(1000)))),
          whole(deflated(Buffer.alloc(1001))),
        ]),
      1009,
    ],
    [
      'a bomb behind final blocks',
      limited(1000),
      () => whole(Buffer.concat([final(Buffer.alloc(600)), deflated(Buffer.alloc(600))])),
      1009,
    ],
    [
      'a large bomb behind final blocks',
      limited(1_000_000),
      () => whole(Buffer.concat([final(Buffer.alloc(600_000)), deflated(Buffer.alloc(600_000))])),
      1009,
    ],
    [
      'more than the limit before it is inflated',
      limited(1000),
      () => whole(Buffer.concat(Array(300).fill(fromHex('00 00 00 ff ff')))),
      1009,
    ],
    ['octets that are not DEFLATE', {}, () => whole(fromHex('ff ff ff ff')), 1007],
    [
      'octets that are not DEFLATE, in the first fragment',
      {},
      () => deflatedFrame(2, fromHex('ff ff ff ff'), { fin: false }),
      1007,
    ],
    ['many octets that are not DEFLATE', {}, () => whole(Buffer.alloc(300_000, 0xff)), 1007],
    [
      'octets that are not DEFLATE behind many that are',
      {},
      () => whole(Buffer.concat([deflated(large), tail, fromHex('ff ff')])),
      1007,
    ],
    ['a message that ends within a block', {}, () => whole(deflated(large.slice(0, 9000)).subarray(0, -9)), 1007],
    ['a large message that ends within a block', {}, () => whole(deflated(large).subarray(0, -9)), 1007],
    ['a reference to before the beginning', {}, () => whole(fromHex('f2 00 11 00 00')), 1007],
    ['too many final blocks', {}, () => whole(Buffer.concat(Array(1100).fill(fromHex('03 00')))), 1007],
    [
      'too many final blocks behind much',
      {},
      () => whole(Buffer.concat([final(Buffer.from(large)), ...Array(1100).fill(fromHex('03 00'))])),
      1007,
    ],
    ['text that is not UTF-8', {}, () => whole(deflated(badText.subarray(0, 100)), 1), 1007],
    [
      'text that is not UTF-8 in the first fragment',
      {},
      () => deflatedFrame(1, Buffer.concat([deflated(badText.subarray(0, 100)), tail]), { fin: false }),
      1007,
    ],
    [
      'large text that is not UTF-8 at its beginning, before it is too long',
      limited(400_000),
      () => whole(deflated(Buffer.concat([badText, Buffer.alloc(1_000_000)])), 1),
      1007,
    ],
    [
      'large text that ends within a character',
      {},
      () => whole(deflated(Buffer.concat([Buffer.alloc(300_000, 'x'), fromHex('e6 b1')])), 1),
      1007,
    ],
  ] as const)('%s', async (_name, options, frames, code) => {
    const { stream, socket, log } = serverEnd({ deflate, ...options });
    let failure: (Error & { closeCode?: number }) | undefined;
    socket.on('error', (error) => {
      failure = error;
    });
    stream.push(Buffer.concat([frames(), fromClient(1, 'behind it')]));
    await eventually(() => expect(failure).toBeDefined());
    expect(failure).toMatchObject({ closeCode: code });
    await eventually(() => expect(stream.writableFinished).toBe(true));
    expect(Buffer.concat(stream.written)).toEqual(
      Buffer.concat([fromHex('88 02'), fromHex(code.toString(16).padStart(4, '0'))]),
    );
    stream.push(null);
    await closed(socket);
    expect(log.filter((line) => line.startsWith('close') || line.startsWith('error')).length).toBe(2);
    expect(log.at(-1)).toBe('close 1006');
    expect(log.includes('message behind it')).toBe(false);
    await idle();
  });

  test('final blocks are read, and what follows them', async () => {
    const { stream, socket, log } = serverEnd({ deflate });
    const parts = ['one ', 'two ', 'three ', large];
    stream.push(
      whole(Buffer.concat([...parts.slice(0, 2).map((part) => final(Buffer.from(part))), deflated('three')]), 1),
    );
    stream.push(whole(final(Buffer.from('final')), 1));
    stream.push(whole(Buffer.concat([final(Buffer.from('final')), fromHex('00')]), 1));
    stream.push(whole(Buffer.concat(parts.map((part) => final(Buffer.from(part)))), 1));
    stream.push(compressed(`${large}${large}`));
    await eventually(() => expect(log.length).toBe(5));
    expect(log).toEqual([
      'message one two three',
      'message final',
      'message final',
      `message one two t (${large.length + 14})`,
      `message The quick (${large.length * 2})`,
    ]);
    socket.terminate();
  });

  test('the limit may be passed while compressed, as long as it holds', async () => {
    const { stream, socket, log } = serverEnd(limited(600));
    // 100 empty blocks, 500 octets, and then 5 more octets of text.
    stream.push(whole(Buffer.concat([...Array(100).fill(fromHex('00 00 00 ff ff')), deflated('hello')]), 1));
    await eventually(() => expect(log).toEqual(['message hello']));
    socket.terminate();
  });

  test('a message octet by octet costs no more than it has', async () => {
    const { stream, socket, log } = serverEnd({ deflate });
    const frames = Buffer.concat([inFragments(deflated(large), 1, 1), compressed('x'.repeat(3000))]);
    for (let at = 0; at < frames.length; at++) stream.push(frames.subarray(at, at + 1));
    await eventually(() => expect(log).toEqual([`message ${largeInBrief}`, 'message xxxxxxxxx (3000)']));
    socket.terminate();
  });

  test('bombs cost no more memory than the limit', async () => {
    const { stream, socket } = serverEnd(limited(4_000_000));
    const bomb = compressed(Buffer.alloc(2 ** 28));
    socket.on('error', () => {});
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }, 1);
    stream.push(bomb);
    await eventually(() => expect(stream.writableFinished).toBe(true));
    clearInterval(timer);
    // Four times the limit: the output so far, the chunk that zlib is making, and garbage. The bomb has 67 times the limit.
    expect(most).toBeLessThan(16_000_000);
    stream.push(null);
    await closed(socket);
  });
});

describe('what a connection holds', () => {
  /** Returns the number of zlib states that are created while `work` runs. */
  async function statesMade(work: () => Promise<void>): Promise<number> {
    let made = 0;
    const hook = createHook({
      init: (_id, type) => {
        if (type === 'ZLIB') made++;
      },
    }).enable();
    try {
      await work();
    } finally {
      hook.disable();
    }
    return made;
  }

  async function talk(deflate: typeof noTakeover, connections: number): Promise<void> {
    const options = { deflate };
    const pairs = Array.from({ length: connections }, () => memoryPair({ client: options, server: options }));
    let answered = 0;
    for (const { client, served } of pairs) {
      served.on('message', (data) => served.send(data));
      client.on('message', () => answered++);
      client.send('{"kind":"position"} '.repeat(100));
    }
    await eventually(() => expect(answered).toBe(connections));
    for (const { client, served } of pairs) {
      client.terminate();
      served.terminate();
    }
  }

  test('without context takeover is nothing of zlib', async () => {
    await talk(noTakeover, 1);
    expect(await statesMade(() => talk(noTakeover, 2000))).toBe(0);
  });

  test('with context takeover is a state for each direction', async () => {
    expect(await statesMade(() => talk(takeover, 200))).toBe(200 * 4);
  });
});

test('10 000 connections that close with work pending leave nothing behind', async () => {
  const rounds = 100;
  const perRound = 100;
  using uncaught = captureUncaught();
  const chunk = deflated(Buffer.alloc(262_145));
  const toBeSent = Buffer.alloc(16_385, 'some text, ');
  const heap = async () => {
    // Memory that the first collection finds dead is freed by another thread.
    collectGarbage();
    await settle(20);
    collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  let called = 0;
  let failed = 0;
  let closes = 0;
  let late = 0;
  let heapInTheMiddle = 0;
  for (let round = 0; round < rounds; round++) {
    const { deflate } = agreements[round % 2]!;
    const all: Promise<void>[] = [];
    for (let i = 0; i < perRound; i++) {
      const { stream, socket } = serverEnd({ deflate, perMessageDeflate: { concurrencyLimit: 4 } });
      let isClosed = false;
      socket.on('message', () => {
        if (isClosed) late++;
      });
      socket.on('close', () => {
        closes++;
        isClosed = true;
      });
      stream.push(deflatedFrame(2, chunk));
      stream.push(deflatedFrame(2, chunk));
      socket.send(toBeSent, (error) => {
        called++;
        if (error !== undefined) failed++;
      });
      socket.send('behind it', () => called++);
      all.push(closed(socket));
      const end = () => {
        if (i % 4 === 0) socket.terminate();
        else if (i % 4 === 1) stream.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
        else if (i % 4 === 2) stream.destroy();
        else socket.once('message', () => socket.terminate());
      };
      if (i % 3 === 0) end();
      else if (i % 3 === 1) process.nextTick(end);
      else setImmediate(end);
    }
    await Promise.all(all);
    if (round === rounds / 2) {
      await idle();
      heapInTheMiddle = await heap();
    }
  }
  await idle();
  await eventually(() => expect(called).toBe(rounds * perRound * 2));
  expect({ closes, late }).toEqual({ closes: rounds * perRound, late: 0 });
  expect(failed).toBeGreaterThan(rounds);
  expect(uncaught).toMatchObject({ exceptions: [], rejections: [] });
  // The limit is 2 KB for each of the 5000 connections since then.
  expect((await heap()) - heapInTheMiddle).toBeLessThan(10_000_000);
});

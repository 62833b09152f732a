import { once } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { fromClient, fromServer } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import type { ChunkStream } from '../support/memory-stream.ts';
import { connectPair, implementations, listen, rawClient } from '../support/peers.ts';
import { until } from '../support/until.ts';
import { serverEnd } from '../transport/compressing.ts';

const { goodwire } = implementations;

const ping = fromClient(9);
/** Small frames, and the frame that ends the flood. */
const floods: [title: string, frame: Buffer, last: Buffer][] = [
  ['empty pings', ping, fromClient(1, 'last')],
  ['empty pongs', fromClient(10), fromClient(1, 'last')],
  ['texts of one octet', fromClient(1, 'x'), fromClient(1, 'last')],
  // The last fragment of the message that these are of.
  ['empty fragments', fromClient(0, '', false), fromClient(0, 'last')],
];

/** About a megabyte of a frame: more than a turn has time for, on any machine. */
const megabyte = (frame: Buffer) => Buffer.concat(Array<Buffer>(Math.ceil(1e6 / frame.length)).fill(frame));

test.each(floods)(
  'case 52: a flood of %s is read in parts, and a client beside it is answered before it is over',
  async (_, frame, last) => {
    await using peers = await listen(goodwire);
    const accepted = once(peers.server, 'connection') as Promise<[WebSocket]>;
    const hostile = await rawClient(peers);
    const [flooded] = await accepted;
    const { client, served } = await connectPair(peers, goodwire);
    let isOver = false;
    let turns = 0;
    served.on('message', (data) => served.send(data));
    flooded.on('message', (data) => {
      if (String(data) === 'last') isOver = true;
    });
    hostile.resume();
    // The flood fills the buffers of the kernel first. Otherwise it would be read as slowly as it is written here.
    flooded.pause();
    if ((last[0]! & 0x0f) === 0) hostile.write(fromClient(1, '', false));
    hostile.write(megabyte(frame));
    hostile.write(megabyte(frame));
    hostile.write(last);
    for (let turn = 0; turn < 20; turn++) await immediate();
    client.send('good');
    flooded.resume();
    const answered = once(client, 'message').then(() => isOver);
    while (!isOver) {
      turns++;
      await immediate();
    }
    expect(await answered).toBe(false);
    // 300 000 frames. A turn may take 64 KiB of them, or 5 ms for more.
    expect(turns).toBeGreaterThanOrEqual(5);
    // It was not ended for that.
    expect(flooded.readyState).toBe(1);
  },
);

describe('a connection that is behind', () => {
  /** A socket whose stream has a megabyte of pings, of which some have been delivered and the others wait. */
  async function behind(options: object = {}) {
    const { stream, socket, log } = serverEnd(options);
    let pings = 0;
    socket.on('ping', () => pings++);
    stream.push(Buffer.concat([megabyte(ping), fromClient(1, 'last')]));
    await until(() => pings > 0);
    return { stream, socket, log, pings: () => pings, total: megabyte(ping).length / ping.length };
  }

  test('gets the rest in order, and the end of the stream behind it', async () => {
    const { stream, socket, log, pings, total } = await behind();
    expect(pings()).toBeLessThan(total);
    stream.push(null);
    await once(socket, 'close');
    expect(pings()).toBe(total);
    expect(log.filter((line) => !line.startsWith('ping'))).toEqual(['message last', 'close 1006']);
  });

  test('is terminated at once: nothing more is delivered', async () => {
    const { socket, pings, total } = await behind();
    const before = pings();
    socket.terminate();
    await once(socket, 'close');
    expect([pings(), before < total]).toEqual([before, true]);
  });

  test('is paused at once, and continues where it was', async () => {
    const { socket, log, pings, total } = await behind();
    socket.pause();
    const before = pings();
    for (let turn = 0; turn < 20; turn++) await immediate();
    expect([pings(), before < total]).toEqual([before, true]);
    socket.resume();
    await until(() => log.includes('message last'));
    expect(pings()).toBe(total);
    socket.terminate();
  });

  test('sends its close frame at once', async () => {
    const { stream, socket, pings, total } = await behind({ autoPong: false });
    socket.close(1000);
    await immediate();
    expect(Buffer.concat((stream as ChunkStream).written)).toEqual(fromServer(8, fromHex('03 e8')));
    expect(pings()).toBeLessThan(total);
    socket.terminate();
  });

  test('is cut off by closeTimeout while the flood goes on', async () => {
    const { stream, socket } = await behind({ closeTimeout: 50 });
    const more = setInterval(() => stream.push(megabyte(ping)), 1);
    socket.close(1000);
    const [code] = await once(socket, 'close');
    clearInterval(more);
    expect(code).toBe(1006);
  });

  test('is noted as closed when its stream was destroyed, behind what had come', async () => {
    const { stream, socket, pings, total } = await behind();
    stream.destroy();
    await once(socket, 'close');
    expect(pings()).toBe(total);
  });
});

import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { deflateRawSync, constants as zlib } from 'node:zlib';
import { mutateFrames } from '../mutations/frames.ts';
import { soundFrame, writeWire } from '../naive/frames.ts';
import type { Random } from '../random.ts';
import { readRecordings } from '../recordings.ts';

/** Resources of a hostile peer: an open connection to the server, random numbers, and a size. */
export interface Means {
  readonly socket: Socket;
  readonly random: Random;
  /** Factor for all amounts; 1 for short tests. */
  readonly size: number;
}

/**
 * Malicious behavior of a peer. It ends when the promise resolves. The connection may then still be open, and is
 * destroyed later.
 */
export type Misbehaviour = (means: Means) => Promise<void>;

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const request = (more = ''): string =>
  `GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n${more}\r\n`;

/** Returns a frame of a client. */
export const frame = (
  first: number,
  payload: string | Uint8Array = '',
  maskingKey: number | null = 0x1f2e3d4c,
): Buffer => writeWire(soundFrame(first, Buffer.from(payload as string), maskingKey));

const bombs = new Map<number, Buffer>();

/** Returns a compressed message of `octets` equal bytes. Cached, so that hostile peers are fast. */
export function bombOf(octets: number): Buffer {
  let bomb = bombs.get(octets);
  if (bomb === undefined) {
    bomb = deflateRawSync(Buffer.alloc(octets), { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, -4);
    bombs.set(octets, bomb);
  }
  return bomb;
}

const isOver = (socket: Socket): boolean => socket.destroyed || !socket.writable;

/** Waits until the connection has closed, at most `milliseconds`. */
async function goneOr(socket: Socket, milliseconds: number): Promise<void> {
  if (socket.closed) return;
  const timer = new AbortController();
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await Promise.race([gone, after(milliseconds, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}

/** Performs a correct opening handshake, and reads the response. */
async function shakeHands(socket: Socket, behind: Buffer = Buffer.alloc(0), fields = ''): Promise<void> {
  if (isOver(socket) || socket.readableEnded) return;
  const answered = new Promise<void>((resolve) => {
    for (const event of ['data', 'end', 'close']) socket.once(event, () => resolve());
  });
  socket.write(Buffer.concat([Buffer.from(request(fields)), behind]));
  await answered;
  socket.resume();
}

/** Sends bytes one at a time, every `every` milliseconds, for at most `milliseconds`. */
async function drip(socket: Socket, octets: Buffer, every: number, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  for (const octet of octets) {
    if (isOver(socket) || performance.now() > end) return;
    socket.write(Uint8Array.of(octet));
    await after(every);
  }
}

/** Sends a chunk `times` times, as fast as the server reads. */
async function pour(socket: Socket, chunk: Buffer, times: number): Promise<void> {
  for (let i = 0; i < times && !isOver(socket); i++) {
    if (socket.write(chunk)) {
      if (i % 8 === 7) await after(0);
      continue;
    }
    const drained = new Promise<void>((resolve) => socket.once('drain', () => resolve()));
    await Promise.race([drained, goneOr(socket, 1500)]);
    if (socket.writableNeedDrain) return;
  }
}

const repeat = (chunk: Buffer, times: number): Buffer => Buffer.concat(Array<Buffer>(times).fill(chunk));

/** Returns a behavior that resets the connection after a step of a session. */
const resetAfter =
  (step: number): Misbehaviour =>
  async ({ socket }) => {
    const steps: (() => Promise<unknown> | undefined)[] = [
      () => undefined,
      async () => socket.write(request().slice(0, 40)),
      async () => socket.write(request().slice(40)),
      () => goneOr(socket, 30),
      async () => socket.write(frame(0x01, 'Hel')),
      async () => socket.write(frame(0x80, 'a long one'.repeat(50)).subarray(0, 60)),
      () => goneOr(socket, 30),
    ];
    for (const one of steps.slice(0, step + 1)) await one();
    socket.resetAndDestroy();
  };

const sessions = () => readRecordings().map(({ client }) => Buffer.from(client, 'hex'));

/** All malicious behaviors towards a server, by name. */
export const misbehaviours: Readonly<Record<string, Misbehaviour>> = {
  'says nothing': ({ socket }) => {
    socket.resume();
    return goneOr(socket, 2500);
  },
  'sends its request an octet at a time': ({ socket }) => {
    socket.resume();
    return drip(socket, Buffer.from(request('X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n')), 20, 2500);
  },
  'sends headers without end': async ({ socket }) => {
    socket.resume();
    socket.write(request().slice(0, -2));
    await pour(socket, Buffer.from(repeat(Buffer.from('X-More: of it\r\n'), 1000)), 100);
    await goneOr(socket, 500);
  },
  'sends one header without end': async ({ socket }) => {
    socket.resume();
    socket.write(`${request().slice(0, -2)}X-Long: `);
    await pour(socket, Buffer.alloc(16_384, 0x61), 100);
    await goneOr(socket, 500);
  },
  'is refused, and goes on': async ({ socket }) => {
    socket.resume();
    socket.write(request().replace('13', '7'));
    await pour(socket, repeat(Buffer.from(request()), 50), 50);
    await goneOr(socket, 500);
  },
  'sends no HTTP at all': async ({ socket, random }) => {
    socket.resume();
    await pour(socket, random.octets(2000), 20);
  },
  'resets at once': resetAfter(0),
  'resets within its request': resetAfter(1),
  'resets behind its request': resetAfter(2),
  'resets behind the answer': resetAfter(3),
  'resets within a message': resetAfter(4),
  'resets within a frame': resetAfter(5),
  'resets, having waited within a frame': resetAfter(6),
  'ends its side behind the handshake': async ({ socket }) => {
    await shakeHands(socket);
    socket.end();
    await goneOr(socket, 600);
  },
  'sends frames an octet at a time': async ({ socket }) => {
    await shakeHands(socket);
    await drip(socket, repeat(frame(0x81, 'slow'), 30), 15, 1500);
    socket.resetAndDestroy();
  },
  'promises much and sends nothing': async ({ socket }) => {
    await shakeHands(socket);
    socket.write(Buffer.from('82ff00000000000ffff01f2e3d4c', 'hex'));
    await after(300);
    socket.destroy();
  },
  'never reads': async ({ socket, size }) => {
    await shakeHands(socket);
    socket.pause();
    await pour(socket, repeat(frame(0x82, Buffer.alloc(60_000, 1)), 2), 60 * Math.min(4, size));
    await goneOr(socket, 300);
  },
  'floods with pings, and never reads': async ({ socket, size }) => {
    await shakeHands(socket);
    socket.pause();
    await pour(socket, repeat(frame(0x89, 'x'.repeat(100)), 600), 20 * size);
    await goneOr(socket, 100);
  },
  'floods with pings, and reads': async ({ socket, size }) => {
    await shakeHands(socket);
    await pour(socket, repeat(frame(0x89, ''), 5000), 5 * size);
  },
  'sends a message of very many fragments': async ({ socket, size }) => {
    await shakeHands(socket);
    socket.write(frame(0x01, ''));
    await pour(socket, repeat(frame(0x00, 'x'), 10_000), 10 * size);
    await pour(socket, repeat(frame(0x00, ''), 10_000), 10 * size);
    socket.write(frame(0x80, ''));
  },
  'sends very many empty messages': async ({ socket, size }) => {
    await shakeHands(socket);
    await pour(socket, repeat(frame(0x81, ''), 5000), 10 * size);
  },
  'sends more than is allowed': async ({ socket }) => {
    await shakeHands(socket);
    await pour(socket, Buffer.concat([frame(0x02, Buffer.alloc(600_000)), frame(0x80, Buffer.alloc(600_000))]), 1);
    await goneOr(socket, 600);
  },
  'sends bombs': async ({ socket, size }) => {
    await shakeHands(socket, undefined, 'Sec-WebSocket-Extensions: permessage-deflate\r\n');
    // First messages just below the limit, many times; then one above it.
    await pour(socket, frame(0xc2, bombOf(1_000_000)), 20 * Math.min(4, size));
    const bomb = bombOf(30_000_000);
    await pour(socket, Buffer.concat([frame(0x42, bomb.subarray(0, 9000)), frame(0x80, bomb.subarray(9000))]), 1);
    await goneOr(socket, 600);
  },
  'sends what is no DEFLATE': async ({ socket, random }) => {
    await shakeHands(socket, undefined, 'Sec-WebSocket-Extensions: permessage-deflate\r\n');
    await pour(socket, frame(0xc1, random.octets(300)), 20);
    await goneOr(socket, 600);
  },
  'sends garbage behind its close frame': async ({ socket, random }) => {
    await shakeHands(socket);
    socket.write(frame(0x88, '\x03\xe8'));
    await pour(socket, random.octets(16_384), 20);
    await goneOr(socket, 600);
  },
  'does not answer a close frame': async ({ socket }) => {
    await shakeHands(socket);
    socket.write(frame(0x81, 'close'));
    await drip(socket, repeat(frame(0x81, 'still here'), 100), 5, 900);
    await goneOr(socket, 600);
  },
  'sends frames in the first packet, and breaks a rule in it': async ({ socket }) => {
    await shakeHands(socket, Buffer.concat([frame(0x81, 'early'), frame(0x83, '')]));
    await goneOr(socket, 600);
  },
  'is not masked': async ({ socket }) => {
    await shakeHands(socket);
    socket.write(frame(0x81, 'plain', null));
    await goneOr(socket, 600);
  },
  'sends what is nearly a session': async ({ socket, random }) => {
    await shakeHands(socket);
    let octets: Buffer = random.pick(sessions());
    for (let i = random.between(1, 5); i > 0; i--) octets = mutateFrames(random, octets, random.pick(sessions()));
    for (let at = 0; at < octets.length && !isOver(socket); ) {
      const length = random.between(1, 400);
      socket.write(octets.subarray(at, at + length));
      at += length;
      await after(random.below(3));
    }
    await goneOr(socket, 200);
  },
};

/** Maximum duration of a misbehavior in milliseconds. */
const maxTime = 10_000;

/** Runs one misbehavior on one connection. Resolves when the connection has closed. */
export async function misbehave(port: number, misbehaviour: Misbehaviour, random: Random, size: number): Promise<void> {
  const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  await new Promise<void>((resolve) => {
    socket.once('connect', () => resolve());
    socket.once('close', () => resolve());
  });
  const timer = new AbortController();
  const isTooLong = after(maxTime, undefined, { signal: timer.signal }).catch(() => {});
  try {
    await Promise.race([misbehaviour({ socket, random, size }), isTooLong]);
  } finally {
    timer.abort();
    socket.destroy();
  }
  await goneOr(socket, 1000);
}

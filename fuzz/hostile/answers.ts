import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { mutateFrames } from '../mutations/frames.ts';
import { soundFrame, writeWire } from '../naive/frames.ts';
import type { Random } from '../random.ts';
import { readRecordings } from '../recordings.ts';
import { bombOf } from './peers.ts';

/** Malicious response of a server to a client's opening handshake. */
export type Answer = (means: { socket: Socket; request: string; random: Random; port: number }) => Promise<void> | void;

const acceptFor = (request: string): string => {
  const key = /^sec-websocket-key: (.*)\r$/im.exec(request)?.[1] ?? '';
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
};
const switching = (request: string, more = 'Sec-WebSocket-Protocol: chat\r\n'): string =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(request)}\r\n${more}\r\n`;
const frame = (first: number, payload: string | Uint8Array = ''): Buffer =>
  writeWire(soundFrame(first, Buffer.from(payload as string), null));

/** Writes until the client closes the connection. */
async function pour(socket: Socket, chunk: string | Buffer, times: number): Promise<void> {
  for (let i = 0; i < times && socket.writable; i++) {
    socket.write(chunk);
    await after(1);
  }
}

/** All malicious responses, by the path that requests them. */
export const answers: Readonly<Record<string, Answer>> = {
  '/nothing': () => {},
  '/reset': ({ socket }) => {
    socket.resetAndDestroy();
  },
  '/reset-within-head': ({ socket, request }) => {
    socket.write(switching(request).slice(0, 50), () => socket.resetAndDestroy());
  },
  '/reset-behind-head': ({ socket, request }) => {
    socket.write(switching(request), () => socket.resetAndDestroy());
  },
  '/end': ({ socket }) => {
    socket.end();
  },
  '/slow': async ({ socket, request }) => {
    for (const octet of switching(request)) {
      if (!socket.writable) return;
      socket.write(octet);
      await after(20);
    }
  },
  '/headers-without-end': async ({ socket }) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\n');
    await pour(socket, 'X-More: of it\r\n'.repeat(500), 500);
  },
  '/one-header-without-end': async ({ socket }) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nX-Long: ');
    await pour(socket, 'a'.repeat(8000), 500);
  },
  '/body-without-end': async ({ socket }) => {
    socket.write('HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n');
    await pour(socket, 'a'.repeat(8000), 500);
  },
  '/continue-without-end': async ({ socket }) => {
    await pour(socket, 'HTTP/1.1 100 Continue\r\n\r\n', 300);
  },
  '/no-http': ({ socket, random }) => {
    socket.end(random.octets(5000));
  },
  '/redirect': ({ socket }) => {
    socket.end('HTTP/1.1 302 Found\r\nLocation: /redirect\r\nContent-Length: 0\r\n\r\n');
  },
  '/redirect-nowhere': ({ socket }) => {
    socket.end('HTTP/1.1 302 Found\r\nLocation: gopher://[::1\r\nContent-Length: 0\r\n\r\n');
  },
  '/redirect-to-reset': ({ socket, port }) => {
    socket.end(`HTTP/1.1 307 Temporary\r\nLocation: ws://localhost:${port}/reset\r\nContent-Length: 0\r\n\r\n`);
  },
  '/wrong-accept': ({ socket, request }) => {
    socket.write(switching(request.replace(/key: ../i, 'key: ab')));
  },
  '/no-upgrade': ({ socket, request }) => {
    socket.write(switching(request).replace('Upgrade: websocket\r\n', ''));
  },
  '/extension': ({ socket, request }) => {
    socket.write(switching(request, 'Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x-unknown; a="b"\r\n'));
  },
  '/protocol': ({ socket, request }) => {
    socket.write(switching(request, 'Sec-WebSocket-Protocol: __proto__\r\n'));
  },
  '/masked': ({ socket, request }) => {
    socket.write(Buffer.concat([Buffer.from(switching(request)), writeWire(soundFrame(0x81, Buffer.from('hi'), 7))]));
  },
  '/pings': async ({ socket, request }) => {
    socket.write(switching(request));
    socket.pause();
    await pour(socket, Buffer.concat(Array<Buffer>(2000).fill(frame(0x89, 'x'.repeat(50)))), 30);
  },
  '/fragments': async ({ socket, request }) => {
    socket.write(Buffer.concat([Buffer.from(switching(request)), frame(0x01)]));
    await pour(socket, Buffer.concat(Array<Buffer>(10_000).fill(frame(0x00, 'x'))), 20);
    socket.write(frame(0x80));
  },
  '/too-much': ({ socket, request }) => {
    socket.write(Buffer.concat([Buffer.from(switching(request)), Buffer.from('827f00000000ffffffff', 'hex')]));
  },
  '/bomb': ({ socket, request }) => {
    const fields = 'Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n';
    socket.write(Buffer.concat([Buffer.from(switching(request, fields)), frame(0xc2, bombOf(20_000_000))]));
  },
  '/garbage-behind-close': async ({ socket, request, random }) => {
    socket.write(Buffer.concat([Buffer.from(switching(request)), frame(0x88, '\x03\xe8')]));
    await pour(socket, random.octets(8000), 50);
  },
  '/never-closes': ({ socket, request }) => {
    socket.write(switching(request));
  },
  '/nearly': async ({ socket, request, random }) => {
    const sessions = readRecordings().map(({ server }) => Buffer.from(server, 'hex'));
    let octets: Buffer = random.pick(sessions);
    for (let i = random.between(1, 5); i > 0; i--) octets = mutateFrames(random, octets, random.pick(sessions));
    socket.write(Buffer.concat([Buffer.from(switching(request)), octets]));
  },
};

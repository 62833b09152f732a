import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Server, type ServerOptions } from 'socket.io';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { crash, listen, next } from './loopback.ts';
import { eventually } from './until.ts';

async function serveSocketIo(options: Partial<ServerOptions> = {}, port = 0) {
  const httpServer = createServer();
  const server = new Server(httpServer, { serveClient: false, ...options });
  server.on('connection', (socket) => {
    socket.on('echo', (text: string, octets: Buffer, answer: (echo: unknown) => void) => answer([text, octets]));
    socket.on('join', async (room: string, answer: () => void) => {
      await socket.join(room);
      answer();
    });
  });
  const listening = await listen(httpServer, port);
  onTestFinished(() => void server.close());
  return { server, httpServer, url: `http://127.0.0.1:${listening}`, port: listening };
}

function client(url: string, options: Partial<ManagerOptions & SocketOptions> = {}): Socket {
  const socket = io(url, {
    transports: ['websocket'],
    forceNew: true,
    reconnectionDelay: 20,
    reconnectionDelayMax: 100,
    ...options,
  });
  onTestFinished(() => void socket.close());
  return socket;
}

/** Returns the WebSockets of a server, as engine.io keeps them. */
const webSocketsOf = (server: Server): WebSocket[] =>
  [...server.sockets.sockets.values()].map(({ conn }) => (conn.transport as unknown as { socket: WebSocket }).socket);

test('text, binary and acknowledgements arrive in both directions over a WebSocket', async () => {
  const { server, url } = await serveSocketIo();
  const socket = client(url);
  await next(socket, 'connect');
  expect(webSocketsOf(server)[0]).toBeInstanceOf(WebSocket);
  const octets = randomBytes(300_000);
  const [text, bytes] = await socket.emitWithAck('echo', 'grüße, 世界 🚀', octets);
  expect(text).toBe('grüße, 世界 🚀');
  expect(octets.equals(bytes)).toBe(true);

  socket.on('question', (text: string, bytes: Buffer, answer: (echo: unknown) => void) => answer([text, bytes]));
  const [served] = server.sockets.sockets.values();
  const few = randomBytes(100);
  expect(await served!.timeout(5_000).emitWithAck('question', 'a', few)).toEqual(['a', few]);
});

test('a connection that began with polling is upgraded to a WebSocket and loses nothing on the way', async () => {
  const { server, url } = await serveSocketIo();
  server.on('connection', ({ conn }) => {
    for (let i = 0; i < 50; i++) server.emit('number', i);
    conn.once('upgrade', () => {
      for (let i = 50; i < 100; i++) server.emit('number', i);
    });
  });
  const socket = client(url, { transports: ['polling', 'websocket'] });
  const received: number[] = [];
  socket.on('number', (value: number) => received.push(value));
  expect(socket.io.engine.transport.name).toBe('polling');
  await next(socket.io.engine, 'upgrade');
  await eventually(() => expect(received).toHaveLength(100));
  expect(received).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(socket.io.engine.transport.name).toBe('websocket');
});

test('an event to a room reaches only its members, in frames that are encoded once', async () => {
  const { server, url } = await serveSocketIo();
  const clients = [client(url), client(url), client(url)];
  const received: string[][] = clients.map(() => []);
  clients.forEach((socket, i) => {
    socket.on('news', (text: string) => received[i]!.push(text));
  });
  await Promise.all(clients.map((socket) => next(socket, 'connect')));
  for (const socket of clients.slice(0, 2)) await socket.emitWithAck('join', 'room');

  const frame = vi.spyOn((WebSocket as unknown as { Sender: { frame(): Buffer[] } }).Sender, 'frame');
  onTestFinished(() => frame.mockRestore());
  const long = 'x'.repeat(70_000);
  server.to('room').emit('news', 'short');
  server.to('room').emit('news', 'ü'.repeat(200));
  server.to('room').emit('news', long);
  expect(frame).toHaveBeenCalledTimes(3);
  server.emit('news', 'everybody');
  await eventually(() => expect(received.map((list) => list.at(-1))).toEqual(Array(3).fill('everybody')));
  expect(received).toEqual([
    ['short', 'ü'.repeat(200), long, 'everybody'],
    ['short', 'ü'.repeat(200), long, 'everybody'],
    ['everybody'],
  ]);
});

test('binary and volatile messages reach every client but the sender', async () => {
  const { server, url } = await serveSocketIo();
  server.on('connection', (socket) => {
    socket.on('spread', (octets: Buffer) => socket.broadcast.volatile.emit('spread', octets));
  });
  const [sender, ...others] = [client(url), client(url), client(url)] as const;
  await Promise.all([sender, ...others].map((socket) => next(socket, 'connect')));
  sender.on('spread', () => expect.unreachable());
  const octets = randomBytes(1_000);
  const spread = others.map((socket) => next(socket, 'spread'));
  sender.emit('spread', octets);
  expect(await Promise.all(spread)).toEqual([[octets], [octets]]);
  expect(await sender.emitWithAck('echo', 'after', Buffer.of(0))).toEqual(['after', Buffer.of(0)]);
});

test('messages are compressed if both sides enable it', async () => {
  const { server, url } = await serveSocketIo({ perMessageDeflate: { threshold: 1_024 } });
  const socket = client(url);
  await next(socket, 'connect');
  const [webSocket] = webSocketsOf(server);
  expect(webSocket!.extensions).toMatch(/^permessage-deflate/);
  const { _socket: stream } = webSocket as unknown as { _socket: import('node:net').Socket };
  const [read, written] = [stream.bytesRead, stream.bytesWritten];
  const text = 'all work and no play '.repeat(10_000);
  const octets = Buffer.from(text);
  const [textBack, octetsBack] = await socket.emitWithAck('echo', text, octets);
  expect(textBack === text && octets.equals(octetsBack)).toBe(true);
  expect(stream.bytesRead - read).toBeLessThan(20_000);
  expect(stream.bytesWritten - written).toBeLessThan(20_000);
  const news = next(socket, 'news');
  server.emit('news', text, octets);
  const [newText, newOctets] = await news;
  expect(newText === text && octets.equals(newOctets)).toBe(true);
});

test('a class that extends WebSocketServer works as wsEngine', async () => {
  let upgrades = 0;
  class Counting extends WebSocketServer {
    override handleUpgrade(...args: Parameters<WebSocketServer['handleUpgrade']>): void {
      upgrades++;
      super.handleUpgrade(...args);
    }
  }
  const { url } = await serveSocketIo({ wsEngine: Counting } as Partial<ServerOptions>);
  const socket = client(url);
  await next(socket, 'connect');
  expect(await socket.emitWithAck('echo', 'a', Buffer.of(1))).toEqual(['a', Buffer.of(1)]);
  expect(upgrades).toBe(1);
});

test('a refused client gets the reason from a middleware or at the upgrade', async () => {
  const { server, url } = await serveSocketIo({
    allowRequest: (request, decide) => decide(null, !request.url!.includes('stranger')),
  });
  server.use((socket, next) => {
    if (socket.handshake.auth.token === 'secret') return next();
    next(Object.assign(new Error('wrong token'), { data: { retry: false } }));
  });
  const [refused] = await next(client(url, { auth: { token: 'guess' } }), 'connect_error');
  expect(refused).toMatchObject({ message: 'wrong token', data: { retry: false } });
  const [forbidden] = await next(client(url, { query: { stranger: 1 }, reconnection: false }), 'connect_error');
  expect(forbidden).toMatchObject({
    type: 'TransportError',
    description: { message: 'Unexpected server response: 400' },
  });
  await next(client(url, { auth: { token: 'secret' } }), 'connect');
  expect(server.sockets.sockets.size).toBe(1);
});

test('clients reconnect to a restarted server, and messages sent meanwhile arrive', async () => {
  const first = await serveSocketIo();
  const socket = client(first.url);
  await next(socket, 'connect');
  const disconnected = next(socket, 'disconnect');
  await crash(first.httpServer);
  expect((await disconnected)[0]).toBe('transport close');
  const answer = socket.emitWithAck('echo', 'sent while nobody was there', Buffer.of(2));
  const reconnected = next(socket, 'connect');
  await serveSocketIo({}, first.port);
  await reconnected;
  expect(await answer).toEqual(['sent while nobody was there', Buffer.of(2)]);
});

test('heartbeats keep a connection open, and missing ones close it', async () => {
  const { url } = await serveSocketIo({ pingInterval: 30, pingTimeout: 200 });
  const socket = client(url, { reconnection: false });
  await next(socket, 'connect');
  for (let i = 0; i < 4; i++) await next(socket.io, 'ping');
  expect(socket.connected).toBe(true);
  // Simulates a client that no longer answers, as after a network failure.
  socket.io.engine.transport.send = () => {};
  expect((await next(socket, 'disconnect'))[0]).toMatch(/^(?:transport close|ping timeout)$/);
});

test('either side closes, and both get the reason', async () => {
  const { server, url } = await serveSocketIo();
  const [leaving, removed, last] = [client(url), client(url), client(url)] as const;
  await Promise.all([leaving, removed, last].map((socket) => next(socket, 'connect')));
  const served = server.sockets.sockets;

  const left = next(served.get(leaving.id!)!, 'disconnect');
  leaving.disconnect();
  expect((await left)[0]).toBe('client namespace disconnect');

  const gone = next(removed, 'disconnect');
  served.get(removed.id!)!.disconnect(true);
  expect((await gone)[0]).toBe('io server disconnect');

  const shut = next(last, 'disconnect');
  await server.close();
  expect((await shut)[0]).toBe('transport close');
});

test('a client with autoUnref does not keep its process alive', async () => {
  const { url } = await serveSocketIo();
  const program = `import { io } from 'socket.io-client';
    const socket = io(${JSON.stringify(url)}, { transports: ['websocket'], autoUnref: true });
    const alive = setInterval(() => {}, 1000);
    socket.emit('echo', 'a', Buffer.of(3), ([text]) => {
      console.log(text);
      clearInterval(alive);
    });`;
  // The program ends by itself after the reply, or never.
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: join(import.meta.dirname),
    timeout: 240_000,
  });
  expect(stdout).toBe('a\n');
});

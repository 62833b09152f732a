import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fastifyWebSocket from '@fastify/websocket';
import Fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { closed, connect, next, nextMessage } from './loopback.ts';

async function build() {
  const app = Fastify();
  const failures: string[] = [];
  await app.register(fastifyWebSocket, {
    options: { maxPayload: 1_048_576, perMessageDeflate: true },
    errorHandler: (error, socket) => {
      failures.push(error.message);
      socket.close(1011, 'failed');
    },
  });
  app.get('/echo', { websocket: true }, (socket, request) => {
    socket.send(`hello ${request.headers['x-name'] ?? 'you'}`);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  app.get('/spread', { websocket: true }, (socket) => {
    socket.on('message', (data) => {
      for (const client of app.websocketServer.clients) client.send(data.toString());
    });
  });
  app.get('/fails', { websocket: true }, async () => {
    throw new Error('no luck');
  });
  app.get('/page', async () => 'a page');
  app.get(
    '/members',
    {
      websocket: true,
      preValidation: async (request, reply) => {
        if (request.headers.authorization !== 'secret') await reply.code(401).send('members only');
      },
    },
    (socket) => socket.send('welcome'),
  );
  onTestFinished(() => app.close());
  return { app, failures };
}

async function serveFastify(port = 0) {
  const built = await build();
  await built.app.listen({ port, host: '127.0.0.1' });
  const listening = (built.app.server.address() as AddressInfo).port;
  return { ...built, port: listening, url: `ws://127.0.0.1:${listening}` };
}

test('a route gets text and binary, along with routes of HTTP', async () => {
  const { url, port } = await serveFastify();
  const socket = connect(`${url}/echo`, [], { headers: { 'x-name': 'gustav' } });
  expect(await nextMessage(socket)).toBe('hello gustav');
  expect(socket.extensions).toMatch(/^permessage-deflate/);
  socket.send('grüße, 世界 🚀');
  expect(await nextMessage(socket)).toBe('grüße, 世界 🚀');
  const octets = Buffer.concat([randomBytes(70_000), Buffer.alloc(70_000)]);
  socket.send(octets);
  expect(octets.equals((await nextMessage(socket)) as Buffer)).toBe(true);
  expect(await (await fetch(`http://127.0.0.1:${port}/page`)).text()).toBe('a page');
  socket.close(1000, 'enough');
  expect(await closed(socket)).toEqual([1000, 'enough']);
});

test('websocketServer.clients reaches every client', async () => {
  const { url } = await serveFastify();
  const sockets = [1, 2, 3].map(() => connect(`${url}/spread`));
  await Promise.all(sockets.map((socket) => next(socket, 'open')));
  const heard = Promise.all(sockets.map(nextMessage));
  sockets[0]!.send('news');
  expect(await heard).toEqual(['news', 'news', 'news']);
});

test('a hook refuses the upgrade with a status, or accepts it', async () => {
  const { url } = await serveFastify();
  const [error] = await next(connect(`${url}/members`), 'error');
  expect(error.message).toBe('Unexpected server response: 401');
  const member = connect(`${url}/members`, [], { headers: { authorization: 'secret' } });
  expect(await nextMessage(member)).toBe('welcome');
});

test('the error of a handler is passed to the error handler; a route without a WebSocket closes', async () => {
  const { url, failures } = await serveFastify();
  expect(await closed(connect(`${url}/fails`))).toEqual([1011, 'failed']);
  expect(failures).toEqual(['no luck']);
  expect(await closed(connect(`${url}/page`))).toEqual([1005, '']);
});

test('an error of a client is passed to the error handler of its route', async () => {
  const { url, failures } = await serveFastify();
  const socket = connect(`${url}/echo`);
  await nextMessage(socket);
  socket.send(randomBytes(1_048_577));
  expect((await closed(socket))[0]).toBe(1009);
  expect(failures).toEqual(['Max payload size exceeded']);
});

test('injectWS connects to a route without a network', async () => {
  const { app } = await build();
  await app.ready();
  const received: string[] = [];
  const socket = (await app.injectWS(
    '/echo',
    { headers: { 'x-name': 'injected' } },
    {
      onInit: (fresh) => fresh.on('message', (data: Buffer) => received.push(data.toString())),
    },
  )) as unknown as WebSocket;
  expect(socket).toBeInstanceOf(WebSocket);
  if (received.length === 0) await once(socket, 'message');
  expect(received).toEqual(['hello injected']);
  socket.send('text');
  expect(await nextMessage(socket)).toBe('text');
  const octets = randomBytes(70_000);
  socket.send(octets);
  expect(octets.equals((await nextMessage(socket)) as Buffer)).toBe(true);
  socket.close(4_000, 'injected too');
  expect(await closed(socket)).toEqual([4_000, 'injected too']);
});

test('injectWS is refused like a client, and terminated by either side', async () => {
  const { app } = await build();
  await app.ready();
  await expect(app.injectWS('/members')).rejects.toThrow('Unexpected server response: 401');
  const member = await app.injectWS('/spread', { headers: {} });
  const socket = member as unknown as WebSocket;
  const ended = closed(socket);
  for (const client of app.websocketServer.clients) client.terminate();
  expect((await ended)[0]).toBe(1006);
});

test('close() ends the clients, and a restarted server serves new ones', async () => {
  const first = await serveFastify();
  const socket = connect(`${first.url}/echo`);
  await nextMessage(socket);
  const ended = closed(socket);
  await first.app.close();
  expect(await ended).toEqual([1005, '']);
  await serveFastify(first.port);
  expect(await nextMessage(connect(`${first.url}/echo`))).toBe('hello you');
});

import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import express from 'express';
import expressWs from 'express-ws';
import { expect, test } from 'vitest';
import type WebSocket from 'ws';
import type { ServerOptions, WebSocketServer } from 'ws';
import { closed, connect, crash, listen, next, nextMessage } from './loopback.ts';

async function serveExpress(wsOptions: ServerOptions = {}, port = 0) {
  const httpServer = createServer();
  const { app, applyTo, getWss } = expressWs(express(), httpServer, { wsOptions });
  httpServer.on('request', app);
  app.get('/page', (_request: unknown, response: { send(text: string): void }) => response.send('a page'));
  app.ws('/echo/:name', (socket: WebSocket, request: { params: { name: string }; query: { from?: string } }) => {
    // Otherwise a peer's error would end the process with ws.
    socket.on('error', () => {});
    socket.send(`${request.params.name} from ${request.query.from}`);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  app.ws('/leave', (socket: WebSocket) => socket.close(4_000, 'not today'));
  app.ws('/chat', (socket: WebSocket) => {
    socket.on('message', (data) => {
      for (const client of (getWss() as WebSocketServer).clients) client.send(data.toString());
    });
  });
  const router = express.Router();
  applyTo(router);
  router.use((request: { headers: { authorization?: string } }, response: never, proceed: () => void) => {
    if (request.headers.authorization === 'secret') proceed();
    else (response as { sendStatus(status: number): void }).sendStatus(401);
  });
  router.ws('/inner', (socket: WebSocket) => socket.send('welcome'));
  app.use('/members', router);
  const listening = await listen(httpServer, port);
  return { httpServer, port: listening, url: `ws://127.0.0.1:${listening}` };
}

test('a route of express gets text and binary, its parameters and the query, along with pages', async () => {
  const { url, port } = await serveExpress();
  const socket = connect(`${url}/echo/gustav?from=here`);
  expect(await nextMessage(socket)).toBe('gustav from here');
  socket.send('grüße, 世界 🚀');
  expect(await nextMessage(socket)).toBe('grüße, 世界 🚀');
  const octets = randomBytes(70_000);
  socket.send(octets);
  expect(octets.equals((await nextMessage(socket)) as Buffer)).toBe(true);
  expect(await (await fetch(`http://127.0.0.1:${port}/page`)).text()).toBe('a page');
  socket.close(4_001, 'enough');
  expect(await closed(socket)).toEqual([4_001, 'enough']);
});

test('getWss().clients reaches every client', async () => {
  const { url } = await serveExpress();
  const sockets = [1, 2, 3].map(() => connect(`${url}/chat`));
  await Promise.all(sockets.map((socket) => next(socket, 'open')));
  const heard = Promise.all(sockets.map(nextMessage));
  sockets[0]!.send('hello');
  expect(await heard).toEqual(['hello', 'hello', 'hello']);
});

test('a router accepts authorized clients, and closes others', async () => {
  const { url } = await serveExpress();
  const member = connect(`${url}/members/inner`, [], { headers: { authorization: 'secret' } });
  expect(await nextMessage(member)).toBe('welcome');
  expect(await closed(connect(`${url}/members/inner`))).toEqual([1005, '']);
});

test('a route that closes sends its code and reason; a path without a route is refused', async () => {
  const { url } = await serveExpress();
  expect(await closed(connect(`${url}/leave`))).toEqual([4_000, 'not today']);
  expect(await closed(connect(`${url}/nowhere`))).toEqual([1005, '']);
});

test('the options of a server are passed on: verifyClient refuses, maxPayload limits', async () => {
  const { url } = await serveExpress({
    verifyClient: ({ req }: { req: IncomingMessage }) => req.headers['x-key'] === 'right',
    maxPayload: 100,
  });
  const [error] = await next(connect(`${url}/chat`, [], { headers: { 'x-key': 'wrong' } }), 'error');
  expect(error.message).toBe('Unexpected server response: 401');
  const socket = connect(`${url}/echo/a`, [], { headers: { 'x-key': 'right' } });
  await nextMessage(socket);
  socket.send('x'.repeat(101));
  expect((await closed(socket))[0]).toBe(1009);
});

test('after a restart a new socket works at the same address', async () => {
  const first = await serveExpress();
  const socket = connect(`${first.url}/echo/a`);
  await nextMessage(socket);
  const ended = closed(socket);
  await crash(first.httpServer);
  expect(await ended).toEqual([1006, '']);
  await serveExpress({}, first.port);
  expect(await nextMessage(connect(`${first.url}/echo/b`))).toBe('b from undefined');
});

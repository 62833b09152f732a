import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import IsomorphicWebSocket from 'isomorphic-ws';
import ReconnectingWebSocketModule from 'reconnecting-websocket';
import { expect, onTestFinished, test } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { closed, crash, listen } from './loopback.ts';
import { eventually } from './until.ts';

// In TypeScript a default import; in Node the CommonJS module.
const ReconnectingWebSocket = ReconnectingWebSocketModule as unknown as typeof ReconnectingWebSocketModule.default;

async function serveEcho(port = 0) {
  const httpServer = createServer();
  const webSocketServer = new WebSocketServer({ server: httpServer });
  webSocketServer.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  const listening = await listen(httpServer, port);
  return { httpServer, webSocketServer, port: listening, url: `ws://127.0.0.1:${listening}/` };
}

function reconnecting(url: string, options = {}) {
  const socket = new ReconnectingWebSocket(url, [], {
    WebSocket: IsomorphicWebSocket,
    minReconnectionDelay: 20,
    maxReconnectionDelay: 50,
    ...options,
  });
  onTestFinished(() => socket.close());
  return socket;
}

test('isomorphic-ws exports the class itself', () => {
  expect(IsomorphicWebSocket).toBe(WebSocket);
});

test('text and binary data arrive in both directions through browser events', async () => {
  const { url } = await serveEcho();
  const socket = reconnecting(url);
  socket.binaryType = 'arraybuffer' as never;
  const received: unknown[] = [];
  socket.onmessage = ({ data }) => received.push(data);
  const octets = Uint8Array.from(randomBytes(1_000));
  // Sent before the socket is open, so queued until then.
  socket.send('grüße, 世界 🚀');
  socket.send(octets.buffer);
  await eventually(() => expect(received).toHaveLength(2));
  expect(received).toEqual(['grüße, 世界 🚀', octets.buffer]);
});

test('it reconnects to a restarted server, and sends queued messages', async () => {
  const first = await serveEcho();
  const socket = reconnecting(first.url);
  const log: unknown[] = [];
  socket.addEventListener('open', () => void log.push('open'));
  socket.addEventListener('close', ({ code }) => void log.push(code));
  socket.addEventListener('message', ({ data }) => void log.push(data));
  await eventually(() => expect(log).toEqual(['open']));
  await crash(first.httpServer);
  await eventually(() => expect(log.slice(0, 2)).toEqual(['open', 1006]));
  await eventually(() => expect(socket.retryCount).toBeGreaterThan(1));
  socket.send('kept');
  await serveEcho(first.port);
  await eventually(() => expect(log.slice(-2)).toEqual(['open', 'kept']));
});

test('a close code of the server is passed on, and close() prevents reconnecting', async () => {
  const { url, webSocketServer } = await serveEcho();
  const socket = reconnecting(url);
  const codes: [number, string][] = [];
  socket.addEventListener('close', ({ code, reason }) => void codes.push([code, reason]));
  await eventually(() => expect(webSocketServer.clients.size).toBe(1));
  for (const client of webSocketServer.clients) client.close(4_001, 'again, please');
  await eventually(() => expect(codes).toEqual([[4_001, 'again, please']]));
  await eventually(() => expect(socket.readyState).toBe(WebSocket.OPEN));
  const [served] = webSocketServer.clients;
  const ended = closed(served!);
  socket.close(4_000, 'enough');
  expect(await ended).toEqual([4_000, 'enough']);
});

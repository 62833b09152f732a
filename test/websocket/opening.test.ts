import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { implementations, listen } from '../support/peers.ts';

const { goodwire } = implementations;

/** Everything that a socket tells until it is closed, in order. */
async function lifeOf(socket: WebSocket): Promise<string[]> {
  const life: string[] = [];
  socket.on('upgrade', (response) => life.push(`upgrade ${response.statusCode} ${socket.readyState}`));
  socket.on('redirect', (url) => life.push(`redirect ${new URL(url).pathname} ${socket.readyState}`));
  socket.on('open', () => life.push(`open ${socket.readyState}`));
  socket.on('error', (error) => life.push(`error ${error.message} ${socket.readyState}`));
  const closed = new Promise<void>((resolve) => {
    socket.on('close', (code, reason) => {
      life.push(`close ${code} "${reason}" ${socket.readyState}`);
      resolve();
    });
  });
  await closed;
  return life;
}

/** An HTTP server that answers upgrades with a refusal, or with a redirect to `location`. */
async function refusing(location?: string): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer();
  server.on('upgrade', (_request, socket) => {
    const field = location === undefined ? 'X-Why: full' : `Location: ${location}`;
    socket.end(
      `HTTP/1.1 ${location === undefined ? '503 Service Unavailable' : '302 Found'}\r\n${field}\r\n` +
        'Connection: close\r\nContent-Length: 4\r\n\r\nbusy',
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/old`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.each(Object.entries(implementations))('a client of %s', (_name, implementation) => {
  test('tells of the upgrade, the opening and the end, in this order', async () => {
    await using peers = await listen(goodwire);
    const socket = peers.connect(implementation);
    const life = lifeOf(socket);
    socket.on('open', () => socket.close(1000, 'done'));
    expect(await life).toEqual(['upgrade 101 0', 'open 1', 'close 1000 "done" 3']);
  });

  test('that is closed in the upgrade event never opens', async () => {
    await using peers = await listen(goodwire);
    const socket = peers.connect(implementation);
    socket.on('upgrade', () => socket.close());
    expect(await lifeOf(socket)).toEqual([
      'upgrade 101 2',
      'error WebSocket was closed before the connection was established 2',
      'close 1006 "" 3',
    ]);
  });

  test.each(['close', 'terminate'] as const)(
    'that gives up by %s() while connecting reports an error, and 1006',
    async (end) => {
      await using peers = await listen(goodwire);
      const socket = peers.connect(implementation);
      const life = lifeOf(socket);
      socket[end]();
      expect(socket.readyState).toBe(2);
      expect(await life).toEqual([
        'error WebSocket was closed before the connection was established 2',
        'close 1006 "" 3',
      ]);
    },
  );

  test('that is refused reports the status', async () => {
    await using server = await refusing();
    const socket = new implementation.WebSocket(server.url);
    expect(await lifeOf(socket)).toEqual(['error Unexpected server response: 503 2', 'close 1006 "" 3']);
  });

  test('hands a refusal to a listener for it, with status, fields and body, and reports nothing itself', async () => {
    await using server = await refusing();
    const socket = new implementation.WebSocket(server.url);
    const life = lifeOf(socket);
    const [request, response] = (await once(socket, 'unexpected-response')) as [{ destroy(): void }, IncomingMessage];
    expect(response.statusCode).toBe(503);
    expect(response.headers['x-why']).toBe('full');
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    expect(String(Buffer.concat(chunks))).toBe('busy');
    expect(socket.readyState).toBe(0);
    request.destroy();
    socket.terminate();
    expect((await life).at(-1)).toBe('close 1006 "" 3');
  });

  test('follows a redirect when it is told to, and has the new address then', async () => {
    await using peers = await listen(goodwire, 'tcp', { path: '/new' });
    await using server = await refusing(new URL('/new', peers.url).href);
    const socket = new implementation.WebSocket(server.url, {
      followRedirects: true,
      perMessageDeflate: false,
    } as object);
    const life = lifeOf(socket);
    socket.on('open', () => socket.close(1000));
    expect(await life).toEqual(['redirect /new 0', 'upgrade 101 0', 'open 1', 'close 1000 "" 3']);
    expect(socket.url).toBe(new URL('/new', peers.url).href);
  });
});

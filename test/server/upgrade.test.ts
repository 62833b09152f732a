import { once } from 'node:events';
import http from 'node:http';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import * as ws from 'ws';
import { HandshakeError } from '../../src/handshake/handshake-error.ts';
import type { UpgradeOptions } from '../../src/server/server-options.ts';
import { upgrade } from '../../src/server/upgrade.ts';
import { WebSocket } from '../../src/websocket/websocket.ts';
import { connect, exchange, exchangeHead } from '../support/exchange.ts';
import { MemoryStream } from '../support/memory-stream.ts';
import { injectedRequest, requestText } from '../support/opening-request.ts';
import { portOf } from '../support/port-of.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type OnUpgrade = (request: http.IncomingMessage, socket: Duplex, head: Buffer) => unknown;

/** Starts an HTTP server that hands its upgrade requests to a function, until the end of the test. */
async function serveUpgrades(onUpgrade: OnUpgrade): Promise<http.Server> {
  const server = http.createServer();
  server.on('upgrade', onUpgrade);
  const sockets = new Set<Duplex>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  });
  await once(server, 'listening');
  return server;
}

function inject(options: UpgradeOptions, headers: Record<string, string | undefined> = {}) {
  const socket = new MemoryStream();
  return { socket, websocket: upgrade(injectedRequest(headers), socket, Buffer.alloc(0), options) };
}

describe('upgrade()', () => {
  it('returns an open WebSocket', async () => {
    const server = await serveUpgrades(async (request, socket, head) => {
      const websocket = await upgrade(request, socket, head);
      websocket.on('message', (data, isBinary) => websocket.send(data, { binary: isBinary }));
      websocket.send(`hello ${request.url}`);
    });
    const client = new ws.WebSocket(`ws://127.0.0.1:${portOf(server)}/you`);
    const [greeting] = await once(client, 'message');
    expect(String(greeting)).toBe('hello /you');
    client.send('echo');
    const [echo] = await once(client, 'message');
    expect(String(echo)).toBe('echo');
    client.close();
    await once(client, 'close');
  });

  it('loses no message that arrived with the request', async () => {
    const message = new Promise((resolve) => {
      void serveUpgrades(async (request, socket, head) => {
        const websocket = await upgrade(request, socket, head);
        websocket.on('message', (data) => resolve(String(data)));
      }).then(async (server) => {
        const client = await connect(portOf(server));
        onTestFinished(() => void client.destroy());
        client.write(`${requestText()}\x81\x82\0\0\0\0hi`, 'latin1');
      });
    });
    expect(await message).toBe('hi');
  });

  it('keeps a WebSocket paused that was paused at once', async () => {
    const socket = new MemoryStream();
    const websocket = await upgrade(injectedRequest(), socket, Buffer.alloc(0));
    const messages: string[] = [];
    websocket.on('message', (data) => messages.push(String(data)));
    websocket.pause();
    socket.push(Buffer.from('\x81\x82\0\0\0\0hi', 'latin1'));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(messages).toEqual([]);
    const message = once(websocket, 'message');
    websocket.resume();
    await message;
    expect(messages).toEqual(['hi']);
  });

  it('uses class, subprotocol, headers and limits from its options', async () => {
    class Mine extends WebSocket {}
    const { socket, websocket } = inject(
      { WebSocket: Mine as typeof WebSocket, handleProtocols: () => 'b', responseHeaders: { 'X-A': 'b' } },
      { 'sec-websocket-protocol': 'a, b' },
    );
    const opened = await websocket;
    expect(opened).toBeInstanceOf(Mine);
    expect(opened.protocol).toBe('b');
    expect(socket.written).toMatch(/\r\nSec-WebSocket-Protocol: b\r\nX-A: b\r\n\r\n$/);
  });

  it('rejects after it has sent the refusal', async () => {
    const errors: HandshakeError[] = [];
    const server = await serveUpgrades((request, socket, head) =>
      upgrade(request, socket, head, { origins: ['https://example.com'] }).catch((error) => errors.push(error)),
    );
    const refused = await exchange(portOf(server), requestText({ headers: { Origin: 'https://evil.test' } }));
    expect(refused).toMatch(/^HTTP\/1\.1 403 Forbidden\r\nConnection: close\r\n/);
    expect(await exchange(portOf(server), requestText({ headers: { 'Sec-WebSocket-Version': '7' } }))).toMatch(/ 426 /);
    const accepted = requestText({ headers: { Origin: 'https://example.com' } });
    expect(await exchangeHead(portOf(server), accepted)).toMatch(/ 101 /);
    expect(errors.map(({ status, code }) => [status, code])).toEqual([
      [403, 'GOODWIRE_ORIGIN_NOT_ALLOWED'],
      [426, 'GOODWIRE_UNSUPPORTED_VERSION'],
    ]);
    expect(errors.every((error) => error instanceof HandshakeError)).toBe(true);
  });

  it('rejects if the socket is gone', async () => {
    const { socket, websocket } = inject({ verifyClient: (_, answer) => setImmediate(answer, true) });
    socket.destroy(new Error('ECONNRESET'));
    await expect(websocket).rejects.toMatchObject({ code: 'GOODWIRE_SOCKET_CLOSED' });
  });

  it('rejects with the cause if a callback throws', async () => {
    const { websocket } = inject({
      verifyClient: () => {
        throw new Error('mine');
      },
    });
    await expect(websocket).rejects.toMatchObject({ status: 500, cause: new Error('mine') });
  });

  it('rejects for a socket that was upgraded before, and for invalid origins', async () => {
    const { socket, websocket } = inject({});
    await websocket;
    await expect(upgrade(injectedRequest(), socket, Buffer.alloc(0))).rejects.toThrow(/more than once/);
    await expect(inject({ origins: ['x'] }).websocket).rejects.toThrow(TypeError);
  });
});

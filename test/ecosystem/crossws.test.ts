import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import nodeAdapter from 'crossws/adapters/node';
import { expect, test } from 'vitest';
import { type PerMessageDeflateOptions, WebSocketServer } from 'ws';
import { closed, connect, crash, listen, next, nextMessage } from './loopback.ts';
import { eventually } from './until.ts';

async function serveCrossws(port = 0) {
  const webSocketServer = new WebSocketServer({ noServer: true, perMessageDeflate: true });
  const closes: { code?: number | undefined; reason?: string | undefined }[] = [];
  const drains: string[] = [];
  const adapter = nodeAdapter({
    wss: webSocketServer as never,
    hooks: {
      upgrade(request) {
        const { searchParams } = new URL(request.url);
        if (searchParams.get('token') === 'wrong') throw new Response('not you', { status: 403 });
        const compression = searchParams.get('compression');
        return {
          headers: { 'x-served-by': 'crossws' },
          context: { name: searchParams.get('name') },
          ...(compression ? { perMessageDeflate: JSON.parse(compression) as PerMessageDeflateOptions } : {}),
        };
      },
      open(peer) {
        peer.subscribe('room');
        peer.send(`hello ${peer.context.name} at ${peer.remoteAddress}`);
      },
      message(peer, message) {
        if (message.rawData === 'close me') peer.close(4_001, 'as you wish');
        else if (message.rawData === 'spread') peer.publish('room', 'news');
        else if (message.rawData === 'flood') peer.send(randomBytes(16_777_216));
        else peer.send(message.rawData);
      },
      drain: (peer) => void drains.push(peer.id),
      close: (_peer, details) => void closes.push(details),
    },
  });
  const httpServer = createServer();
  httpServer.on('upgrade', adapter.handleUpgrade);
  const listening = await listen(httpServer, port);
  return { httpServer, webSocketServer, adapter, closes, drains, port: listening, url: `ws://127.0.0.1:${listening}` };
}

test('peers send and receive text and binary data, and publish to subscribers', async () => {
  const { url, closes } = await serveCrossws();
  const sockets = ['a', 'b', 'c'].map((name) => connect(`${url}/?name=${name}`));
  const [, response] = await Promise.all([Promise.all(sockets.map(nextMessage)), next(sockets[0]!, 'upgrade')]);
  expect(response[0].headers['x-served-by']).toBe('crossws');
  const [one, ...others] = sockets;
  one!.send('grüße, 世界 🚀');
  expect(await nextMessage(one!)).toBe('grüße, 世界 🚀');
  const octets = randomBytes(70_000);
  one!.send(octets);
  expect(octets.equals((await nextMessage(one!)) as Buffer)).toBe(true);
  const heard = Promise.all(others.map(nextMessage));
  one!.send('spread');
  expect(await heard).toEqual(['news', 'news']);
  one!.close(4_000, 'enough');
  expect(await closed(one!)).toEqual([4_000, 'enough']);
  await eventually(() => expect(closes).toEqual([{ code: 4_000, reason: 'enough' }]));
});

test('a hook configures compression for its connection only', async () => {
  const { url } = await serveCrossws();
  const ask = async (compression: unknown): Promise<string | undefined> => {
    const socket = connect(`${url}/?name=a&compression=${encodeURIComponent(JSON.stringify(compression))}`);
    const [[response], greeting] = await Promise.all([next(socket, 'upgrade'), nextMessage(socket)]);
    expect(greeting).toBe('hello a at 127.0.0.1');
    socket.send('x'.repeat(100_000));
    expect(await nextMessage(socket)).toHaveLength(100_000);
    return response.headers['sec-websocket-extensions'];
  };
  expect(await ask(false)).toBeUndefined();
  const plain = await ask(true);
  expect(plain).toMatch(/^permessage-deflate/);
  expect(await ask({ serverMaxWindowBits: 10 })).toMatch(/^permessage-deflate;.* server_max_window_bits=10/);
  expect(await ask(true)).toBe(plain);
});

test('a hook refuses an upgrade', async () => {
  const { url } = await serveCrossws();
  const [error] = await next(connect(`${url}/?token=wrong`), 'error');
  expect(error.message).toBe('Unexpected server response: 403');
});

test('a peer is notified when its data has been sent', async () => {
  const { url, drains } = await serveCrossws();
  const socket = connect(`${url}/?compression=false`);
  await nextMessage(socket);
  expect(drains).toEqual([]);
  socket.send('flood');
  expect(await nextMessage(socket)).toHaveLength(16_777_216);
  await eventually(() => expect(drains.length).toBeGreaterThan(0));
});

test('the server closes one peer or all; after a restart new ones connect', async () => {
  const first = await serveCrossws();
  const [one, other] = [connect(first.url), connect(first.url)];
  await Promise.all([nextMessage(one), nextMessage(other)]);
  one.send('close me');
  expect(await closed(one)).toEqual([4_001, 'as you wish']);
  const ended = closed(other);
  first.adapter.closeAll(1001, 'going away');
  expect(await ended).toEqual([1001, 'going away']);
  await crash(first.httpServer);
  await serveCrossws(first.port);
  expect(await nextMessage(connect(`${first.url}/?name=b`))).toBe('hello b at 127.0.0.1');
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';
import { eventually, until } from './until.ts';

const program = createRequire(import.meta.url)
  .resolve('y-websocket-server/package.json')
  .replace('package.json', 'bin/server.cjs');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts the server of y-websocket as its users do, and waits until it listens. */
async function serveYjs(port: number): Promise<ChildProcess> {
  const server = spawn(process.execPath, [program], {
    env: { ...process.env, HOST: '127.0.0.1', PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => stop(server));
  const [line] = await once(server.stdout!, 'data');
  expect(String(line)).toContain('running at');
  return server;
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exit = once(server, 'exit');
  server.kill('SIGKILL');
  await exit;
}

function join(port: number, room = 'room') {
  const document = new Y.Doc();
  const provider = new WebsocketProvider(`ws://127.0.0.1:${port}`, room, document, {
    WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
    // Otherwise documents of one process would find each other without a network.
    disableBc: true,
    maxBackoffTime: 50,
  });
  onTestFinished(() => {
    provider.destroy();
    document.destroy();
  });
  return { document, provider, text: document.getText('text') };
}

const synced = ({ provider }: { provider: WebsocketProvider }) => until(() => provider.synced);

test('documents of several clients merge, including binary data; another room is another document', async () => {
  const port = await freePort();
  await serveYjs(port);
  const clients = [join(port), join(port), join(port)] as const;
  const elsewhere = join(port, 'elsewhere');
  await Promise.all([...clients, elsewhere].map(synced));
  clients[0].text.insert(0, 'grüße, 世界 🚀');
  await eventually(() => expect(clients[2].text.toString()).toBe('grüße, 世界 🚀'));
  clients.forEach(({ text }, i) => {
    text.insert(0, `${i} `);
  });
  const octets = Uint8Array.from({ length: 70_000 }, (_, i) => i);
  clients[1].document.getMap('map').set('octets', octets);
  await eventually(() => {
    const [first, ...others] = clients.map(({ text }) => text.toString());
    expect(first).toHaveLength(6 + 'grüße, 世界 🚀'.length);
    expect(others).toEqual([first, first]);
    expect(Buffer.from(clients[2].document.getMap('map').get('octets') as Uint8Array).equals(octets)).toBe(true);
  });
  expect(elsewhere.text.toString()).toBe('');
});

test('clients see the presence of others, and their leaving', async () => {
  const port = await freePort();
  await serveYjs(port);
  const [one, other] = [join(port), join(port)];
  await Promise.all([one, other].map(synced));
  other.provider.awareness.setLocalStateField('name', 'gustav');
  const seen = () => one.provider.awareness.getStates().get(other.document.clientID);
  await eventually(() => expect(seen()).toEqual({ name: 'gustav' }));
  other.provider.disconnect();
  await eventually(() => expect(seen()).toBeUndefined());
});

test('clients reconnect to a restarted server and send their changes', async () => {
  const port = await freePort();
  const first = await serveYjs(port);
  const [one, other] = [join(port), join(port)];
  await Promise.all([one, other].map(synced));
  one.text.insert(0, 'before');
  await eventually(() => expect(other.text.toString()).toBe('before'));
  const lost = [one, other].map(({ provider }) => new Promise((resolve) => provider.once('connection-close', resolve)));
  await stop(first);
  await Promise.all(lost);
  one.text.insert(0, 'meanwhile ');
  await new Promise((resolve) => one.provider.once('connection-error', resolve));
  await serveYjs(port);
  await eventually(() => expect(other.text.toString()).toBe('meanwhile before'));
});

test('a final close code prevents a client from reconnecting', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  let connections = 0;
  server.on('connection', (socket) => {
    connections++;
    socket.close(4_403, 'not your document');
  });
  const { provider } = join((server.address() as AddressInfo).port);
  const reason = await new Promise((resolve) => provider.once('closed', resolve));
  expect(reason).toEqual({ code: 4_403, reason: 'not your document' });
  expect(provider.shouldConnect).toBe(false);
  expect(connections).toBe(1);
});

test('a provider destroyed while connecting leaves nothing behind', async () => {
  const port = await freePort();
  await serveYjs(port);
  const { provider } = join(port);
  const socket = provider.ws as unknown as WebSocket;
  expect(socket.readyState).toBe(WebSocket.CONNECTING);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  provider.destroy();
  expect(await closed).toBe(1006);
});

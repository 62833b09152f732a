import { once } from 'node:events';
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider';
import { Server, type ServerConfiguration } from '@hocuspocus/server';
import { expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import * as Y from 'yjs';
import { eventually, until } from './until.ts';

async function serveHocuspocus(configuration: Partial<ServerConfiguration> = {}, port = 0) {
  const server = new Server({ quiet: true, stopOnSignals: false, address: '127.0.0.1', debounce: 0, ...configuration });
  await server.listen(port);
  onTestFinished(() => server.destroy());
  return { server, port: server.address.port, url: `ws://127.0.0.1:${server.address.port}` };
}

function join(url: string, { token = 'secret', name = 'document' } = {}) {
  const websocketProvider = new HocuspocusProviderWebsocket({
    url,
    WebSocketPolyfill: WebSocket,
    delay: 20,
    minDelay: 20,
    factor: 1,
    jitter: false,
  });
  const document = new Y.Doc();
  const provider = new HocuspocusProvider({ websocketProvider, name, document, token });
  provider.attach();
  onTestFinished(() => {
    provider.destroy();
    websocketProvider.destroy();
  });
  return { provider, websocketProvider, document, text: document.getText('text') };
}

const event = <T>(emitter: { on(name: string, listener: (value: T) => void): unknown }, name: string): Promise<T> =>
  new Promise((resolve) => void emitter.on(name, resolve));

const synced = ({ provider }: ReturnType<typeof join>) => until(() => provider.isSynced);

test('documents of several clients merge, and stateless messages arrive in both directions', async () => {
  const heard: string[] = [];
  const { url, server } = await serveHocuspocus({
    onStateless: async ({ payload, connection }) => {
      heard.push(payload);
      connection.sendStateless(`echo ${payload}`);
    },
  });
  const clients = [join(url), join(url), join(url)];
  await Promise.all(clients.map(synced));
  clients.forEach(({ text }, i) => {
    text.insert(0, `${i}世界`);
  });
  await eventually(() => {
    const [first, ...others] = clients.map(({ text }) => text.toString());
    expect(first).toHaveLength(9);
    expect(others).toEqual([first, first]);
  });
  const answer = event<{ payload: string }>(clients[0]!.provider, 'stateless');
  clients[0]!.provider.sendStateless('hello 🚀');
  expect((await answer).payload).toBe('echo hello 🚀');
  expect(heard).toEqual(['hello 🚀']);
  expect(server.hocuspocus.getConnectionsCount()).toBe(3);
});

test('a refused client gets the reason', async () => {
  const { url } = await serveHocuspocus({
    onAuthenticate: async ({ token }) => {
      if (token !== 'secret') throw new Error();
    },
  });
  const denied = join(url, { token: 'guess' });
  expect(await event(denied.provider, 'authenticationFailed')).toEqual({ reason: 'permission-denied' });
  await synced(join(url));
  expect(denied.provider.isSynced).toBe(false);
});

test('clients reconnect to a restarted server and send their changes', async () => {
  const first = await serveHocuspocus();
  const [one, other] = [join(first.url), join(first.url)];
  await Promise.all([one, other].map(synced));
  one.text.insert(0, 'before');
  await eventually(() => expect(other.text.toString()).toBe('before'));
  const lost = [one, other].map(({ provider }) => event(provider, 'disconnect'));
  for (const client of first.server.webSocketServer.clients) client.terminate();
  await first.server.destroy();
  await Promise.all(lost);
  one.text.insert(0, 'meanwhile ');
  await serveHocuspocus({}, first.port);
  await eventually(() => expect(other.text.toString()).toBe('meanwhile before'));
});

test('the server receives the close code of a client', async () => {
  const { url, server } = await serveHocuspocus();
  const leaving = join(url);
  await synced(leaving);
  const [socket] = server.webSocketServer.clients;
  const closed = once(socket!, 'close');
  leaving.websocketProvider.destroy();
  expect((await closed)[0]).toBe(1005);
  await eventually(() => expect(server.hocuspocus.getConnectionsCount()).toBe(0));
});

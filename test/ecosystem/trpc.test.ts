import { EventEmitter, on } from 'node:events';
import { createServer } from 'node:http';
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client';
import { initTRPC, TRPCError } from '@trpc/server';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import { expect, onTestFinished, test } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { closed, connect, crash, listen, next } from './loopback.ts';
import { eventually } from './until.ts';

const speech = new EventEmitter();
const t = initTRPC.context<{ token: string | undefined }>().create();
const text = (value: unknown): string => {
  if (typeof value !== 'string') throw new TRPCError({ code: 'BAD_REQUEST' });
  return value;
};
const router = t.router({
  hello: t.procedure.input(text).query(({ input }) => `hello ${input}`),
  secret: t.procedure.query(({ ctx }) => {
    if (ctx.token !== 'secret') throw new TRPCError({ code: 'UNAUTHORIZED' });
    return 'the secret';
  }),
  say: t.procedure.input(text).mutation(({ input }) => speech.emit('said', input)),
  said: t.procedure.subscription(async function* ({ signal }) {
    try {
      for await (const [said] of on(speech, 'said', { signal: signal! })) yield said as string;
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  }),
});

async function serveTrpc(port = 0) {
  const httpServer = createServer();
  const webSocketServer = new WebSocketServer({ server: httpServer });
  const handler = applyWSSHandler({
    wss: webSocketServer,
    router,
    createContext: ({ info }) => ({ token: info.connectionParams?.token }),
    keepAlive: { enabled: true, pingMs: 30, pongWaitMs: 100 },
  });
  const listening = await listen(httpServer, port);
  return { httpServer, webSocketServer, handler, port: listening, url: `ws://127.0.0.1:${listening}` };
}

function client(url: string, token = 'secret') {
  const events: string[] = [];
  const socket = createWSClient({
    url,
    WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
    connectionParams: async () => ({ token }),
    retryDelayMs: () => 20,
    onOpen: () => void events.push('open'),
    onClose: (cause) => void events.push(`close ${cause?.code}`),
  });
  onTestFinished(() => socket.close());
  return { socket, events, remote: createTRPCClient<typeof router>({ links: [wsLink({ client: socket })] }) };
}

function subscribe({ remote }: ReturnType<typeof client>) {
  const heard: string[] = [];
  const subscription = remote.said.subscribe(undefined, { onData: (said) => heard.push(said) });
  onTestFinished(() => subscription.unsubscribe());
  return { heard, subscription };
}

test('queries, mutations and subscriptions of several clients work', async () => {
  const { url } = await serveTrpc();
  const [speaker, ...hearers] = [client(url), client(url), client(url)] as const;
  expect(await speaker.remote.hello.query('世界 🚀')).toBe('hello 世界 🚀');
  const subscriptions = hearers.map(subscribe);
  await eventually(() => expect(speech.listenerCount('said')).toBe(2));
  await speaker.remote.say.mutate('one');
  await speaker.remote.say.mutate('two');
  await eventually(() => expect(subscriptions.map(({ heard }) => heard)).toEqual(Array(2).fill(['one', 'two'])));
  for (const { subscription } of subscriptions) subscription.unsubscribe();
  await eventually(() => expect(speech.listenerCount('said')).toBe(0));
});

test('errors arrive as errors, with the connection parameters of the client', async () => {
  const { url } = await serveTrpc();
  await expect(client(url, 'guess').remote.secret.query()).rejects.toThrow('UNAUTHORIZED');
  expect(await client(url).remote.secret.query()).toBe('the secret');
});

test('subscriptions continue after a restart of the server', async () => {
  const first = await serveTrpc();
  const hearer = client(first.url);
  const { heard } = subscribe(hearer);
  await eventually(() => expect(speech.listenerCount('said')).toBe(1));
  speech.emit('said', 'before');
  await eventually(() => expect(heard).toEqual(['before']));
  await crash(first.httpServer);
  await eventually(() => expect(hearer.events).toContain('close 1006'));
  await eventually(() => expect(speech.listenerCount('said')).toBe(0));
  await serveTrpc(first.port);
  await eventually(() => expect(speech.listenerCount('said')).toBe(1));
  speech.emit('said', 'after');
  await eventually(() => expect(heard).toEqual(['before', 'after']));
});

test('a client that does not answer pings is disconnected', async () => {
  const { url, webSocketServer } = await serveTrpc();
  const dead = connect(url);
  await next(dead, 'open');
  // The client does not answer "PING", the keep-alive of tRPC, or any other message.
  expect((await closed(dead))[0]).toBe(1006);
  await eventually(() => expect(webSocketServer.clients.size).toBe(0));
});

test('the server asks its clients to reconnect, and either side closes', async () => {
  const { url, handler, webSocketServer } = await serveTrpc();
  const caller = client(url);
  expect(await caller.remote.hello.query('a')).toBe('hello a');
  const before = new Set(webSocketServer.clients);
  handler.broadcastReconnectNotification();
  await eventually(() => expect([...webSocketServer.clients].some((socket) => !before.has(socket))).toBe(true));
  expect(await caller.remote.hello.query('b')).toBe('hello b');
  const served = [...webSocketServer.clients].at(-1)!;
  const ended = closed(served);
  await caller.socket.close();
  expect((await ended)[0]).toBe(1005);
});

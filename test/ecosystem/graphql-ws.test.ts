import { EventEmitter, on } from 'node:events';
import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { type Client, CloseCode, createClient, GRAPHQL_TRANSPORT_WS_PROTOCOL, type ServerOptions } from 'graphql-ws';
import { type Extra, useServer } from 'graphql-ws/use/ws';
import { expect, onTestFinished, test, vi } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { closed, connect, crash, listen, next, nextMessage } from './loopback.ts';
import { eventually } from './until.ts';

const schema = buildSchema(`
  type Query { hello(name: String!): String! }
  type Mutation { say(text: String!): Boolean! }
  type Subscription { count(to: Int!): Int!, said: String! }
`);

type Options = ServerOptions<{ token?: string }, Extra & Partial<Record<PropertyKey, never>>>;

async function serveGraphql(options: Partial<Options> = {}, { port = 0, keepAlive = 0 } = {}) {
  const speech = new EventEmitter();
  const roots = {
    query: { hello: ({ name }: { name: string }) => `hello ${name}` },
    mutation: {
      say: ({ text }: { text: string }) => speech.emit('said', text),
    },
    subscription: {
      count: async function* ({ to }: { to: number }) {
        for (let count = 1; count <= to; count++) yield { count };
      },
      said: () => {
        const texts = on(speech, 'said');
        return {
          next: async () => {
            const { done, value } = await texts.next();
            return done ? { done, value } : { done: false, value: { said: value[0] } };
          },
          return: () => texts.return!(),
          [Symbol.asyncIterator]() {
            return this;
          },
        };
      },
    },
  };
  const httpServer = createServer();
  const webSocketServer = new WebSocketServer({ server: httpServer, path: '/graphql' });
  const disposable = useServer<{ token?: string }>({ schema, roots, ...options }, webSocketServer, keepAlive);
  const listening = await listen(httpServer, port);
  return { httpServer, disposable, speech, port: listening, url: `ws://127.0.0.1:${listening}/graphql` };
}

function client(url: string, options: Partial<Parameters<typeof createClient>[0]> = {}): Client {
  const created = createClient({
    url,
    webSocketImpl: WebSocket,
    lazy: false,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 20)),
    retryAttempts: 100,
    onNonLazyError: () => {},
    ...options,
  });
  onTestFinished(async () => created.dispose());
  return created;
}

/** Returns the first results of an operation. */
async function results(client: Client, query: string, count = 1): Promise<unknown[]> {
  const list: unknown[] = [];
  for await (const { data, errors } of client.iterate({ query })) {
    list.push(errors ?? data);
    if (list.length === count) break;
  }
  return list;
}

/** Resolves with the data of the next event of a client. */
const event = (client: Client, name: 'closed' | 'connected' | 'error' | 'opened'): Promise<unknown> =>
  new Promise((resolve) => {
    const off = client.on(name, (value: unknown) => {
      off();
      resolve(value);
    });
  });

test('queries, mutations and subscriptions of several clients work', async () => {
  const { url, speech } = await serveGraphql();
  const [speaker, ...hearers] = [client(url), client(url), client(url)] as const;
  expect(await results(speaker, '{ hello(name: "世界") }')).toEqual([{ hello: 'hello 世界' }]);
  expect(await results(speaker, 'subscription { count(to: 500) }', 500)).toEqual(
    Array.from({ length: 500 }, (_, i) => ({ count: i + 1 })),
  );
  const heard = hearers.map((hearer) => results(hearer, 'subscription { said }', 2));
  await eventually(() => expect(speech.listenerCount('said')).toBe(2));
  await results(speaker, 'mutation { say(text: "one") }');
  await results(speaker, 'mutation { say(text: "two") }');
  expect(await Promise.all(heard)).toEqual(Array(2).fill([{ said: 'one' }, { said: 'two' }]));
  await eventually(() => expect(speech.listenerCount('said')).toBe(0));
});

test('a server that denies a connection closes it with 4403', async () => {
  const { url } = await serveGraphql({ onConnect: ({ connectionParams }) => connectionParams?.token === 'secret' });
  const denied = client(url, { connectionParams: { token: 'guess' }, retryAttempts: 0 });
  expect(await event(denied, 'closed')).toMatchObject({
    code: CloseCode.Forbidden,
    reason: 'Forbidden',
    wasClean: true,
  });
  const allowed = client(url, { connectionParams: { token: 'secret' } });
  expect(await results(allowed, '{ hello(name: "a") }')).toEqual([{ hello: 'hello a' }]);
});

test('an error of a peer is answered with the close codes of the protocol', async () => {
  const { url } = await serveGraphql({ connectionInitWaitTimeout: 50 });
  expect(await closed(connect(url, [GRAPHQL_TRANSPORT_WS_PROTOCOL]))).toEqual([
    CloseCode.ConnectionInitialisationTimeout,
    'Connection initialisation timeout',
  ]);
  expect((await closed(connect(url)))[0]).toBe(CloseCode.SubprotocolNotAcceptable);
  const babbler = connect(url, [GRAPHQL_TRANSPORT_WS_PROTOCOL]);
  await next(babbler, 'open');
  expect(babbler.protocol).toBe(GRAPHQL_TRANSPORT_WS_PROTOCOL);
  babbler.send('no JSON');
  expect((await closed(babbler))[0]).toBe(CloseCode.BadRequest);
});

test('a client that no longer answers pings is disconnected, another one stays', async () => {
  const { url } = await serveGraphql({}, { keepAlive: 30 });
  const living = client(url);
  await event(living, 'connected');
  const dead = connect(url, [GRAPHQL_TRANSPORT_WS_PROTOCOL], { autoPong: false });
  expect((await closed(dead))[0]).toBe(1006);
  expect(await results(living, '{ hello(name: "still here") }')).toEqual([{ hello: 'hello still here' }]);
});

test('a subscription continues after a restart of the server', async () => {
  const first = await serveGraphql();
  const subscriber = client(first.url, { shouldRetry: () => true });
  const received: unknown[] = [];
  const onError = vi.fn();
  subscriber.subscribe(
    { query: 'subscription { said }' },
    { next: ({ data }) => received.push(data), error: onError, complete: () => {} },
  );
  await eventually(() => expect(first.speech.listenerCount('said')).toBe(1));
  first.speech.emit('said', 'before');
  await eventually(() => expect(received).toHaveLength(1));
  const lost = event(subscriber, 'closed');
  await crash(first.httpServer);
  expect(await lost).toMatchObject({ code: 1006, wasClean: false });
  const second = await serveGraphql({}, { port: first.port });
  await eventually(() => expect(second.speech.listenerCount('said')).toBe(1));
  second.speech.emit('said', 'after');
  await eventually(() => expect(received).toEqual([{ said: 'before' }, { said: 'after' }]));
  expect(onError).not.toHaveBeenCalled();
});

test('either side closes with the code of the protocol', async () => {
  const { url, disposable } = await serveGraphql();
  const raw = connect(url, [GRAPHQL_TRANSPORT_WS_PROTOCOL]);
  await next(raw, 'open');
  raw.send('{"type":"connection_init"}');
  expect(await nextMessage(raw)).toBe('{"type":"connection_ack"}');
  const leaving = client(url);
  await event(leaving, 'connected');
  const left = event(leaving, 'closed');
  await leaving.dispose();
  expect(await left).toMatchObject({ code: 1000, reason: 'Normal Closure', wasClean: true });
  const ended = closed(raw);
  await disposable.dispose();
  expect(await ended).toEqual([1001, 'Going away']);
});

import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WebSocket as Ws, WebSocketServer as WsServer } from 'ws';
import { decodeBytesItem, encodeBytesSupply } from '../../../src/goods/wire/binary-codec.ts';
import type { Frame } from '../../../src/goods/wire/frames.ts';
import { parseFrame } from '../../../src/goods/wire/text-codec.ts';
import { defineGoods, Market, type MarketOptions, type ServeOptions, subprotocol } from '../../../src/goods.ts';
import { type ServerOptions, WebSocket, WebSocketServer } from '../../../src/index.ts';
import { insideOf } from '../../../src/websocket/websocket.ts';
import { reachedLimits } from '../../support/reached-limits.ts';
import { Notes } from '../../support/test-market.ts';
import { withTimeLimit } from '../../support/time-limit.ts';
import { captureUncaught } from '../../support/uncaught.ts';

const endings: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

const thrown = (): never => {
  throw new Error('mine');
};
/** Computed, because the linter takes an object that has the property for a mistake. */
const then = 'then';

/** A client of ws that keeps the frames that it receives. */
class Client {
  readonly ws: Ws;
  readonly frames: (Frame | { op: string; item?: unknown })[] = [];
  #id = 0;
  #waiting: (() => void)[] = [];

  constructor(port: number, protocols: string | string[] = subprotocol, options = {}) {
    this.ws = new Ws(`ws://127.0.0.1:${port}`, protocols, { perMessageDeflate: false, ...options });
    this.ws.on('message', (data: Buffer, isBinary) => {
      this.frames.push(isBinary ? decodeBytesItem(data) : (parseFrame(data.toString()) as Frame));
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.ws.on('error', () => {});
    endings.push(() => this.ws.terminate());
  }

  begin(op: string, fields: object = {}): number {
    const id = ++this.#id;
    this.ws.send(JSON.stringify({ op, id, ...fields }));
    return id;
  }

  /** Resolves with the first frame for which the function returns true. */
  async until(isIt: (frame: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    for (;;) {
      const found = this.frames.find((frame) => isIt(frame as unknown as Record<string, unknown>));
      if (found !== undefined) return found as unknown as Record<string, unknown>;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async ask(op: string, fields: object = {}): Promise<Record<string, unknown>> {
    const id = this.begin(op, fields);
    return this.until((frame) => frame.id === id);
  }

  async closed(): Promise<[number, string]> {
    if (this.ws.readyState !== Ws.CLOSED) await once(this.ws, 'close');
    return this.#end;
  }

  readonly #end: [number, string] = [0, ''];
  watch(): this {
    this.ws.on('close', (code, reason) => {
      this.#end[0] = code;
      this.#end[1] = reason.toString();
    });
    return this;
  }
}

async function open<User>({
  market: options = {},
  serve = {},
  server: more = {},
}: {
  market?: MarketOptions<User>;
  serve?: ServeOptions<User>;
  server?: Partial<ServerOptions>;
} = {}) {
  const notes = new Notes();
  const market = new Market<User>({ observer: notes, ...options });
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...more } as ServerOptions);
  const stop = market.serve(server, serve);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  endings.push(() => {
    for (const websocket of server.clients) websocket.terminate();
    server.close();
    return market.shutdown({ deadline: 1 });
  });
  const connect = async (protocols?: string | string[], clientOptions?: object) => {
    const client = new Client(port, protocols, clientOptions).watch();
    await client.until(({ op }) => op === 'welcome');
    return client;
  };
  return { market, server, notes, port, connect, stop };
}

const apple = defineGoods<{ price: number }>('fruit/apple', { history: { size: 100 } });

describe('a market over WebSocket', () => {
  test('serves a client of ws: subscribe, items, bytes, unsubscribe', async () => {
    const { market, connect } = await open();
    const provider = market.provider('p');
    const cam = defineGoods<Uint8Array>('cam', { kind: 'bytes', remote: true });
    provider.shelve(apple);
    provider.shelve(cam);
    const client = await connect(['other', subprotocol]);
    expect(client.ws.protocol).toBe('goods.v1');
    expect(await client.ask('subscribe', { goods: 'fruit/apple' })).toMatchObject({ streams: [{ offset: 0 }] });
    await client.ask('subscribe', { goods: 'cam' });
    provider.supply(apple, { price: 3 });
    expect(await client.until(({ op }) => op === 'item')).toMatchObject({ offset: 1, item: { price: 3 } });
    client.ws.send(encodeBytesSupply(100, 'cam', Buffer.from('cafe', 'hex')));
    expect(await client.until(({ id }) => id === 100)).toMatchObject({ op: 'ok', offset: 1 });
    const { item } = await client.until(({ op }) => op === 'bytes');
    expect(Buffer.from(item as Uint8Array).toString('hex')).toBe('cafe');
    client.ws.send('{"op":"unsubscribe","id":101,"goods":"fruit/apple"}');
    expect(await client.until(({ id }) => id === 101)).toMatchObject({ removed: true });
    expect(market.statistics()).toMatchObject({ sessions: 1, subscriptions: 1 });
  });

  test('keeps nothing of a client whose connection has ended, however it ended', async () => {
    const { market, connect, server } = await open();
    market.provider('p').shelve(apple);
    const clients = [await connect(), await connect()];
    for (const client of clients) await client.ask('subscribe', { goods: 'fruit/apple' });
    expect(market.statistics().sessions).toBe(2);
    const gone = [...server.clients].map((websocket) => once(websocket, 'close'));
    clients[0]!.ws.terminate();
    clients[1]!.ws.close();
    await Promise.all(gone);
    expect(market.statistics()).toMatchObject({ sessions: 0, subscriptions: 0, goods: [{ subscribers: 0 }] });
  });

  test('closes a connection that has not agreed on the subprotocol', async () => {
    const { port } = await open();
    const client = new Client(port, []).watch();
    expect(await client.closed()).toEqual([1008, 'the subprotocol is goods.v1']);
  });

  test('calls `identify`, also if that takes time, and closes a connection that it refuses', async () => {
    for (const isAsync of [false, true]) {
      const users: string[] = [];
      const { market, notes, port } = await open<string>({
        market: {
          authorize: ({ user }) => {
            users.push(user);
            return true;
          },
        },
        serve: {
          identify: (request) => {
            const name = new URL(request.url!, 'http://localhost').searchParams.get('name');
            if (name !== null) return isAsync ? Promise.resolve(name) : name;
            if (isAsync) return Promise.reject(new Error('who?'));
            throw new Error('who?');
          },
        },
      });
      market.provider('p').shelve(apple);
      const stranger = new Client(port).watch();
      expect(await stranger.closed()).toEqual([4401, 'not identified']);
      expect(notes.failures).toMatchObject([{ place: 'identify' }]);
      const alice = new Ws(`ws://127.0.0.1:${port}/?name=alice`, subprotocol);
      endings.push(() => alice.terminate());
      await once(alice, 'open');
      // Sent before `identify` has answered, and not lost.
      alice.send('{"op":"subscribe","id":1,"goods":"fruit/apple"}');
      while (users.length === 0) await once(alice, 'message');
      expect(users).toEqual(['alice']);
    }
  });

  test('waits for `identify` no longer than two heartbeats', async () => {
    const limits = reachedLimits();
    const { market, port } = await open({
      market: { heartbeat: 10 },
      serve: { identify: () => new Promise(() => {}) },
    });
    const client = new Client(port).watch();
    expect((await client.closed())[0]).toBe(1006);
    expect(market.statistics().sessions).toBe(0);
    expect(limits).toEqual([{ limit: 'heartbeat', value: 10, websocket: expect.any(WebSocket) }]);
  });

  test.each<[string, () => unknown]>([
    [
      'throws what has no text',
      () => {
        throw Object.create(null);
      },
    ],
    ['rejects with what has no text', () => Promise.reject(Object.create(null))],
    ['returns an object whose property throws', () => Object.defineProperty({}, 'then', { get: thrown })],
    ['returns a promise that throws', () => Object.assign(Promise.resolve(), { [then]: thrown })],
  ])('closes a connection where identify %s, and the process goes on', async (_title, identify) => {
    using uncaught = captureUncaught();
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    endings.push(() => emitWarning.mockRestore());
    const { port } = await open({ market: { observer: undefined }, serve: { identify } });
    expect(await new Client(port).watch().closed()).toEqual([4401, 'not identified']);
    expect(emitWarning).toHaveBeenCalledOnce();
    expect([uncaught.exceptions, uncaught.rejections]).toEqual([[], []]);
  });

  test('takes a promise of another library, which has then() only', async () => {
    const identify = () => Object.fromEntries([[then, (resolve: (user: string) => void) => resolve('somebody')]]);
    const { connect, market } = await open({ serve: { identify } });
    await connect();
    expect(market.statistics().sessions).toBe(1);
  });

  test('closes a connection although the observer throws, which is an uncaught exception', async () => {
    using uncaught = captureUncaught();
    const observer = Object.assign(new Notes(), { failure: thrown });
    const { port } = await open({ market: { observer }, serve: { identify: thrown } });
    expect(await new Client(port).watch().closed()).toEqual([4401, 'not identified']);
    expect(uncaught.exceptions).toEqual([new Error('mine')]);
  });

  test.each([false, true])('ends a connection if `schedule` throws, and reports it: %j', async (isLater) => {
    using uncaught = captureUncaught();
    const { port, notes } = await open({
      market: { schedule: thrown },
      serve: { identify: () => (isLater ? Promise.resolve() : undefined) },
    });
    expect((await new Client(port).watch().closed())[0]).toBe(1006);
    expect(notes.failures).toMatchObject([{ place: 'market', error: new Error('mine') }]);
    expect([uncaught.exceptions, uncaught.rejections]).toEqual([[], []]);
  });

  test('waits for `identify` also with the longest heartbeat, twice which is too long for a timer', async () => {
    let identified!: () => void;
    const identify = () =>
      new Promise<void>((resolve) => {
        identified = resolve;
      });
    const { port, server } = await open({ market: { heartbeat: 2 ** 31 - 1 }, serve: { identify } });
    const timers = vi.spyOn(globalThis, 'setTimeout');
    endings.push(() => timers.mockRestore());
    const accepted = once(server, 'connection');
    const client = new Client(port).watch();
    await accepted;
    // Node would use a longer delay as 1 millisecond.
    expect(Math.max(...timers.mock.calls.map(([, delay]) => delay ?? 0))).toBe(2 ** 31 - 1);
    identified();
    await client.until(({ op }) => op === 'welcome');
  });

  test('closes a connection whose messages are too large or invalid, and serves the others', async () => {
    const { market, connect, notes } = await open();
    market.provider('p').shelve(apple);
    const [large, wrong, fine] = [await connect(), await connect(), await connect()];
    large.ws.send('x'.repeat(70_000));
    wrong.ws.send('hello');
    expect((await large.closed())[0]).toBe(1009);
    expect(await wrong.closed()).toEqual([1007, 'a text message of goods.v1 is JSON']);
    expect(await fine.ask('ping')).toMatchObject({ op: 'ok' });
    expect(notes.refusals).toContain('a text message of goods.v1 is JSON');
  });

  test('lets a slow reader fall behind and catch up, while another one gets every item', async () => {
    const { market, connect } = await open({ market: { highWaterMark: 65_536 } });
    const goods = defineGoods<string>('n', { overflow: 'conflate' });
    const provider = market.provider('p');
    provider.shelve(goods);
    const [slow, fast] = [await connect(), await connect()];
    for (const client of [slow, fast]) await client.ask('subscribe', { goods: 'n' });
    slow.ws.pause();
    const item = 'x'.repeat(50_000);
    let last = 0;
    // The kernel takes some megabytes before anything waits in this process.
    while (market.statistics().goods[0]!.conflated === 0 && last < 2000) {
      provider.supply(goods, item);
      last++;
      await fast.until(({ offset }) => offset === last);
      fast.frames.length = 0;
      // No item is skipped before the client reads again.
      if (last === 400) slow.ws.resume();
    }
    slow.ws.resume();
    await slow.until(({ op, offset }) => op === 'item' && offset === last);
    const seen: number[] = [];
    for (const frame of slow.frames as Frame[]) {
      if (frame.op === 'item') seen.push(frame.offset);
      if (frame.op === 'skip') for (let offset = frame.from; offset <= frame.to; offset++) seen.push(offset);
    }
    expect(seen).toEqual(Array.from({ length: last }, (_, i) => i + 1));
    expect(market.statistics().goods[0]!.conflated).toBeGreaterThan(0);
  });

  test('ends a connection that answers no ping, and keeps one that does', async () => {
    await withTimeLimit(20, async (heartbeat) => {
      const limits = reachedLimits();
      const { market, connect } = await open({ market: { heartbeat } });
      const [silent, alive] = [await connect(undefined, { autoPong: false }), await connect()];
      expect((await silent.closed())[0]).toBe(1006);
      expect(limits).toEqual([{ limit: 'heartbeat', value: heartbeat, websocket: expect.any(WebSocket) }]);
      expect(alive.ws.readyState).toBe(1);
      expect(await alive.ask('ping')).toMatchObject({ op: 'ok' });
      expect(market.statistics().sessions).toBe(1);
    });
  });

  test('shuts down: tells clients when to come back, closes with 1012, and is done when all connections are gone', async () => {
    const { market, connect } = await open();
    const client = await connect();
    const done = market.shutdown({ reason: 'update' });
    expect(await client.until(({ op }) => op === 'closing')).toMatchObject({ reason: 'update' });
    expect(await client.closed()).toEqual([1012, 'update']);
    await done;
    expect(market.statistics().sessions).toBe(0);
  });

  test('takes no connection that the server accepts after serving has ended', async () => {
    const { market, connect, stop, port } = await open();
    await connect();
    stop();
    const late = new Client(port);
    await once(late.ws, 'open');
    expect(market.statistics().sessions).toBe(1);
  });

  test('compresses a message once for all connections with the same agreement', async () => {
    const { market, server, connect } = await open({ server: { perMessageDeflate: { threshold: 64 } } });
    const goods = defineGoods<string>('n');
    const secret = defineGoods<string>('secret', { compress: false });
    const provider = market.provider('p');
    provider.shelve(goods);
    provider.shelve(secret);
    const plain = await connect();
    const clients = [
      await connect(undefined, { perMessageDeflate: true }),
      await connect(undefined, { perMessageDeflate: true }),
    ];
    expect(clients.map(({ ws }) => ws.extensions)).toEqual(['permessage-deflate', 'permessage-deflate']);
    const received = () =>
      [...server.clients].map((websocket) => (insideOf(websocket).transport!.stream as Socket).bytesWritten);
    const all = [plain, ...clients];
    for (const client of all) for (const name of ['n', 'secret']) await client.ask('subscribe', { goods: name });
    const growth = async (name: string, supply: () => void) => {
      const before = received();
      supply();
      await Promise.all(all.map((client) => client.until(({ op, goods: of }) => op === 'item' && of === name)));
      return received().map((bytes, i) => bytes - before[i]!);
    };
    const item = 'abc '.repeat(1000);
    const [whole, ...small] = await growth('n', () => void provider.supply(goods, item));
    expect(whole).toBeGreaterThan(4000);
    expect(small[0]).toBeLessThan(300);
    expect(small[1]).toBe(small[0]);
    for (const bytes of await growth('secret', () => void provider.supply(secret, item)))
      expect(bytes).toBeGreaterThan(4000);
    for (const client of all) {
      expect(client.frames.filter(({ op }) => op === 'item')).toMatchObject([{ item }, { item }]);
    }
  });

  test('sends uncompressed messages to a client with context takeover', async () => {
    const { market, connect } = await open({
      server: { perMessageDeflate: { contextTakeover: true, threshold: 0 } as never },
    });
    const goods = defineGoods<string>('n', { history: { size: 10 } });
    const provider = market.provider('p');
    provider.shelve(goods);
    const client = await connect(undefined, { perMessageDeflate: true });
    await client.ask('subscribe', { goods: 'n' });
    for (const item of ['a', 'b'.repeat(5000), 'c']) provider.supply(goods, item);
    await client.until(({ offset, op }) => op === 'item' && offset === 3);
    expect(
      client.frames.filter(({ op }) => op === 'item').map((frame) => (frame as { item: string }).item.length),
    ).toEqual([1, 5000, 1]);
  });

  test('ends a connection on which the application sends fragments itself, and serves the others', async () => {
    const { market, server, connect, notes } = await open();
    const provider = market.provider('p');
    provider.shelve(apple);
    const [broken, fine] = [await connect(), await connect()];
    for (const client of [broken, fine]) await client.ask('subscribe', { goods: 'fruit/apple' });
    const [first] = server.clients;
    first!.send('begun', { fin: false });
    provider.supply(apple, { price: 1 });
    expect((await broken.closed())[0]).toBe(1006);
    expect(await fine.until(({ op }) => op === 'item')).toMatchObject({ offset: 1 });
    expect(notes.failures).toMatchObject([{ place: 'market' }]);
  });
});

test('serve() refuses a server that is not of this copy of goodwire', async () => {
  const server = new WsServer({ noServer: true });
  endings.push(() => void server.close());
  expect(() => new Market().serve(server as unknown as WebSocketServer)).toThrow(
    'serve() takes a WebSocketServer of the copy of goodwire that the market belongs to',
  );
  expect(server.listenerCount('connection')).toBe(0);
});

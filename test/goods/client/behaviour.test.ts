import { describe, expect, test } from 'vitest';
import {
  BacklogError,
  ClosedError,
  ConnectionError,
  GoodsClient,
  GoodsError,
  RevokedError,
  type SubscribeOptions,
} from '../../../src/goods/client.ts';
import { FakeClock, FakeSocket, item, meet, settle, stream } from '../../support/fake-market.ts';
import { captureUncaught } from '../../support/uncaught.ts';

/** A client that is connected and subscribed to goods. */
async function booked(options: SubscribeOptions<number> = {}, goods = 'a', streams: object[] = [stream(goods)]) {
  const stage = meet();
  stage.socket.welcome();
  const subscribing = stage.client.subscribe<number, undefined>(goods, undefined, options);
  stage.socket.ok({ streams });
  return { ...stage, stage, socket: stage.socket, subscription: await subscribing };
}

describe('a connection', () => {
  test('asks for the subprotocol, and is given up by name where the peer does not speak it', async () => {
    const stage = meet();
    stage.socket.protocol = '';
    stage.socket.readyState = 1;
    stage.socket.emit('open');
    expect([stage.client.state, stage.socket.closedWith]).toEqual(['closed', 4007]);
    expect(String(stage.errors[0])).toContain('does not speak goods.v1');
  });

  test.each([1001, 1006, 1011, 1012, 1013])(
    'that ends with %d is followed by another, after a pause of random length that grows',
    (code) => {
      const stage = meet({ backoff: { base: 1000, max: 3000 } });
      const pauses: number[] = [];
      for (let i = 0; i < 4; i++) {
        stage.socket.end(code);
        expect(stage.client.state).toBe('waiting');
        const before = stage.sockets.length;
        let pause = 0;
        while (stage.sockets.length === before) {
          stage.clock.advance(100);
          pause += 100;
        }
        pauses.push(pause);
      }
      // Half of 1000, 2000, and then of 3000.
      expect(pauses).toEqual([500, 1000, 1500, 1500]);
    },
  );

  test.each([1000, 1002, 1003, 1007, 1008, 4401, 4403])('that ends with %d is the last', async (code) => {
    const stage = meet();
    stage.socket.welcome();
    const asked = stage.client.catalog();
    stage.socket.end(code, 'why');
    expect([stage.client.state, stage.sockets.length]).toEqual(['closed', 1]);
    await expect(asked).rejects.toMatchObject({ name: 'ConnectionError', closeCode: code, reason: 'why' });
    await expect(stage.client.subscribe('a')).rejects.toMatchObject({ closeCode: code });
  });

  test('that the market has said it will close is followed by another when it wants that', () => {
    const stage = meet({ backoff: { base: 10 } });
    stage.socket.welcome();
    stage.socket.say({ op: 'closing', reason: 'restart', retryAfter: 7000 });
    stage.socket.end(1012);
    stage.clock.advance(6999);
    expect(stage.sockets.length).toBe(1);
    stage.clock.advance(1);
    expect(stage.sockets.length).toBe(2);
  });

  test('that the market does not close as it has said is given up', async () => {
    const stage = meet({ heartbeat: 1000 });
    stage.socket.welcome();
    const asked = stage.client.supply('a', 1);
    stage.socket.say({ op: 'closing', reason: 'restart', retryAfter: 7000 });
    stage.clock.advance(9999);
    expect([stage.client.state, stage.socket.isTerminated]).toEqual(['open', false]);
    stage.clock.advance(1);
    expect([stage.client.state, stage.socket.isTerminated]).toEqual(['waiting', true]);
    await expect(asked).rejects.toBeInstanceOf(ConnectionError);
    expect(String(stage.errors[0])).toContain('did not close as announced');
    stage.clock.advance(6999);
    expect(stage.sockets.length).toBe(1);
    stage.clock.advance(1);
    expect(stage.sockets.length).toBe(2);
  });

  test('that takes nothing any more is given up, and what was asked is asked on the next one', async () => {
    const stage = meet();
    stage.socket.welcome();
    const cause = new Error('broken');
    stage.socket.send = () => {
      throw cause;
    };
    const asked = stage.client.catalog();
    expect([stage.client.state, stage.socket.isTerminated]).toEqual(['waiting', true]);
    expect(stage.errors).toMatchObject([{ name: 'ConnectionError', closeCode: 1006, cause }]);
    stage.clock.advance(600);
    stage.socket.welcome();
    stage.socket.ok({ catalog: [] });
    expect(await asked).toEqual([]);
  });

  test('without a welcome in time is given up', () => {
    const stage = meet({ openTimeout: 500 });
    stage.clock.advance(500);
    expect([stage.client.state, stage.socket.isTerminated]).toEqual(['waiting', true]);
  });

  test('on which nothing comes is asked for a sign of life, and then given up', () => {
    const stage = meet({ heartbeat: 1000 });
    stage.socket.welcome();
    stage.clock.advance(1000);
    expect(stage.socket.last).toMatchObject({ op: 'ping' });
    stage.socket.ok();
    stage.clock.advance(1000);
    expect(stage.client.state).toBe('open');
    stage.clock.advance(1000);
    expect(stage.socket.requests.length).toBe(2);
    stage.clock.advance(1000);
    expect([stage.client.state, stage.socket.isTerminated]).toEqual(['waiting', true]);
  });

  test('is not made again where that is not wanted', () => {
    const stage = meet({ reconnect: false });
    stage.socket.end(1006);
    expect(stage.client.state).toBe('closed');
  });

  test('may be open already, also with somebody who does not speak it', async () => {
    class Open extends FakeSocket {
      override readyState = 1;
      override protocol = 'other';
    }
    const client = new GoodsClient('ws://market', { WebSocket: Open, clock: new FakeClock() });
    const errors: unknown[] = [];
    client.on('error', (error) => errors.push(error));
    await settle();
    expect([client.state, String(errors[0])]).toEqual(['closed', expect.stringContaining('does not speak goods.v1')]);
  });

  test('needs a WebSocket', () => {
    expect(() => new GoodsClient('ws://market', { WebSocket: null })).toThrow('There is no WebSocket here');
  });

  test('tells its states', async () => {
    const stage = meet();
    const states: string[] = [];
    const end = stage.client.on('state', (state) => states.push(state));
    stage.socket.welcome();
    stage.socket.end(1006);
    stage.clock.advance(600);
    const closing = stage.client.close();
    stage.socket.end(1000);
    await closing;
    end();
    expect(states).toEqual(['open', 'waiting', 'connecting', 'closed']);
  });
});

describe('where to connect', () => {
  test('may be a function, which is asked before each connection, as may be what the WebSocket is given', async () => {
    let token = 0;
    const stage = meet({ webSocketOptions: () => ({ token: ++token }) }, async () => new URL(`ws://market/${token}`));
    expect([stage.client.state, stage.made]).toEqual(['connecting', []]);
    await settle();
    stage.socket.welcome();
    expect(stage.client.state).toBe('open');
    const asked = stage.client.catalog();
    stage.socket.end(1006);
    stage.clock.advance(600);
    await settle();
    expect(stage.made).toEqual([
      ['ws://market/0', 'goods.v1', { token: 1 }],
      ['ws://market/1', 'goods.v1', { token: 2 }],
    ]);
    stage.socket.welcome();
    stage.socket.ok({ catalog: [] });
    expect(await asked).toEqual([]);
    expect(stage.clock.timers.size).toBe(0);
  });

  test('is asked again after a pause where the function fails, and what waits goes on waiting', async () => {
    const cause = new Error('no token');
    let calls = 0;
    const stage = meet({}, () => {
      calls++;
      if (calls === 1) throw cause;
      return calls === 2 ? Promise.reject(cause) : 'ws://market';
    });
    const asked = stage.client.catalog();
    for (let i = 1; i < 3; i++) {
      await settle();
      expect([stage.client.state, calls, stage.sockets.length]).toEqual(['waiting', i, 0]);
      stage.clock.advance(i * 500);
    }
    expect(stage.errors).toMatchObject(Array(2).fill({ name: 'ConnectionError', closeCode: 1006, cause }));
    await settle();
    stage.socket.welcome();
    stage.socket.ok({ catalog: [] });
    expect(await asked).toEqual([]);
  });

  test('has to be known in time, and counts for nothing later', async () => {
    const answers: ((address: string) => void)[] = [];
    const stage = meet({ openTimeout: 3000 }, () => new Promise((resolve) => answers.push(resolve)));
    stage.clock.advance(3000);
    expect(stage.client.state).toBe('waiting');
    expect(String(stage.errors[0])).toContain('there was no address in 3000 milliseconds');
    answers[0]!('ws://late');
    await settle();
    expect([stage.client.state, stage.sockets.length]).toEqual(['waiting', 0]);
    stage.clock.advance(500);
    answers[1]!('ws://now');
    await settle();
    expect(stage.made).toEqual([['ws://now', 'goods.v1']]);
  });

  test('is of no interest to a client that was closed meanwhile', async () => {
    const stage = meet({}, async () => 'ws://market');
    await stage.client.close();
    await settle();
    expect([stage.client.state, stage.sockets.length, stage.clock.timers.size]).toEqual(['closed', 0, 0]);
  });

  test('is the end of the client where the WebSocket does not take it', async () => {
    class Choosy extends FakeSocket {
      constructor(url: string) {
        super();
        throw new SyntaxError(`${url} is no address`);
      }
    }
    const options = { WebSocket: Choosy, clock: new FakeClock() };
    expect(() => new GoodsClient('nonsense', options)).toThrow('nonsense is no address');
    const client = new GoodsClient(() => 'nonsense', options);
    const errors: unknown[] = [];
    client.on('error', (error) => errors.push(error));
    await settle();
    expect([client.state, errors]).toEqual(['closed', [expect.any(SyntaxError)]]);
    await expect(client.catalog()).rejects.toBeInstanceOf(SyntaxError);
  });

  test('is asked again where the market did not know who it was', async () => {
    const stage = meet({ webSocketOptions: () => ({}) });
    await settle();
    stage.socket.end(4401);
    expect(stage.client.state).toBe('waiting');
    stage.clock.advance(500);
    await settle();
    expect(stage.sockets.length).toBe(2);
    stage.socket.end(1008);
    expect(stage.client.state).toBe('closed');
  });
});

describe('a subscription', () => {
  test('gives each item once and in order, in whatever frames they come', async () => {
    const { socket, subscription } = await booked();
    socket.say(
      item(1),
      item(1),
      { op: 'items', goods: 'a', offset: 2, items: [2, 3] },
      { op: 'items', goods: 'a', offset: 3, items: [3, 4] },
    );
    const got: unknown[] = [];
    for await (const { item, offset, gap } of subscription) {
      got.push([item, offset, gap]);
      if (offset < 4) continue;
      // Leaving the loop unsubscribes, and waits for the reply.
      queueMicrotask(() => socket.ok({ removed: true }));
      break;
    }
    expect(got).toEqual([1, 2, 3, 4].map((n) => [n, n, null]));
    expect(socket.last).toMatchObject({ op: 'unsubscribe', goods: 'a' });
  });

  test('that nobody has confirmed is sent as soon as there is a connection', async () => {
    const stage = meet();
    const subscribing = stage.client.subscribe('a', { n: 1 });
    expect(stage.socket.requests).toEqual([]);
    stage.socket.welcome();
    expect(stage.socket.requests).toEqual([{ op: 'subscribe', id: 1, goods: 'a', params: { n: 1 }, last: 1 }]);
    stage.socket.ok({ streams: [] });
    expect((await subscribing).goods).toBe('a');
  });

  test('that is refused rejects with the code', async () => {
    const stage = meet();
    stage.socket.welcome();
    const subscribing = stage.client.subscribe('a');
    stage.socket.refuse('forbidden');
    await expect(subscribing).rejects.toSatisfy((error) => error instanceof GoodsError && error.code === 'forbidden');
  });

  test('goes on where it was on the next connection', async () => {
    const { stage, subscription } = await booked();
    stage.socket.say(item(1), item(2));
    stage.socket.end(1006);
    stage.clock.advance(600);
    stage.socket.welcome();
    expect(stage.socket.last).toMatchObject({ op: 'subscribe', since: [{ goods: 'a', epoch: 'e', offset: 2 }] });
    stage.socket.ok({ streams: [stream('a', { offset: 4, recovered: true })] });
    stage.socket.say(item(2), item(3), item(4), item(5));
    const got: unknown[] = [];
    while (got.length < 5) {
      const { value } = await subscription.next();
      got.push([value?.offset, value?.gap]);
    }
    expect(got).toEqual([1, 2, 3, 4, 5].map((offset) => [offset, null]));
  });

  test('tells what it could not have', async () => {
    const gaps: unknown[] = [];
    const { stage, subscription } = await booked({ onGap: (gap) => gaps.push(gap) });
    stage.socket.say(item(1));
    stage.socket.end(1006);
    stage.clock.advance(600);
    stage.socket.welcome();
    stage.socket.ok({ streams: [stream('a', { offset: 40, epoch: 'f', recovered: false })] });
    stage.socket.say(item(40));
    const lost = { goods: 'a', reason: 'not-recovered', from: null, to: null };
    expect(gaps).toEqual([lost]);
    expect((await subscription.next()).value).toMatchObject({ offset: 1, gap: null });
    expect((await subscription.next()).value).toMatchObject({ offset: 40, epoch: 'f', gap: lost });
  });

  test('tells what the market skips, but for what is not for it', async () => {
    const { socket, subscription } = await booked();
    const skip = { op: 'skip', goods: 'a' };
    socket.say(
      { ...skip, from: 1, to: 2, reason: 'filtered' },
      { ...skip, from: 3, to: 5, reason: 'dropped' },
      item(6),
    );
    socket.say({ ...skip, from: 7, to: 7, reason: 'of a later version' }, item(8));
    expect((await subscription.next()).value).toMatchObject({ offset: 6, gap: { reason: 'dropped', from: 3, to: 5 } });
    expect((await subscription.next()).value).toMatchObject({ offset: 8, gap: { reason: 'dropped', from: 7, to: 7 } });
  });

  test('of a pattern gets goods as they come, and no more when they go', async () => {
    const { socket, subscription } = await booked({}, 'n/*', []);
    socket.say({ op: 'shelved', goods: 'n/*', stream: stream('n/a') }, item(1, 'n/a'));
    socket.say({ op: 'unshelved', goods: 'n/a', reason: '' }, item(2, 'n/a'));
    socket.say(
      { op: 'shelved', goods: 'n/*', stream: stream('n/a', { epoch: 'f' }) },
      item(1, 'n/a', { item: 'anew' }),
    );
    expect((await subscription.next()).value).toMatchObject({ goods: 'n/a', item: 1, epoch: 'e' });
    expect((await subscription.next()).value).toMatchObject({ goods: 'n/a', item: 'anew', epoch: 'f' });
  });

  test('that is revoked ends with the reason, and one stream of it without ending the rest', async () => {
    const { socket, subscription } = await booked({}, 'n/*', [stream('n/a'), stream('n/b')]);
    socket.say({ op: 'revoked', goods: 'n/*', stream: 'n/a', reason: 'members only' }, item(1, 'n/a'), item(1, 'n/b'));
    expect((await subscription.next()).value).toMatchObject({ goods: 'n/b' });
    socket.say({ op: 'revoked', goods: 'n/*', reason: 'enough' });
    await expect(subscription.next()).rejects.toBeInstanceOf(RevokedError);
    expect((await subscription.next()).done).toBe(true);
  });

  test('shares its booking with others of the same goods and params, and the last one ends it', async () => {
    const { stage, subscription } = await booked();
    const second = stage.client.subscribe('a');
    stage.socket.ok({ streams: [stream()] });
    const other = await second;
    stage.socket.say(item(1));
    expect((await subscription.next()).value).toMatchObject({ offset: 1 });
    expect((await other.next()).value).toMatchObject({ offset: 1 });
    await subscription.unsubscribe();
    expect(stage.socket.requests.map(({ op }) => op)).toEqual(['subscribe', 'subscribe']);
    const ended = other.unsubscribe();
    expect(stage.socket.last).toMatchObject({ op: 'unsubscribe' });
    stage.socket.ok({ removed: true });
    await ended;
    await subscription.unsubscribe();
    expect(stage.socket.requests.length).toBe(3);
  });

  test('is ended by its signal before, during and after', async () => {
    const stage = meet();
    stage.socket.welcome();
    const reason = new Error('enough');
    await expect(stage.client.subscribe('a', undefined, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(stage.socket.requests).toEqual([]);

    const during = new AbortController();
    const subscribing = stage.client.subscribe('a', undefined, { signal: during.signal });
    during.abort(reason);
    await expect(subscribing).rejects.toBe(reason);

    const after = new AbortController();
    const third = stage.client.subscribe('b', undefined, { signal: after.signal });
    stage.socket.ok({ streams: [stream('b')] });
    const subscription = await third;
    const next = subscription.next();
    after.abort(reason);
    await expect(next).rejects.toBe(reason);
    expect(stage.socket.last).toMatchObject({ op: 'unsubscribe', goods: 'b' });
  });

  test('keeps so many items for who does not take them, by its policy', async () => {
    const sizes = { size: 2 } as const;
    const oldest = await booked({ buffer: sizes });
    oldest.socket.say(item(1), item(2), item(3), item(4));
    expect((await oldest.subscription.next()).value).toMatchObject({
      offset: 3,
      gap: { reason: 'backlog', from: 1, to: 2 },
    });
    const latest = await booked({ buffer: { ...sizes, overflow: 'conflate' } });
    latest.socket.say(item(1), item(2), item(3));
    expect((await latest.subscription.next()).value).toMatchObject({
      offset: 3,
      gap: { reason: 'conflated', from: 1, to: 2 },
    });
    const none = await booked({ buffer: { ...sizes, overflow: 'fail' } });
    none.socket.say(item(1), item(2), item(3));
    expect([(await none.subscription.next()).value?.offset, (await none.subscription.next()).value?.offset]).toEqual([
      1, 2,
    ]);
    await expect(none.subscription.next()).rejects.toBeInstanceOf(BacklogError);
    expect(none.socket.last).toMatchObject({ op: 'unsubscribe' });
  });

  test('calls back with each item, and a callback may end it', async () => {
    const got: number[] = [];
    const stage = meet();
    stage.socket.welcome();
    const subscribing = stage.client.subscribe<number, undefined>('a', undefined, {
      onItem: ({ item }) => {
        got.push(item);
        if (item === 2) void subscription.unsubscribe();
      },
    });
    stage.socket.ok({ streams: [stream()] });
    const subscription = await subscribing;
    stage.socket.say({ op: 'items', goods: 'a', offset: 1, items: [1, 2, 3] });
    expect(got).toEqual([1, 2]);
  });

  test('takes octets and text, and no item of another kind', async () => {
    const bytes = await booked({}, 'a', [stream('a', { kind: 'bytes' })]);
    bytes.socket.sayBytes('01 00 00 00 00 00 00 00 01 00 01 00 00 61 ca fe');
    expect(Buffer.from((await bytes.subscription.next()).value!.item as unknown as Uint8Array).toString('hex')).toBe(
      'cafe',
    );
    const text = await booked({}, 'a', [stream('a', { kind: 'text' })]);
    text.socket.say(item(1));
    expect([text.client.state, text.socket.closedWith]).toEqual(['closed', 4007]);
  });

  test('refuses options that are none', async () => {
    const { client } = meet();
    await expect(client.subscribe('a', undefined, { last: -1 })).rejects.toThrow(RangeError);
    await expect(client.subscribe('a', undefined, { buffer: { size: 0 } })).rejects.toThrow(RangeError);
  });
});

describe('what a client asks', () => {
  test('is paged through to the end', async () => {
    const { client, socket } = meet();
    socket.welcome();
    const asked = client.catalog('n/*');
    expect(socket.last).toMatchObject({ op: 'catalog', pattern: 'n/*' });
    socket.ok({ catalog: [{ goods: 'n/a', kind: 'json' }], next: 'n/a' });
    await settle();
    expect(socket.last).toMatchObject({ after: 'n/a' });
    socket.ok({ catalog: [{ goods: 'n/b', kind: 'json' }] });
    expect((await asked).map(({ goods }) => goods)).toEqual(['n/a', 'n/b']);
    const lists = client.subscriptions();
    socket.ok({ subscriptions: [] });
    expect(await lists).toEqual([]);
  });

  test('is asked again on the next connection, but for a supply of which nobody knows whether it was done', async () => {
    const stage = meet();
    stage.socket.welcome();
    const [catalog, supply] = [stage.client.catalog(), stage.client.supply('a', 1)];
    stage.socket.end(1006);
    await expect(supply).rejects.toBeInstanceOf(ConnectionError);
    const later = stage.client.supply('a', 2);
    stage.clock.advance(600);
    stage.socket.welcome();
    expect(stage.socket.requests.map(({ op }) => op)).toEqual(['catalog', 'supply']);
    stage.socket.ok({ catalog: [] }, 1);
    stage.socket.ok({ offset: 9 }, 2);
    expect([await catalog, await later]).toEqual([[], 9]);
  });

  test('may be given up by a signal', async () => {
    const { client, socket } = meet();
    const controller = new AbortController();
    const asked = client.catalog('**', { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
    socket.welcome();
    expect(socket.requests).toEqual([]);
  });

  test('may be a supply that is given up, before it was sent and after', async () => {
    const stage = meet();
    const controllers = Array.from({ length: 3 }, () => new AbortController());
    const [first, second] = controllers.slice(0, 2).map(({ signal }, i) => stage.client.supply('a', i, { signal }));
    controllers[0]!.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    stage.socket.welcome();
    expect(stage.socket.requests).toMatchObject([{ op: 'supply', items: [1] }]);
    controllers[1]!.abort(new Error('too late'));
    await expect(second).rejects.toThrow('too late');
    // The reply comes all the same.
    stage.socket.ok({ offset: 1 });
    const octets = stage.client.supply('a', new Uint8Array(1), { signal: controllers[2]!.signal });
    stage.socket.ok({ offset: 2 }, 2);
    expect(await octets).toBe(2);
    controllers[2]!.abort();
    await expect(stage.client.supply('a', 3, { signal: controllers[2]!.signal })).rejects.toThrow('aborted');
    expect([stage.client.state, stage.errors]).toEqual(['open', []]);
  });

  test('may have no reply so many times, and is refused beyond that', async () => {
    const stage = meet({ maxPending: 2 });
    const controller = new AbortController();
    const [first, second] = [stage.client.supply('a', 1), stage.client.catalog('**', { signal: controller.signal })];
    await expect(stage.client.supply('a', 3)).rejects.toMatchObject({ name: 'GoodsError', code: 'too-many-pending' });
    await expect(stage.client.catalog()).rejects.toThrow('maxPending is 2');
    stage.socket.welcome();
    expect(stage.socket.requests.map(({ op }) => op)).toEqual(['supply', 'catalog']);
    await expect(stage.client.catalog()).rejects.toThrow('maxPending is 2');
    // A reply, a refusal and a signal each make room for one more.
    stage.socket.ok({ offset: 1 }, 1);
    expect(await first).toBe(1);
    const third = stage.client.supply('a', 3);
    stage.socket.refuse('bad-item');
    await expect(third).rejects.toMatchObject({ code: 'bad-item' });
    controller.abort();
    await expect(second).rejects.toThrow('aborted');
    stage.socket.ok({ catalog: [] }, 2);
    const more = [stage.client.supply('a', 4), stage.client.supply('a', 5)];
    await expect(stage.client.catalog()).rejects.toThrow('maxPending is 2');
    // As does the end of the connection.
    stage.socket.end(1006);
    for (const one of more) await expect(one).rejects.toBeInstanceOf(ConnectionError);
    const last = [stage.client.supply('a', 6), stage.client.supply('a', 7)];
    void stage.client.close();
    for (const one of last) await expect(one).rejects.toBeInstanceOf(ClosedError);
    expect(() => meet({ maxPending: 0 })).toThrow('maxPending is an integer ≥ 1; got 0');
  });

  test('is refused once it is closed, and what waits then rejects', async () => {
    const { client, socket } = meet();
    socket.welcome();
    const asked = client.catalog();
    const closing = client.close();
    expect(socket.closedWith).toBe(1000);
    socket.end(1000);
    await closing;
    await expect(asked).rejects.toBeInstanceOf(ClosedError);
    await expect(client.supply('a', 1)).rejects.toBeInstanceOf(ClosedError);
    await client.close();
    await client[Symbol.asyncDispose]();
  });
});

describe('a client that offers goods', () => {
  test('hears of demand, and puts them on the shelf again after a reconnect', async () => {
    const stage = meet();
    stage.socket.welcome();
    const told: string[] = [];
    const shelving = stage.client.shelve('s', { onDemand: () => told.push('demand'), onIdle: () => told.push('idle') });
    expect(stage.socket.last).toMatchObject({ op: 'shelve', goods: 's' });
    stage.socket.ok();
    stage.socket.say({ op: 'demand', goods: 's' }, { op: 'idle', goods: 's' }, { op: 'demand', goods: 'other' });
    await shelving;
    expect(told).toEqual(['demand', 'idle']);
    stage.socket.end(1006);
    stage.clock.advance(600);
    stage.socket.welcome();
    expect(stage.socket.last).toMatchObject({ op: 'shelve', goods: 's' });
    stage.socket.ok();
    const unshelving = stage.client.unshelve('s', 'tired');
    expect(stage.socket.last).toMatchObject({ op: 'unshelve', reason: 'tired' });
    stage.socket.ok();
    await unshelving;
  });

  test('takes them off again where it was given up after it had been sent', async () => {
    const { client, socket, errors } = meet();
    socket.welcome();
    const controller = new AbortController();
    const shelving = client.shelve('s', {}, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(shelving).rejects.toThrow('enough');
    socket.ok();
    expect(socket.last).toMatchObject({ op: 'unshelve', goods: 's' });
    socket.refuse('not-provider');
    await settle();
    expect(errors).toEqual([]);
  });

  test('supplies items, together or as octets', async () => {
    const { client, socket } = meet();
    socket.welcome();
    const many = client.supplyAll('s', [1, 2]);
    expect(socket.last).toMatchObject({ op: 'supply', goods: 's', items: [1, 2] });
    socket.ok({ offset: 2 });
    expect(await many).toBe(2);
    const octets = client.supply('s', new Uint8Array([0xca, 0xfe]));
    expect(Buffer.from(socket.sent.at(-1) as Uint8Array).toString('hex')).toBe('020000000000000002000173cafe');
    socket.ok({ offset: 3 }, 2);
    expect(await octets).toBe(3);
  });
});

describe('a callback that throws', () => {
  test('is told to who listens for errors, and nothing else suffers', async () => {
    const stage = await booked({
      onItem: () => {
        throw new Error('mine');
      },
    });
    stage.socket.say(item(1), item(2));
    expect(stage.errors.map(String)).toEqual(['Error: mine', 'Error: mine']);
    expect(stage.client.state).toBe('open');
  });

  test('is an uncaught exception where nobody does', async () => {
    using uncaught = captureUncaught();
    let socket!: FakeSocket;
    class Socket extends FakeSocket {
      constructor() {
        super();
        socket = this;
      }
    }
    const other = new GoodsClient('ws://market', { WebSocket: Socket, heartbeat: 0, clock: new FakeClock() });
    other.on('state', () => {
      throw new Error('mine');
    });
    socket.welcome();
    await settle();
    expect(uncaught.exceptions.map(String)).toEqual(['Error: mine']);
  });
});

import { describe, expect, test } from 'vitest';
import { BacklogError } from '../../../src/goods/client.ts';
import { item, meet, stream, subscribed } from '../../support/fake-market.ts';

describe('a subscription', () => {
  test('gives each item once and in order, in whatever frames the items come', async () => {
    const { socket, subscription } = await subscribed();
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

  test('reports items that the market skips, unless they are filtered', async () => {
    const { socket, subscription } = await subscribed();
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

  test('keeps as many items as its buffer has, by its policy', async () => {
    const sizes = { size: 2 } as const;
    const oldest = await subscribed({ buffer: sizes });
    oldest.socket.say(item(1), item(2), item(3), item(4));
    expect((await oldest.subscription.next()).value).toMatchObject({
      offset: 3,
      gap: { reason: 'backlog', from: 1, to: 2 },
    });
    const latest = await subscribed({ buffer: { ...sizes, overflow: 'conflate' } });
    latest.socket.say(item(1), item(2), item(3));
    expect((await latest.subscription.next()).value).toMatchObject({
      offset: 3,
      gap: { reason: 'conflated', from: 1, to: 2 },
    });
    const none = await subscribed({ buffer: { ...sizes, overflow: 'fail' } });
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

  test('takes bytes and text, and no item of another kind', async () => {
    const bytes = await subscribed({}, 'a', [stream('a', { kind: 'bytes' })]);
    bytes.socket.sayBytes('01 00 00 00 00 00 00 00 01 00 01 00 00 61 ca fe');
    expect(Buffer.from((await bytes.subscription.next()).value!.item as unknown as Uint8Array).toString('hex')).toBe(
      'cafe',
    );
    const text = await subscribed({}, 'a', [stream('a', { kind: 'text' })]);
    text.socket.say(item(1));
    expect([text.client.state, text.socket.closedWith]).toEqual(['closed', 4007]);
  });

  test('refuses invalid options', async () => {
    const { client } = meet();
    await expect(client.subscribe('a', undefined, { last: -1 })).rejects.toThrow(RangeError);
    await expect(client.subscribe('a', undefined, { buffer: { size: 0 } })).rejects.toThrow(RangeError);
  });
});

describe('the iterator', () => {
  test('gives waiting callers the items in order', async () => {
    const { socket, subscription } = await subscribed();
    const both = [subscription.next(), subscription.next()];
    socket.say({ op: 'items', goods: 'a', offset: 1, items: ['x', 'y'] });
    expect((await Promise.all(both)).map(({ value }) => value?.item)).toEqual(['x', 'y']);
  });

  test('ends for all waiting callers, with the error for the first only', async () => {
    const { socket, subscription } = await subscribed();
    const all = [subscription.next(), subscription.next(), subscription.next()];
    socket.say({ op: 'revoked', goods: 'a', reason: 'why' });
    const results = await Promise.allSettled(all);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(await subscription.next()).toEqual({ done: true, value: undefined });
  });

  test('gives the items that wait, and then the error', async () => {
    const { socket, subscription } = await subscribed();
    socket.say({ op: 'items', goods: 'a', offset: 1, items: ['x'] }, { op: 'revoked', goods: 'a', reason: 'why' });
    expect((await subscription.next()).value?.item).toBe('x');
    await expect(subscription.next()).rejects.toMatchObject({ name: 'RevokedError', goods: 'a', reason: 'why' });
  });

  test('discards the items that wait when the application unsubscribes', async () => {
    const { socket, subscription } = await subscribed();
    socket.say({ op: 'items', goods: 'a', offset: 1, items: ['x', 'y'] });
    const waiting = subscription.return();
    socket.ok({ removed: true });
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await subscription.next()).toEqual({ done: true, value: undefined });
    expect(subscription.isEnded).toBe(true);
  });

  test('ends without an error for a caller that waits when the application unsubscribes', async () => {
    const { subscription } = await subscribed();
    const next = subscription.next();
    void subscription.unsubscribe();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test('gives no item that comes after the end', async () => {
    const { subscription } = await subscribed();
    const [cursor] = subscription.cursors;
    void subscription.unsubscribe();
    subscription.deliver(cursor!, 1, 1);
    expect(await subscription.next()).toEqual({ done: true, value: undefined });
  });

  test('is the subscription itself', async () => {
    const { subscription } = await subscribed();
    expect(subscription[Symbol.asyncIterator]()).toBe(subscription);
  });
});

test('positions are those of the last items that were delivered', async () => {
  const { socket, subscription } = await subscribed({}, '*', [stream('a', { offset: 5 }), stream('b')]);
  socket.say(item(5), item(6));
  expect(subscription.positions).toEqual([
    { goods: 'a', epoch: 'e', offset: 6 },
    { goods: 'b', epoch: 'e', offset: 0 },
  ]);
});

test('a gap is reported at once, and again with the next item of those goods', async () => {
  const gaps: unknown[] = [];
  const { socket, subscription } = await subscribed({ onGap: (gap) => gaps.push(gap) });
  socket.say(item(1), item(4));
  const gap = { goods: 'a', reason: 'missed', from: 2, to: 3 };
  expect(gaps).toEqual([gap]);
  expect((await subscription.next()).value?.gap).toBeNull();
  expect((await subscription.next()).value?.gap).toEqual(gap);
});

test('a callback for gaps that throws is reported, and the item comes', async () => {
  const { socket, subscription, errors } = await subscribed({
    onGap: () => {
      throw new Error('mine');
    },
  });
  socket.say(item(2));
  expect(errors.map(String)).toEqual(['Error: mine']);
  expect((await subscription.next()).value).toMatchObject({ offset: 2, gap: { reason: 'missed' } });
});

test('goods that count anew without an item have lost none', async () => {
  const gaps: unknown[] = [];
  const { socket, subscription } = await subscribed({ onGap: (gap) => gaps.push(gap) });
  socket.say({ op: 'unshelved', goods: 'a', reason: '' });
  socket.say({ op: 'shelved', goods: 'a', stream: stream('a', { epoch: 'f' }) }, item(1));
  expect((await subscription.next()).value).toMatchObject({ epoch: 'f', offset: 1, gap: null });
  expect(gaps).toEqual([]);
});

test('items that were delivered before do not come again if the market goes on without recovering', async () => {
  const stage = await subscribed({ last: 10 });
  stage.socket.say(item(1), item(2), item(3));
  stage.stage.reconnect();
  stage.stage.socket.ok({ streams: [stream('a', { offset: 5, recovered: false })] });
  stage.stage.socket.say({ op: 'items', goods: 'a', offset: 2, items: [2, 3, 4, 5] });
  const got: unknown[] = [];
  for (let i = 0; i < 5; i++) got.push((await stage.subscription.next()).value?.offset);
  expect(got).toEqual([1, 2, 3, 4, 5]);
});

test('a market with more goods than any market has is disconnected', async () => {
  const stage = meet();
  stage.socket.welcome();
  const beginning = stage.client.subscribe('**');
  const streams = Array.from({ length: 200_001 }, (_, i) => stream(String(i)));
  stage.socket.ok({ streams });
  await expect(beginning).rejects.toThrow('a subscription has more than 200000 goods');
  expect(stage.client.state).toBe('closed');
});

test('a subscription that has ended keeps no listener on its signal', async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  signal.addEventListener = ((...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  }) as typeof add;
  const remove = signal.removeEventListener.bind(signal);
  signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  }) as typeof remove;
  const { subscription } = await subscribed({ signal });
  expect(listeners).toBe(1);
  void subscription.unsubscribe();
  expect(listeners).toBe(0);
});

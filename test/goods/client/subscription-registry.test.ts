import { describe, expect, test } from 'vitest';
import type { Connector } from '../../../src/goods/client/connector.ts';
import type { Requests } from '../../../src/goods/client/requests.ts';
import { Subscription } from '../../../src/goods/client/subscription.ts';
import { SubscriptionRegistry } from '../../../src/goods/client/subscription-registry.ts';
import { type Gap, GoodsError, RevokedError } from '../../../src/goods/client.ts';
import { item, meet, stream, subscribed } from '../../support/fake-market.ts';

const streamOf = (goods: string, offset: number, more: object = {}) => stream(goods, { epoch: 'e1', offset, ...more });

function openStage() {
  const stage = meet();
  stage.socket.welcome();
  return stage;
}

/** A subscription that writes down the items and gaps that it gets. */
async function subscribeWithNotes(stage: ReturnType<typeof meet>, goods: string, streams: readonly object[]) {
  const notes: string[] = [];
  const begun = stage.client.subscribe(goods, undefined, {
    onItem: ({ goods: of, offset, gap }) =>
      void notes.push(`${of} ${offset}${gap === null ? '' : ` after ${gap.reason}`}`),
    onGap: ({ goods: of, reason, from, to }: Gap) => void notes.push(`${of} ${reason} ${from}-${to}`),
  });
  await Promise.resolve();
  stage.socket.ok({ streams });
  return { subscription: await begun, notes };
}

describe('a subscription', () => {
  test('that is not confirmed is sent as soon as there is a connection', async () => {
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
    const { stage, subscription } = await subscribed();
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

  test('reports items that cannot be recovered', async () => {
    const gaps: unknown[] = [];
    const { stage, subscription } = await subscribed({ onGap: (gap) => gaps.push(gap) });
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

  test('of a pattern gets goods that come, and no items of goods that have gone', async () => {
    const { socket, subscription } = await subscribed({}, 'n/*', []);
    socket.say({ op: 'shelved', goods: 'n/*', stream: stream('n/a') }, item(1, 'n/a'));
    socket.say({ op: 'unshelved', goods: 'n/a', reason: '' }, item(2, 'n/a'));
    socket.say(
      { op: 'shelved', goods: 'n/*', stream: stream('n/a', { epoch: 'f' }) },
      item(1, 'n/a', { item: 'anew' }),
    );
    expect((await subscription.next()).value).toMatchObject({ goods: 'n/a', item: 1, epoch: 'e' });
    expect((await subscription.next()).value).toMatchObject({ goods: 'n/a', item: 'anew', epoch: 'f' });
  });

  test('that is revoked ends with the reason, and a stream that is revoked does not end the others', async () => {
    const { socket, subscription } = await subscribed({}, 'n/*', [stream('n/a'), stream('n/b')]);
    socket.say({ op: 'revoked', goods: 'n/*', stream: 'n/a', reason: 'members only' }, item(1, 'n/a'), item(1, 'n/b'));
    expect((await subscription.next()).value).toMatchObject({ goods: 'n/b' });
    socket.say({ op: 'revoked', goods: 'n/*', reason: 'enough' });
    await expect(subscription.next()).rejects.toBeInstanceOf(RevokedError);
    expect((await subscription.next()).done).toBe(true);
  });

  test('shares the subscription at the market with others to the same goods and params, and the last one ends it', async () => {
    const { stage, subscription } = await subscribed();
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

  test('is ended by its signal before, during and after the request', async () => {
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
});

describe('after a reconnect', () => {
  test('goods that came while there was no connection are reported as a gap, as far as their items are missing', async () => {
    const stage = openStage();
    const { notes } = await subscribeWithNotes(stage, 'rooms/*', []);
    stage.reconnect();
    stage.socket.ok({ streams: [streamOf('rooms/a', 5), streamOf('rooms/b', 1), streamOf('rooms/c', 0)] });
    for (const [goods, offset] of [
      ['rooms/a', 5],
      ['rooms/b', 1],
      ['rooms/c', 1],
    ]) {
      stage.socket.say({ op: 'item', goods, offset, item: 0 });
    }
    expect(notes).toEqual([
      'rooms/a not-recovered null-null',
      'rooms/a 5 after not-recovered',
      'rooms/b 1',
      'rooms/c 1',
    ]);
  });

  test('goods that went while there was no connection are reported as a gap, whatever their last item was', async () => {
    const stage = openStage();
    const { notes } = await subscribeWithNotes(stage, 'rooms/*', [streamOf('rooms/a', 42), streamOf('rooms/b', 7)]);
    stage.socket.say({ op: 'item', goods: 'rooms/a', offset: 42, item: 0 });
    stage.socket.say({ op: 'unshelved', goods: 'rooms/b', reason: 'closed' });
    stage.reconnect();
    stage.socket.ok({ streams: [] });
    stage.socket.say({ op: 'shelved', goods: 'rooms/*', stream: streamOf('rooms/a', 0, { epoch: 'e2' }) });
    stage.socket.say({ op: 'item', goods: 'rooms/a', offset: 1, item: 0 });
    expect(notes).toEqual(['rooms/a 42', 'rooms/a not-recovered 43-null', 'rooms/a 1 after not-recovered']);
  });

  test('a subscription lasts if its goods are not on the shelf yet after a reconnect', async () => {
    const stage = openStage();
    const { subscription, notes } = await subscribeWithNotes(stage, 'a', [streamOf('a', 3)]);
    stage.reconnect();
    for (const code of ['unknown-goods', 'internal']) {
      stage.socket.refuse(code);
      stage.clock.ring();
    }
    expect(stage.socket.requests).toMatchObject(
      Array(3).fill({ op: 'subscribe', since: [{ goods: 'a', epoch: 'e1', offset: 2 }] }),
    );
    stage.socket.ok({ streams: [streamOf('a', 4, { recovered: true })] });
    stage.socket.say({ op: 'items', goods: 'a', offset: 3, items: [3, 4] });
    expect(notes).toEqual(['a 3', 'a 4']);
    stage.reconnect();
    stage.socket.refuse('forbidden');
    expect(subscription.isEnded).toBe(true);
    await expect(subscription.next()).rejects.toMatchObject({ code: 'forbidden' });
  });
});

test('a first subscribe is refused at once if there are no such goods', async () => {
  const stage = openStage();
  const begun = stage.client.subscribe('a');
  stage.socket.refuse('unknown-goods');
  await expect(begun).rejects.toMatchObject({ code: 'unknown-goods' });
});

test('a subscription can be ended without a connection, also if another one to the same goods begins then', async () => {
  const stage = meet();
  const first = stage.client.subscribe('a', undefined, { signal: AbortSignal.abort() });
  await expect(first).rejects.toThrow('aborted');
  const controller = new AbortController();
  const second = stage.client.subscribe('a', undefined, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(second).rejects.toThrow('enough');
  const { subscription } = await (async () => {
    stage.socket.welcome();
    return subscribeWithNotes(stage, 'a', [streamOf('a', 0)]);
  })();
  stage.socket.end(1006);
  stage.clock.ring();
  // Neither open nor without a connection.
  const left = subscription.unsubscribe();
  const third = stage.client.subscribe('a');
  await Promise.resolve();
  stage.socket.welcome();
  for (const { id, op } of [...stage.socket.requests]) {
    stage.socket.say(op === 'subscribe' ? { op: 'ok', id, streams: [] } : { op: 'ok', id, removed: false });
  }
  await left;
  expect((await third).isEnded).toBe(false);
  expect(stage.socket.requests.map(({ op }) => op)).toEqual(['unsubscribe', 'subscribe']);
});

test('all subscriptions to the same goods and params move to the variant of the latest reply', async () => {
  const stage = openStage();
  const first = await subscribeWithNotes(stage, 'a', [streamOf('a', 1, { variant: 'CNY' })]);
  const second = await subscribeWithNotes(stage, 'a', [streamOf('a', 1, { variant: 'EUR' })]);
  stage.socket.say({ op: 'item', goods: 'a', variant: 'EUR', offset: 1, item: 0 });
  stage.socket.say({ op: 'item', goods: 'a', variant: 'EUR', offset: 2, item: 0 });
  expect(first.notes).toEqual(['a 1', 'a 2']);
  expect(second.notes).toEqual(['a 1', 'a 2']);
});

test('a subscription at the market ends if the last local one was refused, and the others have ended', async () => {
  const stage = openStage();
  const { subscription } = await subscribeWithNotes(stage, 'a', [streamOf('a', 0)]);
  const second = stage.client.subscribe('a');
  const { id } = stage.socket.last;
  await subscription.unsubscribe();
  expect(stage.socket.last).toMatchObject({ op: 'subscribe' });
  stage.socket.refuse('forbidden', {}, id);
  await expect(second).rejects.toMatchObject({ code: 'forbidden' });
  expect(stage.socket.last).toMatchObject({ op: 'unsubscribe', goods: 'a' });
});

test('goods of a pattern that come and go under new names leave at most 1000 positions behind', async () => {
  const stage = openStage();
  const { subscription } = await subscribeWithNotes(stage, '**', []);
  for (let i = 0; i < 3000; i++) {
    stage.socket.say({ op: 'shelved', goods: '**', stream: streamOf(`room ${i}`, 0) });
    stage.socket.say({ op: 'unshelved', goods: `room ${i}`, reason: '' });
  }
  expect([...subscription.cursors]).toHaveLength(1000);
});

describe('inside of a callback', () => {
  /** Two subscriptions to the same goods. The first one ends the second with its first item or gap. */
  async function pair() {
    const stage = openStage();
    const notes: string[] = [];
    const end = (note: string) => {
      notes.push(note);
      void second.unsubscribe();
    };
    const beginning = stage.client.subscribe('a', undefined, { onItem: () => end('item'), onGap: () => end('gap') });
    stage.socket.ok({ streams: [stream()] });
    await beginning;
    const following = stage.client.subscribe('a', undefined, {
      onItem: () => void notes.push('item of the second'),
      onGap: () => void notes.push('gap of the second'),
    });
    stage.socket.ok({ streams: [stream()] });
    const second = await following;
    return { stage, notes };
  }

  test('a subscription may end another one, which gets the item no more', async () => {
    const { stage, notes } = await pair();
    stage.socket.say(item(1));
    expect(notes).toEqual(['item']);
  });

  test('a subscription may end another one, which is told of the gap no more', async () => {
    const { stage, notes } = await pair();
    stage.socket.say({ op: 'skip', goods: 'a', from: 1, to: 1, reason: 'dropped' });
    expect(notes).toEqual(['gap']);
  });

  test.each([1, 2])('a subscription may end itself while its streams are opened: %i of them', async (count) => {
    const stage = openStage();
    const gaps: string[] = [];
    const beginning = stage.client.subscribe('*', undefined, {
      onGap: ({ goods }) => {
        gaps.push(goods);
        void subscription.unsubscribe();
      },
    });
    stage.socket.ok({ streams: [] });
    const subscription = await beginning;
    stage.reconnect();
    stage.socket.ok({ streams: [streamOf('a', 5), streamOf('b', 5)].slice(0, count) });
    stage.socket.say(item(6, 'a'), item(6, 'b'));
    expect([gaps, subscription.isEnded, stage.client.state]).toEqual([['a'], true, 'open']);
  });
});

describe('frames that concern no subscription are ignored', () => {
  test('items, skips and news of goods without a subscription', async () => {
    const { socket, client, subscription } = await subscribed();
    socket.say(
      item(1, 'other'),
      { op: 'skip', goods: 'other', from: 1, to: 2, reason: 'dropped' },
      { op: 'shelved', goods: 'other', stream: stream('other') },
      { op: 'unshelved', goods: 'other', reason: '' },
      { op: 'revoked', goods: 'other', reason: '' },
      { op: 'revoked', goods: 'a', stream: 'other', reason: '' },
      item(1),
    );
    expect((await subscription.next()).value).toMatchObject({ goods: 'a', offset: 1, gap: null });
    expect(client.state).toBe('open');
  });

  test('goods that are taken off the shelf twice', async () => {
    const { socket, subscription } = await subscribed();
    socket.say({ op: 'unshelved', goods: 'a', reason: '' }, { op: 'unshelved', goods: 'a', reason: '' });
    socket.say({ op: 'shelved', goods: 'a', stream: stream() }, item(1));
    expect((await subscription.next()).value).toMatchObject({ offset: 1 });
  });

  test('streams of a kind of a later version', async () => {
    const { socket, client, subscription } = await subscribed({}, '*', [stream('a', { kind: 'xml' }), stream('b')]);
    socket.say(item(1, 'a'), item(1, 'b'));
    expect((await subscription.next()).value).toMatchObject({ goods: 'b' });
    expect(client.state).toBe('open');
  });

  test('goods that are shelved before the market has confirmed the subscription', async () => {
    const stage = openStage();
    const notes: string[] = [];
    const beginning = stage.client.subscribe('*', undefined, { onItem: ({ goods }) => void notes.push(goods) });
    stage.socket.say({ op: 'shelved', goods: '*', stream: stream('a') }, item(1, 'a'));
    stage.socket.ok({ streams: [] });
    await beginning;
    expect(notes).toEqual([]);
  });
});

test('a reply for a subscription that has ended meanwhile opens no stream', async () => {
  const stage = openStage();
  const controllers = [new AbortController(), new AbortController()];
  const both = controllers.map(({ signal }) => stage.client.subscribe('a', undefined, { signal }));
  const [first, second] = stage.socket.requests.map(({ id }) => id);
  controllers[0]!.abort(new Error('first'));
  await expect(both[0]).rejects.toThrow('first');
  // The other subscription still uses what the market has.
  stage.socket.ok({ streams: [stream()] }, first!);
  expect(stage.socket.requests.map(({ op }) => op)).toEqual(['subscribe', 'subscribe']);
  controllers[1]!.abort(new Error('second'));
  await expect(both[1]).rejects.toThrow('second');
  stage.socket.ok({ streams: [stream()] }, second!);
  stage.socket.say(item(1));
  expect(stage.socket.last).toMatchObject({ op: 'unsubscribe' });
  expect(stage.client.state).toBe('open');
});

test('positions that do not fit into a request are left out, and the others are sent', async () => {
  const names = Array.from({ length: 400 }, (_, i) => `${'x'.repeat(200)}${i}`);
  const { stage } = await subscribed(
    { onGap: () => {} },
    '**',
    names.map((name) => stream(name)),
  );
  stage.reconnect();
  const { since } = stage.socket.last as unknown as { since: readonly unknown[] };
  expect(since).toHaveLength(100);
  expect(JSON.stringify(since).length).toBeLessThanOrEqual(32_768);
});

test('a refusal that may pass is followed by the same request after a pause, at least as long as the market says', async () => {
  const stage = openStage();
  const beginning = stage.client.subscribe('a');
  stage.socket.refuse('rate-limited', { retryAfter: 5000 });
  stage.clock.advance(4999);
  expect(stage.socket.requests).toHaveLength(1);
  stage.clock.advance(1);
  expect(stage.socket.requests).toHaveLength(2);
  // The next pause is random again: half of 2000.
  stage.socket.refuse('closing');
  stage.clock.advance(1000);
  expect(stage.socket.requests).toHaveLength(3);
  stage.socket.ok({ streams: [] });
  expect((await beginning).isEnded).toBe(false);
});

test('a subscription that ended while its request was refused for now is not asked for again', async () => {
  const stage = openStage();
  const controller = new AbortController();
  const beginning = stage.client.subscribe('a', undefined, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(beginning).rejects.toThrow('enough');
  stage.socket.refuse('rate-limited', {}, 1);
  expect(stage.clock.timers.size).toBe(0);
});

test('a reply to subscribe without streams is a fault of the market', async () => {
  const stage = openStage();
  const beginning = stage.client.subscribe('a');
  stage.socket.ok();
  await expect(beginning).rejects.toThrow('the reply to subscribe has no streams');
  expect(stage.client.state).toBe('closed');
});

test('a caller that waits is rejected if its subscription is ended without a reason', async () => {
  const told: unknown[] = [];
  const requests = { tell: async (write: (id: number) => unknown) => void told.push(JSON.parse(String(write(1)))) };
  const registry = new SubscriptionRegistry(
    { connection: null } as unknown as Connector,
    requests as unknown as Requests,
    { base: 1, max: 1, random: () => 0 },
  );
  const owner = { leave: async () => {}, report: () => {} };
  const subscription = new Subscription('a', undefined, {}, owner);
  const waiting = registry.add(subscription);
  await registry.leave(subscription);
  await expect(waiting).rejects.toThrow('the subscription was ended before it began');
  expect(told).toEqual([{ op: 'unsubscribe', id: 1, goods: 'a' }]);
});

import { expect, test } from 'vitest';
import { ClosedError, ConnectionError } from '../../../src/goods/client.ts';
import { meet, settle, subscribed } from '../../support/fake-market.ts';

test('a list is asked for page by page, to the end', async () => {
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

test('a request is sent again on the next connection, except a supply that may have taken effect', async () => {
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

test('a signal ends a request that was not sent', async () => {
  const { client, socket } = meet();
  const controller = new AbortController();
  const asked = client.catalog('**', { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(asked).rejects.toThrow('enough');
  socket.welcome();
  expect(socket.requests).toEqual([]);
});

test('a signal ends a supply, before it was sent and after', async () => {
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
  const bytes = stage.client.supply('a', new Uint8Array(1), { signal: controllers[2]!.signal });
  stage.socket.ok({ offset: 2 }, 2);
  expect(await bytes).toBe(2);
  controllers[2]!.abort();
  await expect(stage.client.supply('a', 3, { signal: controllers[2]!.signal })).rejects.toThrow('aborted');
  expect([stage.client.state, stage.errors]).toEqual(['open', []]);
});

test('a number of requests may have no reply, and further ones are refused', async () => {
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
  // The end of the connection makes room too.
  stage.socket.end(1006);
  for (const one of more) await expect(one).rejects.toBeInstanceOf(ConnectionError);
  const last = [stage.client.supply('a', 6), stage.client.supply('a', 7)];
  void stage.client.close();
  for (const one of last) await expect(one).rejects.toBeInstanceOf(ClosedError);
  expect(() => meet({ maxPending: 0 })).toThrow('maxPending is an integer ≥ 1; got 0');
});

test('requests to a closed client are refused, and those that wait are rejected', async () => {
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

test('a market whose pages do not end is faulty', async () => {
  const stage = meet();
  stage.socket.welcome();
  const asked = stage.client.catalog();
  stage.socket.ok({ catalog: [], next: 'a' });
  await settle();
  stage.socket.ok({ catalog: [], next: 'a' });
  await expect(asked).rejects.toThrow('the next page is the same one again');
});

test('a list has at most 100 000 pages', async () => {
  const stage = meet();
  const { socket } = stage;
  // Replies inside of send(), so that all pages are asked for in microtasks.
  socket.send = (data) => {
    const { id, op } = JSON.parse(String(data)) as { id: number; op: string };
    queueMicrotask(() => socket.emit('message', { data: `{"op":"ok","id":${id},"next":"${id}","${op}":[]}` }));
  };
  socket.welcome();
  await expect(stage.client.subscriptions()).rejects.toThrow('more than 100000 pages');
});

test('a reply without the list, or without the offset, is read as an empty one', async () => {
  const stage = meet();
  stage.socket.welcome();
  const asked = stage.client.subscriptions();
  stage.socket.ok();
  expect(await asked).toEqual([]);
  const supplied = stage.client.supply('a', 1);
  stage.socket.ok();
  expect(await supplied).toBe(0);
  const bytes = stage.client.supply('a', new Uint8Array(1));
  stage.socket.ok({}, 3);
  expect(await bytes).toBe(0);
});

test('a signal that aborts before the call sends nothing, and one that aborts after the reply does nothing', async () => {
  const stage = meet();
  stage.socket.welcome();
  const reason = new Error('enough');
  await expect(stage.client.catalog('**', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(stage.socket.requests).toEqual([]);
  const controller = new AbortController();
  const asked = stage.client.catalog('**', { signal: controller.signal });
  stage.socket.ok({ catalog: [] });
  expect(await asked).toEqual([]);
  controller.abort(reason);
  expect(stage.client.state).toBe('open');
});

test('the refusal of a request that a signal has ended is ignored, and so is the loss of its connection', async () => {
  const stage = meet();
  stage.socket.welcome();
  const controllers = [new AbortController(), new AbortController()];
  const asked = controllers.map(({ signal }) => stage.client.catalog('**', { signal }));
  for (const controller of controllers) controller.abort(new Error('enough'));
  for (const one of asked) await expect(one).rejects.toThrow('enough');
  stage.socket.refuse('internal', {}, 1);
  stage.reconnect();
  expect([stage.socket.requests, stage.client.state]).toEqual([[], 'open']);
});

test('a request that JSON cannot hold is refused, and the next one is sent', async () => {
  const stage = meet();
  stage.socket.welcome();
  await expect(stage.client.supply('a', 1n)).rejects.toBeInstanceOf(TypeError);
  const asked = stage.client.catalog();
  stage.socket.ok({ catalog: [] });
  expect(await asked).toEqual([]);
});

test('a retry that waits is cancelled with its connection', async () => {
  const stage = meet();
  stage.socket.welcome();
  void stage.client.subscribe('a').catch(() => {});
  await Promise.resolve();
  stage.socket.refuse('rate-limited', { retryAfter: 1_000_000 });
  expect(stage.clock.timers.size).toBe(1);
  stage.socket.end(1006);
  // Only the pause before the next connection is left.
  expect([...stage.clock.timers].map(({ at }) => at)).toEqual([500]);
  void stage.client.close();
  expect(stage.clock.timers.size).toBe(0);
});

test('a retry waits at most 10 minutes', async () => {
  const stage = meet();
  stage.socket.welcome();
  void stage.client.subscribe('a').catch(() => {});
  await Promise.resolve();
  stage.socket.refuse('rate-limited', { retryAfter: Number.MAX_SAFE_INTEGER });
  stage.clock.advance(600_000);
  expect(stage.socket.requests).toHaveLength(2);
});

test('an unsubscribe without a connection is over at once, because the market has nothing to end', async () => {
  const { stage, subscription } = await subscribed();
  stage.socket.end(1006);
  await subscription.unsubscribe();
  stage.clock.ring();
  stage.socket.welcome();
  expect(stage.socket.requests).toEqual([]);
});

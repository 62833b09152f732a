import { describe, expect, test } from 'vitest';
import { defineGoods, GoodsClient } from '../../../src/goods/client.ts';
import { FakeClock, FakeSocket, item, meet, settle, subscribed } from '../../support/fake-market.ts';
import { captureUncaught } from '../../support/uncaught.ts';

test('a client supplies items, together or as bytes', async () => {
  const { client, socket } = meet();
  socket.welcome();
  const many = client.supplyAll('s', [1, 2]);
  expect(socket.last).toMatchObject({ op: 'supply', goods: 's', items: [1, 2] });
  socket.ok({ offset: 2 });
  expect(await many).toBe(2);
  const sent = client.supply('s', new Uint8Array([0xca, 0xfe]));
  expect(Buffer.from(socket.sent.at(-1) as Uint8Array).toString('hex')).toBe('020000000000000002000173cafe');
  socket.ok({ offset: 3 }, 2);
  expect(await sent).toBe(3);
});

describe('an error thrown by a callback', () => {
  test('is reported as `error`, and the client goes on', async () => {
    const stage = await subscribed({
      onItem: () => {
        throw new Error('mine');
      },
    });
    stage.socket.say(item(1), item(2));
    expect(stage.errors.map(String)).toEqual(['Error: mine', 'Error: mine']);
    expect(stage.client.state).toBe('open');
  });

  test('is an uncaught exception if that event has no listener', async () => {
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

test('subscriptions to params that are equal as JSON share one at the market', async () => {
  const stage = meet();
  stage.socket.welcome();
  const both = [{ at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }].map((params) =>
    stage.client.subscribe('a', params),
  );
  for (const { id } of stage.socket.requests) stage.socket.ok({ streams: [] }, id);
  const [one, other] = await Promise.all(both);
  expect(one!.params).toEqual(other!.params);
  await one!.unsubscribe();
  expect(stage.socket.requests.map(({ op }) => op)).toEqual(['subscribe', 'subscribe']);
});

test('items are copied when they are supplied: the application may change them while the request waits', async () => {
  const stage = meet();
  const [items, bytes] = [[{ price: 1 }], Uint8Array.of(1)];
  const supplied = [stage.client.supplyAll('a', items), stage.client.supply('a', bytes)];
  items[0]!.price = 2;
  bytes.fill(0);
  stage.socket.welcome();
  expect(stage.socket.last).toMatchObject({ items: [{ price: 1 }] });
  expect((stage.socket.sent.at(-1) as Uint8Array).at(-1)).toBe(1);
  stage.socket.ok({ offset: 1 }, 1);
  stage.socket.ok({ offset: 2 }, 2);
  expect(await Promise.all(supplied)).toEqual([1, 2]);
});

test('closing ends the subscriptions without an error, and the waiting ones with ClosedError', async () => {
  const { client, socket, subscription } = await subscribed();
  const waiting = client.subscribe('b');
  const closing = client.close();
  socket.end(1000);
  await closing;
  expect(await subscription.next()).toEqual({ done: true, value: undefined });
  await expect(waiting).rejects.toMatchObject({ name: 'ClosedError' });
  await expect(client.shelve('s')).rejects.toMatchObject({ name: 'ClosedError' });
});

test('a final error ends the subscriptions with it, and every later request', async () => {
  const { client, socket, subscription } = await subscribed();
  socket.end(1008, 'no');
  await expect(subscription.next()).rejects.toMatchObject({ name: 'ConnectionError', closeCode: 1008 });
  await expect(client.catalog()).rejects.toMatchObject({ closeCode: 1008 });
});

test('a listener that was removed is not called any more', () => {
  const stage = meet();
  const states: string[] = [];
  const remove = stage.client.on('state', (state) => states.push(state));
  remove();
  remove();
  stage.socket.welcome();
  expect([states, stage.client.state]).toEqual([[], 'open']);
});

test('goods are named by a definition, or by a name', async () => {
  const stage = meet();
  stage.socket.welcome();
  const definition = defineGoods<number>('a');
  for (const goods of [definition, 'a']) {
    void stage.client.supply(goods, 1).catch(() => {});
    expect(stage.socket.last).toMatchObject({ op: 'supply', goods: 'a', items: [1] });
    void stage.client.shelve(goods).catch(() => {});
    expect(stage.socket.last).toMatchObject({ op: 'shelve', goods: 'a' });
  }
});

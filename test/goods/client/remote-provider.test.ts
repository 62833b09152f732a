import { describe, expect, test } from 'vitest';
import { meet, settle } from '../../support/fake-market.ts';

describe('a client that offers goods', () => {
  test('is told of demand, and puts the goods on the shelf again after a reconnect', async () => {
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

  test('takes the goods off the shelf if the signal aborts after the request was sent', async () => {
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
});

test('goods are put on the shelf again as soon as the market has noticed that the connection before is gone', async () => {
  const stage = meet();
  stage.socket.welcome();
  const notes: string[] = [];
  const shelved = stage.client.shelve('cam', {
    onDemand: () => void notes.push('demand'),
    onIdle: () => void notes.push('idle'),
  });
  await Promise.resolve();
  stage.socket.ok({});
  await shelved;
  stage.socket.say({ op: 'demand', goods: 'cam' });
  stage.reconnect();
  expect(notes).toEqual(['demand', 'idle']);
  stage.socket.refuse('already-shelved');
  stage.clock.ring();
  expect(stage.socket.requests).toMatchObject(Array(2).fill({ op: 'shelve', goods: 'cam' }));
  stage.socket.ok({});
  stage.socket.say({ op: 'demand', goods: 'cam' });
  expect(notes).toEqual(['demand', 'idle', 'demand']);
  stage.socket.end(1006);
  await stage.client.unshelve('cam');
  stage.clock.ring();
  stage.socket.welcome();
  expect(stage.socket.requests).toEqual([]);
});

/** A client that has put goods `s` on the shelf. */
async function shelved(events = {}) {
  const stage = meet();
  stage.socket.welcome();
  const shelving = stage.client.shelve('s', events);
  stage.socket.ok();
  await shelving;
  return stage;
}

test('a refusal that will not pass is reported, and the goods are not asked for again on this connection', async () => {
  const stage = await shelved();
  stage.reconnect();
  stage.errors.length = 0;
  stage.socket.refuse('forbidden');
  expect(stage.errors).toMatchObject([{ name: 'GoodsError', code: 'forbidden' }]);
  expect(stage.clock.timers.size).toBe(0);
});

test('goods that are taken off the shelf while they are asked for again are not asked for any more', async () => {
  const stage = await shelved();
  stage.reconnect();
  const { id } = stage.socket.last;
  const unshelving = stage.client.unshelve('s');
  stage.socket.ok();
  await unshelving;
  stage.socket.refuse('already-shelved', {}, id);
  expect(stage.clock.timers.size).toBe(0);
  expect(stage.errors).toMatchObject([{ name: 'ConnectionError' }]);
});

test('goods that are taken off the shelf before the next connection are not put back', async () => {
  const stage = await shelved();
  stage.socket.end(1006);
  stage.clock.ring();
  // The connection is being made.
  void stage.client.unshelve('s').catch(() => {});
  stage.socket.welcome();
  expect(stage.socket.requests.map(({ op }) => op)).toEqual(['unshelve']);
});

test('a connection that is lost before the reply is followed by another request', async () => {
  const stage = await shelved();
  stage.reconnect();
  stage.reconnect();
  expect(stage.socket.requests).toMatchObject([{ op: 'shelve', goods: 's' }]);
});

test('unshelve is refused for goods that this client has not shelved', async () => {
  const stage = meet();
  stage.socket.welcome();
  const unshelving = stage.client.unshelve('s');
  stage.socket.refuse('not-provider');
  await expect(unshelving).rejects.toMatchObject({ code: 'not-provider' });
});

test('unshelve succeeds for goods that the market has already taken off the shelf, and rejects for another reason', async () => {
  const stage = await shelved();
  const first = stage.client.unshelve('s');
  stage.socket.refuse('not-provider');
  await first;
  const again = await shelved();
  const second = again.client.unshelve('s');
  again.socket.refuse('internal');
  await expect(second).rejects.toMatchObject({ code: 'internal' });
});

test('a shelve that is refused is not kept for the next connection', async () => {
  const stage = meet();
  stage.socket.welcome();
  const shelving = stage.client.shelve('s');
  stage.socket.refuse('already-shelved');
  await expect(shelving).rejects.toMatchObject({ code: 'already-shelved' });
  stage.reconnect();
  expect(stage.socket.requests).toEqual([]);
});

test('demand is reported once for each change, and what a callback throws is an error of the client', async () => {
  const calls: string[] = [];
  const stage = await shelved({
    onDemand: (name: string) => {
      calls.push(name);
      throw new Error('mine');
    },
  });
  stage.socket.say({ op: 'demand', goods: 's' }, { op: 'demand', goods: 's' }, { op: 'idle', goods: 's' });
  expect([calls, stage.errors.map(String)]).toEqual([['s'], ['Error: mine']]);
});

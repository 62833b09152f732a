import { afterEach, expect, test } from 'vitest';
import { type Gap, GoodsClient } from '../../../src/goods/client.ts';

/** What a client sends, read. */
type Sent = Readonly<Record<string, unknown>> & { readonly op: string; readonly id: number; readonly goods: string };

/** A market that a test plays: the connections that a client makes to it, and its time. */
class Stage {
  readonly connections: Role[] = [];
  readonly client: GoodsClient;
  #time = 0;
  #timers = new Map<number, { at: number; callback: () => void }>();
  #lastTimer = 0;

  constructor() {
    const { connections } = this;
    const WebSocket = class extends Role {
      constructor() {
        super();
        connections.push(this);
      }
    };
    const clock = {
      now: () => this.#time,
      setTimeout: (callback: () => void, milliseconds: number) => {
        this.#timers.set(++this.#lastTimer, { at: this.#time + milliseconds, callback });
        return this.#lastTimer;
      },
      clearTimeout: (timer: unknown) => void this.#timers.delete(timer as number),
    };
    this.client = new GoodsClient('ws://market', { WebSocket, clock, heartbeat: 0, random: () => 0.5 });
    // Losing the connection is what these tests are about.
    this.client.on('error', () => {});
  }

  /** The connection of now. */
  get here(): Role {
    return this.connections.at(-1)!;
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time go by until the next timer, and lets that ring. */
  wait(): void {
    const [[first, { at, callback }]] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at) as [
      [number, { at: number; callback: () => void }],
    ];
    this.#timers.delete(first);
    this.#time = at;
    callback();
  }

  /** Loses the connection, and lets the client make the next one. */
  cut(): void {
    const before = this.connections.length;
    this.here.emit('close', { code: 1006, reason: '' });
    while (this.connections.length === before) this.wait();
    this.here.welcome();
  }
}

class Role {
  readonly protocol = 'goods.v1';
  readyState = 1;
  binaryType = '';
  readonly sent: Sent[] = [];
  readonly #listeners = new Map<string, ((event: unknown) => void)[]>();

  addEventListener(type: string, listener: (event: never) => void): void {
    const listeners = this.#listeners.get(type) ?? [];
    this.#listeners.set(type, [...listeners, listener as (event: unknown) => void]);
  }

  emit(type: string, event: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data) as Sent);
  }

  close(): void {
    this.emit('close', { code: 1000, reason: '' });
  }

  say(frame: object): void {
    this.emit('message', { data: JSON.stringify(frame) });
  }

  welcome(): void {
    this.say({ op: 'welcome', protocol: 'goods.v1', heartbeat: 0, limits: {} });
  }

  /** Replies to the last request. */
  reply(fields: object): void {
    this.say({ op: 'ok', id: this.sent.at(-1)!.id, ...fields });
  }

  refuse(code: string, id = this.sent.at(-1)!.id): void {
    this.say({ op: 'error', id, code, message: code });
  }
}

const streamOf = (goods: string, offset: number, more: object = {}) => ({
  goods,
  kind: 'json',
  epoch: 'e1',
  offset,
  ...more,
});

const stages: Stage[] = [];
afterEach(async () => {
  for (const stage of stages.splice(0)) {
    await stage.client.close();
    expect(stage.timers).toBe(0);
  }
});

function open(): Stage {
  const stage = new Stage();
  stages.push(stage);
  stage.here.welcome();
  return stage;
}

/** A subscription that writes down what it gets. */
async function subscribe(stage: Stage, goods: string, streams: readonly object[]) {
  const notes: string[] = [];
  const begun = stage.client.subscribe(goods, undefined, {
    onItem: ({ goods: of, offset, gap }) =>
      void notes.push(`${of} ${offset}${gap === null ? '' : ` after ${gap.reason}`}`),
    onGap: ({ goods: of, reason, from, to }: Gap) => void notes.push(`${of} ${reason} ${from}-${to}`),
  });
  await Promise.resolve();
  stage.here.reply({ streams });
  return { subscription: await begun, notes };
}

test('goods that came while there was no connection are told as a gap, as far as items of theirs are missing', async () => {
  const stage = open();
  const { notes } = await subscribe(stage, 'rooms/*', []);
  stage.cut();
  stage.here.reply({ streams: [streamOf('rooms/a', 5), streamOf('rooms/b', 1), streamOf('rooms/c', 0)] });
  for (const [goods, offset] of [
    ['rooms/a', 5],
    ['rooms/b', 1],
    ['rooms/c', 1],
  ]) {
    stage.here.say({ op: 'item', goods, offset, item: 0 });
  }
  expect(notes).toEqual(['rooms/a not-recovered null-null', 'rooms/a 5 after not-recovered', 'rooms/b 1', 'rooms/c 1']);
});

test('goods that went while there was no connection are told as a gap, whatever they had last', async () => {
  const stage = open();
  const { notes } = await subscribe(stage, 'rooms/*', [streamOf('rooms/a', 42), streamOf('rooms/b', 7)]);
  stage.here.say({ op: 'item', goods: 'rooms/a', offset: 42, item: 0 });
  stage.here.say({ op: 'unshelved', goods: 'rooms/b', reason: 'closed' });
  stage.cut();
  stage.here.reply({ streams: [] });
  stage.here.say({ op: 'shelved', goods: 'rooms/*', stream: streamOf('rooms/a', 0, { epoch: 'e2' }) });
  stage.here.say({ op: 'item', goods: 'rooms/a', offset: 1, item: 0 });
  expect(notes).toEqual(['rooms/a 42', 'rooms/a not-recovered 43-null', 'rooms/a 1 after not-recovered']);
});

test('a subscription lasts where its goods are not there again yet', async () => {
  const stage = open();
  const { subscription, notes } = await subscribe(stage, 'a', [streamOf('a', 3)]);
  stage.cut();
  for (const code of ['unknown-goods', 'internal']) {
    stage.here.refuse(code);
    stage.wait();
  }
  expect(stage.here.sent).toMatchObject(
    Array(3).fill({ op: 'subscribe', since: [{ goods: 'a', epoch: 'e1', offset: 2 }] }),
  );
  stage.here.reply({ streams: [streamOf('a', 4, { recovered: true })] });
  stage.here.say({ op: 'items', goods: 'a', offset: 3, items: [3, 4] });
  expect(notes).toEqual(['a 3', 'a 4']);
  stage.cut();
  stage.here.refuse('forbidden');
  expect(subscription.isEnded).toBe(true);
  await expect(subscription.next()).rejects.toMatchObject({ code: 'forbidden' });
});

test('a first subscribe is refused at once where there are no such goods', async () => {
  const stage = open();
  const begun = stage.client.subscribe('a');
  stage.here.refuse('unknown-goods');
  await expect(begun).rejects.toMatchObject({ code: 'unknown-goods' });
});

test('whoever leaves before there is a connection is let go, also where somebody else comes for the same', async () => {
  const stage = new Stage();
  stages.push(stage);
  const first = stage.client.subscribe('a', undefined, { signal: AbortSignal.abort() });
  await expect(first).rejects.toThrow('aborted');
  const controller = new AbortController();
  const second = stage.client.subscribe('a', undefined, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(second).rejects.toThrow('enough');
  const { subscription } = await (async () => {
    stage.here.welcome();
    return subscribe(stage, 'a', [streamOf('a', 0)]);
  })();
  stage.here.emit('close', { code: 1006, reason: '' });
  stage.wait();
  // Neither open nor without a connection.
  const left = subscription.unsubscribe();
  const third = stage.client.subscribe('a');
  await Promise.resolve();
  stage.here.welcome();
  for (const { id, op } of [...stage.here.sent]) {
    stage.here.say(op === 'subscribe' ? { op: 'ok', id, streams: [] } : { op: 'ok', id, removed: false });
  }
  await left;
  expect((await third).isEnded).toBe(false);
  expect(stage.here.sent.map(({ op }) => op)).toEqual(['unsubscribe', 'subscribe']);
});

test('all who have the same wish go on where the market moves it to another variant', async () => {
  const stage = open();
  const first = await subscribe(stage, 'a', [streamOf('a', 1, { variant: 'CNY' })]);
  const second = await subscribe(stage, 'a', [streamOf('a', 1, { variant: 'EUR' })]);
  stage.here.say({ op: 'item', goods: 'a', variant: 'EUR', offset: 1, item: 0 });
  stage.here.say({ op: 'item', goods: 'a', variant: 'EUR', offset: 2, item: 0 });
  expect(first.notes).toEqual(['a 1', 'a 2']);
  expect(second.notes).toEqual(['a 1', 'a 2']);
});

test('nothing stays booked for somebody who left while another one was refused the same', async () => {
  const stage = open();
  const { subscription } = await subscribe(stage, 'a', [streamOf('a', 0)]);
  const second = stage.client.subscribe('a');
  const { id } = stage.here.sent.at(-1)!;
  await subscription.unsubscribe();
  expect(stage.here.sent.at(-1)).toMatchObject({ op: 'subscribe' });
  stage.here.refuse('forbidden', id);
  await expect(second).rejects.toMatchObject({ code: 'forbidden' });
  expect(stage.here.sent.at(-1)).toMatchObject({ op: 'unsubscribe', goods: 'a' });
});

test('goods of a pattern that come and go under ever new names leave only so much behind', async () => {
  const stage = open();
  const { subscription } = await subscribe(stage, '**', []);
  for (let i = 0; i < 3000; i++) {
    stage.here.say({ op: 'shelved', goods: '**', stream: streamOf(`room ${i}`, 0) });
    stage.here.say({ op: 'unshelved', goods: `room ${i}`, reason: '' });
  }
  expect([...subscription.cursors]).toHaveLength(1000);
});

test('goods are put on the shelf again as soon as the market has noticed that the connection before is gone', async () => {
  const stage = open();
  const notes: string[] = [];
  const shelved = stage.client.shelve('cam', {
    onDemand: () => void notes.push('demand'),
    onIdle: () => void notes.push('idle'),
  });
  await Promise.resolve();
  stage.here.reply({});
  await shelved;
  stage.here.say({ op: 'demand', goods: 'cam' });
  stage.cut();
  expect(notes).toEqual(['demand', 'idle']);
  stage.here.refuse('already-shelved');
  stage.wait();
  expect(stage.here.sent).toMatchObject(Array(2).fill({ op: 'shelve', goods: 'cam' }));
  stage.here.reply({});
  stage.here.say({ op: 'demand', goods: 'cam' });
  expect(notes).toEqual(['demand', 'idle', 'demand']);
  stage.here.emit('close', { code: 1006, reason: '' });
  await stage.client.unshelve('cam');
  stage.wait();
  stage.here.welcome();
  expect(stage.here.sent).toEqual([]);
});

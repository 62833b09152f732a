import { describe, expect, test } from 'vitest';
import type { Backplane, BackplaneListener, Published, Supply } from '../../../src/goods/backplane/backplane.ts';
import type { Position } from '../../../src/goods/definition/position.ts';
import { BackplaneFeed } from '../../../src/goods/shelf/backplane-feed.ts';
import type { ShelvedGoods } from '../../../src/goods/shelf/shelved-goods.ts';
import { define, LooseGoods } from '../../support/test-shelf.ts';

const position: Position = { epoch: 'e', offset: 1 };
const published = (offset: number, ...items: unknown[]): Published => ({
  kind: 'json',
  epoch: 'e',
  offset,
  items,
  time: 1000,
});

/** A backplane whose answers a test gives. */
class ScriptedBackplane implements Backplane {
  readonly calls: string[] = [];
  readonly supplies: Supply[] = [];
  listener: BackplaneListener = () => {};
  gap: (goods: string) => void = () => {};
  onSubscribe: (listener: BackplaneListener) => Position | Promise<Position> = () => position;
  onHistory: () => readonly Published[] | Promise<readonly Published[]> = () => [published(1, 'kept')];
  onUnsubscribe: () => void | Promise<void> = () => {};
  onPublish: () => Position | Promise<Position> = () => position;

  publish(goods: string, supply: Supply): Position | Promise<Position> {
    this.calls.push(`publish ${goods}`);
    this.supplies.push(supply);
    return this.onPublish();
  }

  subscribe(goods: string, listener: BackplaneListener): Position | Promise<Position> {
    this.calls.push(`subscribe ${goods}`);
    this.listener = listener;
    return this.onSubscribe(listener);
  }

  unsubscribe(goods: string, listener: BackplaneListener): void | Promise<void> {
    this.calls.push(`unsubscribe ${goods} ${listener === this.listener}`);
    return this.onUnsubscribe();
  }

  history(goods: string, count: number): readonly Published[] | Promise<readonly Published[]> {
    this.calls.push(`history ${goods} ${count}`);
    return this.onHistory();
  }

  onGap(listener: (goods: string) => void): void {
    this.gap = listener;
  }
}

const failing = (): never => {
  throw new Error('down');
};
const rejecting = () => Promise.reject(new Error('down'));

function connect(options: Parameters<typeof define>[1] = { history: { size: 5 } }) {
  const backplane = new ScriptedBackplane();
  const calls: string[] = [];
  let onAppended: (goods: ShelvedGoods) => void = () => {};
  const loose: LooseGoods = new LooseGoods(define('n', options), {
    onPublished: (goods, supply) => feed.receive(goods, supply),
  });
  const feed: BackplaneFeed = new BackplaneFeed(backplane, loose.notes, {
    ready: ({ name, offset }) => void calls.push(`ready ${name} ${offset}`),
    appended: (goods, entries) => {
      calls.push(`appended ${entries.map(({ offset, item }) => `${offset}=${String(item)}`)}`);
      onAppended(goods);
    },
    failed: ({ name }) => void calls.push(`failed ${name}`),
    gap: (name) => void calls.push(`gap ${name}`),
  });
  return {
    backplane,
    calls,
    feed,
    notes: loose.notes,
    goods: loose.goods,
    appended: (action: typeof onAppended) => {
      onAppended = action;
    },
  };
}

/** Lets everything that is ready happen. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('goods are loaded', () => {
  test('at once, if the backplane answers at once', () => {
    const { backplane, calls, feed, goods } = connect();
    feed.open(goods);
    expect(backplane.calls).toEqual(['subscribe n', 'history n 5']);
    expect(calls).toEqual(['ready n 1']);
    expect([goods.loading, goods.offset, goods.history.at(1)?.item]).toEqual([null, 1, 'kept']);
  });

  const positionLater = async () => position;
  const historyLater = async () => [published(1, 'kept')];

  test.each<[string, Partial<ScriptedBackplane>]>([
    ['its position', { onSubscribe: positionLater }],
    ['its history', { onHistory: historyLater }],
    ['both', { onSubscribe: positionLater, onHistory: historyLater }],
  ])(
    'later, if the backplane gives %s later, and what is published meanwhile is appended then',
    async (_title, script) => {
      const { backplane, calls, feed, goods } = connect();
      Object.assign(backplane, script);
      feed.open(goods);
      backplane.listener(published(2, 'two'));
      expect([calls, goods.loading]).toEqual([[], expect.any(Promise)]);
      await goods.loading;
      expect(calls).toEqual(['appended 2=two', 'ready n 2']);
      expect(goods.loading).toBeNull();
    },
  );

  test('completely, if the backplane publishes inside of subscribe', () => {
    const { backplane, calls, feed, goods } = connect();
    backplane.onSubscribe = (listener) => {
      listener(published(2, 'two'));
      return position;
    };
    feed.open(goods);
    expect(calls).toEqual(['appended 2=two', 'ready n 2']);
  });

  test('never, if an item that was published meanwhile takes them off the shelf', () => {
    const { backplane, calls, feed, goods, appended } = connect();
    appended((one) => one.remove());
    backplane.onSubscribe = (listener) => {
      listener(published(2, 'two'));
      listener(published(3, 'three'));
      return position;
    };
    feed.open(goods);
    expect(calls).toEqual(['appended 2=two']);
  });

  test('never, if they were removed while the backplane was asked', async () => {
    const { backplane, calls, feed, goods } = connect();
    backplane.onSubscribe = async () => position;
    feed.open(goods);
    const { loading } = goods;
    goods.remove();
    await loading;
    expect(calls).toEqual([]);
  });
});

describe('goods fail', () => {
  test.each<[string, Partial<ScriptedBackplane>]>([
    ['subscribe throws', { onSubscribe: failing }],
    ['subscribe rejects', { onSubscribe: rejecting }],
    ['history throws', { onHistory: failing }],
    ['history throws later', { onSubscribe: async () => position, onHistory: failing }],
    ['history rejects', { onHistory: rejecting }],
    ['an item of the history is of another kind', { onHistory: () => [published(1, 1n)] }],
  ])('if %s, and the failure is reported once', async (_title, script) => {
    const { backplane, calls, feed, goods, notes } = connect();
    Object.assign(backplane, script);
    feed.open(goods);
    await settle();
    expect(calls).toEqual(['failed n']);
    expect(notes.failures).toMatchObject([{ place: 'backplane', goods: 'n' }]);
    expect(goods.loading).toBeNull();
  });

  test('without a further call if they were removed meanwhile', async () => {
    const { backplane, calls, feed, goods, notes } = connect();
    backplane.onSubscribe = rejecting;
    feed.open(goods);
    goods.remove();
    await settle();
    expect([calls, notes.failures.length]).toEqual([[], 1]);
  });

  test('if an item that was published is of another kind', () => {
    const { backplane, calls, feed, goods, notes } = connect({ kind: 'text' });
    backplane.onHistory = () => [];
    feed.open(goods);
    backplane.listener(published(2, 5));
    expect(calls).toEqual(['ready n 1', 'failed n']);
    expect(notes.failures).toMatchObject([{ place: 'backplane', error: expect.any(TypeError) }]);
  });
});

describe('what is published', () => {
  test('is appended, and what is known already is ignored', () => {
    const { backplane, calls, feed, goods } = connect();
    feed.open(goods);
    backplane.listener(published(1, 'kept'));
    backplane.listener(published(2, 'two', 'three'));
    expect(calls).toEqual(['ready n 1', 'appended 2=two,3=three']);
  });

  test('is reported as a gap if items before it are missing', () => {
    const { backplane, calls, feed, goods } = connect();
    feed.open(goods);
    backplane.listener(published(5, 'five'));
    expect(calls).toEqual(['ready n 1', 'gap n']);
  });

  test('is ignored for goods that were removed', () => {
    const { backplane, calls, feed, goods } = connect();
    feed.open(goods);
    goods.remove();
    backplane.listener(published(2, 'two'));
    expect(calls).toEqual(['ready n 1']);
  });

  test('is not the only way to learn of a gap: the backplane may report one', () => {
    const { backplane, calls } = connect();
    backplane.gap('n');
    expect(calls).toEqual(['gap n']);
  });
});

describe('closing', () => {
  test('unsubscribes the same listener', () => {
    const { backplane, feed, goods } = connect();
    feed.open(goods);
    feed.close(goods);
    expect(backplane.calls.at(-1)).toBe('unsubscribe n true');
  });

  test.each([
    ['throws', failing],
    ['rejects', rejecting],
  ])('reports it if unsubscribe %s, and throws nothing', async (_title, onUnsubscribe) => {
    const { backplane, feed, goods, notes } = connect();
    feed.open(goods);
    backplane.onUnsubscribe = onUnsubscribe;
    feed.close(goods);
    await settle();
    expect(notes.failures).toMatchObject([{ place: 'backplane', goods: 'n', error: { message: 'down' } }]);
  });
});

describe('publishing', () => {
  test('gives the backplane the items and their JSON', () => {
    const { backplane, feed, goods } = connect();
    expect(feed.publish(goods, [{ a: 1 }, 'two'])).toBe(position);
    expect(backplane.supplies).toEqual([{ kind: 'json', items: [{ a: 1 }, 'two'], texts: ['{"a":1}', '"two"'] }]);
  });

  test('gives no JSON if the goods have tailor, because each variant has another one', () => {
    const { backplane, feed, goods } = connect({ tailor: (item: unknown) => item });
    feed.publish(goods, [{ a: 1 }]);
    expect(backplane.supplies).toEqual([{ kind: 'json', items: [{ a: 1 }], texts: undefined }]);
  });

  test('checks items of text also if the goods have tailor', () => {
    const { feed, goods } = connect({ kind: 'text', tailor: (item: unknown) => item });
    expect(() => feed.publish(goods, [5])).toThrow(TypeError);
  });

  test('copies bytes, because the application may reuse its buffer', () => {
    const { backplane, feed, goods } = connect({ kind: 'bytes' });
    const bytes = Uint8Array.of(1, 2);
    feed.publish(goods, [bytes]);
    bytes.fill(0);
    expect(backplane.supplies).toEqual([{ kind: 'bytes', items: [Uint8Array.of(1, 2)], texts: undefined }]);
  });

  test('publishes nothing if there is no item, or if one is of another kind', () => {
    const { backplane, feed, goods } = connect();
    expect(() => feed.publish(goods, [])).toThrow(RangeError);
    expect(() => feed.publish(goods, [1, undefined])).toThrow(TypeError);
    expect(backplane.supplies).toEqual([]);
  });

  test('throws what the backplane throws, and reports what it rejects with', async () => {
    const { backplane, feed, goods, notes } = connect();
    backplane.onPublish = failing;
    expect(() => feed.publish(goods, [1])).toThrow('down');
    expect(notes.failures).toEqual([]);
    backplane.onPublish = rejecting;
    await expect(feed.publish(goods, [1])).rejects.toThrow('down');
    expect(notes.failures).toMatchObject([{ place: 'backplane', goods: 'n' }]);
    backplane.onPublish = async () => position;
    expect(await feed.publish(goods, [1])).toBe(position);
  });
});

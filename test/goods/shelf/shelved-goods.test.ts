import { describe, expect, test } from 'vitest';
import type { Published } from '../../../src/goods/backplane/backplane.ts';
import { EncodedMessage } from '../../../src/goods/fan-out/encoded-message.ts';
import { define, IdleRecipient, LooseGoods } from '../../support/test-shelf.ts';

const published = (offset: number, items: unknown[], more: Partial<Published> = {}): Published => ({
  kind: 'json',
  epoch: 'e',
  offset,
  items,
  time: 1000,
  ...more,
});

/** Goods that are loaded, at an offset and with the items before it. */
function loaded(offset = 0, options: Parameters<typeof define>[1] = { history: { size: 3 } }) {
  const loose = new LooseGoods(define('n', options));
  const history = Array.from({ length: offset }, (_, i) => published(i + 1, [i + 1]));
  loose.goods.load({ epoch: 'e', offset }, history);
  return loose;
}

describe('loading', () => {
  test('takes the position and the history of the backplane', () => {
    const { goods } = loaded(5);
    expect(goods).toMatchObject({ epoch: 'e', offset: 5, loading: null });
    expect([goods.history.oldest, goods.history.at(5)?.item]).toEqual([3, 5]);
  });

  test('leaves out items of another epoch, and those behind the position', () => {
    const { goods } = new LooseGoods(define('n', { history: { size: 9 } }));
    goods.load({ epoch: 'e', offset: 2 }, [
      published(1, ['old'], { epoch: 'd' }),
      published(2, ['two']),
      published(3, ['three']),
    ]);
    expect([goods.history.length, goods.history.at(2)?.item]).toEqual([1, 'two']);
  });

  test('holds what is published meanwhile, and returns it once', () => {
    const { goods } = new LooseGoods();
    expect(goods.holdWhileLoading(published(1, [1]))).toBe(true);
    expect(goods.load({ epoch: 'e', offset: 0 }, [])).toEqual([published(1, [1])]);
    expect(goods.holdWhileLoading(published(2, [2]))).toBe(false);
    expect(goods.load({ epoch: 'e', offset: 0 }, [])).toEqual([]);
  });

  test('does nothing for goods that were removed meanwhile', () => {
    const { goods } = new LooseGoods();
    goods.holdWhileLoading(published(1, [1]));
    goods.remove();
    expect(goods.load({ epoch: 'e', offset: 7 }, [])).toEqual([]);
    expect(goods).toMatchObject({ epoch: '', offset: 0, isRemoved: true });
  });

  test('can be waited for until it has ended, with or without a result', async () => {
    const { goods } = new LooseGoods();
    const first = Promise.resolve();
    goods.waitFor(first);
    expect(goods.loading).toBe(first);
    goods.failToLoad();
    expect(goods.loading).toBeNull();
  });

  test('its listener passes each supply on, with the goods', () => {
    const loose = new LooseGoods();
    loose.goods.listener(published(1, [1]));
    expect(loose.published).toEqual([published(1, [1])]);
  });
});

describe('a supply', () => {
  test('is appended from the first new item on', () => {
    const { goods } = loaded(2);
    expect(goods.append(published(2, ['known', 'three', 'four']))?.map(({ offset, item }) => [offset, item])).toEqual([
      [3, 'three'],
      [4, 'four'],
    ]);
    expect([goods.offset, goods.counters.read().items]).toEqual([4, 2]);
  });

  test('without a new item changes nothing', () => {
    const { goods } = loaded(2);
    expect(goods.append(published(1, [1, 2]))).toEqual([]);
    expect([goods.offset, goods.counters.read().items]).toEqual([2, 0]);
  });

  test.each([
    ['begins behind a hole', published(4, [4])],
    ['is of another epoch', published(3, [3], { epoch: 'f' })],
  ])('that %s is not appended: items are missing', (_title, supply) => {
    const { goods } = loaded(2);
    expect(goods.append(supply)).toBeNull();
    expect(goods.offset).toBe(2);
  });

  test('keeps the JSON that the supplying market has, or makes it', () => {
    const { goods } = loaded();
    expect(goods.append(published(1, [1, 2], { texts: ['1.0'] }))?.map(({ text }) => text)).toEqual(['1.0', '2']);
  });

  test('keeps no JSON if variants differ, or if the items are bytes', () => {
    for (const options of [{ tailor: (item: unknown) => item }, { kind: 'bytes' as const }]) {
      const { goods } = loaded(0, options);
      expect(goods.append(published(1, [Uint8Array.of(1)], { texts: ['1'] }))?.[0]?.text).toBeUndefined();
    }
  });

  test('with an item of another kind throws', () => {
    const { goods } = loaded(0, { kind: 'text' });
    expect(() => goods.append(published(1, [1]))).toThrow(TypeError);
  });
});

test.each([
  ['the last position', { epoch: 'e', offset: 5 }, true],
  ['a position whose next item is kept', { epoch: 'e', offset: 2 }, true],
  ['a position whose next item is not kept', { epoch: 'e', offset: 1 }, false],
  ['a position that was never reached', { epoch: 'e', offset: 6 }, false],
  ['the same position of another epoch', { epoch: 'f', offset: 5 }, false],
])('%s can be recovered: %j is %s', (_title, since, expected) => {
  expect(loaded(5).goods.canRecover(since)).toBe(expected);
});

test('the latest items begin at the oldest that is kept, or later', () => {
  const { goods } = loaded(5);
  expect([0, 1, 3, 99].map((count) => goods.firstOfLatest(count))).toEqual([6, 5, 3, 3]);
});

describe('streams', () => {
  test('exist once for each variant, and end with the last subscription', () => {
    const { goods } = loaded();
    const stream = goods.stream('v');
    expect(goods.stream('v')).toBe(stream);
    stream.join();
    stream.join();
    stream.leave();
    expect([...goods.streams]).toEqual([stream]);
    stream.leave();
    expect([...goods.streams]).toEqual([]);
    expect(goods.stream('v')).not.toBe(stream);
  });

  test('are announced with their position, and with their variant if it has a name', () => {
    const { goods } = loaded(2);
    expect(goods.stream('').announcement).toEqual({ goods: 'n', kind: 'json', epoch: 'e', offset: 2 });
    expect(goods.stream('v').announcement).toMatchObject({ variant: 'v' });
  });

  test('collect their audiences anew only if a subscription has joined or left, each recipient once', () => {
    const { goods, recipients } = loaded();
    const [one, other] = [new IdleRecipient(), new IdleRecipient()];
    const [plain, v] = [goods.stream(''), goods.stream('v')];
    for (const stream of [plain, plain, v]) stream.join();
    recipients.push([one, plain], [one, plain], [other, v], [other, loaded().goods.stream('gone')]);
    goods.refreshAudiences();
    expect([plain.audience, v.audience]).toEqual([[one], [other]]);
    const before = plain.audience;
    goods.refreshAudiences();
    expect(plain.audience).toBe(before);
    v.leave();
    recipients.splice(2);
    goods.refreshAudiences();
    // The old array may be queued in the outbox: it must not change.
    expect([before, plain.audience === before]).toEqual([[one], false]);
  });

  test('tell the shelf that demand may have changed', () => {
    const loose = loaded();
    const stream = loose.goods.stream('');
    stream.join();
    stream.leave();
    expect(loose.demandChanges).toBe(2);
  });

  test('extend their last skip as long as it is queued and for the same reason', () => {
    let answer: 'throws' | undefined;
    const tailor = () => {
      if (answer === 'throws') throw new Error('mine');
    };
    const { goods } = loaded(0, { tailor, history: { size: 9 } });
    const stream = goods.stream('');
    const leaveOut = (offset: number) => stream.encoder.tailor(goods.history.append(offset, offset));
    leaveOut(1);
    const first = stream.skip(1, undefined);
    expect(first).toMatchObject({ from: 1, isExtension: false });
    leaveOut(2);
    const second = stream.skip(2, first.frame);
    expect(second).toMatchObject({ from: 1, isExtension: true });
    expect(JSON.parse(Buffer.from(second.frame.payload).toString())).toMatchObject({ from: 1, to: 2 });
    leaveOut(3);
    const third = stream.skip(3, new EncodedMessage('another'));
    expect(third).toMatchObject({ from: 3, isExtension: false });
    answer = 'throws';
    leaveOut(4);
    const fourth = stream.skip(4, third.frame);
    expect(fourth).toMatchObject({ from: 4, isExtension: false });
    leaveOut(5);
    expect(stream.skip(5, fourth.frame)).toMatchObject({ from: 4, isExtension: true });
  });
});

describe('demand', () => {
  test('is told to the provider when it has changed, and what a callback throws is reported', () => {
    const calls: string[] = [];
    const loose = new LooseGoods(define('n'), {
      events: {
        onDemand: (name) => void calls.push(`demand ${name}`),
        onIdle: (name) => {
          calls.push(`idle ${name}`);
          throw new Error('mine');
        },
      },
    });
    const stream = loose.goods.stream('');
    expect(loose.goods.notifyDemand()).toBe(false);
    stream.join();
    expect([loose.goods.notifyDemand(), loose.goods.notifyDemand()]).toEqual([true, false]);
    stream.leave();
    expect(loose.goods.notifyDemand()).toBe(true);
    expect(calls).toEqual(['demand n', 'idle n']);
    expect(loose.notes.failures).toMatchObject([{ place: 'onIdle', goods: 'n', error: { message: 'mine' } }]);
  });

  test('may be of no interest to the provider', () => {
    const loose = new LooseGoods();
    loose.goods.stream('').join();
    expect(loose.goods.notifyDemand()).toBe(true);
    expect(loose.notes.failures).toEqual([]);
  });

  test('decides, with the items, whether goods on demand are unused or disposable', () => {
    const state = ({ goods }: LooseGoods) => [goods.isUnused, goods.isDisposable];
    const onDemand = () => {
      const loose = new LooseGoods(define('n', { history: { size: 1, ttl: 100 } }), { isOnDemand: true });
      loose.goods.load({ epoch: 'e', offset: 0 }, []);
      return loose;
    };
    expect(state(loaded())).toEqual([false, false]);
    const loose = onDemand();
    expect(state(loose)).toEqual([true, true]);
    const stream = loose.goods.stream('');
    stream.join();
    expect(state(loose)).toEqual([false, false]);
    stream.leave();
    loose.goods.append(published(1, [1]));
    expect(state(loose)).toEqual([false, false]);
    loose.time += 100;
    expect(state(loose)).toEqual([false, true]);
    const removed = onDemand();
    removed.goods.remove();
    expect(removed.goods.isUnused).toBe(false);
  });
});

test('goods that are removed have no streams and no demand', () => {
  const { goods } = loaded();
  goods.stream('').join();
  goods.notifyDemand();
  goods.remove();
  expect([...goods.streams]).toEqual([]);
  // The provider is told that there are no subscribers any more.
  expect(goods.notifyDemand()).toBe(true);
});

test('the statistics count recipients, variants, the position and what is kept', () => {
  const { goods, recipients } = loaded(5);
  const streams = [goods.stream(''), goods.stream('v')];
  for (const stream of streams) {
    stream.join();
    recipients.push([new IdleRecipient(), stream]);
  }
  goods.append(published(6, [6]));
  expect(goods.statistics()).toMatchObject({
    goods: 'n',
    subscribers: 2,
    variants: 2,
    epoch: 'e',
    offset: 6,
    kept: 3,
    items: 1,
  });
});

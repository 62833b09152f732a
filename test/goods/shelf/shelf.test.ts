import { describe, expect, test } from 'vitest';
import { define, idleProvider, TestShelf } from '../../support/test-shelf.ts';

const [orchard, other] = [idleProvider('orchard'), idleProvider('other')];

/** A shelf with goods `fruit/apple` and the pattern `log/*`. */
function open(options: ConstructorParameters<typeof TestShelf>[0] = {}) {
  const testShelf = new TestShelf(options);
  const { shelf } = testShelf;
  shelf.shelve(orchard, define('fruit/apple'), {});
  shelf.shelve(orchard, define('log/*', { kind: 'text' }), {});
  testShelf.take();
  return { testShelf, shelf, offer: shelf.patternOfferFor('log/x')! };
}

describe('goods on the shelf', () => {
  test('are found by their name, by a pattern, and all together', () => {
    const { shelf, offer } = open();
    shelf.openOnDemand(offer, 'log/1');
    expect(shelf.size).toBe(2);
    expect(shelf.get('fruit/apple')?.definition.name).toBe('fruit/apple');
    expect([shelf.get('log/2'), shelf.get('log/*')]).toEqual([undefined, undefined]);
    expect(shelf.matching('log/**').map(({ name }) => name)).toEqual(['log/1']);
    const all = shelf.all();
    all.pop();
    expect(shelf.all()).toHaveLength(2);
  });

  test('are ready when they are loaded', () => {
    const testShelf = new TestShelf();
    testShelf.shelf.shelve(orchard, define('n'), {});
    testShelf.shelf.shelve(orchard, define('m/*'), {});
    expect(testShelf.take()).toEqual(['ready n']);
  });

  test('cannot be put there twice, by their provider or by another one', () => {
    const { shelf } = open();
    for (const name of ['fruit/apple', 'log/*']) {
      expect(() => shelf.shelve(other, define(name), {})).toThrow(`${name} is on the shelf already`);
    }
  });

  test('get the items that are published, with their offsets', () => {
    const { testShelf, shelf } = open();
    expect(shelf.publish(shelf.get('fruit/apple')!, ['a', 'b'])).toMatchObject({ offset: 2 });
    expect(testShelf.take()).toEqual(['items fruit/apple 1=a,2=b']);
  });
});

describe('the catalog', () => {
  test('lists goods and patterns, sorted by name, without those that are not listed', () => {
    const { shelf, offer } = open();
    shelf.shelve(other, define('a'), {});
    shelf.shelve(other, define('hidden', { listed: false }), {});
    shelf.shelve(other, define('hidden/*', { listed: false }), {});
    shelf.openOnDemand(offer, 'log/1');
    expect(shelf.catalog('**')).toEqual([
      { goods: 'a', kind: 'json' },
      { goods: 'fruit/apple', kind: 'json' },
      { goods: 'log/*', kind: 'text' },
      { goods: 'log/1', kind: 'text' },
    ]);
  });

  test('lists a pattern on the shelf if exactly that pattern, or everything, is asked for', () => {
    const { shelf } = open();
    const names = (pattern: string) => shelf.catalog(pattern).map(({ goods }) => goods);
    expect(names('log/*')).toEqual(['log/*']);
    expect([names('log/**'), names('*/*'), names('nowhere')]).toEqual([[], ['fruit/apple'], []]);
  });
});

describe('goods on demand', () => {
  test('are created once, with the definition of the pattern', () => {
    const { testShelf, shelf, offer } = open();
    const goods = shelf.openOnDemand(offer, 'log/1');
    expect(goods).toMatchObject({ name: 'log/1', isOnDemand: true, provider: orchard });
    expect(goods.definition.kind).toBe('text');
    expect(shelf.openOnDemand(offer, 'log/1')).toBe(goods);
    expect(testShelf.take()).toEqual(['ready log/1']);
  });

  test('are offered by no pattern that does not match', () => {
    expect(open().shelf.patternOfferFor('fruit/pear')).toBeUndefined();
  });

  test('are limited in number: goods without items and subscribers make room', () => {
    const { testShelf, shelf, offer } = open({ maxOnDemandGoods: 2 });
    shelf.openOnDemand(offer, 'log/1').stream('').join();
    const second = shelf.openOnDemand(offer, 'log/2');
    shelf.publish(second, ['kept']);
    expect(() => shelf.openOnDemand(offer, 'log/3')).toThrow(expect.objectContaining({ code: 'too-many-goods' }));
    shelf.remove(second, 'gone');
    shelf.openOnDemand(offer, 'log/3');
    testShelf.take();
    // The third one is empty.
    shelf.openOnDemand(offer, 'log/4');
    expect(testShelf.take()).toEqual(['removed log/3 ', 'ready log/4']);
    expect(shelf.all().map(({ name }) => name)).toEqual(['fruit/apple', 'log/1', 'log/4']);
  });

  test('are removed when the last subscriber has left, if they never had an item', () => {
    const { shelf, offer } = open();
    const stream = shelf.openOnDemand(offer, 'log/1').stream('');
    stream.join();
    shelf.demand.notifyChanges();
    stream.leave();
    shelf.demand.notifyChanges();
    expect(shelf.get('log/1')).toBeUndefined();
  });
});

describe('taking goods off the shelf', () => {
  test('is for their own provider only', () => {
    const { testShelf, shelf } = open();
    for (const name of ['fruit/apple', 'log/*', 'nowhere']) expect(shelf.unshelve(other, name, 'x')).toBe(false);
    expect(testShelf.take()).toEqual([]);
    expect(shelf.unshelve(orchard, 'fruit/apple', 'sold')).toBe(true);
    expect(testShelf.take()).toEqual(['removed fruit/apple sold']);
    expect(shelf.unshelve(orchard, 'fruit/apple', 'sold')).toBe(false);
  });

  test('takes a pattern off with the goods created for it, and no others that it matches', () => {
    const { testShelf, shelf, offer } = open();
    shelf.openOnDemand(offer, 'log/1');
    shelf.shelve(orchard, define('log/own'), {});
    testShelf.take();
    expect(shelf.unshelve(orchard, 'log/*', 'closed')).toBe(true);
    expect(testShelf.take()).toEqual(['removed log/1 closed']);
    expect([shelf.patternOfferFor('log/x'), shelf.get('log/own')?.name]).toEqual([undefined, 'log/own']);
  });

  test('leaves goods that another provider has created for a pattern of the same names', () => {
    const { testShelf, shelf } = open();
    shelf.shelve(other, define('log/**', { kind: 'text' }), {});
    shelf.unshelve(orchard, 'log/*', '');
    shelf.openOnDemand(shelf.patternOfferFor('log/2')!, 'log/2');
    shelf.shelve(orchard, define('log/*', { kind: 'text' }), {});
    testShelf.take();
    shelf.unshelve(orchard, 'log/*', 'closed');
    expect(testShelf.take()).toEqual([]);
    expect(shelf.get('log/2')?.provider).toBe(other);
  });

  test('can be done for all of a provider', () => {
    const { testShelf, shelf, offer } = open();
    shelf.openOnDemand(offer, 'log/1');
    shelf.shelve(other, define('stays'), {});
    shelf.shelve(other, define('stays/*'), {});
    testShelf.take();
    shelf.unshelveAll(orchard, 'bye');
    expect(testShelf.take().sort()).toEqual(['removed fruit/apple bye', 'removed log/1 bye']);
    expect(shelf.catalog('**').map(({ goods }) => goods)).toEqual(['stays', 'stays/*']);
  });

  test('is done once, and tells the provider that there is no demand any more', () => {
    const calls: string[] = [];
    const testShelf = new TestShelf();
    testShelf.shelf.shelve(orchard, define('n'), { onIdle: (name) => void calls.push(`idle ${name}`) });
    const goods = testShelf.shelf.get('n')!;
    goods.stream('').join();
    testShelf.shelf.demand.notifyChanges();
    testShelf.take();
    testShelf.shelf.remove(goods, 'first');
    testShelf.shelf.remove(goods, 'second');
    expect([testShelf.take(), calls]).toEqual([['removed n first'], ['idle n']]);
  });
});

test('goods with a gap are loaded again: with their events, and still on demand', () => {
  const { testShelf, shelf, offer } = open();
  const before = shelf.openOnDemand(offer, 'log/1');
  testShelf.take();
  before.listener({ kind: 'text', epoch: 'another', offset: 9, items: ['x'], time: 0 });
  expect(testShelf.take()).toEqual(['removed log/1 interrupted', 'ready log/1']);
  const now = shelf.get('log/1')!;
  expect(now).not.toBe(before);
  expect([now.isOnDemand, now.events === before.events, before.isRemoved]).toEqual([true, true, true]);
});

test('a gap of goods that are not on the shelf is ignored', () => {
  let gap: (goods: string) => void = () => {};
  const backplane = {
    publish: () => ({ epoch: 'e', offset: 0 }),
    subscribe: () => ({ epoch: 'e', offset: 0 }),
    unsubscribe: () => {},
    history: () => [],
    onGap: (listener: typeof gap) => {
      gap = listener;
    },
  };
  const testShelf = new TestShelf({ backplane });
  gap('nowhere');
  expect([testShelf.take(), testShelf.shelf.size]).toEqual([[], 0]);
});

test('goods are taken off the shelf if the backplane fails for them', () => {
  const backplane = {
    publish: () => ({ epoch: 'e', offset: 0 }),
    subscribe: () => {
      throw new Error('down');
    },
    unsubscribe: () => {},
    history: () => [],
    onGap: () => {},
  };
  const testShelf = new TestShelf({ backplane });
  testShelf.shelf.shelve(orchard, define('n'), {});
  expect(testShelf.take()).toEqual(['removed n not available']);
  expect(testShelf.shelf.get('n')).toBeUndefined();
});

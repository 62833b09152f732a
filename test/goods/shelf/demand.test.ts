import { expect, test } from 'vitest';
import { Demand } from '../../../src/goods/shelf/demand.ts';
import { define, LooseGoods } from '../../support/test-shelf.ts';

/** Goods whose provider writes down what it is told, at a demand that writes down which goods are unused. */
function open(isOnDemand = false) {
  const calls: string[] = [];
  const demand = new Demand(({ name }) => calls.push(`unused ${name}`));
  const { goods } = new LooseGoods(define('n'), {
    isOnDemand,
    events: { onDemand: (name) => calls.push(`demand ${name}`), onIdle: (name) => calls.push(`idle ${name}`) },
  });
  goods.load({ epoch: 'e', offset: 0 }, []);
  return { calls, demand, goods, stream: goods.stream('') };
}

test('a provider is told once for all changes that were noted, and only if demand has changed', () => {
  const { calls, demand, goods, stream } = open();
  stream.join();
  stream.join();
  for (let i = 0; i < 3; i++) demand.note(goods);
  expect(calls).toEqual([]);
  demand.notifyChanges();
  demand.notifyChanges();
  expect(calls).toEqual(['demand n']);
  stream.leave();
  demand.note(goods);
  demand.notifyChanges();
  stream.leave();
  expect(calls).toEqual(['demand n']);
  demand.note(goods);
  demand.notifyChanges();
  expect(calls).toEqual(['demand n', 'idle n']);
});

test('goods on demand whose last subscriber has left, and that never had an item, are reported as unused', () => {
  const { calls, demand, goods, stream } = open(true);
  stream.join();
  demand.notify(goods);
  stream.leave();
  demand.notify(goods);
  demand.notify(goods);
  expect(calls).toEqual(['demand n', 'idle n', 'unused n']);
});

test('goods on demand that had an item are not unused', () => {
  const { calls, demand, goods, stream } = open(true);
  stream.join();
  demand.notify(goods);
  goods.append({ kind: 'json', epoch: 'e', offset: 1, items: [1], time: 0 });
  stream.leave();
  demand.notify(goods);
  expect(calls).toEqual(['demand n', 'idle n']);
});

test('the provider of goods that were removed meanwhile is not told', () => {
  const { calls, demand, goods, stream } = open();
  stream.join();
  demand.notify(goods);
  demand.note(goods);
  goods.remove();
  demand.notifyChanges();
  expect(calls).toEqual(['demand n']);
});

test('goods that are noted while a provider is told are told in the same pass', () => {
  const calls: string[] = [];
  const demand = new Demand(() => {});
  const second = new LooseGoods(define('b'), { events: { onDemand: (name) => calls.push(name) } }).goods;
  const first = new LooseGoods(define('a'), {
    events: {
      onDemand: (name) => {
        calls.push(name);
        second.stream('').join();
        demand.note(second);
      },
    },
  }).goods;
  first.stream('').join();
  demand.note(first);
  demand.notifyChanges();
  expect(calls).toEqual(['a', 'b']);
});

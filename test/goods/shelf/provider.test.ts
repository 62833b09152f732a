import { expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { Provider, type ProviderBackend } from '../../../src/goods/shelf/provider.ts';

test('a provider passes each call to its market, with itself and the name of the goods', () => {
  const calls: unknown[][] = [];
  const position = { epoch: 'e', offset: 2 };
  const backend: ProviderBackend = {
    shelve: (...args) => void calls.push(['shelve', ...args]),
    unshelve: (...args) => {
      calls.push(['unshelve', ...args]);
      return true;
    },
    unshelveAll: (...args) => void calls.push(['unshelveAll', ...args]),
    supply: (...args) => {
      calls.push(['supply', ...args]);
      return position;
    },
  };
  const provider = new Provider('orchard', backend);
  const goods = defineGoods<number>('n');
  const events = { onDemand: () => {} };
  provider.shelve(goods);
  provider.shelve(goods, events);
  expect(provider.supply(goods, 1)).toBe(position);
  expect(provider.supplyAll(goods, [1, 2])).toBe(position);
  expect(provider.unshelve(goods)).toBe(true);
  provider.unshelve(goods, 'sold');
  provider.close();
  provider.close('bye');
  expect(provider.name).toBe('orchard');
  expect(calls).toEqual([
    ['shelve', provider, goods, {}],
    ['shelve', provider, goods, events],
    ['supply', provider, 'n', [1]],
    ['supply', provider, 'n', [1, 2]],
    ['unshelve', provider, 'n', ''],
    ['unshelve', provider, 'n', 'sold'],
    ['unshelveAll', provider, ''],
    ['unshelveAll', provider, 'bye'],
  ]);
});

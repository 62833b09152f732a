import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { MarketCore } from '../../../src/goods/market/market-core.ts';
import { TestMarket } from '../../support/test-market.ts';

const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0)) end();
});

function listen(channel: string): Record<string, unknown>[] {
  const messages: Record<string, unknown>[] = [];
  const listener = (message: unknown) => void messages.push(message as Record<string, unknown>);
  subscribe(channel, listener);
  endings.push(() => unsubscribe(channel, listener));
  return messages;
}

const failing = defineGoods<number>('n', {
  tailor: () => {
    throw new Error('no');
  },
});

/** A market that tells the channels what happens, with a client that has subscribed to what always fails. */
function shop() {
  const testMarket = new TestMarket({ observer: undefined });
  const provider = testMarket.market.provider('p');
  provider.shelve(failing);
  const client = testMarket.connect();
  client.subscribe('n');
  return { testMarket, provider, client };
}

test('what happens at a market is published on channels', () => {
  const failures = listen('goodwire:goods:failure');
  const subscriptions = listen('goodwire:goods:subscription');
  const refusals = listen('goodwire:goods:refusal');
  const overflows = listen('goodwire:goods:overflow');
  const { testMarket, provider, client } = shop();
  provider.supply(failing, 1);
  client.subscribe('elsewhere');
  testMarket.market.revoke({}, 'over');
  client.bufferedAmount = 2_000_000;
  testMarket.flush();
  while (client.closed === null) client.ask('catalog');
  expect(failures).toMatchObject([{ place: 'tailor', goods: 'n', variant: '', error: { message: 'no' } }]);
  expect(subscriptions).toEqual([
    { event: 'subscribed', goods: 'n', subscriber: 1 },
    { event: 'revoked', goods: 'n', subscriber: 1 },
  ]);
  expect(refusals[0]).toMatchObject({ error: { code: 'unknown-goods' }, subscriber: 1 });
  expect(overflows).toMatchObject([{ event: 'disconnected' }]);
});

test('a failure that nobody hears is a warning, once', async () => {
  const { provider } = shop();
  const warned = once(process, 'warning');
  provider.supply(failing, 1);
  provider.supply(failing, 2);
  const [warning] = (await warned) as [Error & { code: string; detail: string }];
  expect(warning).toMatchObject({ code: 'GOODWIRE_GOODS_FAILURE', message: /tailor of n/ });
  expect(warning.detail).toContain('Error: no');
  const [next] = await Promise.all([
    once(process, 'warning'),
    Promise.resolve().then(() => process.emitWarning('the next one')),
  ]);
  expect(next).toMatchObject([{ message: 'the next one' }]);
});

test('a market needs nothing from outside', async () => {
  const market = new MarketCore();
  const provider = market.provider('p');
  const goods = defineGoods<number>('n');
  provider.shelve(goods);
  expect(provider.supply(goods, 1)).toMatchObject({ offset: 1 });
  expect(market.statistics().goods[0]!.epoch).toMatch(/^[0-9a-z]{14}$/);
});

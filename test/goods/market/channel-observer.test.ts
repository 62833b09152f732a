import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { defineGoods } from '../../../src/goods/definition/goods.ts';
import { channelObserver } from '../../../src/goods/market/channel-observer.ts';
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

/** A market that publishes on the channels, with a client that has subscribed to goods whose tailor always throws. */
function shop() {
  const testMarket = new TestMarket({ observer: undefined });
  const provider = testMarket.market.provider('p');
  provider.shelve(failing);
  const client = testMarket.connect();
  client.subscribe('n');
  return { testMarket, provider, client };
}

test('subscriptions, failures, refusals and slow readers are published on channels', () => {
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

test('a failure without a subscriber on its channel is a warning, once for each place and goods', async () => {
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

test('a failure that concerns no goods is a warning that names its place', async () => {
  const warned = once(process, 'warning');
  channelObserver().failure({ place: 'identify', goods: undefined, variant: undefined, error: 'mine' });
  const [warning] = await warned;
  expect(warning).toMatchObject({ message: 'A function given to a market of goods failed: identify', detail: 'mine' });
});

test('no more than 1000 different failures are warnings, because names may come from clients', () => {
  const emitted: unknown[] = [];
  const { emitWarning } = process;
  process.emitWarning = ((warning: unknown) => emitted.push(warning)) as never;
  try {
    const observer = channelObserver();
    for (let i = 0; i < 1100; i++) observer.failure({ place: 'tailor', goods: `n/${i}`, variant: '', error: null });
  } finally {
    process.emitWarning = emitWarning;
  }
  expect(emitted).toHaveLength(1000);
});

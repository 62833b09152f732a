// Types flow from the definition of goods to whoever supplies, and to whoever tailors them.
import { defineGoods, type Goods, Market, type StandardSchema, type Subscriber } from 'goodwire/goods';
import { GoodsClient, type Subscription } from 'goodwire/goods/client';

interface Apple {
  variety: string;
  price: number;
}
interface User {
  readonly name: string;
}

const apple = defineGoods<Apple, { currency: string }, User>('fruit/apple', {
  params: (value) => ({ currency: String(value) }),
  variant: ({ user }, { currency }) => `${user.name} ${currency}`,
  tailor: (item, variant, goods) => ({ ...item, price: item.price + variant.length + goods.length }),
  authorize: (subscriber: Subscriber<User>, { action, goods }) => action !== 'supply' || goods === subscriber.user.name,
  history: { size: 100, ttl: 60_000 },
  overflow: 'conflate',
});
apple satisfies Goods<Apple, { currency: string }, User>;

const market = new Market<User>({ authorize: async ({ user }) => user.name !== '' });
const orchard = market.provider('orchard');
orchard.shelve(apple, { onDemand: (goods) => goods.length, onIdle: () => {} });
orchard.supply(apple, { variety: 'fuji', price: 3 });
orchard.supplyAll(apple, [{ variety: 'fuji', price: 3 }]);
// @ts-expect-error the price is missing
orchard.supply(apple, { variety: 'fuji' });
// @ts-expect-error a list is no item
orchard.supply(apple, [{ variety: 'fuji', price: 3 }]);

const log = defineGoods<string>('log', { kind: 'text' });
orchard.supply(log, 'line');
// @ts-expect-error text is a string
orchard.supply(log, 5);
const cam = defineGoods<Uint8Array>('cam/*', { kind: 'bytes' });
orchard.supply(cam.named('cam/1'), Buffer.from('frame'));
// @ts-expect-error octets are a Uint8Array
orchard.supply(cam, 'frame');
// @ts-expect-error items of this kind are octets
defineGoods<{ a: 1 }>('cam', { kind: 'bytes' });
// @ts-expect-error there is no such policy
defineGoods('n', { overflow: 'wait' });

declare const schema: StandardSchema<{ currency: 'CNY' | 'EUR' }>;
defineGoods<Apple, { currency: 'CNY' | 'EUR' }>('n', {
  params: schema,
  variant: (_subscriber, { currency }) => currency,
});
// @ts-expect-error the schema gives something else
defineGoods<Apple, { currency: number }>('n', { params: schema });

declare const client: GoodsClient;
(await client.subscribe(apple, { currency: 'EUR' })) satisfies Subscription<Apple>;
(await client.subscribe(log)) satisfies Subscription<string>;
await client.subscribe(log, undefined, { last: 5, onItem: ({ item }) => item.length });
(await client.subscribe('fruit/*', { currency: 'EUR' })) satisfies Subscription;
await client.subscribe('log');
// @ts-expect-error these goods need params
await client.subscribe(apple);
// @ts-expect-error of another kind
await client.subscribe(apple, { currency: 5 });
await client.supply(apple, { variety: 'fuji', price: 3 }, { signal: AbortSignal.timeout(1000) });
// @ts-expect-error the price is missing
await client.supply(apple, { variety: 'fuji' });
new GoodsClient('ws://market', { webSocketOptions: { headers: {} }, maxPending: 5 });
new GoodsClient(async () => new URL('ws://market'), { webSocketOptions: () => ({ headers: {} }) });
// @ts-expect-error a port is no address
new GoodsClient(() => 80);

for (const { user } of market.subscribers) user.name satisfies string;
market.revoke({ subscriber: ({ user }) => user.name === 'x' }, 'reason') satisfies number;
const position = await orchard.supply(apple, { variety: 'fuji', price: 3 });
position.offset satisfies number;

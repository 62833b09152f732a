// A fruit market: each customer gets the price of an item in its own currency, and loses nothing if its connection
// breaks.
//   node examples/fruit-market.js
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'goodwire';
import { defineGoods, Market } from 'goodwire/goods';
import { GoodsClient } from 'goodwire/goods/client';

const rates = { CNY: 1, EUR: 0.125, USD: 0.25 };

const apple = defineGoods('fruit/apple', {
  // An error thrown here refuses the subscription.
  params({ currency }) {
    if (!Object.hasOwn(rates, currency)) throw new TypeError(`no such currency: ${currency}`);
    return { currency };
  },
  // All subscribers of a variant share one encoding, regardless of their number.
  variant: (_subscriber, { currency }) => currency,
  tailor: ({ variety, yuan }, currency) => ({ variety, price: yuan * rates[currency], currency }),
  history: { size: 100 },
});

// The server: a market, its shelf, and a WebSocketServer.
const market = new Market();
const orchard = market.provider('orchard');
orchard.shelve(apple);
orchard.shelve(defineGoods('fruit/pear'));
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
market.serve(server);
await once(server, 'listening');

// Customers. In a browser omit `WebSocket`: the default is the platform's.
const address = `ws://127.0.0.1:${server.address().port}`;
const customers = ['CNY', 'EUR', 'EUR'].map(() => new GoodsClient(address, { WebSocket, backoff: { base: 10 } }));
const [first] = customers;

const shelf = await first.catalog();
console.log(`on the shelf: ${shelf.map(({ goods }) => goods).join(', ')}`);
await first.subscribe(apple, { currency: 'XXX' }).catch(({ code }) => console.log(`XXX is refused: ${code}`));

const [yuan, euro, other] = await Promise.all(
  customers.map((customer, i) => customer.subscribe(apple, { currency: i === 0 ? 'CNY' : 'EUR' })),
);

async function take(name, subscription) {
  const { value } = await subscription.next();
  console.log(`${name}: #${value.offset} ${value.item.variety} at ${value.item.price} ${value.item.currency}`);
}

orchard.supply(apple, { variety: 'fuji', yuan: 8 });
await take('first', yuan);
await take('second', euro);
await take('third', other);
const [{ encoded, delivered }] = market.statistics().goods;
console.log(`encoded ${encoded} times, delivered ${delivered} times`);

// All connections are cut, and two more items follow. Each client reconnects, and resumes where it stopped.
for (const socket of server.clients) socket.terminate();
orchard.supplyAll(apple, [
  { variety: 'gala', yuan: 16 },
  { variety: 'fuji', yuan: 12 },
]);
for (const _ of [1, 2]) await take('second, connected again', euro);

const [{ goods, params }] = await first.subscriptions();
console.log(`the first is subscribed to ${goods} ${JSON.stringify(params)}`);
await yuan.unsubscribe();
console.log(`subscriptions after unsubscribing: ${(await first.subscriptions()).length}`);

for (const customer of customers) customer.close();
server.close();

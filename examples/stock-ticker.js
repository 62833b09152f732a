// A stock ticker: fast readers get every price, slow readers the latest one, with a report of the skipped ones.
//   node examples/stock-ticker.js
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'goodwire';
import { defineGoods, Market } from 'goodwire/goods';
import { GoodsClient } from 'goodwire/goods/client';

// `conflate`: only the latest price is of interest, and only that is kept for a slow reader.
const prices = defineGoods('stock/*', { overflow: 'conflate' });
const acme = prices.named('stock/acme');

const market = new Market();
const exchange = market.provider('exchange');
exchange.shelve(prices);
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
market.serve(server);
await once(server, 'listening');

const sockets = [];
class Socket extends WebSocket {
  constructor(...settings) {
    super(...settings);
    sockets.push(this);
  }
}
const address = `ws://127.0.0.1:${server.address().port}`;
const ticks = 200;

const fast = new GoodsClient(address, { WebSocket: Socket });
const slow = new GoodsClient(address, { WebSocket: Socket });
const fastPrices = await fast.subscribe(acme);
const slowPrices = await slow.subscribe(acme);
const [, slowSocket] = sockets;

// The slow client does not read from its socket for a while. Prices are large here, so that the effect shows soon.
slowSocket.pause();
const depth = 'x'.repeat(100_000);
let seen;
let count = 0;
for (let price = 1; price <= ticks; price++) {
  exchange.supply(acme, { price, depth });
  const { value } = await fastPrices.next();
  seen = value.item.price;
  count++;
}
console.log(`fast: ${count} prices, the last one is ${seen}`);

slowSocket.resume();
count = 0;
for await (const { item, gap } of slowPrices) {
  count++;
  if (gap !== null) console.log(`slow: offsets ${gap.from} to ${gap.to} were ${gap.reason}, then came ${item.price}`);
  seen = item.price;
  if (seen === ticks) break;
}
console.log(`slow: ${count < ticks ? 'skipped some prices' : 'all prices'}, the last one is ${seen}`);

for (const client of [fast, slow]) client.close();
server.close();

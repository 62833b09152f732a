// A provider at the other end of a WebSocket: a sensor puts goods on the shelf, and measures while somebody wants to know.
//   node examples/remote-provider.js
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'goodwire';
import { defineGoods, Market } from 'goodwire/goods';
import { GoodsClient } from 'goodwire/goods/client';

const sensors = defineGoods('sensors/*', {
  item({ celsius }) {
    if (typeof celsius !== 'number') throw new TypeError('celsius is a number');
    return { celsius };
  },
  history: { size: 10 },
});

// The market in the middle has no goods of its own; it says who may bring some, and what they have to be like.
const market = new Market({
  authorize: ({ user }, { action }) => action !== 'shelve' || user === 'Bearer sensor',
});
market.allowClientGoods(sensors);
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
market.serve(server, { identify: ({ headers }) => headers.authorization });
await once(server, 'listening');
const address = `ws://127.0.0.1:${server.address().port}`;

const kitchen = sensors.named('sensors/kitchen');
const display = new GoodsClient(address, { WebSocket });
// With goodwire's WebSocket a client can send headers; one in a browser puts what it has into the address.
const sensor = new GoodsClient(address, {
  WebSocket,
  webSocketOptions: { headers: { authorization: 'Bearer sensor' } },
});

await display.shelve(kitchen).catch(({ code }) => console.log(`the display may not be a sensor: ${code}`));

let celsius = 20;
let timer;
let supplied;
await sensor.shelve(kitchen, {
  onDemand() {
    console.log('sensor: somebody wants to know');
    timer = setInterval(() => {
      supplied = sensor.supply(kitchen, { celsius: ++celsius });
    }, 5);
  },
  async onIdle() {
    console.log('sensor: nobody wants to know');
    clearInterval(timer);
    // Answers come in order: with the last one everything is on the shelf, and closing interrupts nothing.
    await supplied;
    sensor.close();
  },
});

// Whatever there is, and whatever comes.
const readings = await display.subscribe('sensors/**');
let count = 0;
for await (const { goods, offset, item } of readings) {
  console.log(`display: ${goods} #${offset} ${item.celsius} °C`);
  if (++count === 3) break;
}
await readings.unsubscribe();
display.close();
server.close();

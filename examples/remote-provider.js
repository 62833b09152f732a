// A provider at the other end of a WebSocket: a sensor puts goods on the shelf, and measures only while there are
// subscribers.
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

// The market has no goods of its own. It decides which clients may provide some, and checks their items.
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
// With goodwire's WebSocket a client can send headers. A client in a browser can put credentials into the address.
const sensor = new GoodsClient(address, {
  WebSocket,
  webSocketOptions: { headers: { authorization: 'Bearer sensor' } },
});

await display.shelve(kitchen).catch(({ code }) => console.log(`the display is refused: ${code}`));

let celsius = 20;
let timer;
let supplied;
await sensor.shelve(kitchen, {
  onDemand() {
    console.log('sensor: started, because there is a subscriber');
    timer = setInterval(() => {
      supplied = sensor.supply(kitchen, { celsius: ++celsius });
    }, 5);
  },
  async onIdle() {
    console.log('sensor: stopped, because there is no subscriber');
    clearInterval(timer);
    // Replies arrive in order, so after the last one every item is on the shelf, and closing loses nothing.
    await supplied;
    sensor.close();
  },
});

// All existing readings, and all later ones.
const readings = await display.subscribe('sensors/**');
let count = 0;
for await (const { goods, offset, item } of readings) {
  console.log(`display: ${goods} #${offset} ${item.celsius} °C`);
  if (++count === 3) break;
}
await readings.unsubscribe();
display.close();
server.close();

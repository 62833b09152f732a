// Runs a server, clients and a market of the built package while the timers of this process are fake. Prints one line per result.
//
//   node fake-timers-program.js node:test|stopped before|after
//
// "before" and "after": the timers are replaced before or after goodwire is loaded. `node:test` replaces them by its mock timers, and nothing
// advances these. "stopped" replaces every function that fake timers can replace by one that never calls back, but for process.nextTick,
// without which Node's own sockets stop.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { mock } from 'node:test';
import nodeTimers, { setTimeout as realTimeout } from 'node:timers';

const [faker, moment] = process.argv.slice(2);

/** @param {unknown[]} words */
const say = (...words) => console.log(words.join(' '));

function stop() {
  const clock = {};
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']) {
    const fake = Object.defineProperty(
      Object.assign(() => ({ id: 1 }), { clock }),
      'name',
      { value: name },
    );
    Object.assign(globalThis, { [name]: fake });
    if (name in nodeTimers) Object.assign(nodeTimers, { [name]: fake });
  }
  globalThis.performance.now = Object.assign(() => 0, { clock });
  Date.now = () => 0;
}

function fake() {
  if (faker === 'node:test') mock.timers.enable({ apis: ['setInterval', 'setTimeout', 'setImmediate', 'Date'] });
  else stop();
}

// Otherwise a connection that stops would keep this process, or end it without a word.
realTimeout(() => {
  say('stopped');
  process.exit(1);
}, 60_000);

if (moment === 'before') fake();
const { createWebSocketStream, upgrade, WebSocket, WebSocketServer } = await import('../../dist/index.js');
const { defineGoods, Market } = await import('../../dist/goods.js');
const { GoodsClient } = await import('../../dist/goods/client.js');
if (moment === 'after') fake();

const large = 'large '.repeat(20_000);

for (const perMessageDeflate of [false, true]) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate });
  await once(server, 'listening');
  server.on('connection', (websocket) => {
    websocket.on('message', (data, isBinary) => websocket.send(data, { binary: isBinary }));
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate });
  await once(client, 'open');
  for (const text of ['hello', large]) {
    const sent = new Promise((resolve) => client.send(text, resolve));
    const [data] = await once(client, 'message');
    say('echo', perMessageDeflate, String(data) === text, 'callback', await sent);
  }
  server.broadcast('to all');
  say('broadcast', ...(await once(client, 'message')));
  client.send(new Blob(['blob']));
  say(...(await once(client, 'message')));
  client.pause();
  client.send('paused');
  client.resume();
  say(...(await once(client, 'message')));
  client.close(3000);
  say('close', (await once(client, 'close'))[0]);
  await new Promise((resolve) => server.close(resolve));
  say('server closed');
}

const plain = createServer().listen(0, '127.0.0.1');
await once(plain, 'listening');
plain.on('upgrade', (request, socket, head) => {
  upgrade(request, socket, head).then((websocket) => {
    const stream = createWebSocketStream(websocket);
    stream.pipe(stream);
  });
});
{
  const { port } = /** @type {import('node:net').AddressInfo} */ (plain.address());
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(client, 'open');
  client.send('through a stream');
  say('upgrade()', ...(await once(client, 'message')).slice(0, 1));
  client.close();
  await once(client, 'close');
  plain.close();
}

const apple = defineGoods('apple', { history: { size: 10 } });
const market = new Market({ limits: { requestsPerSecond: 1000, requestBurst: 10 } });
const orchard = market.provider('orchard');
orchard.shelve(apple);
const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
market.serve(server, { identify: async () => 'somebody' });
await once(server, 'listening');
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
const client = new GoodsClient(`ws://127.0.0.1:${port}`, { WebSocket });
const apples = await client.subscribe(apple);
orchard.supply(apple, 1);
for await (const { item } of apples) {
  say('market', item);
  break;
}
await client.close();
say('end');
process.exit(0);

// Runs servers, clients and a market of the built package where timers are numbers. Prints one line per result. It must
// end by itself: a remaining timer would keep it alive.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { setImmediate as immediate } from 'node:timers/promises';
import { timers } from '../support/numeric-timers.js';

const { upgrade, WebSocket, WebSocketServer } = await import('../../dist/index.js');
const { defineGoods, Market } = await import('../../dist/goods.js');
const { GoodsClient } = await import('../../dist/goods/client.js');

/** @param {unknown[]} words */
const say = (...words) => console.log(words.join(' '));

/**
 * Waits for a client to close, also after an error, and returns its close code.
 * @param {import('../../dist/index.js').WebSocket} client
 */
const closing = (client) => new Promise((resolve) => client.on('close', resolve));

/**
 * Opens a connection, and prints its result.
 * @param {string} title
 * @param {import('../../dist/index.js').ServerOptions} options
 * @param {object} [clientOptions]
 */
async function visit(title, options, clientOptions = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  await once(server, 'listening');
  server.on('connection', (websocket) => websocket.on('message', (data) => websocket.send(data)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, clientOptions);
  client.on('open', () => client.send('hello'));
  client.on('message', (data) => {
    say(title, String(data));
    client.close(1000);
  });
  client.on('error', (error) => say(title, error.message));
  const code = await closing(client);
  say(title, code);
  await new Promise((resolve) => server.close(resolve));
}

await visit('good', {});
await visit('later', { verifyClient: (_info, answer) => void setTimeout(() => answer(true), 1) });
await visit('deferred', { allowSynchronousEvents: false });
await visit('path', { path: '/elsewhere' });
/** @param {import('node:http').ClientRequest} request */
const finishRequest = (request) => void request.setHeader('Sec-WebSocket-Version', '7').end();
await visit('version', {}, { finishRequest });
await visit('verifyClient', { verifyClient: () => false });
await visit('unsendable', { verifyClient: (_info, answer) => answer(false, 101) });
await visit('never', { handshakeTimeout: 20, verifyClient: (_info, _answer) => {} });
await visit('impatient', { handshakeTimeout: 60, verifyClient: (_info, _answer) => {} }, { handshakeTimeout: 20 });
await visit('patient', {}, { handshakeTimeout: 30_000 });

const plain = createServer().listen(0, '127.0.0.1');
await once(plain, 'listening');
plain.on('upgrade', (request, socket, head) => {
  upgrade(request, socket, head, request.url === '/no' ? { origins: [] } : {}).then(
    (websocket) => websocket.close(3000),
    (error) => say('upgrade()', error.status),
  );
});
for (const path of ['/yes', '/no']) {
  const { port } = /** @type {import('node:net').AddressInfo} */ (plain.address());
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  client.on('error', () => {});
  say('upgrade()', path, await closing(client));
}
plain.close();

const apple = defineGoods('apple', { history: { size: 10 } });
const market = new Market({ heartbeat: 20 });
const orchard = market.provider('orchard');
orchard.shelve(apple);
const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
const stop = market.serve(server, { identify: async () => 'somebody' });
await once(server, 'listening');
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
for (const round of [1, 2]) {
  const pinged = new Promise((resolve) => {
    server.once('connection', (websocket) => websocket.once('pong', resolve));
  });
  const client = new GoodsClient(`ws://127.0.0.1:${port}`, { WebSocket });
  const apples = await client.subscribe(apple);
  orchard.supply(apple, round);
  for await (const { item } of apples) {
    say('market', item);
    if (item === round) break;
  }
  await pinged;
  await client.close();
  // The heartbeat stops without clients, and starts again with the next client.
  while (timers.size > 0) await immediate();
}
stop();
await new Promise((resolve) => server.close(resolve));
say('end');

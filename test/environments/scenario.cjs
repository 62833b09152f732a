// Scenario that runs in every environment. It waits for promises only, because programs that fake timers run it too.

/** Resolves with the next event of a WebSocket, of any implementation, or of an EventEmitter. */
const next = (target, name) =>
  new Promise((resolve, reject) => {
    const add = (target.addEventListener ?? target.once).bind(target);
    add(name, resolve, { once: true });
    if (name !== 'close')
      add('error', (event) => reject(event.error ?? new Error(`an error before ${name}`)), { once: true });
  });

/** Text, octets, a message that zlib compresses on the thread pool, and the closing handshake. */
async function talk(client) {
  client.binaryType = 'arraybuffer';
  await next(client, 'open');
  const ask = async (data) => {
    const answer = next(client, 'message');
    client.send(data);
    return (await answer).data;
  };
  const text = await ask('hello');
  const octets = [...new Uint8Array(await ask(new Uint8Array([1, 2, 3])))];
  const large = await ask('large '.repeat(20_000));
  const closed = next(client, 'close');
  client.close(3000, 'done');
  const { code, reason, wasClean } = await closed;
  return `${text}, ${octets}, ${large.length}, ${code} ${reason} ${wasClean}`;
}

/** Result of {@link talk} where everything works. */
const talked = 'hello, 1,2,3, 120000, 3000 done true';

/** Starts a server of goodwire that echoes. */
async function serve({ WebSocketServer }, options) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  await next(server, 'listening');
  server.on('connection', (socket) =>
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
  );
  return server;
}

/** A client of some class talks to a server of goodwire, without and with compression. */
async function echo(goodwire, Client = goodwire.WebSocket) {
  for (const perMessageDeflate of [false, true]) {
    const server = await serve(goodwire, { perMessageDeflate });
    const result = await talk(new Client(`ws://127.0.0.1:${server.address().port}/`));
    await new Promise((resolve) => server.close(resolve));
    if (result !== talked) return result;
  }
  return talked;
}

/** A server that uses `upgrade()`, which only an import gives, and a stream over the socket. */
async function echoThroughStream({ createWebSocketStream, upgrade, WebSocket, WebSocketServer }, { createServer }) {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const upgrader = new WebSocketServer({ noServer: true });
  const accept = upgrade ?? ((...request) => new Promise((resolve) => upgrader.handleUpgrade(...request, resolve)));
  server.on('upgrade', async (request, socket, head) => {
    const stream = createWebSocketStream(await accept(request, socket, head));
    stream.pipe(stream);
  });
  const client = new WebSocket(`ws://127.0.0.1:${server.address().port}/`);
  await next(client, 'open');
  const answer = next(client, 'message');
  client.send('through a stream');
  const text = String((await answer).data);
  const closed = next(client, 'close');
  client.close();
  await closed;
  await new Promise((resolve) => server.close(resolve));
  return text;
}

/** A market: goods are shelved, subscribed to, and an item arrives, as JSON and as bytes. */
async function trade(goodwire, { defineGoods, Market }, { GoodsClient }, Client = goodwire.WebSocket) {
  const server = new goodwire.WebSocketServer({ port: 0, host: '127.0.0.1' });
  await next(server, 'listening');
  const market = new Market();
  market.serve(server);
  const orchard = market.provider('orchard');
  const apple = defineGoods('fruit/apple');
  const core = defineGoods('fruit/core', { kind: 'bytes' });
  orchard.shelve(apple);
  orchard.shelve(core);
  const client = new GoodsClient(`ws://127.0.0.1:${server.address().port}`, { WebSocket: Client });
  const got = [];
  for (const [goods, item] of [
    [apple, { price: 3 }],
    [core, new Uint8Array([7, 8])],
  ]) {
    const subscription = await client.subscribe(goods);
    orchard.supply(goods, item);
    for await (const { item: received } of subscription) {
      got.push(ArrayBuffer.isView(received) ? [...received].join() : JSON.stringify(received));
      break;
    }
  }
  await client.close();
  await new Promise((resolve) => server.close(resolve));
  return got.join(' ');
}

/** Result of {@link trade} where everything works. */
const traded = '{"price":3} 7,8';

module.exports = { echo, echoThroughStream, next, talk, talked, trade, traded };

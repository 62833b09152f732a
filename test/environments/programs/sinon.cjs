// sinon replaces everything that it can, before or after goodwire is loaded. But for process.nextTick: without it, Node's own sockets stop.
const { createServer } = require('node:http');
const sinon = require('sinon');
const { echo, echoThroughStream, next, trade } = require('../scenario.cjs');

const fake = (...others) =>
  sinon.useFakeTimers({
    toFake: [
      ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate'],
      ...['Date', 'hrtime', 'performance', 'queueMicrotask', ...others],
    ],
  });

async function main(moment) {
  let clock = moment === 'before' ? fake() : null;
  const goodwire = require('goodwire');
  const goods = require('goodwire/goods');
  const client = require('goodwire/goods/client');
  clock ??= fake();
  console.log('echo:', await echo(goodwire));
  console.log('stream:', await echoThroughStream(goodwire, { createServer }));
  console.log('market:', await trade(goodwire, goods, client));

  // A deadline: sinon advances it.
  const silent = createServer().listen(0, '127.0.0.1');
  await next(silent, 'listening');
  const attempt = new goodwire.WebSocket(`ws://127.0.0.1:${silent.address().port}`, { handshakeTimeout: 60_000 });
  const failed = next(attempt, 'open').catch((error) => error.message);
  const [peer] = await new Promise((resolve) => silent.once('connection', (...args) => resolve(args)));
  clock.tick(60_000);
  console.log('deadline:', await failed);
  peer.destroy();
  silent.close();
  clock.restore();

  // A connection that is open goes on even without process.nextTick.
  const server = new goodwire.WebSocketServer({ port: 0, host: '127.0.0.1' });
  await next(server, 'listening');
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  const open = new goodwire.WebSocket(`ws://127.0.0.1:${server.address().port}`);
  await next(open, 'open');
  clock = fake('nextTick');
  const answer = next(open, 'message');
  open.send('without ticks');
  console.log(String((await answer).data));
  clock.restore();
  const closed = next(open, 'close');
  open.close();
  await closed;
  server.close();
}

main(process.argv[2]);

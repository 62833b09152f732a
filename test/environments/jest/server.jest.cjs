const { createServer } = require('node:http');
const { echo, echoThroughStream, next, talked, trade, traded } = require('../scenario.cjs');

const goodwire = require('goodwire');
const goods = require('goodwire/goods');
const client = require('goodwire/goods/client');

const works = async () => {
  expect(await echo(goodwire)).toBe(talked);
  expect(await echoThroughStream(goodwire, { createServer })).toBe('through a stream');
  expect(await trade(goodwire, goods, client)).toBe(traded);
};

test('servers, clients, streams and a market work', works);

test('they work while timers are fake', async () => {
  jest.useFakeTimers();
  await works();
});

test('a test can advance a deadline', async () => {
  jest.useFakeTimers();
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connected = new Promise((resolve) => server.once('connection', resolve));
  const socket = new goodwire.WebSocket(`ws://127.0.0.1:${server.address().port}`, { handshakeTimeout: 60_000 });
  const failed = next(socket, 'open').catch((error) => error.message);
  const peer = await connected;
  jest.advanceTimersByTime(60_000);
  expect(await failed).toBe('Opening handshake has timed out');
  peer.destroy();
  await new Promise((resolve) => server.close(resolve));
});

import { createServer } from 'node:http';
import { afterEach, expect, test, vi } from 'vitest';
import scenario from '../scenario.cjs';

const { echo, echoThroughStream, talked, trade, traded } = scenario;

afterEach(() => void vi.useRealTimers());

async function works() {
  const goodwire = await import('goodwire');
  expect(await echo(goodwire)).toBe(talked);
  expect(await echoThroughStream(goodwire, { createServer })).toBe('through a stream');
  const [goods, client] = [await import('goodwire/goods'), await import('goodwire/goods/client')];
  expect(await trade(goodwire, goods, client)).toBe(traded);
}

test('servers, clients, streams and a market work, when timers are faked before they are loaded', async () => {
  vi.useFakeTimers();
  await works();
});

test('they work with real timers', works);

test('they work when timers are faked afterwards', async () => {
  vi.useFakeTimers();
  await works();
});

test('they work when every function but the tick is faked', async () => {
  vi.useFakeTimers({ toNotFake: ['nextTick'] });
  await works();
});

test('a test can advance a deadline', async () => {
  const { WebSocket } = await import('goodwire');
  vi.useFakeTimers();
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connected = new Promise((resolve) => server.once('connection', resolve));
  const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}`, { handshakeTimeout: 60_000 });
  const failed = new Promise((resolve) => socket.once('error', resolve));
  const peer = await connected;
  vi.advanceTimersByTime(60_000);
  expect((await failed).message).toBe('Opening handshake has timed out');
  peer.destroy();
  await new Promise((resolve) => server.close(resolve));
});

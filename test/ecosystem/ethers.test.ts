import { createServer } from 'node:http';
import { WebSocketProvider } from 'ethers';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { closed, crash, listen } from './loopback.ts';
import { eventually } from './until.ts';

/** Starts a blockchain node with the functions that the test needs. */
async function serveBlockchain(port = 0) {
  const httpServer = createServer();
  const webSocketServer = new WebSocketServer({ server: httpServer });
  const notify = (result: unknown) => {
    const params = { subscription: '0x1', result };
    for (const client of webSocketServer.clients) {
      client.send(JSON.stringify({ jsonrpc: '2.0', method: 'eth_subscription', params }));
    }
  };
  const methods: Record<string, () => unknown> = {
    eth_chainId: () => '0x539',
    eth_blockNumber: () => '0x10',
    eth_subscribe: () => '0x1',
    eth_unsubscribe: () => true,
    eth_getBalance: () => '0xde0b6b3a7640000',
  };
  webSocketServer.on('connection', (socket) => {
    socket.on('message', (data) => {
      const { id, method } = JSON.parse(data.toString());
      const answer = methods[method];
      const outcome = answer ? { result: answer() } : { error: { code: -32601, message: `no ${method}` } };
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, ...outcome }));
    });
  });
  const listening = await listen(httpServer, port);
  return { httpServer, webSocketServer, notify, port: listening, url: `ws://127.0.0.1:${listening}/` };
}

async function open(url: string): Promise<WebSocketProvider> {
  const provider = new WebSocketProvider(url);
  onTestFinished(async () => {
    if (!provider.destroyed) await provider.destroy();
  });
  return provider;
}

test('calls are answered, including failures', async () => {
  const { url } = await serveBlockchain();
  const provider = await open(url);
  expect((await provider.getNetwork()).chainId).toBe(1337n);
  expect(await provider.getBlockNumber()).toBe(16);
  expect(await provider.getBalance('0x0000000000000000000000000000000000000001')).toBe(10n ** 18n);
  await expect(provider.send('eth_nothing', [])).rejects.toThrow('no eth_nothing');
});

test('several clients receive notifications of the server', async () => {
  const { url, notify } = await serveBlockchain();
  const providers = await Promise.all([open(url), open(url)]);
  const numbers: number[][] = [[], []];
  await Promise.all(providers.map((provider, i) => provider.on('block', (number) => void numbers[i]!.push(number))));
  await eventually(() => {
    notify({ number: '0x11' });
    expect(numbers.map((list) => list.at(-1))).toEqual([17, 17]);
  });
});

test('destroy() closes; a restarted server serves a new client', async () => {
  const first = await serveBlockchain();
  const provider = await open(first.url);
  await provider.getBlockNumber();
  const [served] = first.webSocketServer.clients;
  const ended = closed(served!);
  await provider.destroy();
  expect((await ended)[0]).toBe(1005);
  await crash(first.httpServer);
  await serveBlockchain(first.port);
  expect(await (await open(first.url)).getBlockNumber()).toBe(16);
});

import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { createContext, runInContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { defineGoods } from '../../src/goods/definition/goods.ts';
import { PreparedMessage, Sender, WebSocket } from '../../src/index.ts';
import { Connection } from '../../src/protocol.ts';
import { toHex } from '../support/hex.ts';
import { connectPair, implementations, listen, memoryPair } from '../support/peers.ts';
import { TestMarket } from '../support/test-market.ts';
import { until } from '../support/until.ts';

const foreign = createContext();
/** Returns a value whose classes are those of another realm. */
const evaluate = <Value>(code: string): Value => runInContext(code, foreign) as Value;
const octets = () => evaluate<Uint8Array<ArrayBuffer>>('new Uint8Array([9, 104, 105, 9]).subarray(1, 3)');

test('the values of these tests belong to another realm', () => {
  expect(octets()).not.toBeInstanceOf(Uint8Array);
});

const data: readonly [title: string, code: string][] = [
  ['a Uint8Array', 'new Uint8Array([9, 104, 105, 9]).subarray(1, 3)'],
  ['an ArrayBuffer', 'new Uint8Array([104, 105]).buffer'],
  ['a SharedArrayBuffer', 'const shared = new SharedArrayBuffer(2); new Uint8Array(shared).set([104, 105]); shared'],
  ['a DataView', 'new DataView(new Uint8Array([9, 104, 105, 9]).buffer, 1, 2)'],
  ['a Uint16Array', 'new Uint16Array([0x6968])'],
  ['an array', '[104, 105]'],
  ['an object with valueOf()', '({ valueOf: () => new Uint8Array([104, 105]) })'],
];

describe.each(data)('%s of another realm', (_title, code) => {
  test.each(['send', 'ping', 'pong'] as const)('is sent by %s(), of a client and of a server', (method) => {
    const { client, served } = memoryPair();
    const event = method === 'send' ? 'message' : method;
    const got: string[] = [];
    for (const socket of [client, served]) socket.on(event, (received: Buffer) => got.push(String(received)));
    for (const socket of [client, served]) socket[method](evaluate(`{ ${code} }`));
    return until(() => got.length === 2).then(() => expect(got).toEqual(['hi', 'hi']));
  });
});

test('a large Uint8Array of another realm is sent by reference, masked and compressed', async () => {
  const large = evaluate<Uint8Array>('new Uint8Array(100_000).fill(7)');
  for (const perMessageDeflate of [false, { threshold: 0 }]) {
    await using peers = await listen(implementations.goodwire, 'tcp', { perMessageDeflate });
    const { client, served } = await connectPair(peers, implementations.goodwire, { perMessageDeflate });
    for (const [from, to] of [
      [client, served],
      [served, client],
    ] as const) {
      from.send(large);
      const [message] = (await once(to, 'message')) as [Buffer];
      expect(message.equals(Buffer.alloc(100_000, 7))).toBe(true);
    }
  }
});

test('a close reason of another realm is sent', async () => {
  const { client, served } = memoryPair();
  client.close(3000, octets() as Buffer);
  const [code, reason] = await once(served, 'close');
  expect([code, String(reason)]).toEqual([3000, 'hi']);
});

const ignore = () => {};
const events = { message: ignore, ping: ignore, pong: ignore, closeReceived: ignore, failure: ignore };

test('a prepared message, a Sender, a Connection and goods take octets of another realm', () => {
  expect(toHex(new PreparedMessage(octets()).frame(null))).toBe('82 02 68 69');

  const written = new PassThrough();
  const sender = new Sender(written);
  sender.send(octets(), { binary: true, fin: true, compress: false, mask: false });
  sender.close(3000, octets(), false);
  expect(toHex(written.read() as Buffer)).toBe('82 02 68 69 88 04 0b b8 68 69');

  const connection = new Connection({ role: 'server' }, events);
  connection.send(octets());
  connection.send([octets(), octets()]);
  expect(toHex(connection.takeOutgoing())).toBe('82 02 68 69 82 04 68 69 68 69');

  const bytes = defineGoods<Uint8Array>('bytes', { kind: 'bytes' });
  const { market } = new TestMarket();
  const provider = market.provider('p');
  provider.shelve(bytes);
  expect(provider.supply(bytes, octets())).toMatchObject({ offset: 1 });
});

test('an address of another realm is read', () => {
  const address = evaluate<URL>("({ toString: () => 'ws://127.0.0.1:1/path' })");
  const client = new WebSocket(address);
  client.on('error', () => {});
  expect(client.url).toBe('ws://127.0.0.1:1/path');
  client.terminate();
});

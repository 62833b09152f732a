import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from '../../src/index.ts';
import { connectPair, implementations, listen, type Wire } from '../support/peers.ts';

const { goodwire, ws } = implementations;
const lengths = [0, 1, 125, 126, 127, 16_384, 65_535, 65_536, 1_048_576];
const texts = [
  '',
  'a',
  'Hello',
  'µ'.repeat(126),
  '\ufeffmarked',
  '𝄞'.repeat(40_000),
  'x'.repeat(70_000),
  '汉'.repeat(30_000),
];

const pairs = [
  { name: 'our client and our server', client: goodwire, server: goodwire },
  { name: 'our client and the server of ws', client: goodwire, server: ws },
  { name: 'the client of ws and our server', client: ws, server: goodwire },
];

function octets(length: number, seed: number): Buffer {
  const buffer = Buffer.alloc(length);
  for (let i = 0; i < length; i++) buffer[i] = (i * 31 + seed) & 255;
  return buffer;
}

describe.each(['tcp', 'tls', 'unix'] as Wire[])('over %s', (wire) => {
  describe.each(pairs)('between $name', ({ client: clientOf, server: serverOf }) => {
    test('messages of every length class are echoed unchanged, in order', async () => {
      await using peers = await listen(serverOf, wire);
      peers.server.on('connection', (socket: WebSocket) => {
        socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
      });
      const client = peers.connect(clientOf);
      const received: (string | Buffer)[] = [];
      const expected = [...lengths.map((length) => octets(length, length)), ...texts, 'end'];
      const all = new Promise<void>((resolve) => {
        client.on('message', (data, isBinary) => {
          received.push(isBinary ? (data as Buffer) : data.toString());
          if (received.length === expected.length) resolve();
        });
      });
      await once(client, 'open');
      for (const message of expected) client.send(message);
      await all;
      expect(received.length).toBe(expected.length);
      for (const [i, message] of expected.entries()) {
        if (typeof message === 'string') expect(received[i] === message).toBe(true);
        else expect(message.equals(received[i] as Buffer)).toBe(true);
      }
    });

    test('fragments arrive as one message, with pings between them answered', async () => {
      await using peers = await listen(serverOf, wire);
      const { client, served } = await connectPair(peers, clientOf);
      const message = once(served, 'message');
      const pong = once(client, 'pong');
      client.send('frag', { fin: false });
      client.ping('between');
      client.send('men', { fin: false });
      client.send('ted', { fin: true });
      expect(String((await pong)[0])).toBe('between');
      const [data, isBinary] = await message;
      expect(String(data)).toBe('fragmented');
      expect(isBinary).toBe(false);
    });

    test.each(['client', 'served'] as const)('the %s closes, and both report the code and the reason', async (who) => {
      await using peers = await listen(serverOf, wire);
      const pair = await connectPair(peers, clientOf);
      const closes = [once(pair.client, 'close'), once(pair.served, 'close')];
      pair[who].close(4001, 'enough – 足够');
      for (const close of closes) {
        const [code, reason] = await close;
        expect(code).toBe(4001);
        expect(String(reason)).toBe('enough – 足够');
      }
      expect(pair.client.readyState).toBe(3);
      expect(pair.served.readyState).toBe(3);
    });

    test('both close at the same time', async () => {
      await using peers = await listen(serverOf, wire);
      const { client, served } = await connectPair(peers, clientOf);
      const closes = [once(client, 'close'), once(served, 'close')];
      client.close(1000);
      served.close(1001);
      const [[seenByClient], [seenByServer]] = (await Promise.all(closes)) as [[number], [number]];
      expect([seenByClient, seenByServer]).toEqual([1001, 1000]);
    });

    test('a close without a code is reported as 1005, a lost connection as 1006', async () => {
      await using peers = await listen(serverOf, wire);
      const first = await connectPair(peers, clientOf);
      const closed = once(first.served, 'close');
      first.client.close();
      expect((await closed)[0]).toBe(1005);
      const second = await connectPair(peers, clientOf);
      const cut = once(second.served, 'close');
      second.client.terminate();
      expect((await cut)[0]).toBe(1006);
    });
  });
});

import { expect, test } from 'vitest';
import { PreparedMessage } from '../../src/index.ts';
import { boaster } from '../support/octets.ts';
import { connectPair, implementations, listen } from '../support/peers.ts';

const { goodwire } = implementations;

// Otherwise old octets of the memory, perhaps of another connection, would be sent in the place of the missing ones.
test('data whose length is not that of its octets is refused: sent, compressed, large, queued, in a ping, for many', async () => {
  const deflate = { perMessageDeflate: { threshold: 0 } };
  await using peers = await listen(goodwire, 'tcp', deflate);
  const { client, served } = await connectPair(peers, goodwire, deflate);
  const words = /^The length of a payload must be its byteLength; length is 1000, byteLength is \d+$/;
  for (const socket of [client, served]) {
    for (const length of [3, 500, 50_000]) {
      expect(() => socket.send(boaster(length))).toThrow(words);
      expect(() => socket.send(boaster(length), { compress: false })).toThrow(words);
      expect(() => socket.ping(boaster(length))).toThrow();
    }
    socket.send(new Blob(['before']));
    expect(() => socket.send(boaster(3))).toThrow(words);
  }
  expect(() => new PreparedMessage(boaster(3))).toThrow(words);
  const received: string[] = [];
  client.on('message', (data) => received.push(String(data)));
  const closed = new Promise((resolve) => client.on('close', resolve));
  served.send('after');
  served.close();
  await closed;
  expect(received).toEqual(['before', 'after']);
});

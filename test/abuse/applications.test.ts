import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { naiveFrame } from '../support/octets.ts';
import { connectPair, implementations, listen, memoryPair, rawClient } from '../support/peers.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { until } from '../support/until.ts';

const { goodwire } = implementations;
const compressing = { perMessageDeflate: { threshold: 0 } };

test('case 13: a stream of hundreds of thousands of legal messages never exceeds maxPayload or maxFragments', async () => {
  const { client, served, servedStream } = memoryPair({ server: { maxPayload: 10, maxFragments: 3 } });
  let messages = 0;
  served.on('message', () => messages++);
  const one = [
    naiveFrame(0x01, Buffer.from('ab'), 7),
    naiveFrame(0x00, Buffer.from('cdef'), 7),
    naiveFrame(0x80, Buffer.from('ghij'), 7),
  ];
  const chunk = Buffer.concat(Array<Buffer>(1000).fill(Buffer.concat(one)));
  for (let i = 0; i < 300; i++) servedStream.emit('data', Buffer.from(chunk));
  await until(() => messages === 300_000);
  expect(served.readyState).toBe(1);
  client.terminate();
  served.terminate();
});

test('case 17: closeTimeout limits both a peer that sends after our close frame and a peer that does nothing', async () => {
  await using peers = await listen(goodwire, 'tcp', { closeTimeout: 100 });
  const accepted = once(peers.server, 'connection');
  const socket = await rawClient(peers);
  const [served] = (await accepted) as [InstanceType<typeof goodwire.WebSocket>];
  let heard = 0;
  served.on('message', () => heard++);
  const closed = once(served, 'close');
  served.close(1000);
  const timer = setInterval(() => socket.write(naiveFrame(0x81, Buffer.from('still here'), 7)), 2);
  expect((await closed)[0]).toBe(1006);
  clearInterval(timer);
  socket.destroy();
  const before = heard;
  await new Promise(setImmediate);
  expect(heard).toBe(before);
});

test('case 33b: there is no HTTP/2 client code that a server could attack', () => {
  const source = new URL('../../src/', import.meta.url);
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('ts'));
  expect(files.length).toBeGreaterThan(30);
  for (const file of files) expect(readFileSync(new URL(file, source), 'utf8'), file).not.toContain('node:http2');
});

test('case 39: a listener that throws or whose promise rejects does not affect other sockets', async () => {
  await using peers = await listen(goodwire);
  const one = await connectPair(peers, goodwire);
  const other = await connectPair(peers, goodwire);
  using uncaught = captureUncaught();
  one.served.on('message', () => {
    throw new Error('thrown');
  });
  one.served.on('message', async () => {
    throw new Error('rejected');
  });
  other.served.on('message', (data) => other.served.send(data));
  one.client.send('first');
  one.client.send('second');
  for (let i = 0; i < 10; i++) {
    const answer = once(other.client, 'message');
    other.client.send(String(i));
    expect(String((await answer)[0])).toBe(String(i));
  }
  await new Promise(setImmediate);
  expect(uncaught.exceptions.map(({ message }) => message)).toEqual(['thrown', 'thrown']);
  expect([one.served.readyState, other.served.readyState]).toEqual([1, 1]);
});

test('case 41: messages of every kind arrive in the order of sending', async () => {
  await using peers = await listen(goodwire, 'tcp', compressing);
  const { client, served } = await connectPair(peers, goodwire, compressing);
  const got: string[] = [];
  served.on('message', (data, isBinary) => got.push(`${isBinary ? 'binary' : 'text'} ${(data as Buffer).length}`));
  served.on('ping', (data) => got.push(`ping ${data}`));
  const large = Buffer.alloc(400_000, 'compressible');
  const expected: string[] = [];
  for (let i = 0; i < 20; i++) {
    client.send('x'.repeat(i));
    client.send(large, { compress: i % 2 === 0 });
    client.ping(`${i}`);
    client.send(new Blob(['blob'.repeat(i)]));
    client.send(randomBytes(10 + i), { compress: i % 3 === 0 });
    expected.push(`text ${i}`, 'binary 400000', `ping ${i}`, `binary ${4 * i}`, `binary ${10 + i}`);
  }
  client.close();
  await once(served, 'close');
  expect(got).toEqual(expected);
});

test('case 50: a message with a secret can be excluded from compression', async () => {
  await using peers = await listen(goodwire, 'tcp', compressing);
  const secret = `secret ${'a'.repeat(3000)}`;
  const octetsFor = async (compress: boolean) => {
    const { client, served } = await connectPair(peers, goodwire, compressing);
    const raw = (client as unknown as { _socket: { bytesRead: number } })._socket;
    const before = raw.bytesRead;
    const arrived = once(client, 'message');
    served.send(secret, { compress });
    expect(String((await arrived)[0])).toBe(secret);
    client.terminate();
    return raw.bytesRead - before;
  };
  expect(await octetsFor(true)).toBeLessThan(200);
  // Common parts with other messages do not show in the length.
  expect(await octetsFor(false)).toBe(secret.length + 4);
});

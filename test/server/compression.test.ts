import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createWebSocketStream, type PerMessageDeflateOptions, upgrade, WebSocket } from '../../src/index.ts';
import { connectPair, implementations, listen } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { captureUncaught } from '../support/uncaught.ts';

const { goodwire } = implementations;
const text = 'some text, '.repeat(500);

/** True if a message of the client comes back. */
async function echoes({ client, served }: { client: WebSocket; served: WebSocket }): Promise<boolean> {
  served.on('message', (data, isBinary) => served.send(data, { binary: isBinary }));
  client.send(text);
  const [data] = await once(client, 'message');
  return String(data) === text;
}

test('the option may change between requests', async () => {
  await using peers = await listen(goodwire);
  const { options } = peers.server;
  const seen: string[] = [];
  const choices: (boolean | PerMessageDeflateOptions | undefined)[] = [
    true,
    false,
    { contextTakeover: true },
    undefined,
    true,
  ];
  for (const choice of choices) {
    options.perMessageDeflate = choice;
    const pair = await connectPair(peers, goodwire, { perMessageDeflate: true });
    expect(await echoes(pair)).toBe(true);
    seen.push(pair.client.extensions);
  }
  expect(seen).toEqual(['permessage-deflate', '', 'permessage-deflate', '', 'permessage-deflate']);
});

test.each(['headers', 'responseHeaders'])('%s may change it after the agreement', async (place) => {
  await using peers = await listen(goodwire, 'tcp', { perMessageDeflate: true });
  const { options } = peers.server;
  const change = () => {
    options.perMessageDeflate = { threshold: 'none' as unknown as number };
  };
  if (place === 'headers') peers.server.on('headers', change);
  else
    options.responseHeaders = () => {
      change();
      return {};
    };
  const pair = await connectPair(peers, goodwire, { perMessageDeflate: true });
  expect(pair.client.extensions).toBe('permessage-deflate');
  expect(await echoes(pair)).toBe(true);
});

test('an option that becomes invalid refuses the request, and ends nothing', async () => {
  using uncaught = captureUncaught();
  await using peers = await listen(goodwire, 'tcp', { perMessageDeflate: true });
  peers.server.options.perMessageDeflate = { threshold: 'none' as unknown as number };
  const client = peers.connect(goodwire, { perMessageDeflate: true });
  const error = await new Promise<Error>((resolve) => client.on('error', resolve));
  expect(error.message).toBe('Unexpected server response: 500');
  expect(uncaught.exceptions).toEqual([]);
});

test('a limit changed on a connection applies to inflated messages too', async () => {
  await using peers = await listen(goodwire, 'tcp', { perMessageDeflate: true, maxPayload: 10_000 });
  const { client, served } = await connectPair(peers, goodwire, { perMessageDeflate: true });
  (served as unknown as { _receiver: { _maxPayload: number } })._receiver._maxPayload = 1_000_000;
  const received = once(served, 'message');
  client.send('x'.repeat(900_000));
  expect(String((await received)[0]).length).toBe(900_000);
  const failed = new Promise<Error>((resolve) => served.on('error', resolve));
  client.on('error', () => {});
  client.send('x'.repeat(1_000_001));
  expect(await failed).toMatchObject({ code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' });
});

test('upgrade() agrees to it', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const perMessageDeflate = { contextTakeover: true };
  const accepted = new Promise<WebSocket>((resolve) => {
    server.on('upgrade', (request, socket: Socket, head) => {
      resolve(upgrade(request, socket, head, { perMessageDeflate }));
    });
  });
  const client = new WebSocket(`ws://127.0.0.1:${portOf(server)}`);
  const [served] = await Promise.all([accepted, once(client, 'open')]);
  expect([client.extensions, served.extensions]).toEqual(['permessage-deflate', 'permessage-deflate']);
  expect(await echoes({ client, served })).toBe(true);
  client.terminate();
});

test('upgrade() with an invalid option rejects', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const rejected = new Promise<unknown>((resolve) => {
    server.on('upgrade', (request, socket: Socket, head) => {
      upgrade(request, socket, head, { perMessageDeflate: { serverMaxWindowBits: 7 } }).catch(resolve);
    });
  });
  const client = new WebSocket(`ws://127.0.0.1:${portOf(server)}`);
  client.on('error', () => {});
  expect(await rejected).toMatchObject({ name: 'Error', cause: { name: 'RangeError' } });
});

test('createWebSocketStream() transfers any amount of data, compressed, with a reader slower than its writer', async () => {
  await using peers = await listen(goodwire, 'tcp', { perMessageDeflate: true });
  const { client, served } = await connectPair(peers, goodwire, { perMessageDeflate: true });
  const [writer, reader] = [createWebSocketStream(client), createWebSocketStream(served)];
  const pieces = [0, 1, 2000, 16_384, 16_385, 70_000, 262_145, 1_000_000, 5].map((length) =>
    Buffer.alloc(length, text),
  );
  const all = Buffer.concat(pieces);
  for (const piece of pieces) writer.write(piece);
  writer.end();
  const chunks: Buffer[] = [];
  for await (const chunk of reader) {
    chunks.push(chunk as Buffer);
    await new Promise(setImmediate);
  }
  expect(Buffer.concat(chunks).equals(all)).toBe(true);
});

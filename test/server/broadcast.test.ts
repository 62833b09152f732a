import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';
import { constants, inflateRawSync } from 'node:zlib';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { MessageDeflater } from '../../src/extension/deflate-messages.ts';
import { PreparedMessage, type RawData, WebSocket, type WebSocketServer } from '../../src/index.ts';
import { asPrepared } from '../../src/message/prepared-message.ts';
import { encodeFrame, FrameCollector, FrameDecoder, Opcode } from '../../src/protocol.ts';
import { requestText } from '../support/opening-request.ts';
import { portOf } from '../support/port-of.ts';
import { serveGoodwire } from '../support/serve.ts';

const text = '{"id":17,"name":"Ada Lovelace"} '.repeat(60);

/** Connects clients that are all registered in the server. */
async function clients(server: WebSocketServer, count: number, options: object = {}): Promise<WebSocket[]> {
  const before = server.clients.size;
  const made = Array.from({ length: count }, () => new WebSocket(`ws://127.0.0.1:${portOf(server)}`, options));
  for (const client of made) onTestFinished(() => client.terminate());
  await Promise.all(made.map((client) => once(client, 'open')));
  expect(server.clients.size).toBe(before + count);
  return made;
}

/** Returns the next message of each client: its text, and whether it is binary. */
const heard = (all: readonly WebSocket[]): Promise<string[]> =>
  Promise.all(
    all.map(async (client) => {
      const [data, isBinary] = (await once(client, 'message')) as [RawData, boolean];
      return `${isBinary ? 'binary' : 'text'} ${data}`;
    }),
  );

/** Opens a connection whose received frames can be inspected. */
async function raw(
  server: WebSocketServer,
  extensions: string,
): Promise<{ socket: Socket; collector: FrameCollector }> {
  const socket = connect(portOf(server), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(requestText({ headers: { 'Sec-WebSocket-Extensions': extensions || undefined } }));
  await once(socket, 'data');
  const collector = new FrameCollector();
  const decoder = new FrameDecoder({ role: 'client', allowRsv1: true });
  socket.on('data', (chunk) => decoder.decode(chunk, 0, collector));
  return { socket, collector };
}

describe('broadcast()', () => {
  test('sends to all open clients, and returns their number', async () => {
    const server = await serveGoodwire();
    const all = await clients(server, 3);
    const messages = heard(all);
    expect(server.broadcast('Hello')).toBe(3);
    expect(await messages).toEqual(Array(3).fill('text Hello'));
    const more = heard(all);
    server.broadcast(Buffer.from('octets'));
    expect(await more).toEqual(Array(3).fill('binary octets'));
    const said = heard(all);
    server.broadcast(new Uint8Array([0x61]), { binary: false });
    expect(await said).toEqual(Array(3).fill('text a'));
  });

  test('omits clients that the filter rejects, and closing ones', async () => {
    const server = await serveGoodwire();
    const [, second] = await clients(server, 3);
    const [first, , third] = [...server.clients];
    third!.close();
    const message = heard([second!]);
    expect(server.broadcast('Hello', { filter: (client) => client !== first })).toBe(1);
    expect(await message).toEqual(['text Hello']);
  });

  test('returns 0 without clients', async () => {
    const server = await serveGoodwire();
    expect(server.broadcast('Hello')).toBe(0);
  });

  test('requires clients and a message', async () => {
    const server = await serveGoodwire({ clientTracking: false });
    expect(() => server.broadcast('Hello')).toThrow('broadcast() requires clientTracking, which is off');
    const other = await serveGoodwire();
    expect(() => other.broadcast(5 as never)).toThrow(TypeError);
  });

  test('compresses once for all clients with the same agreement, and encodes once for all others', async () => {
    const server = await serveGoodwire({ perMessageDeflate: true });
    const compressing = vi.spyOn(MessageDeflater.prototype, 'deflate');
    onTestFinished(() => compressing.mockRestore());
    const all = await clients(server, 4);
    all.push(...(await clients(server, 2, { perMessageDeflate: { clientMaxWindowBits: 9 } })));
    all.push(...(await clients(server, 2, { perMessageDeflate: { serverMaxWindowBits: 10 } })));
    all.push(...(await clients(server, 2, { perMessageDeflate: false })));
    const messages = heard(all);
    expect(server.broadcast(text)).toBe(10);
    expect(await messages).toEqual(Array(10).fill(`text ${text}`));
    expect(compressing).toHaveBeenCalledTimes(2);
  });

  test('sends compressed frames if that was agreed on and the message is long enough, and plain ones otherwise', async () => {
    const server = await serveGoodwire({ perMessageDeflate: true });
    const [plain, compressed] = [await raw(server, ''), await raw(server, 'permessage-deflate')];
    server.broadcast(text);
    server.broadcast('short');
    server.broadcast(text, { compress: false });
    while (compressed.collector.frames.length < 3 || plain.collector.frames.length < 3) await immediate();
    expect(plain.collector.frames.map(({ rsv1, length }) => [rsv1, length])).toEqual([
      [false, text.length],
      [false, 5],
      [false, text.length],
    ]);
    expect(compressed.collector.frames.map(({ rsv1 }) => rsv1)).toEqual([true, false, false]);
    const { payload } = compressed.collector.frames[0]!;
    expect(inflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).toString()).toBe(text);
  });

  test('compresses by the context of each client that has one, so that earlier and later messages are understood', async () => {
    const server = await serveGoodwire({ perMessageDeflate: { contextTakeover: true } });
    const [client] = await clients(server, 1);
    const [socket] = [...server.clients];
    const seen: string[] = [];
    client!.on('message', (data) => seen.push(String(data)));
    socket!.send(text);
    server.broadcast(text);
    socket!.send(text);
    while (seen.length < 3) await immediate();
    expect(seen).toEqual([text, text, text]);
  });

  test('compresses large messages once, on the thread pool, and keeps their order', async () => {
    const server = await serveGoodwire({ perMessageDeflate: true });
    const all = await clients(server, 3);
    const large = text.repeat(100);
    const seen = all.map((client) => {
      const lengths: number[] = [];
      client.on('message', (data) => lengths.push((data as Buffer).length));
      return lengths;
    });
    const compressing = vi.spyOn(MessageDeflater.prototype, 'deflate');
    onTestFinished(() => compressing.mockRestore());
    server.broadcast('first');
    server.broadcast(large);
    for (const socket of server.clients) socket.send('between');
    server.broadcast('last');
    while (seen.some((lengths) => lengths.length < 4)) await immediate();
    expect(seen).toEqual(Array(3).fill([5, large.length, 7, 4]));
    expect(compressing).not.toHaveBeenCalled();
  });

  test('continues with the other clients if one is in a fragmented message, and reports that afterwards', async () => {
    const server = await serveGoodwire();
    const [, second] = await clients(server, 2);
    const [first] = [...server.clients];
    first!.send('beginning', { fin: false });
    const message = heard([second!]);
    expect(() => server.broadcast('Hello')).toThrow('A fragmented message is being sent (RFC 6455 §5.4)');
    expect(await message).toEqual(['text Hello']);
  });

  test('by several listeners in one poll phase is sent in one write to each client', async () => {
    const server = await serveGoodwire();
    await clients(server, 3);
    const sockets = [...server.clients];
    for (const socket of sockets) socket.on('message', (data) => server.broadcast(String(data)));
    const streams = sockets.map((socket) => (socket as unknown as { _socket: Socket })._socket);
    const writes = streams.map((stream) => vi.spyOn(stream, 'write'));
    // The kernel delivers data of one poll phase with a tick for each socket.
    for (const stream of streams) {
      stream.emit('data', encodeFrame(Opcode.text, Buffer.from('m'), { key: 5 }));
      await new Promise((resolve) => process.nextTick(resolve));
    }
    expect(writes.map((write) => write.mock.calls.length)).toEqual([0, 0, 0]);
    await immediate();
    expect(writes.map((write) => write.mock.calls.length)).toEqual([1, 1, 1]);
  });
});

describe('a PreparedMessage', () => {
  test('is sent by sockets of both sides, unchanged', async () => {
    const server = await serveGoodwire({ perMessageDeflate: true });
    const [client] = await clients(server, 1);
    const [socket] = [...server.clients];
    const message = new PreparedMessage(text);
    const fromServer = heard([client!]);
    socket!.send(message, { binary: true });
    expect(await fromServer).toEqual([`text ${text}`]);
    const fromClient = heard([socket!]);
    client!.send(message);
    expect(await fromClient).toEqual([`text ${text}`]);
  });

  test('calls back after it was sent, and with the error if that fails', async () => {
    const server = await serveGoodwire();
    await clients(server, 1);
    const [socket] = [...server.clients];
    const message = new PreparedMessage('Hello');
    expect(await new Promise((resolve) => socket!.send(message, resolve))).toBeUndefined();
    socket!.terminate();
    const before = socket!.bufferedAmount;
    const error = await new Promise<Error>((resolve) => socket!.send(message, (found) => resolve(found as Error)));
    expect(error.message).toMatch(/^WebSocket is not open: readyState [23]/);
    expect(socket!.bufferedAmount).toBe(before + 5);
  });

  test('of another copy of goodwire is sent as it was prepared, and adopted once', async () => {
    vi.resetModules();
    const other = await import('../../src/message/prepared-message.ts');
    const foreign = new other.PreparedMessage(Buffer.from(text), { binary: false }) as PreparedMessage;
    expect(foreign).not.toBeInstanceOf(PreparedMessage);
    expect(asPrepared(foreign)).toBe(asPrepared(foreign));
    const server = await serveGoodwire({ perMessageDeflate: true });
    const sockets = await clients(server, 2);
    const received = heard(sockets);
    expect(server.broadcast(foreign)).toBe(2);
    expect(await received).toEqual([`text ${text}`, `text ${text}`]);
    const fromClients = heard([...server.clients]);
    for (const socket of sockets) socket.send(foreign);
    expect(await fromClients).toEqual([`text ${text}`, `text ${text}`]);
  });
});

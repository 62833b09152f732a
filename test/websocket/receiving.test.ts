import { once } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from '../../src/index.ts';
import { fromClient } from '../support/from-client.ts';
import { fromHex } from '../support/hex.ts';
import { connectPair, implementations, listen, memoryPair, rawClient } from '../support/peers.ts';
import { portOf } from '../support/port-of.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { until } from '../support/until.ts';

const { goodwire } = implementations;

describe('what ws does not promise', () => {
  test('a maxPayload above 4 GiB is what it says, and not its lower 32 bits', async () => {
    await using peers = await listen(goodwire, 'tcp', { maxPayload: 2 ** 32 + 5 });
    for (const [length, code] of [
      ['00000001 00000005', undefined],
      ['00000001 00000006', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'],
    ] as const) {
      const accepted = once(peers.server, 'connection');
      const raw = await rawClient(peers);
      const [served] = (await accepted) as [WebSocket];
      const errors: unknown[] = [];
      served.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code));
      const closed = new Promise((resolve) => served.on('close', resolve));
      raw.end(fromHex(`82 ff ${length} 00000000 01`));
      await closed;
      expect(errors).toEqual(code === undefined ? [] : [code]);
      raw.destroy();
    }
  });

  test('settings are made once for all clients, as long as no option is changed', async () => {
    await using peers = await listen(goodwire);
    const setSocket = vi.spyOn(WebSocket.prototype, 'setSocket');
    try {
      await connectPair(peers, goodwire);
      await connectPair(peers, goodwire);
      for (const [name, value] of [
        ['maxPayload', 5],
        ['maxFragments', 5],
        ['maxBufferedChunks', 5],
        ['skipUTF8Validation', true],
        ['autoPong', false],
        ['closeTimeout', 5],
        ['allowSynchronousEvents', false],
      ] as const) {
        Object.assign(peers.server.options, { [name]: value });
        await connectPair(peers, goodwire);
      }
      const settings = setSocket.mock.calls
        .map(([, , options]) => options?.settings)
        .filter((one) => one !== undefined);
      expect(settings).toHaveLength(9);
      expect(settings[0]).toBe(settings[1]);
      expect(new Set(settings).size).toBe(8);
    } finally {
      setSocket.mockRestore();
    }
  });

  test.each([true, false])(
    'a listener that throws loses no message behind it (allowSynchronousEvents %s)',
    async (sync) => {
      using uncaught = captureUncaught();
      await using peers = await listen(goodwire, 'tcp', { allowSynchronousEvents: sync });
      const accepted = once(peers.server, 'connection');
      const raw = await rawClient(peers);
      const [served] = (await accepted) as [WebSocket];
      const log: string[] = [];
      for (const event of ['message', 'ping', 'pong']) {
        served.on(event, (data) => {
          log.push(String(data));
          throw new Error(`at ${data}`);
        });
      }
      raw.write(
        Buffer.concat([
          fromClient(1, 'a'),
          fromClient(9, 'b'),
          fromClient(10, 'c'),
          fromClient(1, 'd'),
          fromClient(8, fromHex('03 e8')),
        ]),
      );
      expect((await once(served, 'close'))[0]).toBe(1000);
      expect(log).toEqual(['a', 'b', 'c', 'd']);
      expect(uncaught.exceptions.map(({ message }) => message)).toEqual(['at a', 'at b', 'at c', 'at d']);
      raw.destroy();
    },
  );

  test('binaryType "fragments" chosen inside of a fragmented message counts from the next one on', async () => {
    const { client, served } = memoryPair();
    const seen: unknown[] = [];
    served.on('message', (data) => seen.push(data));
    client.send(Buffer.from('a'), { fin: false });
    await immediate();
    served.binaryType = 'fragments';
    client.send(Buffer.from('b'), { fin: true });
    client.send(Buffer.from('c'), { fin: false });
    client.send(Buffer.from('d'));
    await immediate();
    await immediate();
    expect(seen).toEqual([Buffer.from('ab'), [Buffer.from('c'), Buffer.from('d')]]);
    client.terminate();
  });

  test('an ArrayBuffer holds the message and nothing of its neighbours', async () => {
    const { client, served } = memoryPair();
    served.binaryType = 'arraybuffer';
    const sizes: number[] = [];
    served.on('message', (data) => sizes.push((data as ArrayBuffer).byteLength));
    for (const size of [0, 1, 100, 5000, 70_000]) client.send(Buffer.alloc(size));
    await until(() => sizes.length === 5);
    expect(sizes).toEqual([0, 1, 100, 5000, 70_000]);
    client.terminate();
  });

  test('a class of the application that extends WebSocket is what a server makes', async () => {
    class Mine extends WebSocket {
      readonly extra = 'mine';
    }
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', WebSocket: Mine });
    await once(server, 'listening');
    const port = portOf(server);
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    const [served] = (await once(server, 'connection')) as [Mine];
    expect(served.extra).toBe('mine');
    expect(served).toBeInstanceOf(Mine);
    await once(client, 'open');
    client.terminate();
    await new Promise((resolve) => server.close(resolve));
  });
});

import { once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import type { ServerOptions } from '../../src/server/server-options.ts';
import { upgrade } from '../../src/server/upgrade.ts';
import { WebSocketServer } from '../../src/server/websocket-server.ts';
import { connect, exchange } from '../support/exchange.ts';
import { closing } from '../support/life.ts';
import { MemoryStream } from '../support/memory-stream.ts';
import { injectedRequest, requestText } from '../support/opening-request.ts';
import { implementations } from '../support/peers.ts';
import { dial, serveHttp } from '../support/serve.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { settle } from '../support/until.ts';

const noHead = Buffer.alloc(0);
const misuse = new Error(
  'server.handleUpgrade() was called more than once with the same socket, possibly due to a misconfiguration',
);

function noServer(options: object = {}): WebSocketServer {
  return new WebSocketServer({ noServer: true, ...options } as ServerOptions);
}

/** Returns a verifyClient whose verdict the test gives. */
function deferredVerdict() {
  let answer!: (isAllowed: boolean) => void;
  const verifyClient: ServerOptions['verifyClient'] = (_info, callback) => {
    answer = callback;
  };
  return { verifyClient, answer: (isAllowed: boolean) => answer(isAllowed) };
}

describe('a socket with a pending decision', () => {
  it.each([true, false])(
    'cannot be upgraded by another call, and the first call gets the verdict %j',
    async (isAllowed) => {
      using uncaught = captureUncaught();
      const { verifyClient, answer } = deferredVerdict();
      const server = noServer({ verifyClient });
      const stream = new MemoryStream();
      const first = vi.fn();
      const second = vi.fn();
      server.handleUpgrade(injectedRequest(), stream, noHead, first);
      for (const other of [server, noServer()]) {
        expect(() => other.handleUpgrade(injectedRequest(), stream, noHead, second)).toThrow(misuse);
      }
      await expect(upgrade(injectedRequest(), stream, noHead)).rejects.toThrow(misuse);
      expect(stream.written).toBe('');
      answer(isAllowed);
      await settle();
      expect(stream.written).toMatch(isAllowed ? /^HTTP\/1\.1 101 [\s\S]*\r\n\r\n$/ : /^HTTP\/1\.1 401 /);
      expect([first.mock.calls.length, second.mock.calls.length]).toEqual([isAllowed ? 1 : 0, 0]);
      expect(uncaught.exceptions).toEqual([]);
      expect(uncaught.rejections).toEqual([]);
      stream.destroy();
    },
  );

  it('cannot be upgraded by another upgrade(), whose promise is rejected at once', async () => {
    const { verifyClient, answer } = deferredVerdict();
    const stream = new MemoryStream();
    const first = upgrade(injectedRequest(), stream, noHead, { verifyClient });
    await expect(upgrade(injectedRequest(), stream, noHead, { verifyClient: () => true })).rejects.toThrow(misuse);
    answer(true);
    expect((await first).readyState).toBe(1);
    stream.destroy();
  });

  it('cannot be passed on inside verifyClient, which fails with the error of misuse', async () => {
    const other = noServer();
    const stream = new MemoryStream();
    const callback = vi.fn();
    const server = noServer({
      verifyClient: () => {
        other.handleUpgrade(injectedRequest(), stream, noHead, callback);
        return false;
      },
    });
    const failed = once(server, 'wsClientError');
    server.on('wsClientError', (_error, socket) => socket.destroy());
    server.handleUpgrade(injectedRequest(), stream, noHead, callback);
    expect((await failed)[0].cause).toEqual(misuse);
    expect([stream.written, callback.mock.calls]).toEqual(['', []]);
  });
});

describe('a socket that was upgraded', () => {
  const refusing: [string, object, Record<string, string | undefined>][] = [
    ['has another path', { path: '/elsewhere' }, {}],
    ['does not understand the request', {}, { upgrade: 'nonsense' }],
    ['does not understand the request, and would tell', { tells: true }, { 'sec-websocket-key': 'x' }],
  ];

  it.each(refusing)('gets no refusal from another server that %s', async (_title, options, headers) => {
    const stream = new MemoryStream();
    const server = noServer();
    const told = vi.fn();
    const other = noServer(options);
    if ('tells' in options) other.on('wsClientError', told);
    server.handleUpgrade(injectedRequest(), stream, noHead, () => {});
    const { written } = stream;
    other.handleUpgrade(injectedRequest(headers), stream, noHead, told);
    await settle();
    expect([stream.written, stream.destroyed, stream.listenerCount('error')]).toEqual([written, false, 1]);
    expect(told).not.toHaveBeenCalled();
    stream.destroy();
  });

  it('makes upgrade() reject', async () => {
    const stream = new MemoryStream();
    await upgrade(injectedRequest(), stream, noHead);
    const { written } = stream;
    await expect(upgrade(injectedRequest(), stream, noHead)).rejects.toThrow(misuse);
    await expect(upgrade(injectedRequest({ upgrade: 'x' }), stream, noHead)).rejects.toMatchObject({
      code: 'GOODWIRE_INVALID_UPGRADE',
    });
    expect(stream.written).toBe(written);
    stream.destroy();
  });

  it('is not touched by a server on the same HTTP server with another path', async () => {
    await using given = await serveHttp();
    const application = noServer();
    given.httpServer.on('upgrade', (request, socket, head) => {
      if (request.url !== '/ours') return;
      application.handleUpgrade(request, socket, head, (websocket) => websocket.send('from the application'));
    });
    const server = new WebSocketServer({ server: given.httpServer, path: '/server', handshakeTimeout: 50 });
    server.on('connection', (websocket) => websocket.send('from the server'));
    for (const [path, expected] of [
      ['/ours', 'from the application'],
      ['/server', 'from the server'],
    ] as const) {
      using client = dial(implementations.ws, given.port, path);
      expect(String((await once(client, 'message'))[0])).toBe(expected);
      client.close(1000);
      expect((await once(client, 'close'))[0]).toBe(1000);
    }
    // The application may still take it. Without an answer in time it is ended.
    expect(await exchange(given.port, requestText({ url: '/other' }))).toBe('');
  });

  it('leaves no unhandled rejection if shouldHandle of the other server returns a promise', async () => {
    using uncaught = captureUncaught();
    class Broken extends WebSocketServer {
      override shouldHandle(): Promise<boolean> {
        return Promise.reject(new Error('mine'));
      }
    }
    const stream = new MemoryStream();
    noServer().handleUpgrade(injectedRequest(), stream, noHead, () => {});
    const other = new Broken({ noServer: true });
    expect(() => other.handleUpgrade(injectedRequest(), stream, noHead, () => {})).toThrow(misuse);
    await settle();
    expect(uncaught.rejections).toEqual([]);
    stream.destroy();
  });
});

describe('a socket that was refused', () => {
  it('is not touched by the next server, which does not get it', async () => {
    const stream = new MemoryStream();
    stream.isStuck = true;
    const callback = vi.fn();
    noServer({ verifyClient: () => false }).handleUpgrade(injectedRequest(), stream, noHead, callback);
    noServer().handleUpgrade(injectedRequest(), stream, noHead, callback);
    await expect(upgrade(injectedRequest(), stream, noHead)).rejects.toMatchObject({ code: 'GOODWIRE_SOCKET_CLOSED' });
    // The response was not yet written completely.
    expect([stream.destroyed, stream.writableLength > 0]).toEqual([false, true]);
    expect(callback).not.toHaveBeenCalled();
    stream.destroy();
  });

  it('and left to wsClientError can be upgraded by another server', async () => {
    const stream = new MemoryStream();
    const server = noServer({
      verifyClient: () => {
        throw new Error('mine');
      },
    });
    const accepted = new Promise<unknown>((resolve) => {
      server.on('wsClientError', (_error, socket, request) => resolve(upgrade(request, socket, noHead)));
    });
    server.handleUpgrade(injectedRequest(), stream, noHead, () => {});
    expect(await accepted).toMatchObject({ readyState: 1 });
    expect(stream.written).toMatch(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\n$/);
    expect(stream.listenerCount('error')).toBe(1);
    stream.destroy();
  });

  it('and disconnected by its client is closed', async () => {
    const { verifyClient, answer } = deferredVerdict();
    const stream = new MemoryStream();
    const callback = vi.fn();
    noServer({ verifyClient }).handleUpgrade(injectedRequest(), stream, noHead, callback);
    stream.destroy();
    await closing(stream);
    answer(true);
    noServer().handleUpgrade(injectedRequest(), stream, noHead, callback);
    expect([callback.mock.calls, stream.written]).toEqual([[], '']);
  });
});

describe('two listeners of an HTTP server that both call handleUpgrade()', () => {
  it('throw at the second call, and the client has its WebSocket', async () => {
    using uncaught = captureUncaught();
    await using given = await serveHttp();
    for (const server of [noServer(), noServer()]) {
      given.httpServer.on('upgrade', (request, socket, head) => server.handleUpgrade(request, socket, head, () => {}));
    }
    const client = await connect(given.port);
    client.write(requestText());
    expect(String((await once(client, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\n$/);
    expect(uncaught.exceptions).toEqual([misuse]);
    client.destroy();
  });
});

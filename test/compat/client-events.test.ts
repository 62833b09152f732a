import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { implementations } from '../support/peers.ts';
import { agree, server, switching } from '../support/raw-server.ts';
import { withTimeLimit } from '../support/time-limit.ts';
import { captureUncaught } from '../support/uncaught.ts';
import { settle } from '../support/until.ts';
import { client, described, watch } from '../support/watch.ts';

const lost = 'close 1006 "" [3]';
const url = ({ port }: { port: number }) => `ws://127.0.0.1:${port}/`;

/** Marks the next tick, and the next turn of the event loop. */
function mark(log: string[], name: string): void {
  process.nextTick(() => log.push(`${name}: next tick`));
  setImmediate(() => log.push(`${name}: next turn`));
}

describe.each(Object.entries(implementations))('a client of %s that opens', (_name, by) => {
  test('emits upgrade and open in one tick, and a message in the next one', async () => {
    const raw = await server(({ accept, socket }) => {
      socket.end(Buffer.concat([Buffer.from(switching(accept)), Buffer.from([0x81, 1, 0x78, 0x88, 0])]));
      return undefined;
    });
    const socket = client(by, url(raw));
    const { log, closed } = watch(socket);
    socket.on('upgrade', () => mark(log, 'upgrade'));
    socket.on('open', () => log.push('listener for open'));
    socket.on('message', (data) => log.push(`message ${data}`));
    await closed;
    expect(log).toEqual([
      'upgrade 101 [0]',
      'open [1]',
      'listener for open',
      'upgrade: next tick',
      'message x',
      'upgrade: next turn',
      'close 1005 "" [3]',
    ]);
  });

  test('passes the response to upgrade, and has the subprotocol from open on', async () => {
    const fields = 'Sec-WebSocket-Protocol: b\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n';
    const raw = await server(({ accept }) => switching(accept, fields));
    const socket = client(by, url(raw), { protocols: ['a', 'b'] });
    const seen: unknown[] = [];
    socket.on('upgrade', ({ statusCode, statusMessage, headers }) =>
      seen.push(statusCode, statusMessage, headers['set-cookie'], socket.protocol),
    );
    await once(socket, 'open');
    seen.push(socket.protocol, socket.extensions);
    socket.terminate();
    await once(socket, 'close');
    expect([...seen, socket.protocol]).toEqual([101, 'Switching Protocols', ['a=1', 'b=2'], '', 'b', '', 'b']);
  });

  test('calls listeners in the style of browsers', async () => {
    const raw = await server(({ accept, socket }) => {
      socket.end(Buffer.concat([Buffer.from(switching(accept)), Buffer.from([0x88, 0])]));
      return undefined;
    });
    const socket = client(by, url(raw));
    const seen: unknown[] = [];
    socket.onopen = ({ type, target }) => seen.push(type, target === socket, socket.readyState);
    socket.onclose = ({ type, code, wasClean }) => seen.push(type, code, wasClean, socket.readyState);
    await once(socket, 'close');
    expect(seen).toEqual(['open', true, 1, 'close', 1005, true, 3]);
  });

  test.each(['upgrade', 'open'] as const)('does not catch errors of a listener for %s', async (event) => {
    const raw = await server(agree);
    const socket = client(by, url(raw));
    const mistake = new Error('mine');
    using uncaught = captureUncaught();
    socket.on(event, () => {
      throw mistake;
    });
    while (uncaught.exceptions.length === 0) await settle();
    expect(uncaught.exceptions).toEqual([mistake]);
    expect(socket.readyState).toBe(event === 'open' ? 1 : 0);
  });
});

describe.each(Object.entries(implementations))('a client of %s that is refused', (_name, by) => {
  const refusal = (body = 'abc') => `HTTP/1.1 503 Busy\r\nX-Why: full\r\nContent-Length: 3\r\n\r\n${body}`;
  const offered = 'unexpected-response 503 [0]';

  test('emits the response, the error and the close in one tick', async () => {
    const raw = await server(() => refusal());
    const socket = client(by, url(raw));
    const { log, closed } = watch(socket);
    socket.on('error', () => mark(log, 'error'));
    await closed;
    await settle();
    const error = 'error Error: Unexpected server response: 503 [2]';
    expect(log).toEqual([offered, error, lost, 'error: next tick', 'error: next turn']);
    await raw.allClosed();
  });

  test('throws the error if there is no listener', async () => {
    const raw = await server(() => refusal());
    const socket = new by.WebSocket(url(raw), { perMessageDeflate: false });
    using uncaught = captureUncaught();
    while (uncaught.exceptions.length === 0) await settle();
    expect(uncaught.exceptions.map(described)).toEqual(['Error: Unexpected server response: 503']);
    socket.on('error', () => {}).terminate();
  });

  test('calls listeners in the style of browsers', async () => {
    const raw = await server(() => refusal());
    const socket = client(by, url(raw));
    const seen: unknown[] = [];
    socket.addEventListener('error', (event) => seen.push(event.type, event.message, event.error.message));
    socket.addEventListener('close', ({ type, code, reason, wasClean }) => seen.push(type, code, reason, wasClean));
    await watch(socket).closed;
    const message = 'Unexpected server response: 503';
    expect(seen).toEqual(['error', message, message, 'close', 1006, '', false]);
  });

  describe('and has a listener for unexpected-response', () => {
    /** Refuses a client whose listener receives the request and the response. */
    async function refused(
      listener: (request: ClientRequest, response: IncomingMessage, log: string[]) => void,
      answer = refusal(),
      options: Parameters<typeof client>[2] = {},
    ) {
      const raw = await server(() => answer);
      const socket = client(by, url(raw), options);
      const { log, closed } = watch(socket);
      const taken = new Promise<void>((resolve) => {
        socket.on('unexpected-response', (request, response) => {
          listener(request, response, log);
          resolve();
        });
      });
      await Promise.race([taken, closed]);
      return { raw, socket, log, closed };
    }

    test('leaves to the listener the request, the response and the decision to give up', async () => {
      let body: Promise<string> | undefined;
      const { socket, log, closed } = await refused((request, response) => {
        expect([response.statusCode, response.headers['x-why'], request.path]).toEqual([503, 'full', '/']);
        body = textOf(response);
      });
      expect(await body).toBe('abc');
      await settle();
      expect(log).toEqual([offered]);
      expect(socket.readyState).toBe(0);
      socket.close();
      expect(await closed).toEqual([
        offered,
        'error Error: WebSocket was closed before the connection was established [2]',
        lost,
      ]);
    });

    test.each<[what: string, end: (request: ClientRequest, response: IncomingMessage) => void]>([
      ['destroys the request', (request) => void request.destroy()],
      ['aborts the request', (request) => void request.abort()],
      ['destroys the response', (_request, response) => void response.destroy()],
    ])('that %s: emits no error, and does not close', async (_what, end) => {
      const { raw, socket, log } = await refused((request, response) => {
        response.on('error', () => {});
        end(request, response);
      });
      await raw.allClosed();
      await settle();
      expect([log, socket.readyState]).toEqual([[offered], 0]);
    });

    test('that destroys the request with an error: emits that error', async () => {
      const { raw, closed } = await refused((request, response) => {
        response.on('error', () => {});
        request.destroy(new RangeError('mine'));
      });
      expect(await closed).toEqual([offered, 'error RangeError: mine [2]', lost]);
      await raw.allClosed();
    });

    test('that takes longer than handshakeTimeout', async () => {
      await withTimeLimit(50, async (handshakeTimeout) => {
        const { raw, closed } = await refused(
          (_request, response) => response.on('error', () => {}).resume(),
          refusal('a'),
          { handshakeTimeout },
        );
        expect(await closed).toEqual([offered, 'error Error: Opening handshake has timed out [2]', lost]);
        await raw.allClosed();
      });
    });
  });
});

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

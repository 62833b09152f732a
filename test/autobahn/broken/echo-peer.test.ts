import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { fromHex } from '../../support/hex.ts';
import { portOf } from '../../support/port-of.ts';
import { runEchoClient } from './echo-client.ts';
import { startEchoServer } from './echo-server.ts';
import { isSelected } from './select-cases.ts';
import { Utf8 } from './utf8.ts';

const messages: readonly (readonly [data: string | Buffer, binary: boolean])[] = [
  ['', false],
  ['κόσμε', false],
  [fromHex('00ff80'), true],
  [Buffer.alloc(126, 0xaa), true],
  ['x'.repeat(65_535), false],
  ['y'.repeat(65_536), false],
  [Buffer.alloc(3_000_000, 'abcdefg'), true],
];

/** Sends all messages to an echo peer, closes, and returns the close code. */
async function converse(socket: WebSocket): Promise<number> {
  for (const [data, binary] of messages) {
    socket.send(data, { binary, fin: false });
    socket.send(Buffer.alloc(0), { binary, fin: true });
    socket.ping('?');
    const [[echo, isBinary], [pong]] = await Promise.all([once(socket, 'message'), once(socket, 'pong')]);
    expect(Buffer.from(data).equals(echo as Buffer)).toBe(true);
    expect(isBinary).toBe(binary);
    expect(String(pong)).toBe('?');
  }
  socket.close(4001, 'enough');
  const [code] = await once(socket, 'close');
  return code as number;
}

describe.each([false, true])('a peer without a fault, with compression %j', (perMessageDeflate) => {
  test('passes as a server for ws', async () => {
    await using server = await startEchoServer(perMessageDeflate ? [] : ['no extension']);
    const socket = new WebSocket(server.url, { perMessageDeflate });
    await once(socket, 'open');
    expect(socket.extensions).toBe(perMessageDeflate ? 'permessage-deflate' : '');
    expect(await converse(socket)).toBe(4001);
  });

  test('passes as a client for ws', async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate });
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    const ended = runEchoClient(`ws://127.0.0.1:${portOf(server)}/?a`);
    const [socket, request] = await accepted;
    expect(request.url).toBe('/?a');
    expect(socket.extensions).toBe(perMessageDeflate ? 'permessage-deflate' : '');
    expect(await converse(socket)).toBe(4001);
    await ended;
    await new Promise((resolve) => server.close(resolve));
  });

  test.each([
    ['RSV bits', 'b1 80 00 00 00 00', 1002],
    ['a reserved opcode', '83 80 00 00 00 00', 1002],
    ['a fragmented ping', '09 80 00 00 00 00', 1002],
    ['a continuation of nothing', '80 80 00 00 00 00', 1002],
    ['an unmasked frame', '81 00', 1002],
    ['invalid UTF-8', '81 81 00 00 00 00 ff', 1007],
    ['unfinished UTF-8', '81 81 00 00 00 00 ce', 1007],
    ['an invalid close code', '88 82 00 00 00 00 03 ee', 1002],
  ])('fails a connection over %s', async (_title, octets, code) => {
    await using server = await startEchoServer();
    const socket = new WebSocket(server.url, { perMessageDeflate });
    await once(socket, 'open');
    const raw = (socket as unknown as { _socket: { write(data: Buffer): void } })._socket;
    raw.write(fromHex(octets));
    expect((await once(socket, 'close'))[0]).toBe(code);
  });
});

test('a client ends even if there is no server', async () => {
  const server = await startEchoServer();
  await server[Symbol.asyncDispose]();
  await expect(runEchoClient(server.url)).resolves.toBeUndefined();
});

describe('the UTF-8 validator of the peers', () => {
  test('agrees with TextDecoder on all sequences of up to four octets from the edges of the ranges', () => {
    const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2];
    const octets = [...edges, 0xdf, 0xe0, 0xec, 0xed, 0xef, 0xf0, 0xf4, 0xf5];
    const decoder = new TextDecoder('utf-8', { fatal: true });
    const isValid = (text: Uint8Array): boolean => {
      try {
        decoder.decode(text);
        return true;
      } catch {
        return false;
      }
    };
    const differences: string[] = [];
    const text = Buffer.alloc(4);
    for (let number = 0; number < octets.length ** 4; number++) {
      for (let index = 0, rest = number; index < 4; index++, rest = Math.floor(rest / octets.length))
        text[index] = octets[rest % octets.length]!;
      const utf8 = new Utf8();
      if ((utf8.accepts(text) && utf8.isComplete()) !== isValid(text)) differences.push(text.toString('hex'));
    }
    expect(differences).toEqual([]);
  });

  test.each(['ed a0', 'f4 90', 'f5', 'c0', 'e0 9f', 'f0 8f', '80', 'ff', 'ce 41'])(
    'refuses %s before the next octet is received',
    (hex) => {
      expect(new Utf8().accepts(fromHex(hex))).toBe(false);
    },
  );
});

describe('patterns of cases', () => {
  test.each([
    [['6.4.*'], ['6.4.1', '6.4.2'], ['6.3.1', '6.40.1']],
    [
      ['9.*', '!9.7.*'],
      ['9.1.1', '9.8.1'],
      ['9.7.1', '1.9.1'],
    ],
    [
      ['6.6.2-5', '2.9-11'],
      ['6.6.2', '6.6.5', '2.10'],
      ['6.6.1', '6.6.11', '2.1', '2.12'],
    ],
    [['*', '!3.1'], ['1.1.1', '3.2'], ['3.1']],
    [['3.1'], ['3.1'], ['3.10', '3.1.1']],
  ])('%j', (patterns, selected, others) => {
    expect(selected.filter((id) => !isSelected(id, patterns))).toEqual([]);
    expect(others.filter((id) => isSelected(id, patterns))).toEqual([]);
  });
});

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { fromHex } from '../support/hex.ts';
import { type Program, start } from '../support/program.ts';

describe('the echo server', () => {
  let program: Program;
  let url: string;

  beforeEach(async () => {
    program = start('autobahn/peers/echo-server.js', { PORT: '0' });
    [url = ''] = await program.prints(/ws:\/\/127\.0\.0\.1:\d+/);
  });

  afterEach(async () => {
    program.kill('SIGKILL');
    await program.exit;
  });

  test('returns text as text and binary as binary, and agrees to permessage-deflate', async () => {
    const socket = new WebSocket(url);
    await once(socket, 'open');
    expect(socket.extensions).toBe('permessage-deflate');
    for (const [data, binary] of [
      ['κόσμε', false],
      ['', false],
      ['\0', true],
      ['x'.repeat(300_000), true],
    ] as const) {
      socket.send(data, { binary });
      const [echo, isBinary] = await once(socket, 'message');
      expect(String(echo) === data).toBe(true);
      expect(isBinary).toBe(binary);
    }
    socket.close(1000);
    expect((await once(socket, 'close'))[0]).toBe(1000);
  });

  test('sets no limits, and accepts the longest message of the cases', async () => {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await once(socket, 'open');
    const data = Buffer.alloc(16 * 1024 * 1024, 0xfe);
    socket.send(data);
    const [echo] = await once(socket, 'message');
    expect(data.equals(echo as Buffer)).toBe(true);
    socket.terminate();
  });

  test('continues after a client that violates the protocol', async () => {
    const broken = new WebSocket(url, { perMessageDeflate: false });
    await once(broken, 'open');
    const raw = (broken as unknown as { _socket: { write(octets: Buffer): void } })._socket;
    raw.write(fromHex('c3 80 00 00 00 00'));
    expect((await once(broken, 'close'))[0]).toBe(1002);
    const socket = new WebSocket(url);
    await once(socket, 'open');
    socket.terminate();
  });

  test('ends when it is stopped', async () => {
    program.kill('SIGTERM');
    expect((await program.exit).code).toBe(0);
  });
});

describe('the echo client', () => {
  /** Stand-in for the fuzzing server, which records its requests and the echoes of each case. */
  let server: WebSocketServer;
  let asked: string[];
  let echoes: string[];
  let count: string;

  beforeEach(async () => {
    asked = [];
    echoes = [];
    count = '3';
    server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: true });
    server.on('connection', (socket, request) => {
      asked.push(request.url!);
      if (request.url === '/getCaseCount') socket.send(count);
      if (!request.url?.startsWith('/runCase')) return socket.close();
      if (request.url.includes('case=2&')) {
        // The next data is not a frame. The client must fail the connection, and continue with the next case.
        (socket as unknown as { _socket: { write(octets: Buffer): void } })._socket.write(fromHex('ff00'));
        return;
      }
      socket.send('text');
      socket.send(Buffer.from('binary'));
      socket.on('message', (data, isBinary) => {
        echoes.push(`${isBinary ? 'binary' : 'text'}: ${data}`);
        if (isBinary) socket.close(1000);
      });
    });
    await once(server, 'listening');
  });

  afterEach(() => {
    for (const client of server.clients) client.terminate();
    return new Promise((resolve) => server.close(resolve));
  });

  const urlOf = (listening: { address(): unknown }) => `ws://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  const run = (url: string, ...more: string[]) =>
    start('autobahn/peers/echo-client.js', { AGENT: 'a&b' }, [url, ...more]);

  test('runs every case once, in order, even after a failed connection, and requests the report', async () => {
    const { code, stdout } = await run(urlOf(server)).exit;
    expect(asked).toEqual([
      '/getCaseCount',
      '/runCase?case=1&agent=a%26b',
      '/runCase?case=2&agent=a%26b',
      '/runCase?case=3&agent=a%26b',
      '/updateReports?agent=a%26b',
    ]);
    expect(echoes).toEqual(['text: text', 'binary: binary', 'text: text', 'binary: binary']);
    expect(code).toBe(0);
    expect(stdout).toBe('3/3 cases\n');
  });

  test.each(['0', '', 'many'])('ends with an error if the server announces "%s" cases', async (answer) => {
    count = answer;
    const { code, stderr } = await run(urlOf(server)).exit;
    expect(code).toBe(1);
    expect(stderr).toContain('the fuzzing server has no cases');
  });

  test('waits for a server that is still starting', async () => {
    const reserved = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(reserved, 'listening');
    const url = urlOf(reserved);
    const program = run(url);
    await once(reserved, 'connection');
    await new Promise((resolve) => reserved.close(resolve));
    const late = new WebSocketServer({ host: '127.0.0.1', port: Number(new URL(url).port) });
    late.on('connection', (socket, request) => {
      if (request.url === '/getCaseCount') socket.send('1');
      socket.close();
    });
    expect((await program.exit).code).toBe(0);
    await new Promise((resolve) => late.close(resolve));
  });
});

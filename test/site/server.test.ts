import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RawData, WebSocket } from 'ws';
import { start } from '../support/program.ts';
import { type Site, startSite } from './site.ts';

/** Opening handshake of RFC 6455 §1.3, for a client without a library. */
const openingHandshake = [
  'GET /ws HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  '\r\n',
].join('\r\n');

/** Opens a connection and waits for the greeting. */
async function greeted(address: string): Promise<WebSocket> {
  const socket = new WebSocket(address);
  await once(socket, 'message');
  return socket;
}

async function greetedRaw(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.write(openingHandshake);
  let received = '';
  while (!received.includes('Welcome')) received += String((await once(socket, 'data'))[0]);
  return socket;
}

describe('the server of npm start', () => {
  let site: Site;

  beforeAll(async () => {
    site = await startSite();
  });

  afterAll(async () => {
    site?.program.kill('SIGKILL');
    await site?.program.exit;
  });

  test('serves the page with a policy that allows only its own contents', async () => {
    const response = await fetch(site.page);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    const policy = response.headers.get('content-security-policy');
    expect(policy).toMatch(/^default-src 'none'; script-src 'self' 'sha256-[^ ]+'; style-src 'self' 'sha256-[^ ]+';/);
    expect(policy).not.toContain('unsafe');
    expect(await response.text()).toContain('<title>goodwire');
  });

  test('serves the market, its script and the modules of the client, and nothing else of the package', async () => {
    const types: Record<string, string> = {
      market: 'text/html',
      'style.css': 'text/css',
      'market-page.js': 'text/javascript',
    };
    for (const [path, type] of Object.entries({ ...types, 'goodwire/goods/client.js': 'text/javascript' })) {
      const response = await fetch(`${site.page}${path}`);
      expect([path, response.status]).toEqual([path, 200]);
      expect(response.headers.get('content-type')).toBe(`${type}; charset=utf-8`);
    }
    const policy = (await fetch(`${site.page}market`)).headers.get('content-security-policy');
    expect(policy).toMatch(/^default-src 'none'; script-src 'self' 'sha256-[^ ]+'; style-src 'self' 'sha256-[^ ]+';/);
    for (const path of ['goodwire/index.js', 'goodwire/cjs/index.js', 'goodwire/../package.json', 'market.js']) {
      expect([path, (await fetch(`${site.page}${path}`)).status]).toEqual([path, 404]);
    }
  });

  test('answers HEAD like GET, without the page', async () => {
    const response = await fetch(`${site.page}?x=1`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(1000);
    expect(await response.text()).toBe('');
  });

  test('refuses other requests: 404, 405 and, at the echo, 426', async () => {
    expect((await fetch(`${site.page}favicon.ico`)).status).toBe(404);
    expect((await fetch(`${site.page}../package.json`)).status).toBe(404);
    const post = await fetch(site.page, { method: 'POST', body: 'x'.repeat(100_000) });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    for (const endpoint of ['ws', 'goods']) {
      const plain = await fetch(`${site.page}${endpoint}`);
      expect([plain.status, plain.headers.get('upgrade')]).toEqual([426, 'websocket']);
    }
  });

  test('refuses an upgrade at any other path than the echo', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${site.port}/elsewhere`);
    const [error] = await once(socket, 'error');
    expect(error.message).toBe('Unexpected server response: 400');
  });

  test('greets, then echoes text as text and binary as binary', async () => {
    const socket = new WebSocket(site.echo);
    const received: [string, boolean][] = [];
    const all = new Promise<void>((resolve) => {
      socket.on('message', (data: RawData, isBinary) => {
        received.push([data.toString(), isBinary]);
        if (received.length === 4) resolve();
      });
    });
    await once(socket, 'open');
    socket.send('text ü');
    socket.send(Buffer.from('binary'));
    socket.send('');
    await all;
    expect(received[0]![0]).toMatch(/^Welcome to goodwire/);
    expect(received[0]![1]).toBe(false);
    expect(received.slice(1)).toEqual([
      ['text ü', false],
      ['binary', true],
      ['', false],
    ]);
    socket.close(1000, 'done');
    const [code, reason] = await once(socket, 'close');
    expect([code, String(reason)]).toEqual([1000, 'done']);
  });

  test('works with our own client', async () => {
    const { code, stdout } = await start('examples/client.js', {}, [site.echo]).exit;
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[1]).toMatch(/^text: Welcome to goodwire/);
    expect(lines.slice(2)).toEqual(['text: Hello', 'binary: 48656c6c6f', 'closed: 1000 all said', '']);
  });

  test('stops reading from a client that does not read, and loses nothing', async () => {
    const socket = await greeted(site.echo);
    socket.pause();
    const message = Buffer.alloc(1024 * 1024, 7);
    const sent = Array.from({ length: 64 }, () => new Promise((resolve) => socket.send(message, resolve)));
    // Far more than the server queues: it stops reading long before the last message.
    await sent[0];
    let octets = 0;
    const all = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        octets += data.length;
        if (octets === 64 * message.length) resolve();
      });
    });
    socket.resume();
    await all;
    socket.terminate();
  });

  test('keeps running after a client that violates the protocol and one that resets the connection', async () => {
    const rude = await greetedRaw(site.port);
    const ended = once(rude, 'close');
    rude.resume();
    // An unmasked frame with a reserved opcode.
    rude.write(Buffer.from('83 00', 'hex'));
    rude.write(Buffer.from('8300', 'hex'));
    await ended;
    const gone = await greetedRaw(site.port);
    gone.resetAndDestroy();
    const early = connect(site.port, '127.0.0.1');
    await once(early, 'connect');
    early.write(openingHandshake);
    early.resetAndDestroy();
    const polite = await greeted(site.echo);
    polite.send('still there?');
    const [data] = await once(polite, 'message');
    expect(String(data)).toBe('still there?');
    polite.terminate();
  });

  test('reports a port in use and how to choose another, and ends with 1', async () => {
    const { code, stdout, stderr } = await start('site/server.js', { PORT: String(site.port) }).exit;
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toBe(
      `goodwire: port ${site.port} on 127.0.0.1 is already in use. Choose another: PORT=8080 npm start\n`,
    );
  });

  test.each(['abc', '65536', '-1', '80.5', '0x50', ' '])('refuses PORT=%j', async (value) => {
    const { code, stderr } = await start('site/server.js', { PORT: value }).exit;
    expect(code).toBe(1);
    expect(stderr).toBe(
      `goodwire: PORT must be an integer from 0 to 65535; got '${value}'. For example: PORT=8081 npm start\n`,
    );
  });
});

describe('the end of the server of npm start', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s closes the clients with 1001, and the process ends with 0',
    async (signal) => {
      const { program, echo } = await startSite();
      const clients = await Promise.all([greeted(echo), greeted(echo)]);
      const closes = clients.map((client) => once(client, 'close'));
      program.kill(signal);
      for (const [code, reason] of await Promise.all(closes)) {
        expect([code, String(reason)]).toEqual([1001, 'The server is shutting down.']);
      }
      expect(await program.exit).toMatchObject({ code: 0, stderr: '' });
    },
  );

  test('a second signal has no effect on the shutdown', async () => {
    const { program, port } = await startSite();
    // A client that does not answer keeps the process running until the second signal.
    const silent = await greetedRaw(port);
    const closeFrame = once(silent, 'data');
    program.kill('SIGINT');
    expect((await closeFrame)[0].subarray(0, 4)).toEqual(Buffer.from('881e03e9', 'hex'));
    program.kill('SIGINT');
    silent.destroy();
    expect((await program.exit).code).toBe(0);
  });

  test('a client that does not answer the close frame cannot delay the end of the process', async () => {
    const { program, port } = await startSite();
    const silent = await greetedRaw(port);
    silent.on('error', () => {});
    silent.resume();
    program.kill('SIGTERM');
    expect((await program.exit).code).toBe(0);
    silent.destroy();
  });
});

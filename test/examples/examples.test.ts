import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Program, start } from '../support/program.ts';

const folder = new URL('../../examples/', import.meta.url);

let running: Program[] = [];

/** Starts an example that listens on a free port, and returns the address that it prints. */
async function startServer(example: string): Promise<string> {
  const program = start(`examples/${example}`, { PORT: '0' });
  running.push(program);
  const [address] = await program.prints(/\w+:\/\/127\.0\.0\.1:[1-9]\d*/);
  return address;
}

afterEach(async () => {
  for (const program of running) program.kill('SIGKILL');
  await Promise.all(running.map(({ exit }) => exit));
  running = [];
});

async function opened(address: string): Promise<WebSocket> {
  const socket = new WebSocket(address);
  await once(socket, 'open');
  return socket;
}

describe('examples/echo-server.js', () => {
  test('is ten lines', () => {
    const lines = readFileSync(new URL('echo-server.js', folder), 'utf8').split('\n');
    expect(lines.filter((line) => line && !line.startsWith('//')).length).toBeLessThanOrEqual(10);
  });

  test('echoes text as text and binary as binary', async () => {
    const socket = await opened(await startServer('echo-server.js'));
    for (const [message, isBinary] of [
      ['grüße', false],
      [Buffer.from([0, 255]), true],
    ] as const) {
      socket.send(message);
      expect(await once(socket, 'message')).toEqual([Buffer.from(message), isBinary]);
    }
    socket.close(1000);
    expect((await once(socket, 'close'))[0]).toBe(1000);
  });
});

describe('examples/client.js', () => {
  test('sends text and binary, prints the echo, and closes', async () => {
    const address = await startServer('echo-server.js');
    const { code, stdout, stderr } = await start('examples/client.js', {}, [address]).exit;
    expect(stderr).toBe('');
    expect(stdout).toBe(`open: ${address}/\ntext: Hello\nbinary: 48656c6c6f\nclosed: 1000 all said\n`);
    expect(code).toBe(0);
  });

  test('prints why it could not connect, and ends with 1', async () => {
    // Port 1 (tcpmux) is unused on current machines.
    const { code, stdout, stderr } = await start('examples/client.js', {}, ['ws://127.0.0.1:1']).exit;
    expect(stderr).toBe('error: connect ECONNREFUSED 127.0.0.1:1\n');
    expect(stdout).toBe('closed: 1006 \n');
    expect(code).toBe(1);
  });
});

describe('examples/with-http-server.js', () => {
  test('keeps the routes of the http server', async () => {
    const address = await startServer('with-http-server.js');
    const health = await fetch(`${address}/health`);
    expect([health.status, await health.text()]).toEqual([200, 'ok\n']);
    expect((await fetch(`${address}/echo`)).status).toBe(404);
  });

  test('has an echo and a chat, each at its own path', async () => {
    const address = (await startServer('with-http-server.js')).replace('http', 'ws');
    const echo = await opened(`${address}/echo`);
    const [alice, bob] = await Promise.all([opened(`${address}/chat`), opened(`${address}/chat`)]);
    const heard = Promise.all([once(alice, 'message'), once(bob, 'message')]);
    alice.send('hello, all');
    expect((await heard).map(String)).toEqual(['hello, all,false', 'hello, all,false']);
    echo.send('hello, me');
    expect(String(await once(echo, 'message'))).toBe('hello, me,false');
    for (const socket of [echo, alice, bob]) socket.terminate();
  });

  test('refuses an upgrade for any other path', async () => {
    const address = (await startServer('with-http-server.js')).replace('http', 'ws');
    const [error] = await once(new WebSocket(`${address}/other`), 'error');
    expect(error.message).toBe('Unexpected server response: 400');
  });
});

test('every example is named in the list of examples', () => {
  const list = readFileSync(new URL('README.md', folder), 'utf8');
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.js'))) expect(list).toContain(`(${file})`);
});

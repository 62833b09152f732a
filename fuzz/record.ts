import { once } from 'node:events';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import * as net from 'node:net';
import { join } from 'node:path';
import { WebSocket, WebSocketServer } from '../src/index.ts';
import { findChromium, launchChromium } from '../test/support/chromium.ts';
import { kitFolder } from './folders.ts';
import type { Recording } from './recordings.ts';

interface Implementation {
  readonly WebSocket: typeof WebSocket;
  readonly WebSocketServer: typeof WebSocketServer;
}

const implementations: Readonly<Record<string, Implementation>> = {
  goodwire: { WebSocket, WebSocketServer },
  ws: createRequire(import.meta.url)('ws') as Implementation,
};

/** Records the traffic between a client and the server at a port. */
async function tap(port: number): Promise<{ port: number; taken(): Recording; [Symbol.dispose](): void }> {
  const chunks: Record<'client' | 'server', Buffer[]> = { client: [], server: [] };
  const proxy = net.createServer((client) => {
    const server = net.connect(port, '127.0.0.1');
    client.on('data', (chunk: Buffer) => chunks.client.push(chunk)).pipe(server);
    server.on('data', (chunk: Buffer) => chunks.server.push(chunk)).pipe(client);
    for (const socket of [client, server]) socket.on('error', () => {});
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const take = (from: 'client' | 'server') => {
    const octets = Buffer.concat(chunks[from]);
    const end = octets.indexOf('\r\n\r\n') + 4;
    // The port differs for each recording, and is irrelevant.
    const head = octets
      .subarray(0, end)
      .toString('latin1')
      .replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1');
    return [head, octets.subarray(end).toString('hex')] as const;
  };
  return {
    port: (proxy.address() as net.AddressInfo).port,
    taken() {
      const [request, client] = take('client');
      const [response, server] = take('server');
      return { title: '', request, response, client, server };
    },
    [Symbol.dispose]: () => void proxy.close(),
  };
}

/** Starts a server that echoes, and pings once. */
async function echo({ WebSocketServer }: Implementation, perMessageDeflate: boolean) {
  const http = createServer((_request, response) => response.end('<!doctype html>'));
  const server = new WebSocketServer({ server: http, perMessageDeflate: perMessageDeflate && { threshold: 0 } });
  server.on('connection', (socket) => {
    socket.ping('are you there?');
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return { port: (http.address() as net.AddressInfo).port, close: () => http.close(() => {}) };
}

const long = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 7) & 255));

async function speak({ WebSocket }: Implementation, port: number, perMessageDeflate: boolean): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/path?query`, ['chat', 'superchat'], {
    perMessageDeflate,
  } as object);
  let echoes = 0;
  socket.on('message', () => {
    if (++echoes === 6) socket.close(1000, 'done: κόσμε');
  });
  await once(socket, 'open');
  socket.send('Hello');
  socket.send(long);
  socket.ping('ping');
  socket.send('');
  socket.send('κόσμε '.repeat(10));
  socket.send('frag', { fin: false });
  socket.send('', { fin: false });
  socket.pong();
  socket.send('ments', { fin: true });
  socket.send(JSON.stringify({ goods: 'fruit/apple', price: 3, list: [1, 2, 3] }));
  await once(socket, 'close');
}

/** Runs in a page, with the API of a browser. */
const program = (port: number) => `new Promise((resolve) => {
  const socket = new WebSocket('ws://127.0.0.1:${port}/path', ['chat']);
  let echoes = 0;
  socket.onmessage = () => { if (++echoes === 4) socket.close(1000, 'done'); };
  socket.onclose = () => resolve(null);
  socket.onopen = () => {
    socket.send('Hello');
    socket.send(new Uint8Array(300).map((_, i) => i * 7));
    socket.send('');
    socket.send('κόσμε '.repeat(10));
  };
})`;

/** Replaces all recordings in `fuzz/recordings`. */
export async function record(): Promise<void> {
  const folder = join(kitFolder, 'recordings');
  const recordings = new Map<string, Recording>();
  const chromium = findChromium();
  if (chromium === undefined) throw new Error('Chromium was not found');
  const browser = await launchChromium(chromium);
  try {
    for (const [serverName, server] of Object.entries(implementations)) {
      for (const isDeflated of [false, true]) {
        const served = await echo(server, isDeflated);
        const how = isDeflated ? 'deflate' : 'plain';
        for (const [clientName, client] of Object.entries(implementations)) {
          using wire = await tap(served.port);
          await speak(client, wire.port, isDeflated);
          const title = `${clientName} to ${serverName}, ${how}`;
          recordings.set(`${clientName}-${serverName}-${how}`, { ...wire.taken(), title });
        }
        using wire = await tap(served.port);
        const page = await browser.newPage();
        await page.goto(`http://127.0.0.1:${served.port}/`);
        await page.evaluate(program(wire.port));
        await page.close();
        recordings.set(`chromium-${serverName}-${how}`, {
          ...wire.taken(),
          title: `Chromium to ${serverName}, ${how}`,
        });
        served.close();
      }
    }
  } finally {
    await browser.close();
  }
  for (const file of readdirSync(folder)) rmSync(join(folder, file));
  for (const [name, recording] of recordings) {
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(recording, null, 2)}\n`);
    console.log(name, `${recording.client.length / 2} octets there, ${recording.server.length / 2} back`);
  }
}

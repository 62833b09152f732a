import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { CookieJar, JSDOM } from 'jsdom';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { crash, listen } from './loopback.ts';
import { eventually } from './until.ts';

async function serveEcho(port = 0) {
  const httpServer = createServer();
  const webSocketServer = new WebSocketServer({ server: httpServer, handleProtocols: () => 'second' });
  const requests: IncomingMessage[] = [];
  const closes: [code: number, reason: string][] = [];
  webSocketServer.on('connection', (socket, request) => {
    requests.push(request);
    socket.on('close', (code, reason) => closes.push([code, `${reason}`]));
    socket.on('message', (data, isBinary) => {
      if (`${data}` === 'close me') socket.close(4_001, 'as you wish');
      else socket.send(data, { binary: isBinary });
    });
  });
  const listening = await listen(httpServer, port);
  return { httpServer, webSocketServer, requests, closes, port: listening, url: `ws://127.0.0.1:${listening}/` };
}

/** Opens the window of a page whose scripts run. */
function openPage({ url = 'http://127.0.0.1/page', cookie = '' } = {}) {
  const cookieJar = new CookieJar();
  if (cookie) cookieJar.setCookieSync(cookie, url);
  const { window } = new JSDOM('<p>nothing yet</p>', { url, cookieJar, runScripts: 'outside-only' });
  onTestFinished(() => window.close());
  return window;
}

test('a script of a page sends and receives text and binary data of every kind', async () => {
  const { url, requests } = await serveEcho();
  const window = openPage({ cookie: 'taste=sweet' });
  const octets = randomBytes(70_000);
  window.octets = Uint8Array.from(octets).buffer;
  const received = await window.eval(`new Promise((resolve, reject) => {
    const socket = new WebSocket(${JSON.stringify(url)}, ['first', 'second']);
    const received = [];
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      received.push(socket.protocol, socket.readyState);
      socket.send('grüße, 世界 🚀');
      socket.send(window.octets);
      socket.send(new Blob(['a blob']));
    };
    socket.onmessage = ({ data, origin }) => {
      received.push(data);
      if (received.length === 5) resolve([...received, origin]);
    };
    socket.onerror = reject;
  })`);
  const [protocol, state, text, buffer, blob, origin] = received;
  expect([protocol, state, text, origin]).toEqual(['second', 1, 'grüße, 世界 🚀', url.slice(0, -1)]);
  expect(Buffer.from(buffer).equals(octets)).toBe(true);
  expect(`${Buffer.from(blob)}`).toBe('a blob');
  expect(requests[0]!.headers).toMatchObject({ cookie: 'taste=sweet', origin: 'http://127.0.0.1' });
});

test('a message changes the page', async () => {
  const { url, webSocketServer } = await serveEcho();
  const window = openPage();
  window.eval(`new WebSocket(${JSON.stringify(url)}).onmessage = ({ data }) => {
    document.querySelector('p').textContent = data;
  }`);
  webSocketServer.on('connection', (socket) => socket.send('news'));
  await eventually(() => expect(window.document.querySelector('p').textContent).toBe('news'));
});

test('either side closes, and both get the code and the reason', async () => {
  const { url, closes } = await serveEcho();
  const window = openPage();
  const open = (run: string) =>
    window.eval(`new Promise((resolve) => {
      const socket = new WebSocket(${JSON.stringify(url)});
      socket.onopen = () => { ${run} };
      socket.onclose = ({ code, reason, wasClean }) => resolve([code, reason, wasClean]);
    })`);
  expect(await open("socket.close(4000, 'enough')")).toEqual([4_000, 'enough', true]);
  expect(await open("socket.send('close me')")).toEqual([4_001, 'as you wish', true]);
  await eventually(() => expect(closes).toHaveLength(2));
  expect(closes).toEqual([
    [4_000, 'enough'],
    [4_001, 'as you wish'],
  ]);
});

test('closing the window of a page disconnects it', async () => {
  const { url, webSocketServer, closes } = await serveEcho();
  const window = openPage();
  await window.eval(`new Promise((resolve) => { new WebSocket(${JSON.stringify(url)}).onopen = resolve; })`);
  window.close();
  await eventually(() => expect(closes).toEqual([[1001, '']]));
  expect(webSocketServer.clients.size).toBe(0);
});

test('a page detects the loss of its server, fails to connect, and reconnects when the server is back', async () => {
  const first = await serveEcho();
  const window = openPage();
  window.eval(`
    window.log = [];
    (function connect() {
      const socket = new WebSocket(${JSON.stringify(first.url)});
      socket.onopen = () => { log.push('open'); socket.send('hello'); };
      socket.onmessage = ({ data }) => log.push(data);
      socket.onerror = () => log.push('error');
      socket.onclose = ({ code }) => { log.push(code); setTimeout(connect, 20); };
    })();
  `);
  await eventually(() => expect(window.log).toContain('hello'));
  await crash(first.httpServer);
  await eventually(() => expect(window.log).toContain('error'));
  expect([...window.log].slice(0, 5)).toEqual(['open', 'hello', 1006, 'error', 1006]);
  window.log.length = 0;
  await serveEcho(first.port);
  await eventually(() => expect(window.log).toContain('hello'));
});

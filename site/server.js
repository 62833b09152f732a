// @ts-check
// What `npm start` runs: the page at / and the endpoint that it talks to at /ws, which echoes.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { WebSocketServer } from 'goodwire';

const HOST = '127.0.0.1';
const DEFAULT_PORT = 8080;

/** What a client gets first. */
const GREETING = 'Welcome to goodwire. Whatever you send comes back as it went out: text as text, binary as binary.';

/** Octets waiting for a client that does not read, at which we stop reading from it, and at which we go on. */
const HIGH_WATER_MARK = 8 * 1024 * 1024;
const LOW_WATER_MARK = 1024 * 1024;

/** Milliseconds that clients have to answer our close frame when the server stops. */
const SHUTDOWN_DEADLINE = 2000;

const page = readFileSync(new URL('./index.html', import.meta.url));

/**
 * The CSP sources that allow the inline elements which stand in the page, and no others.
 *
 * @param {'script' | 'style'} element
 */
function inlineSources(element) {
  const contents = page.toString().matchAll(new RegExp(`<${element}>(.*?)</${element}>`, 'gs'));
  return Array.from(contents, ([, text]) => `'sha256-${createHash('sha256').update(String(text)).digest('base64')}'`);
}

const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-length': page.length,
  'cache-control': 'no-store',
  'content-security-policy': [
    "default-src 'none'",
    `script-src ${inlineSources('script').join(' ')}`,
    `style-src ${inlineSources('style').join(' ')}`,
    'img-src data:',
    // A person may type any address, so any WebSocket is allowed, and nothing else.
    'connect-src ws: wss:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  // An isolated page gets a clock of 5 µs instead of 100 µs, which a round trip over loopback needs.
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** @type {import('node:http').RequestListener} */
function answer(request, response) {
  // Nothing here reads a request's body, so there is nothing to wait for.
  request.resume();
  const pathname = request.url?.split('?', 1)[0];

  if (pathname === '/ws') return refuse(response, 426, 'This is a WebSocket endpoint.', { upgrade: 'websocket' });
  if (pathname !== '/') return refuse(response, 404, 'There is nothing here. The page is at /.');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return refuse(response, 405, 'The page can only be read.', { allow: 'GET, HEAD' });
  }
  // Node sends no body in answer to HEAD.
  response.writeHead(200, pageHeaders).end(page);
}

/**
 * @param {import('node:http').ServerResponse} response
 * @param {number} status
 * @param {string} text
 * @param {Record<string, string>} [headers]
 */
function refuse(response, status, text, headers) {
  response
    .writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff', ...headers })
    .end(`${text}\n`);
}

/** @param {import('goodwire').WebSocket} socket */
function greetAndEcho(socket) {
  socket.send(GREETING);
  socket.on('message', (data, isBinary) => {
    socket.send(data, { binary: isBinary }, () => {
      if (socket.isPaused && socket.bufferedAmount <= LOW_WATER_MARK) socket.resume();
    });
    // A client that sends and never reads would otherwise fill our memory.
    if (socket.bufferedAmount >= HIGH_WATER_MARK) socket.pause();
  });
}

/**
 * The port to listen on; 0 lets the system choose.
 *
 * @param {string | undefined} value
 */
function parsePort(value) {
  if (value === undefined || value === '') return DEFAULT_PORT;
  const port = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (port <= 65535) return port;
  return fail(`PORT must be a whole number from 0 to 65535, not '${value}'. For example: PORT=8081 npm start`);
}

/**
 * What to do about a server that could not listen.
 *
 * @param {NodeJS.ErrnoException} error
 */
function explain(error) {
  const other = `Choose another: PORT=${port === DEFAULT_PORT ? DEFAULT_PORT + 1 : DEFAULT_PORT} npm start`;
  if (error.code === 'EADDRINUSE') return `port ${port} on ${HOST} is already in use. ${other}`;
  if (error.code === 'EACCES') return `this user may not listen on port ${port}. ${other}`;
  return error.message;
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(`goodwire: ${message}`);
  process.exit(1);
}

const port = parsePort(process.env.PORT);
const http = createServer(answer);
const endpoint = new WebSocketServer({ server: http, path: '/ws' });

endpoint.on('connection', greetAndEcho);
// The WebSocketServer passes on what goes wrong with the http server.
endpoint.on('error', (error) => fail(explain(error)));

http.listen(port, HOST, () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (http.address());
  console.log(`goodwire is listening on http://${HOST}:${port} (the page) and ws://${HOST}:${port}/ws (the echo)`);
});

let isStopping = false;

function stop() {
  if (isStopping) return;
  isStopping = true;
  http.close();
  endpoint.close();
  for (const client of endpoint.clients) client.close(1001, 'The server is shutting down.');
  setTimeout(() => {
    for (const client of endpoint.clients) client.terminate();
    http.closeAllConnections();
  }, SHUTDOWN_DEADLINE).unref();
}

// Once is not enough: under `npm start` Ctrl-C arrives twice, from the terminal and passed on by npm.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);

// npm passes SIGTERM on to the shell between us, which dies of it and says nothing. Without this the port would stay taken.
if (process.env.npm_lifecycle_event === 'start') {
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || stop(), 500).unref();
}

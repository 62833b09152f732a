// @ts-check
// Program of `npm start`: the page at / with its echo endpoint at /ws, and the page at /market with its market of goods
// at /goods.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { WebSocketServer } from 'goodwire';
import { openMarket } from './market.js';

const HOST = '127.0.0.1';
const DEFAULT_PORT = 8080;

/** First message to a client. */
const GREETING = 'Welcome to goodwire. The server returns each message unchanged: text as text, binary as binary.';

/**
 * Maximum number of bytes queued for a client that does not read; reading from the client is then paused until the
 * lower limit.
 */
const HIGH_WATER_MARK = 8 * 1024 * 1024;
const LOW_WATER_MARK = 1024 * 1024;

/** Maximum time in milliseconds for clients to answer our close frame when the server stops. */
const SHUTDOWN_DEADLINE = 2000;

const html = 'text/html; charset=utf-8';
const javascript = 'text/javascript; charset=utf-8';

/**
 * Returns the CSP sources that allow exactly the inline elements of a page.
 *
 * @param {Buffer} page
 * @param {'script' | 'style'} element
 */
function inlineSources(page, element) {
  const contents = page.toString().matchAll(new RegExp(`<${element}(?: type="importmap")?>(.*?)</${element}>`, 'gs'));
  return Array.from(contents, ([, text]) => `'sha256-${createHash('sha256').update(String(text)).digest('base64')}'`);
}

const commonHeaders = {
  'cache-control': 'no-store',
  // An isolated page gets a clock with a resolution of 5 µs instead of 100 µs, which measuring a round trip over
  // loopback needs.
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** @typedef {{ body: Buffer, headers: Record<string, string | number> }} Resource */

/**
 * Returns a page with its policy: its own elements, our files, and any WebSocket, because the user may enter any
 * address.
 *
 * @param {string} file
 * @returns {Resource}
 */
function page(file) {
  const body = readFileSync(new URL(file, import.meta.url));
  const policy = [
    "default-src 'none'",
    `script-src 'self' ${inlineSources(body, 'script').join(' ')}`.trimEnd(),
    `style-src 'self' ${inlineSources(body, 'style').join(' ')}`.trimEnd(),
    'img-src data:',
    'connect-src ws: wss:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  const headers = { 'content-type': html, 'content-length': body.length, 'content-security-policy': policy.join('; ') };
  return { body, headers: { ...headers, ...commonHeaders } };
}

/**
 * @param {URL} url
 * @param {string} type
 * @returns {Resource}
 */
function asset(url, type) {
  const body = readFileSync(url);
  return { body, headers: { 'content-type': type, 'content-length': body.length, ...commonHeaders } };
}

/**
 * Returns the modules of goodwire that run in a browser: the client of the market, and its imports, by their paths
 * below /goodwire/.
 *
 * @returns {Map<string, Resource>}
 */
function clientModules() {
  // The name goodwire/goods/client leads a program of Node to a module that shares its classes with the market.
  const { href: entry } = new URL('./goods/client.js', import.meta.resolve('goodwire'));
  const root = new URL('../', entry);
  /** @type {Map<string, Resource>} */
  const modules = new Map();
  const waiting = [entry];
  for (const url of waiting) {
    const path = `/goodwire/${url.slice(root.href.length)}`;
    if (modules.has(path)) continue;
    const module = asset(new URL(url), javascript);
    modules.set(path, module);
    for (const [, specifier] of module.body.toString().matchAll(/\bfrom '(\.[^']+)'/g))
      waiting.push(new URL(/** @type {string} */ (specifier), url).href);
  }
  return modules;
}

/** All resources by path. */
const resources = new Map([
  ['/', page('index.html')],
  ['/market', page('market.html')],
  ['/style.css', asset(new URL('style.css', import.meta.url), 'text/css; charset=utf-8')],
  ['/market-page.js', asset(new URL('market-page.js', import.meta.url), javascript)],
  ['/fruit.js', asset(new URL('fruit.js', import.meta.url), javascript)],
  ...clientModules(),
]);

/** @type {import('node:http').RequestListener} */
function answer(request, response) {
  // Discards the body of the request, which no resource uses.
  request.resume();
  const pathname = request.url?.split('?', 1)[0];

  if (pathname === '/ws' || pathname === '/goods')
    return refuse(response, 426, 'This is a WebSocket endpoint.', { upgrade: 'websocket' });
  const resource = resources.get(String(pathname));
  if (resource === undefined) return refuse(response, 404, 'Not found. The page is at /.');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return refuse(response, 405, 'Only GET and HEAD are allowed.', { allow: 'GET, HEAD' });
  }
  // Node sends no body in response to HEAD.
  response.writeHead(200, resource.headers).end(resource.body);
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
    // Otherwise a client that sends and never reads would exhaust our memory.
    if (socket.bufferedAmount >= HIGH_WATER_MARK) socket.pause();
  });
}

/**
 * Returns the port to listen on; 0 lets the system choose.
 *
 * @param {string | undefined} value
 */
function parsePort(value) {
  if (value === undefined || value === '') return DEFAULT_PORT;
  const port = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (port <= 65535) return port;
  return fail(`PORT must be an integer from 0 to 65535; got '${value}'. For example: PORT=8081 npm start`);
}

/**
 * Returns a message for a server that could not listen, with a remedy.
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

const market = openMarket(http);

endpoint.on('connection', greetAndEcho);
// The WebSocketServer forwards errors of the HTTP server.
endpoint.on('error', (error) => fail(explain(error)));

http.listen(port, HOST, () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (http.address());
  console.log(`goodwire is listening on http://${HOST}:${port} (the page) and ws://${HOST}:${port}/ws (the echo)`);
  console.log(`apples, oranges and prices are at http://${HOST}:${port}/market and ws://${HOST}:${port}/goods`);
});

let isStopping = false;

function stop() {
  if (isStopping) return;
  isStopping = true;
  http.close();
  endpoint.close();
  void market.close();
  for (const client of endpoint.clients) client.close(1001, 'The server is shutting down.');
  setTimeout(() => {
    for (const client of endpoint.clients) client.terminate();
    http.closeAllConnections();
  }, SHUTDOWN_DEADLINE).unref();
}

// May be called twice: under `npm start` Ctrl-C arrives from the terminal and again from npm.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);

// npm forwards SIGTERM only to the shell between the processes, which ends without notifying this one. Otherwise the
// port would stay in use.
if (process.env.npm_lifecycle_event === 'start') {
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || stop(), 500).unref();
}

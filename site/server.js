// @ts-check
// What `npm start` runs: the page at / and the endpoint that it talks to at /ws, which echoes; and the page at /market with the market
// of goods that it goes to, at /goods.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { WebSocketServer } from 'goodwire';
import { openMarket } from './market.js';

const HOST = '127.0.0.1';
const DEFAULT_PORT = 8080;

/** What a client gets first. */
const GREETING = 'Welcome to goodwire. Whatever you send comes back as it went out: text as text, binary as binary.';

/** Octets waiting for a client that does not read, at which we stop reading from it, and at which we go on. */
const HIGH_WATER_MARK = 8 * 1024 * 1024;
const LOW_WATER_MARK = 1024 * 1024;

/** Milliseconds that clients have to answer our close frame when the server stops. */
const SHUTDOWN_DEADLINE = 2000;

const html = 'text/html; charset=utf-8';
const javascript = 'text/javascript; charset=utf-8';

/**
 * The CSP sources that allow the inline elements which stand in a page, and no others.
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
  // An isolated page gets a clock of 5 µs instead of 100 µs, which a round trip over loopback needs.
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** @typedef {{ body: Buffer, headers: Record<string, string | number> }} Resource */

/**
 * A page and what it may load: its own elements, our files, and any WebSocket, as a person may type any address.
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
 * The modules of goodwire that run in a browser: the client of the market, and what it imports, by their paths below /goodwire/.
 *
 * @returns {Map<string, Resource>}
 */
function clientModules() {
  const entry = import.meta.resolve('goodwire/goods/client');
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

/** All that can be read here, by its path. */
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
  // Nothing here reads a request's body, so there is nothing to wait for.
  request.resume();
  const pathname = request.url?.split('?', 1)[0];

  if (pathname === '/ws' || pathname === '/goods')
    return refuse(response, 426, 'This is a WebSocket endpoint.', { upgrade: 'websocket' });
  const resource = resources.get(String(pathname));
  if (resource === undefined) return refuse(response, 404, 'There is nothing here. The page is at /.');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return refuse(response, 405, 'The page can only be read.', { allow: 'GET, HEAD' });
  }
  // Node sends no body in answer to HEAD.
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

const market = openMarket(http);

endpoint.on('connection', greetAndEcho);
// The WebSocketServer passes on what goes wrong with the http server.
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

// Once is not enough: under `npm start` Ctrl-C arrives twice, from the terminal and passed on by npm.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);

// npm passes SIGTERM on to the shell between us, which dies of it and says nothing. Without this the port would stay taken.
if (process.env.npm_lifecycle_event === 'start') {
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || stop(), 500).unref();
}

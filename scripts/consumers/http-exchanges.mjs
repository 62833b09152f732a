// HTTP exchanges around an upgrade, as tables: what a client sends, and what a server answers. docs/http-upgrade.md has the rule for each
// row. test/server/http-upgrade.test.ts and test/client/http-upgrade.test.ts run them against src/, and http-upgrade.mjs runs them on each
// version of Node.js, with the packed goodwire.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Duplex } from 'node:stream';

/** @typedef {Pick<typeof import('goodwire'), 'WebSocket' | 'WebSocketServer' | 'upgrade'>} Library */
/** @typedef {import('goodwire').UpgradeOptions & { path?: string }} Options */

const key = 'dGhlIHNhbXBsZSBub25jZQ==';

/** @param {string} of */
const acceptFor = (of) => createHash('sha1').update(`${of}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/**
 * Returns a request for an upgrade.
 * @param {string} [more] Further field lines, each with its line end.
 * @param {{ method?: string, target?: string, version?: string, host?: string, upgrade?: string, connection?: string }} [parts]
 *   `host` and others are field lines too, so that one may be left out or repeated.
 */
export function asking(more = '', parts = {}) {
  const {
    method = 'GET',
    target = '/',
    version = 'HTTP/1.1',
    host = 'Host: x\r\n',
    upgrade = 'Upgrade: websocket\r\n',
    connection = 'Connection: Upgrade\r\n',
  } = parts;
  const fields = `${host}${upgrade}${connection}Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n${more}`;
  return `${method} ${target} ${version}\r\n${fields}\r\n`;
}

/**
 * Returns a request without an upgrade.
 * @param {string} target
 * @param {string} [more]
 */
const plain = (target, more = '') => `GET ${target} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;

/**
 * Returns a short frame. One with a mask of zeros, so that its payload can be read in the table.
 * @param {number} opcode
 * @param {string} payload In latin1, at most 125 octets.
 * @param {boolean} isMasked
 */
function frame(opcode, payload, isMasked) {
  const length = String.fromCharCode(payload.length | (isMasked ? 0x80 : 0));
  return `${String.fromCharCode(0x80 | opcode)}${length}${isMasked ? '\0\0\0\0' : ''}${payload}`;
}

/** Frames of a client: a message, and a close frame, with which the server ends the connection. */
const mine = frame(1, 'mine', true);
const bye = frame(8, '\x03\xe8', true);
const talk = mine + bye;

/** Answers of a server to `talk`. */
const talked = ['text hello', 'text echo mine', 'close 1000', 'end'];
const opened = ['101', ...talked];
const refused = ['400', 'end'];
/** Answer of a server to octets that are no frame of a client. */
const failed = ['101', 'text hello', 'close 1002', 'end'];

/**
 * @typedef {object} ServerRow
 * @property {string} title
 * @property {string} sent In latin1. All octets that the client sends.
 * @property {readonly string[]} answered What the server writes, and `end`.
 * @property {readonly string[]} [orAnswered] The same in some versions of Node.js.
 * @property {readonly string[]} [onPort] The same for a server that has its own HTTP server, which answers plain requests with 426.
 * @property {Options} [options]
 * @property {boolean} [isSplit] True if the row is also run with a cut at every octet.
 */

/** @type {readonly ServerRow[]} */
export const serverRows = [
  // RFC 9110 §5.6.1
  {
    title: 'empty elements of Connection are skipped',
    sent: asking('', { connection: 'Connection: ,, keep-alive , ,Upgrade,\r\n' }) + talk,
    answered: opened,
  },
  {
    title: 'a Connection of several lines is one list',
    sent: asking('', { connection: 'Connection: keep-alive\r\nConnection:\r\nConnection: upgrade\r\n' }) + talk,
    answered: opened,
  },
  {
    title: 'empty elements of Upgrade are skipped',
    sent: asking('', { upgrade: 'Upgrade: ,\t, WebSocket ,\r\n' }) + talk,
    answered: opened,
  },
  {
    title: 'empty elements of Sec-WebSocket-Protocol are skipped',
    sent: asking('Sec-WebSocket-Protocol: , ,b,, a ,\r\n') + talk,
    answered: ['101 b', ...talked],
  },
  {
    title: 'empty elements of Sec-WebSocket-Extensions are skipped',
    sent: asking('Sec-WebSocket-Extensions: ,,permessage-deflate , ,\r\nSec-WebSocket-Extensions:\r\n') + talk,
    answered: opened,
  },
  {
    title: 'a thousand empty elements are skipped',
    sent: asking(`Sec-WebSocket-Protocol: ${','.repeat(1000)}b\r\n`) + talk,
    answered: ['101 b', ...talked],
  },
  {
    title: 'a list of subprotocols without any is refused',
    sent: asking('Sec-WebSocket-Protocol: , ,\r\n') + talk,
    answered: refused,
  },
  // RFC 9110 §7.8
  {
    title: 'an upgrade of HTTP/1.0 is refused',
    sent: asking('', { version: 'HTTP/1.0', connection: 'Connection: keep-alive, Upgrade\r\n' }) + talk,
    answered: refused,
  },
  {
    title: 'an Upgrade without the connection option is not one',
    sent: asking('', { connection: 'Connection: close\r\n' }) + talk,
    answered: ['200 plain', 'end'],
  },
  {
    title: 'an upgrade to another protocol is refused',
    sent: asking('', { upgrade: 'Upgrade: h2c\r\n' }) + talk,
    answered: refused,
  },
  {
    title: 'an upgrade to a version of the protocol is refused',
    sent: asking('', { upgrade: 'Upgrade: websocket/13\r\n' }) + talk,
    answered: refused,
  },
  {
    title: 'an upgrade to one of several protocols is accepted',
    sent: asking('', { upgrade: 'Upgrade: h2c, websocket\r\nUpgrade: x\r\n' }) + talk,
    answered: opened,
  },
  {
    title: 'a 426 names the protocol',
    sent: asking().replace('Version: 13', 'Version: 7') + talk,
    answered: ['426 websocket', 'end'],
  },
  {
    title: 'an expected 100 comes before the 101',
    sent: asking('Expect: 100-continue\r\n') + talk,
    answered: ['100', ...opened],
    isSplit: true,
  },
  // RFC 9110 §10.1.1
  {
    title: 'no 100 comes before a refusal',
    sent: asking('Expect: 100-continue\r\n').replace(key, 'x') + talk,
    answered: refused,
  },
  {
    title: 'another expectation is ignored',
    sent: asking('Expect: x\r\n') + talk,
    answered: opened,
  },
  {
    title: 'an expected 100 for the body of an earlier request comes before its response',
    sent: `POST /body HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n${'body'}${asking()}${talk}`,
    answered: ['100', '200 body', ...opened],
    onPort: ['100', '426 websocket', ...opened],
    isSplit: true,
  },
  {
    title: 'a 100 that the application sends later for an earlier request comes before the 101',
    sent: `POST /later HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n${'body'}${asking()}${talk}`,
    answered: ['100', '200 body', ...opened],
    onPort: ['100', '426 websocket', ...opened],
    isSplit: true,
  },
  // RFC 9112 §3.2
  {
    title: 'a target in origin form matches the path',
    sent: asking('', { target: '/chat?x=/y' }) + talk,
    options: { path: '/chat' },
    answered: opened,
  },
  {
    title: 'a target in absolute form matches the path',
    sent: asking('', { target: 'http://x/chat?y' }) + talk,
    options: { path: '/chat' },
    answered: opened,
    isSplit: true,
  },
  {
    title: 'a target in absolute form, with TLS, a port and upper case, matches the path',
    sent: asking('', { target: 'HTTPS://X:8443/chat', host: 'Host: X:8443\r\n' }) + talk,
    options: { path: '/chat' },
    answered: opened,
  },
  {
    title: 'a target in absolute form without a path is the root',
    sent: asking('', { target: 'http://x' }) + talk,
    options: { path: '/' },
    answered: opened,
  },
  {
    title: 'a target in absolute form does not match another path',
    sent: asking('', { target: 'http://x/chat/' }) + talk,
    options: { path: '/chat' },
    answered: refused,
  },
  {
    title: 'the host of a target in absolute form is that of the request',
    sent: asking('', { target: 'http://user@real:81/', host: 'Host: other\r\n' }) + talk,
    options: { verifyClient: ({ req }) => req.headers.host === 'real:81' },
    answered: opened,
  },
  {
    title: 'the Host beside a target in absolute form is not that of the request',
    sent: asking('', { target: 'http://real/', host: 'Host: other\r\n' }) + talk,
    options: { origins: (_origin, { headers }) => headers.host === 'other' },
    answered: ['403', 'end'],
  },
  {
    title: 'a target in absolute form without a Host is refused',
    sent: asking('', { target: 'http://x/', host: '' }) + talk,
    answered: refused,
  },
  {
    title: 'a target in absolute form without a host is refused',
    sent: asking('', { target: 'http:///chat' }) + talk,
    answered: refused,
  },
  {
    title: 'a target of another scheme is refused',
    sent: asking('', { target: 'ftp://x/chat' }) + talk,
    answered: refused,
  },
  {
    title: 'a target in authority form is refused',
    sent: asking('', { target: 'x:80' }) + talk,
    answered: refused,
  },
  {
    title: 'a CONNECT that asks for an upgrade gets no response',
    sent: asking('', { method: 'CONNECT', target: 'x:80' }) + talk,
    answered: ['end'],
  },
  {
    title: 'a target in asterisk form is refused',
    sent: asking('', { target: '*' }) + talk,
    answered: refused,
  },
  {
    title: 'an OPTIONS * that asks for an upgrade is refused',
    sent: asking('', { method: 'OPTIONS', target: '*' }) + talk,
    answered: ['405', 'end'],
  },
  {
    title: 'a request without a Host is refused',
    sent: asking('', { host: '' }) + talk,
    answered: refused,
  },
  {
    title: 'a request with an empty Host is refused',
    sent: asking('', { host: 'Host:\r\n' }) + talk,
    answered: refused,
  },
  {
    title: 'a request with two Hosts is refused',
    sent: asking('', { host: 'Host: x\r\nhost: y\r\n' }) + talk,
    answered: refused,
  },
  {
    title: 'a request with the same Host twice is refused',
    sent: asking('', { host: 'Host: x\r\nHOST: x\r\n' }) + talk,
    answered: refused,
  },
  ...['x y', 'x/y', 'x?', '#', 'a@x', 'x:y', 'x:1:2', 'http://x', '[::1', '::1', '"x"'].map((value) => ({
    title: `a request with the invalid Host ${value} is refused`,
    sent: asking('', { host: `Host: ${value}\r\n` }) + talk,
    answered: refused,
  })),
  ...['x:', 'x:8080', '[::1]', '[::1]:8080', '127.0.0.1:80', 'a_b.c', 'xn--bcher-kva.example', '%41'].map((value) => ({
    title: `a request with the Host ${value} is accepted`,
    sent: asking('', { host: `Host: ${value}\r\n` }) + talk,
    answered: opened,
  })),
  // RFC 9112 §6
  {
    title: 'a request with a body of no length is accepted',
    sent: asking('Content-Length: 0\r\n') + talk,
    answered: opened,
    isSplit: true,
  },
  {
    title: 'a request with a body is refused',
    sent: `${asking(`Content-Length: ${mine.length}\r\n`)}${mine}${talk}`,
    answered: refused,
    isSplit: true,
  },
  {
    title: 'a request with a body that has not come is refused',
    sent: `${asking('Content-Length: 1000\r\n')}${mine}`,
    answered: refused,
  },
  {
    title: 'a request with a chunked body is refused',
    sent: `${asking('Transfer-Encoding: chunked\r\n')}${mine.length.toString(16)}\r\n${mine}\r\n0\r\n\r\n${talk}`,
    answered: refused,
    isSplit: true,
  },
  {
    title: 'a request with an empty chunked body is refused',
    sent: `${asking('Transfer-Encoding: chunked\r\n')}0\r\n\r\n${talk}`,
    answered: refused,
  },
  {
    title: 'a request with a body, which expects a 100, is refused',
    sent: `${asking('Content-Length: 4\r\nExpect: 100-continue\r\n')}body${talk}`,
    answered: refused,
  },
  ...[
    'Content-Length: 4\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked\r\nContent-Length: 0',
    'Transfer-Encoding: gzip',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: identity',
    'Content-Length: 4, 4',
    'Content-Length: 4\r\nContent-Length: 4',
    'Content-Length: 0\r\nContent-Length: 4',
    'Content-Length: -1',
    'Content-Length: +1',
    'Content-Length: 0x4',
    'Content-Length: x',
  ].map((fields) => ({
    title: `a request with ${fields.replaceAll('\r\n', ' and ')} is refused`,
    sent: `${asking(`${fields}\r\n`)}${mine}${talk}`,
    answered: refused,
  })),
  {
    title: 'the body of an earlier request may be a whole request for an upgrade',
    sent: `POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${asking().length}\r\n\r\n${asking()}`,
    answered: [`200 ${asking().length} octets`, 'end'],
    onPort: ['426 websocket', 'end'],
    isSplit: true,
  },
  {
    title: 'a chunked body of an earlier request ends before the upgrade',
    sent: `POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX: y\r\n\r\n${asking()}${talk}`,
    answered: ['200 body', ...opened],
    onPort: ['426 websocket', ...opened],
    isSplit: true,
  },
  // RFC 9112 §9.3.2
  {
    title: 'the response to an earlier request comes before the 101',
    sent: plain('/slow') + asking() + talk,
    answered: ['200 slow', ...opened],
    onPort: ['426 websocket', ...opened],
    isSplit: true,
  },
  {
    title: 'the responses to several earlier requests come before the 101, in order',
    sent: plain('/slow') + plain('/fast') + plain('/slow') + plain('/parts') + asking() + talk,
    answered: ['200 slow', '200 plain', '200 slow', '200 parts', ...opened],
    onPort: [...Array(4).fill('426 websocket'), ...opened],
  },
  {
    title: 'a long response to an earlier request is written whole before the 101',
    sent: plain('/long') + asking() + talk,
    answered: ['200 300000 octets', ...opened],
    onPort: ['426 websocket', ...opened],
  },
  {
    title: 'the response to an earlier request comes before a refusal',
    sent: plain('/slow') + asking().replace(key, 'x') + talk,
    answered: ['200 slow', ...refused],
    onPort: ['426 websocket', ...refused],
    isSplit: true,
  },
  {
    title: 'the response to an earlier request comes before the refusal of an application that answers later',
    sent: plain('/slow') + asking() + talk,
    options: { verifyClient: (_info, answer) => void setImmediate(answer, false, 403) },
    answered: ['200 slow', '403', 'end'],
    onPort: ['426 websocket', '403', 'end'],
  },
  {
    title: 'the response to an earlier request comes before the refusal of a body',
    sent: `${plain('/slow')}${asking(`Content-Length: ${mine.length}\r\n`)}${mine}${talk}`,
    answered: ['200 slow', ...refused],
    onPort: ['426 websocket', ...refused],
    isSplit: true,
  },
  {
    title: 'a response that closes the connection is the last one',
    sent: plain('/last') + asking() + talk,
    answered: ['200 last', 'end'],
    onPort: ['426 websocket', ...opened],
  },
  {
    title: 'an upgrade behind a request that closes the connection is refused',
    sent: plain('/slow', 'Connection: close\r\n') + asking() + talk,
    answered: ['200 slow', 'end'],
    // Newer versions of Node.js answer themselves, and before the earlier response.
    orAnswered: refused,
    onPort: ['426 websocket', 'end'],
  },
  {
    title: 'without a response to an earlier request there is none to the upgrade',
    sent: plain('/never') + asking() + talk,
    options: { handshakeTimeout: 20 },
    answered: ['end'],
    onPort: ['426 websocket', ...opened],
  },
  {
    title: 'a request behind the upgrade is no frame',
    sent: asking() + plain('/fast'),
    answered: failed,
    isSplit: true,
  },
  {
    title: 'a second upgrade behind the upgrade is no frame',
    sent: asking() + asking() + talk,
    answered: failed,
  },
  {
    title: 'a request behind the upgrade is no frame of a compressed message',
    sent: asking('Sec-WebSocket-Extensions: permessage-deflate\r\n') + plain('/fast').replace('GET', 'ACL'),
    options: { perMessageDeflate: true },
    answered: failed,
  },
  {
    title: 'a request behind an upgrade that is refused gets no response',
    sent: asking().replace(key, 'x') + plain('/fast'),
    answered: refused,
    isSplit: true,
  },
  {
    title: 'a request on either side of the upgrade is no frame',
    sent: plain('/slow') + asking() + plain('/fast'),
    answered: ['200 slow', ...failed],
    onPort: ['426 websocket', ...failed],
  },
];

/**
 * Answers plain requests, by their path.
 * @type {http.RequestListener}
 */
function answer(request, response) {
  if (request.url === '/slow') {
    setImmediate(() => setImmediate(() => response.end('slow')));
  } else if (request.url === '/parts') {
    response.write('pa');
    setImmediate(() => response.end('rts'));
  } else if (request.url === '/last') {
    response.setHeader('Connection', 'close');
    setImmediate(() => response.end('last'));
  } else if (request.url === '/long') {
    let parts = 30;
    const write = () => {
      while (parts > 0) {
        parts--;
        if (!response.write('x'.repeat(10_000))) {
          response.once('drain', write);
          return;
        }
      }
      response.end();
    };
    write();
  } else if (request.method === 'POST') {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => setImmediate(() => response.end(body)));
  } else if (request.url !== '/never') {
    response.end('plain');
  }
}

/** @type {http.RequestListener} */
function continueLater(request, response) {
  if (request.url !== '/later') {
    response.writeContinue();
    answer(request, response);
    return;
  }
  setImmediate(() => {
    response.writeContinue();
    answer(request, response);
  });
}

const servers = {
  /** @param {Library} library @param {Options} options @param {(socket: import('goodwire').WebSocket) => void} onSocket */
  port({ WebSocketServer }, options, onSocket) {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
    server.on('connection', onSocket);
    const { _server: httpServer } = /** @type {{ _server?: http.Server }} */ (/** @type {unknown} */ (server));
    return { httpServer: /** @type {http.Server} */ (httpServer), close: () => server.close() };
  },
  /** @param {Library} library @param {Options} options @param {(socket: import('goodwire').WebSocket) => void} onSocket */
  server({ WebSocketServer }, options, onSocket) {
    const httpServer = plainServer();
    const server = new WebSocketServer({ server: httpServer, ...options });
    server.on('connection', onSocket);
    return { httpServer, close: () => httpServer.close() };
  },
  /** @param {Library} library @param {Options} options @param {(socket: import('goodwire').WebSocket) => void} onSocket */
  noServer({ WebSocketServer }, options, onSocket) {
    const httpServer = plainServer();
    const server = new WebSocketServer({ noServer: true, ...options });
    httpServer.on('upgrade', (...upgrade) => server.handleUpgrade(...upgrade, onSocket));
    return { httpServer, close: () => httpServer.close() };
  },
  /** @param {Library} library @param {Options} options @param {(socket: import('goodwire').WebSocket) => void} onSocket */
  'noServer, a turn later'({ WebSocketServer }, options, onSocket) {
    const httpServer = plainServer();
    const server = new WebSocketServer({ noServer: true, ...options });
    httpServer.on('upgrade', (request, socket, head) => {
      setImmediate(() => server.handleUpgrade(request, socket, head, onSocket));
    });
    return { httpServer, close: () => httpServer.close() };
  },
  /** @param {Library} library @param {Options} options @param {(socket: import('goodwire').WebSocket) => void} onSocket */
  'upgrade()'({ upgrade }, options, onSocket) {
    const httpServer = plainServer();
    httpServer.on('upgrade', (...given) => void upgrade(...given, options).then(onSocket, () => {}));
    return { httpServer, close: () => httpServer.close() };
  },
};

function plainServer() {
  const httpServer = http.createServer(answer);
  httpServer.on('checkContinue', continueLater);
  return httpServer.listen(0, '127.0.0.1');
}

/** @typedef {keyof typeof servers} Mode */
/** How a server gets its upgrades. */
export const modes = /** @type {Mode[]} */ (Object.keys(servers));

/** How the octets of a client get to a server: as one chunk or one by one, in memory or by TCP. */
export const ways = /** @type {const} */ (['whole', 'octet by octet', 'by TCP']);

/**
 * Client of an HTTP server, in memory: sends chunks, and collects what the server writes until the connection is closed.
 * @param {http.Server} httpServer
 * @param {readonly Buffer[]} chunks
 */
async function inMemory(httpServer, chunks) {
  /** @type {Buffer[]} */
  const written = [];
  const wire = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      written.push(Buffer.from(chunk));
      setImmediate(done);
    },
    final(done) {
      done();
      this.push(null);
    },
  });
  const closed = new Promise((resolve) => wire.once('close', resolve));
  httpServer.emit('connection', wire);
  for (const chunk of chunks) {
    if (wire.destroyed || wire.readableEnded) break;
    if (!wire.writableEnded) wire.push(chunk);
    if (chunks.length > 1) await new Promise(setImmediate);
  }
  await closed;
  return Buffer.concat(written);
}

/**
 * @param {http.Server} httpServer
 * @param {Buffer} octets
 */
async function byTcp(httpServer, octets) {
  if (!httpServer.listening) await once(httpServer, 'listening');
  const { port } = /** @type {net.AddressInfo} */ (httpServer.address());
  const socket = net.connect(port, '127.0.0.1');
  /** @type {Buffer[]} */
  const received = [];
  socket.on('data', (chunk) => received.push(chunk));
  // A server that has refused a request resets a connection that sends on.
  socket.on('error', () => {});
  socket.write(octets);
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(received);
}

/**
 * Runs a row against a server, and returns what the server has written, and the messages that it has received.
 * @param {Library} library
 * @param {ServerRow} row
 * @param {Mode} mode
 * @param {typeof ways[number] | number} way A number is the index of the octet at which the input is cut.
 */
export async function runServerRow(library, row, mode, way) {
  /** @type {string[]} */
  const messages = [];
  const { httpServer, close } = servers[mode](library, row.options ?? {}, (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data) => {
      messages.push(String(data));
      socket.send(`echo ${data}`);
    });
    socket.send('hello');
  });
  const octets = Buffer.from(row.sent, 'latin1');
  /** @type {Buffer} */
  let written;
  if (way === 'by TCP') {
    written = await byTcp(httpServer, octets);
  } else {
    const chunks = way === 'whole' ? [octets] : Array.from(octets, (octet) => Buffer.of(octet));
    written = await inMemory(
      httpServer,
      typeof way === 'number' ? [octets.subarray(0, way), octets.subarray(way)] : chunks,
    );
  }
  if (!httpServer.listening) await once(httpServer, 'listening');
  close();
  return { answered: [...transcript(written), 'end'], messages };
}

/**
 * Returns what a row must lead to.
 * @param {ServerRow} row
 * @param {Mode} mode
 * @param {{ answered: readonly string[] }} found What it has led to: some rows allow two outcomes.
 */
export function expectedOf({ answered: always, orAnswered = always, onPort }, mode, found) {
  const isOther = found.answered.join() === orAnswered.join();
  const own = onPort ?? always.map((one) => (one === '200 plain' ? '426 websocket' : one));
  const answered = mode === 'port' ? own : isOther ? orAnswered : always;
  return { answered: [...answered], messages: answered.includes('text echo mine') ? ['mine'] : [] };
}

/**
 * True if a row can be run in a mode: `upgrade()` has no option `path`.
 * @param {ServerRow} row
 * @param {Mode} mode
 */
export const isFor = (row, mode) => mode !== 'upgrade()' || row.options?.path === undefined;

/**
 * Reads what a server has written: responses, and behind a 101 frames.
 * @param {Buffer} octets
 * @returns {string[]}
 * @throws Error if that is neither.
 */
export function transcript(octets) {
  /** @type {string[]} */
  const read = [];
  let rest = octets.toString('latin1');
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    const head = rest.slice(0, end);
    const status = /^HTTP\/1\.1 (\d{3}) [^\r\n]*(?:\r\n[\w-]+: [^\r\n]*)*$/.exec(head)?.[1];
    if (end === -1 || status === undefined) throw new Error(`no response: ${JSON.stringify(rest.slice(0, 200))}`);
    /** @param {string} name */
    const field = (name) => new RegExp(`\r\n${name}: ([^\r]*)`, 'i').exec(head)?.[1];
    rest = rest.slice(end + 4);
    let body = '';
    if (field('Transfer-Encoding') === 'chunked') {
      for (let size = -1; size !== 0; ) {
        const line = /^([0-9a-f]+)\r\n/.exec(rest);
        if (line === null) throw new Error(`no chunk: ${JSON.stringify(rest.slice(0, 200))}`);
        size = Number.parseInt(line[1] ?? '', 16);
        body += rest.slice(line[0].length, line[0].length + size);
        rest = rest.slice(line[0].length + size + 2);
      }
    } else {
      const length = Number(field('Content-Length') ?? 0);
      if (rest.length < length) throw new Error(`no body: ${JSON.stringify(rest.slice(0, 200))}`);
      body = rest.slice(0, length);
      rest = rest.slice(length);
    }
    const more =
      status === '101'
        ? field('Sec-WebSocket-Protocol')
        : status === '426'
          ? field('Upgrade')
          : status === '200'
            ? body.length > 20
              ? `${body.length} octets`
              : body
            : undefined;
    read.push(more === undefined ? status : `${status} ${more}`);
    if (status === '101') return [...read, ...readFrames(rest)];
  }
  return read;
}

/**
 * @param {string} text
 * @returns {string[]}
 */
function readFrames(text) {
  /** @type {string[]} */
  const read = [];
  let rest = text;
  while (rest !== '') {
    const [first, length] = [rest.charCodeAt(0), rest.charCodeAt(1)];
    const payload = rest.slice(2, 2 + length);
    if (!(length < 126) || payload.length < length) throw new Error(`no frame: ${JSON.stringify(rest)}`);
    if (first === 0x81) read.push(`text ${payload}`);
    else if (first === 0x88) read.push(`close ${(payload.charCodeAt(0) << 8) | payload.charCodeAt(1)}`);
    else throw new Error(`no frame: ${JSON.stringify(rest)}`);
    rest = rest.slice(2 + length);
  }
  return read;
}

/** Frames of a server: a message and a close frame. */
const theirs = frame(1, 'hi', false) + frame(8, '\x03\xe8', false);

/**
 * Returns a 101.
 * @param {string} accept
 * @param {string} [more] Further field lines, each with its line end.
 * @param {{ start?: string, upgrade?: string, connection?: string }} [parts]
 */
function switching(accept, more = '', parts = {}) {
  const {
    start = 'HTTP/1.1 101 Switching Protocols',
    upgrade = 'Upgrade: websocket\r\n',
    connection = 'Connection: Upgrade\r\n',
  } = parts;
  return `${start}\r\n${upgrade}${connection}Sec-WebSocket-Accept: ${accept}\r\n${more}\r\n`;
}

const got = ['open', 'message hi', 'close 1000'];
/** @param {number} status */
const unexpected = (status) => [`error GOODWIRE_UNEXPECTED_RESPONSE ${status}`, 'close 1006'];

/**
 * @typedef {object} ClientRow
 * @property {string} title
 * @property {(accept: string) => string} answered In latin1: what the server sends.
 * @property {readonly string[]} expected Events of the client.
 * @property {boolean} [isSplit] True if the row is also run with a cut at every octet.
 */

/** @type {readonly ClientRow[]} */
export const clientRows = [
  { title: 'frames follow the 101', answered: (accept) => switching(accept) + theirs, expected: got, isSplit: true },
  // RFC 9110 §5.6.1
  {
    title: 'empty elements of Connection are skipped in a response',
    answered: (accept) => switching(accept, '', { connection: 'Connection: , keep-alive,,UPGRADE ,\r\n' }) + theirs,
    expected: got,
  },
  {
    title: 'empty elements of Sec-WebSocket-Extensions are skipped in a response',
    answered: (accept) => switching(accept, 'Sec-WebSocket-Extensions: , ,\r\n') + theirs,
    expected: got,
  },
  // RFC 9110 §7.8
  {
    title: 'a 101 without Upgrade is an error',
    answered: (accept) => switching(accept, '', { upgrade: '' }) + theirs,
    // A parser of HTTP does not take such a response for an upgrade.
    expected: unexpected(101),
  },
  {
    title: 'a 101 to several protocols is an error',
    answered: (accept) => switching(accept, '', { upgrade: 'Upgrade: websocket, x\r\n' }) + theirs,
    expected: ['error GOODWIRE_INVALID_UPGRADE 101', 'close 1006'],
  },
  {
    title: 'a 101 to another protocol is an error',
    answered: (accept) => switching(accept, '', { upgrade: 'Upgrade: h2c\r\n' }) + theirs,
    expected: ['error GOODWIRE_INVALID_UPGRADE 101', 'close 1006'],
  },
  {
    title: 'a 426 is an error that has the protocol',
    answered: () => 'HTTP/1.1 426 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n',
    expected: ['error GOODWIRE_UNEXPECTED_RESPONSE 426 h2c', 'close 1006'],
  },
  {
    title: 'a 200 that has Upgrade is no upgrade',
    answered: (accept) => switching(accept, '', { start: 'HTTP/1.1 200 OK' }) + theirs,
    expected: ['error GOODWIRE_UNEXPECTED_RESPONSE 200 websocket', 'close 1006'],
    isSplit: true,
  },
  {
    title: 'a 101 of HTTP/1.0 is accepted, as in ws',
    answered: (accept) => switching(accept, '', { start: 'HTTP/1.0 101 x' }) + theirs,
    expected: got,
  },
  // RFC 9110 §10.1.1, §15.2
  {
    title: 'a 100 before the 101 is skipped',
    answered: (accept) => `HTTP/1.1 100 Continue\r\n\r\n${switching(accept)}${theirs}`,
    expected: got,
    isSplit: true,
  },
  {
    title: 'a hundred interim responses before the 101 are skipped',
    answered: (accept) =>
      `${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n'.repeat(50)}${switching(accept)}${theirs}`,
    expected: got,
  },
  {
    title: 'an interim response with fields of a body has none',
    answered: (accept) => `HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\n${switching(accept)}${theirs}`,
    expected: got,
    isSplit: true,
  },
  // RFC 9112 §6
  {
    title: 'a 101 with Content-Length has no body',
    answered: (accept) => switching(accept, 'Content-Length: 4\r\n') + theirs,
    expected: got,
    isSplit: true,
  },
  {
    title: 'a 101 with Transfer-Encoding has no body',
    answered: (accept) => switching(accept, 'Transfer-Encoding: chunked\r\n') + theirs,
    expected: got,
    isSplit: true,
  },
  {
    title: 'a 101 with both is an error',
    answered: (accept) => switching(accept, 'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n') + theirs,
    expected: ['error HPE', 'close 1006'],
  },
  // RFC 9112 §9.3.2
  {
    title: 'a 101 behind another response is not the response',
    answered: (accept) => `HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n${switching(accept)}${theirs}`,
    expected: unexpected(404),
    isSplit: true,
  },
  {
    title: 'a 101 inside the body of another response is not the response',
    answered: (accept) => `HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\n${switching(accept)}${theirs}`,
    expected: unexpected(200),
  },
  {
    title: 'a 101 to another request is an error',
    answered: () => switching(acceptFor(key)) + theirs,
    expected: ['error GOODWIRE_INVALID_ACCEPT 101', 'close 1006'],
  },
  {
    title: 'a response behind the 101 is no frame',
    answered: (accept) => `${switching(accept)}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`,
    expected: ['open', 'error WS_ERR_UNEXPECTED_RSV_1', 'close 1006'],
    isSplit: true,
  },
  {
    title: 'a second 101 behind the 101 is no frame',
    answered: (accept) => switching(accept) + switching(accept) + theirs,
    expected: ['open', 'error WS_ERR_UNEXPECTED_RSV_1', 'close 1006'],
  },
  {
    title: 'a 101 that is cut off is an error',
    answered: (accept) => switching(accept).slice(0, -2),
    expected: ['error ECONNRESET', 'close 1006'],
  },
];

/**
 * Runs a row against a client, and returns its events and its request.
 * @param {Library} library
 * @param {ClientRow} row
 * @param {number | 'whole' | 'octet by octet'} way A number is the index of the octet at which the answer is cut.
 * @param {import('goodwire').ClientOptions} [options]
 */
export async function runClientRow({ WebSocket }, row, way, options = {}) {
  let request = '';
  let isAnswered = false;
  /** @param {Duplex} wire */
  const send = async (wire) => {
    const accept = acceptFor(/^sec-websocket-key: (.*)\r$/im.exec(request)?.[1] ?? '');
    const octets = Buffer.from(row.answered(accept), 'latin1');
    const single = () => Array.from(octets, (octet) => Buffer.of(octet));
    const chunks =
      way === 'whole'
        ? [octets]
        : way === 'octet by octet'
          ? single()
          : [octets.subarray(0, way), octets.subarray(way)];
    for (const chunk of chunks) {
      if (wire.destroyed) return;
      wire.push(chunk);
      if (chunks.length > 1) await new Promise(setImmediate);
    }
    wire.push(null);
  };
  const createConnection = () =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        done();
        if (isAnswered) return;
        request += chunk;
        if (!request.includes('\r\n\r\n')) return;
        isAnswered = true;
        void send(this);
      },
    });
  /** @type {string[]} */
  const events = [];
  const socket = new WebSocket('ws://localhost/', { perMessageDeflate: false, ...options, createConnection });
  socket.on('open', () => events.push('open'));
  socket.on('message', (data) => events.push(`message ${data}`));
  socket.on('error', (error) => {
    const { code = '', status, headers } = /** @type {Partial<import('goodwire').HandshakeError>} */ (error);
    const parts = [code.startsWith('HPE_') ? 'HPE' : code, status, code.endsWith('RESPONSE') && headers?.upgrade];
    events.push(['error', ...parts].filter(Boolean).join(' '));
  });
  await new Promise((resolve) => {
    socket.on('close', (code) => {
      events.push(`close ${code}`);
      resolve(undefined);
    });
  });
  return { events, request };
}

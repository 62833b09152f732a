// Table of the limits of SECURITY.md in every state of a server: each limit × each stage of a connection × each way to accept
// connections × each state of the server, from before it listens until after the last callback of close(). `limits.mjs` runs it on
// each version of Node.js, and a test of the repository on the current one.
import assert from 'node:assert/strict';
import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { deflateRawSync } from 'node:zlib';

/**
 * @typedef {typeof import('goodwire')} Library
 * @typedef {InstanceType<Library['WebSocketServer']>} WebSocketServer
 * @typedef {InstanceType<Library['WebSocket']>} WebSocket
 * @typedef {import('goodwire').ServerOptions} ServerOptions
 * @typedef {'port' | 'server' | 'noServer' | 'upgrade()'} Way
 * @typedef {typeof states[number]} State
 * @typedef {{ limit: string, value: number, received?: number, websocket?: object, request?: { socket: object }, socket?: object }} Message
 *
 * @typedef {object} Outcome The end of a connection. It always ends, and the callback of close() always comes.
 * @property {string | null} limit Limit in the message on the channel `goodwire:limit-reached`; null for no message.
 * @property {RegExp | null} [answer] Matches everything that the client has received; null if the client does not read.
 *
 * @typedef {object} Row
 * @property {string} limit Name of the option, or of the rule.
 * @property {string} stage Stage of the connection.
 * @property {ServerOptions} [options]
 * @property {(host: Host) => Promise<void>} [prepare] Brings other connections.
 * @property {(connection: Connection) => unknown} enter Brings a connection into the stage.
 * @property {(connection: Connection) => unknown} [exceed] Exceeds the limit, in the state of the cell. Without it, time does.
 * @property {boolean} [isLate] True if the connection comes in the state of the cell, and not before.
 * @property {boolean} [hasOtherListener] True if other code listens for the upgrades of the HTTP server.
 * @property {(way: Way, state: State) => Outcome | string} outcome Expected outcome, or the reason why there is no such cell.
 *
 * @typedef {object} Cell
 * @property {string} title
 * @property {Row} row
 * @property {Way} way
 * @property {State} state
 * @property {() => Promise<void>} run
 */

/** States of a server, in order. */
export const states = /** @type {const} */ ([
  'before it listens',
  'while it listens',
  'after close(), with a client connected',
  'in the first callback of close()',
  'after the last callback of close()',
]);
/** Ways to accept connections. */
export const ways = /** @type {const} */ (['port', 'server', 'noServer', 'upgrade()']);

/** Milliseconds of the limits that are to pass. */
const short = 150;
/** Milliseconds after which a cell has hung. */
const patience = 60_000;

const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const head = `GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n`;
const request = `${head}\r\n`;
const offering = `${head}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n`;
const manyFields = Array.from({ length: 30 }, (_, i) => `X-${i}: y\r\n`).join('');
/** Longer than what the kernel takes for a peer that does not read. */
const long = 'x'.repeat(24 * 1024 * 1024);

/**
 * Returns a frame of a client, masked with zeroes. The header may promise more than comes.
 * @param {number} first
 * @param {string | Uint8Array} payload
 */
function frame(first, payload, length = payload.length) {
  assert.ok(length < 65_536);
  const header = length < 126 ? [first, 0x80 | length] : [first, 0x80 | 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([...header, 0, 0, 0, 0]), Buffer.from(payload)]);
}

/** Returns a close frame of a server, as text of octets. @param {number} code */
const closeFrame = (code) => String.fromCharCode(0x88, 2, code >> 8, code & 0xff);
/** Returns a pattern for what ends with a close frame. @param {number} code */
const endsWithClose = (code) => new RegExp(`${closeFrame(code)}$`);

/** @type {WeakMap<object, Message[]>} */
const published = new WeakMap();
subscribe('goodwire:limit-reached', (given) => {
  const message = /** @type {Message} */ (given);
  const subject = message.websocket ?? message.socket ?? message.request?.socket;
  assert.ok(subject, `nothing is named as ended: ${message.limit}`);
  published.set(subject, [...(published.get(subject) ?? []), message]);
});

/** One connection, both ends. */
class Connection {
  received = '';
  /** @type {WebSocket | undefined} */
  websocket;
  /** @type {Promise<unknown>} */
  closed;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #drip;

  /**
   * @param {net.Socket} client
   * @param {net.Socket} served
   * @param {Host} host
   * @param {boolean} isStubborn True if the client does not end its side when the server has.
   */
  constructor(client, served, host, isStubborn) {
    this.client = client;
    this.served = served;
    this.host = host;
    this.closed = new Promise((resolve) => served.on('close', resolve));
    client.on('error', () => {});
    if (!isStubborn) client.on('end', () => client.end());
    client.setEncoding('latin1').on('data', (text) => {
      this.received += text;
    });
    void this.closed.then(() => clearInterval(this.#drip));
  }

  /** @param {string | Uint8Array} data */
  send(data) {
    if (!this.client.destroyed) this.client.write(data);
  }

  /** Sends octet by octet, until the server ends the connection. @param {string | Uint8Array} data */
  drip(data) {
    let sent = 0;
    this.#drip = setInterval(() => {
      // Otherwise the kernel could answer with a reset, which discards the response.
      if (!this.served.writableEnded && sent < data.length) this.send(Buffer.from(data).subarray(sent, ++sent));
    }, 2);
  }

  /** Resolves when the client has received this text, or the connection has ended. @param {string} text */
  async has(text) {
    let isClosed = false;
    void this.closed.then(() => {
      isClosed = true;
    });
    while (!isClosed && !this.received.includes(text)) {
      await Promise.race([once(this.client, 'data'), this.closed]);
    }
  }

  /** Resolves when the server has read as much as the client has sent, or the connection has ended. */
  async isRead() {
    while (this.served.bytesRead < this.client.bytesWritten && !this.served.destroyed) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Opens the WebSocket. */
  async open(text = request) {
    this.send(text);
    this.websocket = await this.host.opened(this.served);
    await this.has('\r\n\r\n');
  }

  /** Stops reading. */
  deaf() {
    this.client.pause();
  }

  /** Everything received, once the client has seen the end. */
  async all() {
    if (!this.client.readableEnded && !this.client.destroyed) {
      await Promise.race([once(this.client, 'end'), once(this.client, 'close')]);
    }
    return this.received;
  }
}

/** A server in one of the ways, and its connections. */
class Host {
  /** @type {http.Server} */
  http;
  /** @type {WebSocketServer | undefined} */
  server;
  callbacks = 0;
  /** @type {Map<object, (websocket: WebSocket) => void>} */
  #awaited = new Map();
  /** @type {net.Server} */
  #front;
  /** @type {Connection[]} */
  #connections = [];

  /**
   * @param {Library} library
   * @param {Way} way
   * @param {ServerOptions} options
   * @param {net.AddressInfo} taken A port at which nobody else can listen.
   * @param {boolean} listens
   */
  constructor(library, way, options, taken, listens) {
    this.way = way;
    this.options = options;
    const { WebSocketServer, upgrade } = library;
    const onConnection = (/** @type {WebSocket} */ websocket, /** @type {{ socket: object }} */ { socket }) => {
      websocket.on('error', () => {});
      this.#awaited.get(socket)?.(websocket);
    };
    if (way === 'port') {
      const port = listens ? 0 : taken.port;
      const server = new WebSocketServer({ ...options, host: '127.0.0.1', port });
      if (!listens) server.on('error', () => {});
      this.server = server;
      this.http = /** @type {{ _server: http.Server }} */ (/** @type {unknown} */ (server))._server;
    } else {
      this.http = http.createServer();
    }
    if (way === 'server') this.server = new WebSocketServer({ ...options, server: this.http });
    if (way === 'noServer') {
      const server = new WebSocketServer({ ...options, noServer: true });
      this.http.on('upgrade', (request, socket, head) =>
        server.handleUpgrade(request, socket, head, (websocket) => server.emit('connection', websocket, request)),
      );
      this.server = server;
    }
    if (way === 'upgrade()') {
      this.http.on('upgrade', (request, socket, head) =>
        upgrade(request, socket, head, this.options).then(
          (websocket) => onConnection(websocket, { socket }),
          () => {},
        ),
      );
    }
    this.server?.on('connection', onConnection);
    this.#front = net.createServer({ allowHalfOpen: true });
  }

  /** @param {net.Socket} served @returns {Promise<WebSocket>} */
  opened(served) {
    return new Promise((resolve) => this.#awaited.set(served, resolve));
  }

  async listen() {
    if (this.way !== 'port') this.http.listen(0, '127.0.0.1');
    if (!this.http.listening) await once(this.http, 'listening');
  }

  /**
   * Opens a connection.
   * @param {boolean} isInjected True if it is handed to the HTTP server, which need not listen.
   * @param {boolean} [isStubborn]
   */
  async connect(isInjected, isStubborn = false) {
    if (isInjected && !this.#front.listening) {
      this.#front.listen(0, '127.0.0.1');
      await once(this.#front, 'listening');
    }
    const listener = isInjected ? this.#front : this.http;
    const { port } = /** @type {net.AddressInfo} */ (listener.address());
    const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const [[served]] = await Promise.all([once(listener, 'connection'), once(client, 'connect')]);
    const connection = new Connection(client, served, this, isStubborn);
    this.#connections.push(connection);
    return connection;
  }

  /** Hands an injected connection to the HTTP server. @param {Connection} connection */
  inject({ served }) {
    this.http.emit('connection', served);
  }

  /** Closes the server. Resolves inside of its last callback. @param {() => void} [first] Called in the first callback. */
  async close(first = () => {}) {
    const closer = this.server ?? this.http;
    await new Promise((resolve) => {
      closer.close(() => {
        this.callbacks++;
        first();
      });
      if (this.server === undefined) this.http.once('close', resolve);
      else this.server.once('close', () => resolve(undefined));
    });
  }

  /** Ends everything. */
  end() {
    for (const { client, served } of this.#connections) {
      client.destroy();
      served.destroy();
    }
    this.#front.close();
    this.http.close();
  }
}

/** @type {ServerOptions['verifyClient']} */
const silentVerify = (_info, _answer) => {};

/** The port's HTTP server is the application's with the other ways. @param {Way} way */
const isForeign = (way) => (way === 'port' ? undefined : 'the limit is one of the HTTP server of the application');
const [before, listening, closing, inCallback, afterAll] = states;
/** @param {State} state */
const isClosed = (state) => state !== before && state !== listening;

/**
 * Outcome of a request that comes after close().
 * @param {Way} way @param {State} state @returns {Outcome | string | undefined}
 */
function lateRequest(way, state) {
  if (!isClosed(state)) return undefined;
  // Its listener for upgrades is gone, so that the request is an ordinary one.
  if (way === 'port') return { limit: null, answer: /^HTTP\/1\.1 426 [\s\S]*Connection: close, Upgrade/ };
  if (way === 'server') return 'the application answers: the listener for upgrades is gone';
  return undefined;
}

/**
 * Sends a request that asks for no upgrade, and does not read its answer. Half a request follows. Otherwise newer versions of Node end the
 * connection themselves in close().
 * @param {Connection} connection
 */
async function leaveUnread(connection) {
  // The kernel takes no more, as far as the server can see.
  Object.assign(connection.served, { _write: () => {}, _writev: () => {} });
  connection.send(`GET / HTTP/1.1\r\nHost: localhost\r\n\r\n${head}`);
  await connection.isRead();
}

/** @type {Row[]} */
export const rows = [
  {
    limit: 'handshakeTimeout',
    stage: 'connected, silent',
    options: { handshakeTimeout: short },
    enter: () => {},
    outcome: (way, state) =>
      isForeign(way) ??
      (isClosed(state)
        ? { limit: null, answer: /^$/ }
        : { limit: 'handshakeTimeout', answer: /^HTTP\/1\.1 408 Request Timeout\r\nConnection: close\r\n\r\n$/ }),
  },
  {
    limit: 'handshakeTimeout',
    stage: 'connected, silent, after close()',
    options: { handshakeTimeout: short },
    isLate: true,
    enter: () => {},
    outcome: (way, state) =>
      isForeign(way) ??
      (state === inCallback || state === afterAll ? { limit: null, answer: /^$/ } : 'this is the row above'),
  },
  {
    limit: 'handshakeTimeout',
    stage: 'half a request',
    options: { handshakeTimeout: short },
    enter: async (connection) => {
      connection.send(head);
      await connection.isRead();
    },
    outcome: (way) => isForeign(way) ?? { limit: 'handshakeTimeout', answer: /^HTTP\/1\.1 408 / },
  },
  {
    limit: 'handshakeTimeout',
    stage: 'a request octet by octet',
    options: { handshakeTimeout: short },
    enter: async (connection) => {
      connection.drip(`${head}X: ${'x'.repeat(10_000)}`);
      await connection.isRead();
      while (connection.served.bytesRead === 0 && !connection.served.destroyed) await new Promise(setImmediate);
    },
    outcome: (way) => isForeign(way) ?? { limit: 'handshakeTimeout', answer: /^HTTP\/1\.1 408 / },
  },
  {
    limit: 'handshakeTimeout',
    stage: 'half a request behind another',
    options: { handshakeTimeout: short },
    enter: async (connection) => {
      connection.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await connection.has('\r\n\r\nUpgrade Required');
      connection.send(head);
      await connection.isRead();
    },
    // If the machine is late, the first request is.
    outcome: (way) =>
      isForeign(way) ?? { limit: 'handshakeTimeout', answer: /^(HTTP\/1\.1 426 [\s\S]*)?(HTTP\/1\.1 408 [\s\S]*)?$/ },
  },
  {
    limit: 'handshakeTimeout',
    stage: 'half the body of a request that was answered',
    options: { handshakeTimeout: short },
    enter: async (connection) => {
      connection.send('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf');
      await connection.has('\r\n\r\nUpgrade Required');
    },
    outcome: (way) => isForeign(way) ?? { limit: 'handshakeTimeout', answer: /^HTTP\/1\.1 4(26|08) / },
  },
  {
    limit: 'closeTimeout',
    stage: 'half a request, without handshakeTimeout',
    options: { handshakeTimeout: 0, closeTimeout: short },
    enter: async (connection) => {
      connection.send(head);
      await connection.isRead();
    },
    outcome: (way, state) =>
      isForeign(way) ?? (isClosed(state) ? { limit: 'closeTimeout', answer: /^HTTP\/1\.1 408 / } : 'there is no limit'),
  },
  {
    limit: 'handshakeTimeout',
    stage: 'answered with 426, which the peer does not read',
    options: { handshakeTimeout: short },
    enter: leaveUnread,
    outcome: (way) => isForeign(way) ?? { limit: 'handshakeTimeout', answer: null },
  },
  {
    limit: 'closeTimeout',
    stage: 'answered with 426, which the peer does not read, without handshakeTimeout',
    options: { handshakeTimeout: 0, closeTimeout: short },
    enter: leaveUnread,
    outcome: (way, state) =>
      isForeign(way) ?? (isClosed(state) ? { limit: 'closeTimeout', answer: null } : 'there is no limit'),
  },
  {
    limit: 'keepAliveTimeout',
    stage: 'kept alive after a response',
    enter: async (connection) => {
      connection.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await connection.has('\r\n\r\nUpgrade Required');
    },
    outcome: (way, state) =>
      isForeign(way) ?? (isClosed(state) ? { limit: null, answer: /^HTTP\/1\.1 426 / } : 'it takes 5 seconds'),
  },
  ...['verifyClient', 'shouldHandle'].map(
    (callback) =>
      /** @type {Row} */ ({
        limit: 'handshakeTimeout',
        stage: `request sent, waiting for ${callback}`,
        options: { handshakeTimeout: short, ...(callback === 'verifyClient' && { verifyClient: silentVerify }) },
        enter: async (connection) => {
          const { server } = connection.host;
          if (callback === 'shouldHandle' && server) server.shouldHandle = () => new Promise(() => {});
          connection.send(request);
          await connection.isRead();
        },
        outcome: (way) =>
          way === 'upgrade()' && callback === 'shouldHandle'
            ? 'upgrade() has no such callback'
            : { limit: 'handshakeTimeout', answer: way === 'port' ? /^HTTP\/1\.1 (503|408) / : /^HTTP\/1\.1 503 / },
      }),
  ),
  {
    limit: 'closeTimeout',
    stage: 'request sent, waiting for verifyClient without handshakeTimeout',
    options: { handshakeTimeout: 0, closeTimeout: short, verifyClient: silentVerify },
    enter: async (connection) => {
      connection.send(request);
      await connection.isRead();
    },
    outcome: (way, state) => {
      if (way === 'upgrade()') return 'the application has turned the limit off';
      return isClosed(state) ? { limit: 'closeTimeout', answer: /^HTTP\/1\.1 503 / } : 'there is no limit';
    },
  },
  {
    limit: 'handshakeTimeout',
    stage: 'left to other listeners',
    options: { handshakeTimeout: short, path: '/elsewhere' },
    hasOtherListener: true,
    enter: async (connection) => {
      connection.send(request);
      await connection.isRead();
    },
    outcome: (way, state) => {
      if (way === 'noServer' || way === 'upgrade()') return 'the application chooses';
      // The connection is ended by close(), or by the limit before.
      if (isClosed(state)) return { limit: 'any', answer: /^(HTTP\/1\.1 408 [\s\S]*)?$/ };
      return { limit: 'handshakeTimeout', answer: /^(HTTP\/1\.1 408 [\s\S]*)?$/ };
    },
  },
  {
    limit: 'maxPendingHandshakes',
    stage: 'half a request, while another waits for verifyClient',
    options: { maxPendingHandshakes: 1, verifyClient: silentVerify },
    prepare: async (host) => {
      const other = await host.connect(true);
      host.inject(other);
      other.send(request);
      await other.isRead();
    },
    enter: async (connection) => {
      connection.send(head);
      await connection.isRead();
    },
    exceed: (connection) => connection.send('\r\n'),
    outcome: (way, state) => {
      if (way === 'upgrade()') return 'each call has its own';
      return lateRequest(way, state) ?? { limit: 'maxPendingHandshakes', answer: /^HTTP\/1\.1 503 / };
    },
  },
  {
    limit: 'maxPendingHandshakes',
    stage: 'connected, silent, waiting longest',
    options: { maxPendingHandshakes: 1 },
    enter: () => {},
    exceed: async (connection) => {
      const other = await connection.host.connect(true);
      connection.host.inject(other);
    },
    outcome: (way, state) =>
      isForeign(way) ??
      (isClosed(state) ? { limit: null, answer: /^$/ } : { limit: 'maxPendingHandshakes', answer: /^$/ }),
  },
  {
    limit: 'maxHeadersCount',
    stage: 'half a request',
    options: { maxHeadersCount: 20 },
    enter: async (connection) => {
      connection.send(head);
      await connection.isRead();
    },
    exceed: (connection) => connection.send(`${manyFields}\r\n`),
    outcome: (way, state) => lateRequest(way, state) ?? { limit: 'maxHeadersCount', answer: /^HTTP\/1\.1 431 / },
  },
  {
    limit: 'maxHeaderSize',
    stage: 'half a request',
    options: { maxHeaderSize: 1000 },
    enter: async (connection) => {
      connection.send(head);
      await connection.isRead();
    },
    exceed: (connection) => connection.send(`X: ${'x'.repeat(2000)}\r\n\r\n`),
    outcome: (way) => isForeign(way) ?? { limit: 'maxHeaderSize', answer: /^HTTP\/1\.1 431 / },
  },
  {
    limit: 'closeTimeout',
    stage: 'refused and being ended, the peer does not read',
    options: { closeTimeout: short, verifyClient: (_info, answer) => answer(false, 403, long) },
    enter: async (connection) => {
      connection.deaf();
      connection.send(request);
      await connection.isRead();
    },
    outcome: () => ({ limit: 'closeTimeout', answer: null }),
  },
  {
    limit: 'maxPayload',
    stage: 'open',
    options: { maxPayload: 1000 },
    enter: (connection) => connection.open(),
    exceed: (connection) => connection.send(frame(0x82, '', 1001)),
    outcome: () => ({ limit: 'maxPayload', answer: endsWithClose(1009) }),
  },
  {
    limit: 'maxPayload',
    stage: 'open, with permessage-deflate',
    options: { maxPayload: 1000, perMessageDeflate: true },
    enter: (connection) => connection.open(offering),
    exceed: (connection) => connection.send(frame(0xc2, deflateRawSync(Buffer.alloc(100_000)))),
    outcome: () => ({ limit: 'maxPayload', answer: endsWithClose(1009) }),
  },
  {
    limit: 'maxPayload',
    stage: 'closing handshake sent',
    options: { maxPayload: 1000 },
    enter: async (connection) => {
      await connection.open();
      connection.websocket?.close(1000);
      await connection.has(closeFrame(1000));
    },
    exceed: (connection) => connection.send(frame(0x82, '', 1001)),
    outcome: () => ({ limit: 'maxPayload', answer: endsWithClose(1000) }),
  },
  {
    limit: 'maxFragments',
    stage: 'open',
    options: { maxFragments: 2 },
    enter: (connection) => connection.open(),
    exceed: (connection) => connection.send(Buffer.concat([frame(0x01, 'a'), frame(0, 'b'), frame(0, 'c')])),
    outcome: () => ({ limit: 'maxFragments', answer: endsWithClose(1008) }),
  },
  {
    limit: 'maxBufferedChunks',
    stage: 'open',
    options: { maxBufferedChunks: 2 },
    enter: (connection) => connection.open(),
    exceed: (connection) => connection.drip(frame(0x82, 'x'.repeat(10_000))),
    outcome: () => ({ limit: 'maxBufferedChunks', answer: endsWithClose(1008) }),
  },
  {
    limit: 'maxFinalBlocks',
    stage: 'open',
    options: { perMessageDeflate: { maxFinalBlocks: 2 } },
    enter: (connection) => connection.open(offering),
    exceed: (connection) =>
      connection.send(frame(0xc2, Buffer.from('03 00 03 00 03 00 00'.replaceAll(' ', ''), 'hex'))),
    outcome: () => ({ limit: 'maxFinalBlocks', answer: endsWithClose(1007) }),
  },
  {
    limit: 'length of a control frame',
    stage: 'open',
    enter: (connection) => connection.open(),
    exceed: (connection) => connection.send(frame(0x89, 'x'.repeat(126))),
    outcome: () => ({ limit: null, answer: endsWithClose(1002) }),
  },
  {
    limit: 'closeTimeout',
    stage: 'closing handshake sent',
    options: { closeTimeout: short },
    enter: (connection) => connection.open(),
    exceed: (connection) => connection.websocket?.close(1000),
    outcome: () => ({ limit: 'closeTimeout', answer: endsWithClose(1000) }),
  },
  {
    limit: 'closeTimeout',
    stage: 'failed, the peer does not end its side',
    options: { closeTimeout: short },
    enter: (connection) => connection.open(),
    exceed: (connection) => connection.send(frame(0x83, '')),
    outcome: () => ({ limit: 'closeTimeout', answer: endsWithClose(1002) }),
  },
  {
    limit: 'closeTimeout',
    stage: 'half-closed by the peer, which does not read',
    options: { closeTimeout: short },
    enter: async (connection) => {
      await connection.open();
      connection.deaf();
      connection.websocket?.send(long);
    },
    exceed: (connection) => connection.client.end(),
    outcome: () => ({ limit: 'closeTimeout', answer: null }),
  },
  {
    limit: 'closeTimeout',
    stage: 'closing handshake sent to a peer that does not read',
    options: { closeTimeout: short },
    enter: async (connection) => {
      await connection.open();
      connection.deaf();
      connection.websocket?.send(long);
    },
    exceed: (connection) => connection.websocket?.close(1000),
    outcome: () => ({ limit: 'closeTimeout', answer: null }),
  },
];

/**
 * Returns the cells of the table that exist.
 * @param {Library} library
 * @returns {Cell[]}
 */
export function cellsOf(library) {
  /** @type {Cell[]} */
  const cells = [];
  for (const row of rows) {
    for (const way of ways) {
      for (const state of states) {
        const outcome = row.outcome(way, state);
        if (typeof outcome === 'string') continue;
        const title = `${row.limit}, ${row.stage}, ${way}, ${state}`;
        cells.push({ title, row, way, state, run: () => run(library, row, way, state, outcome) });
      }
    }
  }
  return cells;
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {string} what
 * @returns {Promise<T>}
 */
async function bounded(promise, what) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const hung = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`hung: ${what}`)), patience);
  });
  try {
    return /** @type {T} */ (await Promise.race([promise, hung]));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {Library} library
 * @param {Row} row
 * @param {Way} way
 * @param {State} state
 * @param {Outcome} outcome
 */
async function run(library, row, way, state, outcome) {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  // Otherwise servers would not be closed before their clients are gone.
  const isTracking = state === closing;
  const options = { ...row.options, clientTracking: isTracking };
  const address = /** @type {net.AddressInfo} */ (taken.address());
  const host = new Host(library, way, options, address, state !== before);
  if (row.hasOtherListener) host.http.on('upgrade', () => {});
  try {
    if (state !== before) await host.listen();
    // A connection that was injected does not hold up close().
    const isInjected = state !== listening && state !== closing;
    const holder = state === closing ? await hold(host) : undefined;
    await row.prepare?.(host);
    const connection = await host.connect(isInjected, row.limit === 'closeTimeout');
    const arrive = () => {
      if (isInjected) host.inject(connection);
      return row.enter(connection);
    };
    const exceed = () => row.exceed?.(connection);
    if (!row.isLate) await bounded(Promise.resolve(arrive()), 'the stage is not reached');
    const act = row.isLate ? arrive : exceed;

    let closed = Promise.resolve();
    let acted;
    if (state === closing) closed = host.close();
    if (state === inCallback) {
      closed = host.close(() => {
        acted = act();
      });
    }
    if (state === afterAll) await bounded(host.close(), 'close() does not call back');
    if (state === inCallback) await bounded(closed, 'close() does not call back');
    else acted = act();
    await acted;

    await bounded(connection.closed, 'the connection is not ended');
    if (outcome.answer) assert.match(await bounded(connection.all(), 'the client sees no end'), outcome.answer);
    const subject = [connection.served, connection.websocket];
    const messages = subject.flatMap((ended) => (ended && published.get(ended)) ?? []);
    const limits = messages.map(({ limit }) => limit).filter((limit) => limit === row.limit || outcome.limit === null);
    if (outcome.limit !== 'any') assert.deepEqual(limits, outcome.limit === null ? [] : [outcome.limit]);
    holder?.client.destroy();
    await bounded(closed, 'close() does not call back');
    if (isClosed(state)) assert.equal(host.callbacks, 1);
  } finally {
    host.end();
    taken.close();
  }
}

/** Opens a WebSocket that keeps the server from closing. @param {Host} host */
async function hold(host) {
  const holder = await host.connect(false);
  // The callbacks of the row must not concern this connection.
  const options = host.server?.options ?? host.options;
  const { verifyClient = null, path = null } = options;
  Object.assign(options, { verifyClient: null, path: null });
  await bounded(holder.open(), 'the holder is not opened');
  Object.assign(options, { verifyClient, path });
  return holder;
}

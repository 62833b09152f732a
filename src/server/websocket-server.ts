import { EventEmitter } from 'node:events';
import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { readDeflateOptions } from '../extension/per-message-deflate-options.ts';
import { PreparedMessage, type PreparedMessageOptions } from '../message/prepared-message.ts';
import { defaultCloseTimeout, defaultMaxPayload, maxTimerDelay } from '../transport/transport-settings.ts';
import { WebSocket } from '../websocket/websocket.ts';
import {
  type AcceptedCallback,
  acceptUpgrade,
  originPolicy,
  requireResponseHeaders,
  type UpgradeHost,
} from './accept-upgrade.ts';
import { warnOfFailure } from './diagnostics.ts';
import {
  defaultHandshakeTimeout,
  defaultMaxHeadersCount,
  defaultMaxPendingHandshakes,
  requireHandshakeLimits,
} from './handshake-limits.ts';
import * as own from './own.ts';
import { PendingHandshakes } from './pending-handshakes.ts';
import type { ServerOptions, UpgradeOptions } from './server-options.ts';
import { type Sharer, share, unshare } from './shared-server.ts';
import { UnaskedConnections } from './unasked-connections.ts';

const defaults = {
  allowSynchronousEvents: true,
  autoPong: true,
  maxBufferedChunks: 0,
  maxFragments: 0,
  maxPayload: defaultMaxPayload,
  maxPendingAutoPongs: 60,
  skipUTF8Validation: false,
  perMessageDeflate: false,
  handleProtocols: null,
  clientTracking: true,
  closeTimeout: defaultCloseTimeout,
  verifyClient: null,
  noServer: false,
  backlog: null,
  server: null,
  host: null,
  path: null,
  port: null,
};

/** The events of a {@link WebSocketServer} with their arguments. */
export interface WebSocketServerEvents<Socket, Request> {
  /** The server is closed: no new connections, and the last of its clients is gone. */
  close: [];
  /** The handshake of a client is complete. */
  connection: [websocket: Socket, request: Request];
  /** The HTTP server failed: `EADDRINUSE` and the like. */
  error: [error: Error];
  /** The header lines of a response that opens a connection, before it is sent; the list may be changed. */
  headers: [headers: string[], request: Request];
  /** The HTTP server listens. */
  listening: [];
  /**
   * A request broke a rule of the opening handshake, or a callback of the application failed on it. `error` is a `HandshakeError`. The
   * listener has to answer on the socket and to close it; without a listener that is done for it.
   */
  wsClientError: [error: Error, socket: Duplex, request: Request];
}

/** How {@link WebSocketServer.broadcast} sends, and to whom. */
export interface BroadcastOptions<Socket = WebSocket> extends PreparedMessageOptions {
  /** Called with each open client; false leaves it out. */
  filter?: ((client: Socket) => boolean) | undefined;
}

type Class = typeof WebSocket;
type RequestClass = typeof IncomingMessage;
type Events<T extends Class, U extends RequestClass> = WebSocketServerEvents<InstanceType<T>, InstanceType<U>>;
type Listener<T extends Class, U extends RequestClass, Args extends unknown[]> = (
  this: WebSocketServer<T, U>,
  ...args: Args
) => void;
// biome-ignore lint/suspicious/noExplicitAny: events of the application's own, as with every EventEmitter
type AnyListener<T extends Class, U extends RequestClass> = Listener<T, U, any[]>;

/** EventEmitter's methods with the types of our events. */
export interface WebSocketServer<T extends Class = Class, U extends RequestClass = RequestClass> {
  on<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  on(event: string | symbol, listener: AnyListener<T, U>): this;
  once<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  once(event: string | symbol, listener: AnyListener<T, U>): this;
  off<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  off(event: string | symbol, listener: AnyListener<T, U>): this;
  addListener<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  addListener(event: string | symbol, listener: AnyListener<T, U>): this;
  removeListener<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  removeListener(event: string | symbol, listener: AnyListener<T, U>): this;
  prependListener<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  prependListener(event: string | symbol, listener: AnyListener<T, U>): this;
  prependOnceListener<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  prependOnceListener(event: string | symbol, listener: AnyListener<T, U>): this;
}

type State = 'running' | 'closing' | 'closed';

/** @internal The HTTP server that a WebSocketServer listens to; null in `noServer` mode, and from `close()` on. */
export let httpServerOf: (server: WebSocketServer) => HttpServer | null;

/**
 * Accepts WebSockets (RFC 6455 §4.2): at a port of its own, on HTTP servers that have other things to do too, or on whatever
 * `handleUpgrade` is given. Several may share one HTTP server: the first whose `shouldHandle` wants a request gets it.
 * @typeParam T The class of its sockets.
 * @typeParam U The class of the requests of the HTTP server.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see the interface
export class WebSocketServer<T extends Class = Class, U extends RequestClass = RequestClass> extends EventEmitter {
  static {
    httpServerOf = (server) => server[own.server];
  }

  /** The options, with the defaults filled in. */
  options: ServerOptions<T, U>;
  /** For the application's own use, as in `ws`; the path that is served is `options.path`. */
  declare path: string;
  /** The open sockets; absent if `clientTracking` is off. */
  declare clients: Set<InstanceType<T>>;
  private [own.state]: State = 'running';
  /** The HTTP server while we listen to it. */
  private [own.server]: HttpServer | null = null;
  private readonly [own.isOwnServer]: boolean;
  /** Closing waits for the last client where the HTTP server, which is not ours to close, does not. */
  private [own.awaitsClients] = false;
  private readonly [own.host]: UpgradeHost;
  private readonly [own.pending] = new PendingHandshakes();
  /** Of an HTTP server of our own. */
  private [own.unasked]: UnaskedConnections | undefined;
  /** The listener on every client's `close`: one function for all of them, since each closure costs memory per connection. */
  private readonly [own.forget]: (this: WebSocket) => void;
  private readonly [own.emitConnection]: AcceptedCallback;
  private readonly [own.sharer]: Sharer;
  private readonly [own.emitListening] = () => this.emit('listening');
  private readonly [own.emitError] = (error: Error) => this.emit('error', error);

  /**
   * @param callback Called when the server listens at `port`.
   * @throws TypeError unless exactly one of `port`, `server` and `noServer` is given, and for `origins`, `responseHeaders` or
   * `perMessageDeflate` that are not valid; TypeError, RangeError for windows out of range and limits that are none.
   */
  constructor(options?: ServerOptions<T, U>, callback?: () => void) {
    super();
    const given = withDefaults(options);
    const { port, server, noServer } = given;
    const isPortGiven = port !== undefined && port !== null;
    if (Number(isPortGiven) + Number(Boolean(server)) + Number(Boolean(noServer)) !== 1) {
      throw new TypeError('One and only one of the "port", "server", or "noServer" options must be specified');
    }
    if (given.perMessageDeflate === true) given.perMessageDeflate = {};
    // Requests are of the class that the HTTP server makes: the types below the server know only its base.
    const general = given as unknown as UpgradeOptions;
    requireResponseHeaders(general.responseHeaders);
    requireHandshakeLimits(general);
    readDeflateOptions('server', general.perMessageDeflate);

    this.options = given;
    this[own.isOwnServer] = isPortGiven;
    this[own.host] = this[own.createHost](originPolicy(general.origins));
    this[own.emitConnection] = (websocket, request) => {
      this.emit('connection', websocket, request);
    };
    const forget = (websocket: WebSocket) => this[own.removeClient](websocket);
    this[own.forget] = function () {
      forget(this);
    };
    this[own.sharer] = {
      shouldHandle: this[own.host].shouldHandle,
      upgrade: (request, socket, head) => {
        this[own.unasked]?.delete(socket);
        this.handleUpgrade(
          request as InstanceType<U>,
          socket,
          head,
          this[own.emitConnection] as unknown as (websocket: InstanceType<T>) => void,
        );
      },
    };
    if (given.clientTracking) this.clients = new Set();

    if (isPortGiven) {
      this[own.server] = createHttpServer(given);
      this[own.unasked] = new UnaskedConnections(this[own.server], () => this[own.unaskedLimit]());
      this[own.server].listen(port, given.host as string, given.backlog as number, callback);
    } else if (server) {
      this[own.server] = server as unknown as HttpServer;
    }
    this[own.attach]();
  }

  /**
   * The address that the HTTP server is bound to: an object for a port, a string for a Unix socket; null when it does not listen.
   * @throws Error in `noServer` mode.
   */
  address(): AddressInfo | string | null {
    if (this.options.noServer) throw new Error('The server is operating in "noServer" mode');
    return this[own.server] === null ? null : this[own.server].address();
  }

  /**
   * Sends a message to all open clients: it is encoded once, and compressed once for each way in which permessage-deflate was agreed on
   * without context takeover. Octets that are given are copied. What is sent in one turn of the event loop's poll phase, by whatever
   * number of calls, leaves in one write per client.
   * @returns To how many clients it goes.
   * @throws Error with `clientTracking` off; TypeError for data that is neither a string, octets nor a {@link PreparedMessage}; and, after
   *   all others have got it, Error if a client is being sent a message in fragments.
   */
  broadcast(data: string | Uint8Array | PreparedMessage, options: BroadcastOptions<InstanceType<T>> = {}): number {
    if (!this.clients) throw new Error('broadcast() needs the clients: clientTracking is off');
    const message = data instanceof PreparedMessage ? data : new PreparedMessage(data, options);
    let sent = 0;
    let failure: unknown;
    for (const client of this.clients) {
      if (client.readyState !== WebSocket.OPEN || options.filter?.(client) === false) continue;
      try {
        client.send(message);
        sent++;
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return sent;
  }

  /**
   * Accepts no more connections, and emits `close` when the last client is gone. The clients are not closed, nor is an HTTP server
   * that was given. `callback` is called with `close`, and with an Error if the server was closed already.
   */
  close(callback?: (error?: Error) => void): void {
    if (this[own.state] === 'closed') {
      if (callback) this.once('close', () => callback(new Error('The server is not running')));
      process.nextTick(() => this[own.emitClose]());
      return;
    }
    if (callback) this.once('close', callback);
    if (this[own.state] === 'closing') return;
    this[own.state] = 'closing';

    const server = this[own.server];
    this[own.detach]();
    if (server !== null && this[own.isOwnServer]) {
      // It waits for the sockets that it accepted, upgraded ones among them.
      server.close(() => this[own.emitClose]());
    } else if (this.clients?.size > 0) {
      this[own.awaitsClients] = true;
    } else {
      process.nextTick(() => this[own.emitClose]());
    }
  }

  /** Whether a request is for this server: by its path, if there is the option `path`. To be overridden by those who know better. */
  shouldHandle(request: InstanceType<U>): boolean | Promise<boolean> {
    const { path } = this.options;
    if (!path) return true;
    const url = request.url ?? '';
    const query = url.indexOf('?');
    return (query === -1 ? url : url.slice(0, query)) === path;
  }

  /**
   * Completes the opening handshake on a socket, whatever HTTP server it comes from: answers 101 and calls back with the WebSocket, or
   * answers the refusal. Must be called once for a socket, and before anything else is read from it or written to it.
   * @param head What came behind the request.
   * @param callback Called at once, unless the application takes its time to decide. The `connection` event is left to it.
   * @throws Error when the socket was upgraded before, or is about to be.
   */
  handleUpgrade(
    request: InstanceType<U>,
    socket: Duplex,
    head: Buffer,
    callback: (websocket: InstanceType<T>, request: InstanceType<U>) => void,
  ): void {
    acceptUpgrade(this[own.host], request, socket, head, callback as unknown as AcceptedCallback);
  }

  private [own.createHost](allowsOrigin: UpgradeHost['allowsOrigin']): UpgradeHost {
    const options = () => this.options as unknown as UpgradeOptions;
    return {
      // The application may put others in their place.
      get options() {
        return options();
      },
      allowsOrigin,
      pending: this[own.pending],
      shouldHandle: (request) => this.shouldHandle(request as InstanceType<U>),
      isRunning: () => this[own.state] === 'running',
      showLines: (lines, request) => {
        const isAnyoneThere = this.listenerCount('headers') > 0;
        this.emit('headers', lines, request);
        return isAnyoneThere;
      },
      accepted: (websocket) => this[own.addClient](websocket),
      takesOver: (error, socket, request) => {
        if (this.listenerCount('wsClientError') === 0) {
          warnOfFailure(error);
          return false;
        }
        this.emit('wsClientError', error, socket, request);
        return true;
      },
      refused: () => {},
    };
  }

  /** What those that wait for the application leave of `maxPendingHandshakes`, but one at least: who comes has to be heard. */
  private [own.unaskedLimit](): number {
    const most = this.options.maxPendingHandshakes ?? defaultMaxPendingHandshakes;
    return most === 0 ? 0 : Math.max(1, most - this[own.pending].size);
  }

  private [own.attach](): void {
    const server = this[own.server];
    if (server === null) return;
    server.on('listening', this[own.emitListening]);
    server.on('error', this[own.emitError]);
    share(server, this[own.sharer]);
  }

  private [own.detach](): void {
    const server = this[own.server];
    if (server === null) return;
    server.removeListener('listening', this[own.emitListening]);
    server.removeListener('error', this[own.emitError]);
    unshare(server, this[own.sharer]);
    this[own.server] = null;
  }

  private [own.addClient](websocket: WebSocket): void {
    if (!this.clients) return;
    this.clients.add(websocket as InstanceType<T>);
    websocket.on('close', this[own.forget]);
  }

  private [own.removeClient](websocket: WebSocket): void {
    this.clients.delete(websocket as InstanceType<T>);
    if (this[own.awaitsClients] && this.clients.size === 0) process.nextTick(() => this[own.emitClose]());
  }

  private [own.emitClose](): void {
    this[own.state] = 'closed';
    this.emit('close');
  }
}

/** An option that is given as undefined is not given. */
function withDefaults<T extends Class, U extends RequestClass>(
  given: ServerOptions<T, U> | undefined,
): ServerOptions<T, U> {
  const all: Readonly<Record<string, unknown>> = { ...defaults, WebSocket };
  const options: Record<string, unknown> = { ...all, ...given };
  for (const [name, value] of Object.entries(all)) if (options[name] === undefined) options[name] = value;
  return options as unknown as ServerOptions<T, U>;
}

/** An HTTP server of ours, whose clients have as much time and as many octets for a request as the options say. */
function createHttpServer(options: ServerOptions<Class, never>): HttpServer {
  const {
    handshakeTimeout = defaultHandshakeTimeout,
    maxHeadersCount = defaultMaxHeadersCount,
    maxHeaderSize,
  } = options;
  const timeout = Math.ceil(Math.min(handshakeTimeout, maxTimerDelay));
  const server = createServer({
    ...(maxHeaderSize !== undefined && { maxHeaderSize }),
    ...(timeout > 0 && {
      headersTimeout: timeout,
      requestTimeout: timeout,
      // How often Node looks for those whose time is over.
      connectionsCheckingInterval: Math.min(30_000, Math.ceil(timeout / 4)),
    }),
  });
  server.on('request', answerPlainRequest);
  // Node drops the fields that are more, and says nothing of it: with one more we see that there are too many.
  if (maxHeadersCount > 0) server.maxHeadersCount = maxHeadersCount + 1;
  return server;
}

/** An HTTP server of ours speaks nothing but WebSocket. A 426 names the protocol to upgrade to (RFC 9110 §15.5.22). */
function answerPlainRequest(_request: IncomingMessage, response: ServerResponse): void {
  // Otherwise the second answer would end the process, where a listener of the application has answered before.
  if (response.headersSent) return;
  const body = STATUS_CODES[426]!;
  response.writeHead(426, {
    Connection: response.shouldKeepAlive ? 'Upgrade' : 'close, Upgrade',
    Upgrade: 'websocket',
    'Content-Length': body.length,
    'Content-Type': 'text/plain',
  });
  response.end(body);
}

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
import { afterTick } from '../event-loop/after-tick.ts';
import { readDeflateOptions } from '../extension/per-message-deflate-options.ts';
import { pathOf } from '../handshake/request-target.ts';
import { asPrepared, PreparedMessage, type PreparedMessageOptions } from '../message/prepared-message.ts';
import { type TimerHandle, unref } from '../transport/timer.ts';
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
import { defaultHandshakeTimeout, defaultMaxPendingHandshakes, requireHandshakeLimits } from './handshake-limits.ts';
import * as own from './own.ts';
import { PendingHandshakes } from './pending-handshakes.ts';
import type { ServerOptions, UpgradeOptions } from './server-options.ts';
import { hasOtherListeners, type Sharer, share, unshare } from './shared-server.ts';
import { endedHere, UnaskedConnections, type UnaskedLimits } from './unasked-connections.ts';

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

/** Events of a {@link WebSocketServer} with their arguments. */
export interface WebSocketServerEvents<Socket, Request> {
  /** Emitted when the server is closed: it accepts no connections, and its last client has disconnected. */
  close: [];
  /** Emitted when the handshake of a client is complete. */
  connection: [websocket: Socket, request: Request];
  /** Emitted if the HTTP server failed: `EADDRINUSE` and the like. */
  error: [error: Error];
  /**
   * Emitted with the header lines of a response that opens a connection, before it is sent. Listeners may change the
   * list.
   */
  headers: [headers: string[], request: Request];
  /** Emitted when the HTTP server listens. */
  listening: [];
  /**
   * Emitted if a request broke a rule of the opening handshake, or a callback of the application failed on it. `error`
   * is a `HandshakeError`. The listener must respond on the socket and close it; without a listener the server does so.
   */
  wsClientError: [error: Error, socket: Duplex, request: Request];
}

/** Options of {@link WebSocketServer.broadcast}. */
export interface BroadcastOptions<Socket = WebSocket> extends PreparedMessageOptions {
  /** Called with each open client. Returns false to skip the client. */
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

/** Methods of EventEmitter with the types of the server's events. */
export interface WebSocketServer<T extends Class = Class, U extends RequestClass = RequestClass> {
  /**
   * Emitted when the handshake of a client is complete.
   * @param listener Called with `websocket`, the open socket, and `request`, the client's request with its headers.
   */
  on(
    event: 'connection',
    listener: (this: WebSocketServer<T, U>, websocket: InstanceType<T>, request: InstanceType<U>) => void,
  ): this;
  /** Emitted when the HTTP server listens. */
  on(event: 'listening', listener: (this: WebSocketServer<T, U>) => void): this;
  /** Emitted when the server is closed: it accepts no connections, and its last client has disconnected. */
  on(event: 'close', listener: (this: WebSocketServer<T, U>) => void): this;
  /**
   * Emitted if the HTTP server failed.
   * @param listener Called with `error`: `EADDRINUSE` and the like.
   */
  on(event: 'error', listener: (this: WebSocketServer<T, U>, error: Error) => void): this;
  /**
   * Emitted before the response that opens a connection is sent.
   * @param listener Called with `headers`, the lines of the response, which may be changed, and the client's `request`.
   */
  on(
    event: 'headers',
    listener: (this: WebSocketServer<T, U>, headers: string[], request: InstanceType<U>) => void,
  ): this;
  /**
   * Emitted if a request broke a rule of the opening handshake, or if a callback of the application failed on it.
   * @param listener Called with `error`, a HandshakeError, the `socket`, which the listener must respond on and close, and the `request`.
   */
  on(
    event: 'wsClientError',
    listener: (this: WebSocketServer<T, U>, error: Error, socket: Duplex, request: InstanceType<U>) => void,
  ): this;
  /** Adds a listener. */
  on<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  on(event: string | symbol, listener: AnyListener<T, U>): this;
  /** Adds a listener that is called for the next event only. {@link on} describes the events. */
  once<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  once(event: string | symbol, listener: AnyListener<T, U>): this;
  /** Removes a listener. */
  off<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  off(event: string | symbol, listener: AnyListener<T, U>): this;
  /** Adds a listener, as {@link on}, which describes the events. */
  addListener<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  addListener(event: string | symbol, listener: AnyListener<T, U>): this;
  /** Removes a listener. */
  removeListener<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  removeListener(event: string | symbol, listener: AnyListener<T, U>): this;
  /** Adds a listener in front of the others. {@link on} describes the events. */
  prependListener<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  prependListener(event: string | symbol, listener: AnyListener<T, U>): this;
  /** Adds a listener in front of the others, for the next event only. {@link on} describes the events. */
  prependOnceListener<E extends keyof Events<T, U>>(event: E, listener: Listener<T, U, Events<T, U>[E]>): this;
  prependOnceListener(event: string | symbol, listener: AnyListener<T, U>): this;
}

/**
 * Options of a server, as it has them. The class has no type here, because the static properties of `WebSocket` are not
 * those of the types of `ws`: otherwise a server would not go into code that is typed for `ws`.
 */
export interface GivenOptions<T extends Class = Class, U extends RequestClass = RequestClass>
  extends Omit<ServerOptions<T, U>, 'WebSocket'> {
  // biome-ignore lint/suspicious/noExplicitAny: see above
  WebSocket?: any;
}

/** State of a server: `closed` once `close` was emitted. */
export type State = 'running' | 'closing' | 'closed';

/**
 * @internal Returns the HTTP server on which a WebSocketServer listens; null in `noServer` mode, and after `close()`.
 */
export let httpServerOf: (server: WebSocketServer) => HttpServer | null;
/** @internal Returns the state of a WebSocketServer. */
export let stateOf: (server: WebSocketServer) => State;

/**
 * Accepts WebSockets (RFC 6455 §4.2): on its own port, on HTTP servers that also serve other requests, or on sockets
 * passed to `handleUpgrade`. Several servers may share one HTTP server: the first whose `shouldHandle` accepts a
 * request gets it.
 * @typeParam T Class of its sockets.
 * @typeParam U Class of the requests of the HTTP server.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see the interface
export class WebSocketServer<T extends Class = Class, U extends RequestClass = RequestClass> extends EventEmitter {
  static {
    httpServerOf = (server) => server[own.server];
    stateOf = (server) => server[own.state];
  }

  /** Options including defaults. */
  options: GivenOptions<T, U>;
  /** For the application's own use, as in `ws`. The served path is `options.path`. */
  declare path: string;
  /** Open sockets; absent if `clientTracking` is off. */
  declare clients: Set<InstanceType<T>>;
  private [own.state]: State = 'running';
  /** HTTP server while this server listens on it; otherwise null. */
  private [own.server]: HttpServer | null = null;
  private readonly [own.isOwnServer]: boolean;
  /**
   * True if `close` is to be emitted after the last client has disconnected, because the HTTP server is not ours and
   * stays open.
   */
  private [own.awaitsClients] = false;
  private readonly [own.host]: UpgradeHost;
  private readonly [own.pending] = new PendingHandshakes();
  /** Set only with our own HTTP server. */
  private [own.unasked]: UnaskedConnections | undefined;
  /** Timer for the opening handshakes that were not complete when the server was closed. */
  private [own.closeTimer]: TimerHandle;
  /**
   * Listener for `close` of every client. One function serves them all, because a closure per connection costs memory.
   */
  private readonly [own.forget]: (this: WebSocket) => void;
  private readonly [own.emitConnection]: AcceptedCallback;
  private readonly [own.sharer]: Sharer;
  private readonly [own.emitListening] = () => this.emit('listening');
  private readonly [own.emitError] = (error: Error) => this.emit('error', error);

  /**
   * Creates a server. With `port` it listens at once.
   * @param options Exactly one of `port`, `server` and `noServer` is required.
   * @param callback Called when the server listens on `port`.
   * @throws TypeError unless exactly one of `port`, `server` and `noServer` is given, or if `origins`,
   *   `responseHeaders` or `perMessageDeflate` is invalid; TypeError or RangeError if a window is out of range or a
   *   limit is invalid.
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
    // The HTTP server determines the class of requests; the types below use only its base class.
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
      handshakeTimeout: () => this.options.handshakeTimeout ?? defaultHandshakeTimeout,
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
      this[own.unasked] = new UnaskedConnections(this[own.server], () => this[own.unaskedLimits]());
      // Behind the listener of the above, which decides about the connection.
      this[own.server].on('request', answerPlainRequest);
      this[own.server].listen(port, given.host as string, given.backlog as number, callback);
    } else if (server) {
      this[own.server] = server as unknown as HttpServer;
    }
    this[own.attach]();
  }

  /**
   * Returns the address of the HTTP server: an object for a port, a string for a Unix socket; null if it does not
   * listen.
   * @throws Error in `noServer` mode.
   */
  address(): AddressInfo | string | null {
    if (this.options.noServer) throw new Error('The server is operating in "noServer" mode');
    return this[own.server] === null ? null : this[own.server].address();
  }

  /**
   * Sends a message to all open clients. The message is encoded once, and compressed once per set of permessage-deflate
   * parameters without context takeover. Bytes are copied. All messages sent in one turn of the event loop's poll phase
   * leave in one write per client.
   * @returns Number of clients to which the message was sent.
   * @throws Error with `clientTracking` off; TypeError if the data is neither a string, bytes nor a
   *   {@link PreparedMessage}; Error if a fragmented message is being sent to a client, after the message was sent to
   *   all other clients.
   */
  broadcast(data: string | Uint8Array | PreparedMessage, options: BroadcastOptions<InstanceType<T>> = {}): number {
    if (!this.clients) throw new Error('broadcast() requires clientTracking, which is off');
    const message = asPrepared(data) ?? new PreparedMessage(data as string | Uint8Array, options);
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
   * Stops accepting connections, and emits `close` when the last client has disconnected. Neither the clients nor an
   * external HTTP server are closed. `callback` is called on `close`, with an Error if the server was already closed.
   */
  close(callback?: (error?: Error) => void): void {
    if (this[own.state] === 'closed') {
      if (callback) this.once('close', () => callback(new Error('The server is not running')));
      afterTick(() => this[own.emitClose]());
      return;
    }
    if (callback) this.once('close', callback);
    if (this[own.state] === 'closing') return;
    this[own.state] = 'closing';

    const server = this[own.server];
    this[own.detach]();
    if (server !== null && this[own.isOwnServer]) {
      // server.close() waits for all accepted sockets, including upgraded ones.
      server.close(() => this[own.emitClose]());
      this[own.unasked]?.close();
    } else if (this.clients?.size > 0) {
      this[own.awaitsClients] = true;
    } else {
      afterTick(() => this[own.emitClose]());
    }
    this[own.endHandshakes]();
  }

  /**
   * Returns true if this server handles the request. By default the path must equal the option `path`, if set.
   * Subclasses may override this method.
   */
  shouldHandle(request: InstanceType<U>): boolean | Promise<boolean> {
    const { path } = this.options;
    if (!path) return true;
    return pathOf(request.url ?? '') === path;
  }

  /**
   * Completes the opening handshake on a socket of any HTTP server: responds 101 and calls `callback` with the
   * WebSocket, or responds with the refusal. Call it once per socket, before other code reads from the socket or writes
   * to it.
   * @param head Data received behind the request.
   * @param callback Called synchronously unless the application decides asynchronously. It may emit the `connection`
   *   event.
   * @throws Error if the socket was upgraded before, or is being upgraded.
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
      // Read on each access, because the application may replace the options.
      get options() {
        return options();
      },
      allowsOrigin,
      pending: this[own.pending],
      shouldHandle: (request) => this.shouldHandle(request as InstanceType<U>),
      sharedServer: () => {
        const server = this[own.server];
        return server !== null && hasOtherListeners(server) ? server : null;
      },
      isRunning: () => this[own.state] === 'running',
      showLines: (lines, request) => {
        const hasListeners = this.listenerCount('headers') > 0;
        this.emit('headers', lines, request);
        return hasListeners;
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

  /** Current limits for connections without an upgrade request. */
  private [own.unaskedLimits](): UnaskedLimits {
    const { handshakeTimeout, closeTimeout, maxPendingHandshakes } = this.options;
    return {
      handshakeTimeout: handshakeTimeout ?? defaultHandshakeTimeout,
      closeTimeout: closeTimeout ?? defaultCloseTimeout,
      maxPendingHandshakes: maxPendingHandshakes ?? defaultMaxPendingHandshakes,
      pending: this[own.pending].size,
    };
  }

  /**
   * Ends, after `closeTimeout`, the opening handshakes that are not complete when the server is closed. Otherwise `close` would never be emitted if
   * `handshakeTimeout` is off. The timer does not keep the process alive, unless the platform's timers are numbers.
   */
  private [own.endHandshakes](): void {
    const [pending, unasked] = [this[own.pending], this[own.unasked]];
    if (pending.size === 0 && (unasked?.size ?? 0) === 0) return;
    const { closeTimeout } = this[own.unaskedLimits]();
    this[own.closeTimer] = setTimeout(
      () => {
        pending.endAll(closeTimeout);
        unasked?.endAll();
      },
      Math.min(closeTimeout, maxTimerDelay),
    );
    unref(this[own.closeTimer]);
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
    if (this[own.awaitsClients] && this.clients.size === 0) afterTick(() => this[own.emitClose]());
  }

  private [own.emitClose](): void {
    this[own.state] = 'closed';
    // Connections that a program has injected into the HTTP server, and those of other HTTP servers, may outlast it.
    if (this[own.pending].size === 0 && (this[own.unasked]?.size ?? 0) === 0) clearTimeout(this[own.closeTimer]);
    this.emit('close');
  }
}

/** Adds defaults. An option with the value undefined counts as absent. */
function withDefaults<T extends Class, U extends RequestClass>(
  given: ServerOptions<T, U> | undefined,
): ServerOptions<T, U> {
  const all: Readonly<Record<string, unknown>> = { ...defaults, WebSocket };
  const options: Record<string, unknown> = { ...all, ...given };
  for (const [name, value] of Object.entries(all)) if (options[name] === undefined) options[name] = value;
  return options as unknown as ServerOptions<T, U>;
}

/** Creates the server's own HTTP server, with the limits for the header of a request from the options. */
function createHttpServer(options: ServerOptions<Class, never>): HttpServer {
  const { handshakeTimeout = defaultHandshakeTimeout, maxHeaderSize } = options;
  const server = createServer({
    ...(maxHeaderSize !== undefined && { maxHeaderSize }),
    // UnaskedConnections has the time limits. Otherwise those of Node could end a connection without a message on our channel.
    ...(handshakeTimeout > 0 && { headersTimeout: 0, requestTimeout: 0 }),
  });
  // 0 is unlimited. requireFewFields() has the limit: of the fields beyond a maximum, some versions of Node silently drop all, and others
  // report a header that is too long.
  server.maxHeadersCount = 0;
  return server;
}

/** Responds to requests without an upgrade. A 426 response names the protocol to upgrade to (RFC 9110 §15.5.22). */
function answerPlainRequest(_request: IncomingMessage, response: ServerResponse): void {
  // Otherwise a second response would throw and end the process if a listener of the application has responded before.
  if (response.headersSent) return;
  const body = STATUS_CODES[426]!;
  response.writeHead(426, {
    Connection: response.shouldKeepAlive ? 'Upgrade' : 'close, Upgrade',
    Upgrade: 'websocket',
    'Content-Length': body.length,
    'Content-Type': 'text/plain',
  });
  response.end(body);
  endedHere.add(response);
}

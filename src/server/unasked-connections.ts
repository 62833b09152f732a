import { type IncomingMessage, maxHeaderSize, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { forceDestroy, isDestroyed } from '../transport/destroy-stream.ts';
import { type LimitReachedMessage, reportLimit } from '../transport/diagnostics.ts';
import { type TimerHandle, unref } from '../transport/timer.ts';
import { maxTimerDelay } from '../transport/transport-settings.ts';
import { responseOf } from './earlier-responses.ts';
import { endSocket } from './refuse-upgrade.ts';

/** Current limits for the connections of an HTTP server. */
export interface UnaskedLimits {
  /** Maximum number of milliseconds from the connection to the end of a request; 0 is unlimited. */
  readonly handshakeTimeout: number;
  /** Maximum number of milliseconds from the server's `close()`, or from a refusal, to the end of the connection. */
  readonly closeTimeout: number;
  /** Maximum number of connections in their opening handshake; 0 is unlimited. */
  readonly maxPendingHandshakes: number;
  /** Number of handshakes that wait for the application. They count too. */
  readonly pending: number;
}

/** Connection without a WebSocket request so far. */
interface Unasked {
  /** Number of checks since the time limit began. */
  checks: number;
  /** True between two requests: from the end of a response to the first octet of the next request. */
  isKeptAlive: boolean;
  /** Number of octets that had been received when the connection was opened, or when its latest response ended. */
  receivedBefore: number;
  /** Number of responses that have not ended. */
  responses: number;
  /** Request that other code answers, because it does not ask for an upgrade; undefined once it and the response are complete. */
  request: IncomingMessage | undefined;
  /** Answer of {@link endedHere} that was being written at the latest check. */
  unread: ServerResponse | undefined;
}

/**
 * Responses that our own listener has ended. The client has to read them within the time limit. Those of other code may be long, and are
 * its own matter.
 */
export const endedHere = new WeakSet<ServerResponse>();

/**
 * Number of checks within `handshakeTimeout`. One timer checks all connections, so that idle connections need none of their own. A connection
 * is ended at most one check late.
 */
const checksPerTimeout = 4;

/**
 * Connections of the server's own HTTP server without a WebSocket request so far. If there are too many, the connection that has waited longest
 * is destroyed. Genuine clients send their request at once, so that idle connections cannot keep them out.
 *
 * The time limits do not rely on the timers of the HTTP server. Those do not run before it listens, and stop when its `close()` is called, which
 * then would never call back.
 */
export class UnaskedConnections {
  /** In the order in which they were opened. */
  readonly #connections = new Map<Duplex, Unasked>();
  readonly #server: Server;
  readonly #limits: () => UnaskedLimits;
  readonly #forget: (this: Duplex) => void;
  #timer: TimerHandle;
  #isClosing = false;

  /** @param limits Returns the current limits. */
  constructor(server: Server, limits: () => UnaskedLimits) {
    this.#server = server;
    this.#limits = limits;
    const remove = (socket: Duplex) => this.#remove(socket);
    this.#forget = function () {
      remove(this);
    };
    server.on('connection', (socket: Duplex) => this.#add(socket));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response));
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => this.#refuse(error, socket));
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Removes a connection, because its upgrade request has arrived. */
  delete(socket: Duplex): void {
    if (this.#remove(socket)) socket.removeListener('close', this.#forget);
  }

  /**
   * Called when the server closes. Ends the connections that have no request, and from now on each connection after its response.
   * Connections in the middle of a request stay until {@link endAll}, or until their own time limit.
   */
  close(): void {
    this.#isClosing = true;
    for (const [socket, connection] of this.#connections) {
      if (connection.responses === 0 && !hasReceived(socket, connection)) this.#end(socket);
    }
  }

  /** Ends the connections that are still in the middle of a request, because `closeTimeout` has passed since {@link close}. */
  endAll(): void {
    const { closeTimeout: value } = this.#limits();
    for (const [socket, connection] of this.#connections) {
      if (isHandedOver(socket) || isAnswered(socket, connection)) continue;
      this.#expire(socket, connection, { limit: 'closeTimeout', value, socket });
    }
  }

  #remove(socket: Duplex): boolean {
    const isRemoved = this.#connections.delete(socket);
    if (this.#connections.size === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    return isRemoved;
  }

  #add(socket: Duplex): void {
    const limits = this.#limits();
    // The server accepts nothing any more. A program has injected this connection.
    if (this.#isClosing) {
      forceDestroy(socket);
      return;
    }
    this.#connections.set(socket, {
      checks: 0,
      isKeptAlive: false,
      receivedBefore: 0,
      responses: 0,
      request: undefined,
      unread: undefined,
    });
    socket.on('close', this.#forget);
    this.#schedule(limits);
    this.#makeRoom(limits);
  }

  /** Destroys the connection that has waited longest, if there are too many. At least one stays, so that new clients can connect. */
  #makeRoom({ maxPendingHandshakes: value, pending }: UnaskedLimits): void {
    const connections = this.#connections;
    if (value === 0) return;
    const maxConnections = Math.max(1, value - pending);
    for (const socket of connections.keys()) {
      if (connections.size <= maxConnections) return;
      if (isHandedOver(socket)) {
        this.delete(socket);
        continue;
      }
      this.delete(socket);
      reportLimit(() => ({ limit: 'maxPendingHandshakes', value, socket }));
      forceDestroy(socket);
    }
  }

  /** Starts the timer, unless it runs. It does not keep the process alive, unless the platform's timers are numbers. */
  #schedule({ handshakeTimeout }: UnaskedLimits): void {
    if (this.#timer !== undefined || !(handshakeTimeout > 0) || this.#connections.size === 0) return;
    const interval = Math.ceil(Math.min(handshakeTimeout, maxTimerDelay) / checksPerTimeout);
    this.#timer = setTimeout(() => {
      const limits = this.#limits();
      for (const [socket, connection] of this.#connections) this.#check(socket, connection, limits, interval);
      this.#timer = undefined;
      this.#schedule(limits);
    }, interval);
    unref(this.#timer);
  }

  #check(socket: Duplex, connection: Unasked, { handshakeTimeout: value }: UnaskedLimits, interval: number): void {
    if (isHandedOver(socket)) {
      this.delete(socket);
      return;
    }
    if (isAnswered(socket, connection)) return;
    const unread = unreadAnswer(socket);
    // The client has read the former one.
    if (unread !== undefined && unread !== connection.unread) connection.checks = 0;
    connection.unread = unread;
    if (unread === undefined && connection.request?.complete) this.#restart(socket, connection);
    if (connection.isKeptAlive && hasReceived(socket, connection)) this.#begin(connection);
    connection.checks++;
    if (connection.checks <= checksPerTimeout) return;
    // Otherwise a connection would be ended earlier than the header field Keep-Alive has announced.
    if (connection.isKeptAlive && connection.checks * interval <= this.#server.keepAliveTimeout) return;
    this.#expire(socket, connection, { limit: 'handshakeTimeout', value, socket });
  }

  /** The time limit of a further request on the same connection begins. */
  #begin(connection: Unasked): void {
    connection.isKeptAlive = false;
    connection.checks = 0;
  }

  /** A request and its response are complete. */
  #restart(socket: Duplex, connection: Unasked): void {
    connection.isKeptAlive = true;
    connection.checks = 0;
    connection.receivedBefore = receivedBy(socket);
    connection.request = undefined;
    // With a response, unread octets would turn the destruction of the socket into a reset, which could discard it.
    if (this.#isClosing && this.#connections.has(socket)) endSocket(socket, this.#limits().closeTimeout);
  }

  /** Notes a request that asks for no upgrade, which other code answers. */
  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    if (connection.isKeptAlive) this.#begin(connection);
    connection.request = request;
    connection.responses++;
    if (this.#isClosing) response.shouldKeepAlive = false;
    response.on('close', () => {
      connection.responses--;
      // Otherwise the rest of the request's body could come without a time limit.
      if (connection.responses === 0 && request.complete) this.#restart(socket, connection);
    });
  }

  /** Answers what is no request, as the HTTP server would without this listener, unless the application has a listener too. */
  #refuse({ code }: NodeJS.ErrnoException, socket: Duplex): void {
    // The parser reports each later chunk again.
    if (socket.writableEnded) return;
    if (code === 'HPE_HEADER_OVERFLOW') {
      // Node's types omit this option of a server.
      const { maxHeaderSize: given } = this.#server as { maxHeaderSize?: number };
      reportLimit(() => ({ limit: 'maxHeaderSize', value: given || maxHeaderSize, socket }));
    }
    if (this.#server.listenerCount('clientError') > 1) return;
    const connection = this.#connections.get(socket);
    this.delete(socket);
    this.#end(
      socket,
      connection !== undefined && connection.request === undefined ? (statuses[code ?? ''] ?? 400) : undefined,
    );
  }

  /** Ends a connection whose request has not come in time. */
  #expire(socket: Duplex, { isKeptAlive, request }: Unasked, message: LimitReachedMessage): void {
    this.delete(socket);
    reportLimit(() => message);
    // A response to a request whose body has not come was begun or sent already. Between two requests none is due.
    this.#end(socket, isKeptAlive || request !== undefined ? undefined : 408);
  }

  /** Ends a connection, with a response if it can be written. */
  #end(socket: Duplex, status?: number): void {
    if (isDestroyed(socket)) return;
    if (status === undefined || !socket.writable) {
      forceDestroy(socket);
      return;
    }
    const response = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`;
    endSocket(socket, this.#limits().closeTimeout, response);
  }
}

/** Responses to what is no request, by the code of the error; see `clientError` of `node:http`. */
const statuses: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** True if the request is complete, and other code has to answer it. The client has to read an answer of ours. */
function isAnswered(socket: Duplex, { responses, request }: Unasked): boolean {
  if (unreadAnswer(socket) !== undefined) return false;
  // A program may have removed our listener for requests together with the answer of ours, and then answers them itself.
  return (responses > 0 && request?.complete !== false) || responseOf(socket)?.req?.complete === true;
}

/** Returns the answer of ours that is being written; undefined if there is none. */
function unreadAnswer(socket: Duplex): ServerResponse | undefined {
  const response = responseOf(socket);
  return response !== undefined && endedHere.has(response) ? response : undefined;
}

/** True if octets of a request have come since the connection was opened, or since the latest response. */
function hasReceived(socket: Duplex, { receivedBefore }: Unasked): boolean {
  return receivedBy(socket) > receivedBefore;
}

/** Returns the number of octets received by a socket; 0 for other streams. */
function receivedBy(socket: Duplex): number {
  return (socket as Partial<Socket>).bytesRead ?? 0;
}

/** True if the HTTP server has handed the socket over in an `upgrade` or `connect` event. It then takes its parser off the socket. */
function isHandedOver(socket: Duplex): boolean {
  return ((socket as { parser?: unknown }).parser ?? null) === null;
}

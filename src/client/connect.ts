import { randomBytes } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';
import * as net from 'node:net';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { type DeflateConfiguration, readDeflateOptions } from '../extension/per-message-deflate-options.ts';
import {
  type Address,
  type ClientAgreement,
  checkResponse,
  type HandshakeResponse,
  parseAddress,
  type RequestHeaders,
  requestFields,
  responseError,
  unexpectedResponse,
} from '../handshake/client-handshake.ts';
import { HandshakeError } from '../handshake/handshake-error.ts';
import { destroyStream } from '../transport/destroy-stream.ts';
import type { TimerHandle } from '../transport/timer.ts';
import { maxTimerDelay } from '../transport/transport-settings.ts';
import type { ClientOptions } from './client-options.ts';
import { keepsCredentials, withoutCredentials } from './redirect.ts';

/** Who is told how an attempt to connect goes. No method but `onBegin` is called from inside {@link connect}. */
export interface ConnectEvents {
  /** What `finishRequest` is given as the WebSocket; this object itself by default. */
  readonly websocket?: unknown;
  /** The first request is about to be sent, or given to `finishRequest`: from here on the attempt can be aborted. */
  onBegin?(attempt: ConnectAttempt): void;
  /** The server switched protocols; its response is not checked yet. False: the listener gave the attempt up, and it stops. */
  onUpgrade(response: http.IncomingMessage): boolean;
  /** The handshake is done. The socket, which has no listeners of HTTP any more, now belongs to the one who is called. */
  onOpen(socket: Duplex, head: Buffer, agreement: ClientAgreement): void;
  /** The server answered something else. True: somebody took the request and the response over, and destroys the request in the end. */
  onUnexpectedResponse(request: http.ClientRequest, response: http.IncomingMessage): boolean;
  /** The attempt goes on at another address; the request has not been sent yet, and may be changed. */
  onRedirect(url: string, request: http.ClientRequest): void;
  /** Whether somebody looks after the credentials when a redirect leads to another server: if not, they are left out. */
  hasRedirectListener?(): boolean;
  /** The attempt failed. Called at most once, and nothing after it. */
  onError(error: Error): void;
}

/** An attempt to connect, under way. */
export interface ConnectAttempt {
  /** The normalized address; the one of the last redirect. */
  readonly url: string;
  /** The request; the one of the last redirect. */
  readonly request: http.ClientRequest;
  /** Gives the attempt up: destroys the request and its socket, then passes the error to `onError` on a later tick. */
  abort(error: Error): void;
}

/**
 * Connects to a server and does the client's half of the opening handshake (RFC 6455 §4.1) by `node:http` or `node:https`.
 * @throws SyntaxError for a bad address or bad subprotocols; RangeError or TypeError for options that cannot be used.
 */
export function connect(
  address: string | URL,
  protocols: readonly string[],
  options: ClientOptions<never>,
  events: ConnectEvents,
): ConnectAttempt {
  return new Attempt(parseAddress(address), protocols, options as ClientOptions, events);
}

const keyLength = 16;

class Attempt implements ConnectAttempt {
  request: http.ClientRequest;
  readonly #protocols: readonly string[];
  readonly #deflate: DeflateConfiguration | null;
  readonly #options: ClientOptions;
  readonly #events: ConnectEvents;
  /** The address that the application gave, and its credentials are for. */
  readonly #home: Address;
  #address: Address;
  #headers: RequestHeaders | undefined;
  readonly #signal: AbortSignal | undefined;
  #auth: string | null | undefined;
  #key = '';
  /** The socket, once the server has switched protocols: Node 26 takes it away from the request before it tells. */
  #socket: Duplex | undefined;
  #timer: TimerHandle;
  #redirects = 0;
  #hasStarted = false;
  #isTakenOver = false;
  #isOver = false;

  constructor(address: Address, protocols: readonly string[], options: ClientOptions, events: ConnectEvents) {
    // As with most options, programs say `isNeeded && …`.
    const signal = options.signal || undefined;
    this.#protocols = [...protocols];
    this.#deflate = readDeflateOptions(
      'client',
      options.perMessageDeflate === undefined ? true : options.perMessageDeflate,
    );
    this.#options = options;
    this.#events = events;
    this.#home = address;
    this.#address = address;
    this.#headers = options.headers || undefined;
    this.#signal = signal;
    this.#auth = address.auth ?? options.auth;
    requireDelay(options.handshakeTimeout);
    requireSignal(signal);

    this.request = this.#createRequest();
    try {
      events.onBegin?.(this);
      this.#sendRequest();
    } catch (error) {
      this.#end();
      this.#destroy();
      throw error;
    }
    if (signal?.aborted) this.#onAbort();
    else if (!this.#isOver) signal?.addEventListener('abort', this.#onAbort);
    this.#hasStarted = true;
  }

  get url(): string {
    return this.#address.url;
  }

  abort(error: Error): void {
    if (this.#isOver) return;
    this.#end();
    this.#destroy();
    process.nextTick(() => {
      // Where connect() has thrown, the caller knows, and nobody listens yet.
      if (this.#hasStarted) this.#events.onError(error);
    });
  }

  #createRequest(): http.ClientRequest {
    const options = this.#options;
    const { isSecure, host, port, path, socketPath } = this.#address;
    const defaultPort = isSecure ? 443 : 80;
    this.#key = randomBytes(keyLength).toString('base64');
    const send = isSecure ? https.request : http.request;
    const request = send({
      ...(options as https.RequestOptions),
      createConnection:
        typeof options.createConnection === 'function'
          ? checked(options.createConnection as CreateConnection)
          : createConnection(isSecure),
      method: 'GET',
      protocol: undefined,
      hostname: undefined,
      host,
      // Agents find the port of the address as text, as with ws.
      port: port === defaultPort ? port : String(port),
      path,
      socketPath,
      defaultPort: options.defaultPort || defaultPort,
      auth: this.#auth,
      // Agents look into it, and expect an object like any other.
      headers: {
        ...requestFields({
          key: this.#key,
          subprotocols: this.#protocols,
          deflate: this.#deflate?.terms,
          protocolVersion: options.protocolVersion,
          origin: options.origin,
          headers: this.#headers,
        }),
      },
      // HTTP's timeout begins anew with every octet, and its signal would go on ruling the socket after the handshake.
      timeout: undefined,
      signal: undefined,
    });
    // Beyond a number of fields HTTP drops them silently, an unrequested extension among them; maxHeaderSize is limit enough.
    request.maxHeadersCount = 0;

    // Requests that were redirected, and errors that come after the end, find another request here, or an attempt that is over.
    const isCurrent = () => request === this.request && !this.#isOver;
    request.on('upgrade', (response, socket, head) => {
      if (isCurrent()) this.#onUpgrade(response, socket, head);
      else destroyStream(socket);
    });
    request.on('response', (response) => {
      if (isCurrent()) this.#onResponse(response);
    });
    request.on('error', (error) => {
      if (isCurrent()) this.#fail(error);
    });
    request.on('close', () => {
      if (isCurrent()) this.#onClose();
    });
    return request;
  }

  #sendRequest(): void {
    const { request } = this;
    const options = this.#options;
    const { handshakeTimeout } = options;
    clearTimeout(this.#timer);
    if (handshakeTimeout) this.#timer = setTimeout(this.#onTimeout, Math.min(handshakeTimeout, maxTimerDelay));
    if (options.finishRequest) options.finishRequest(request, (this.#events.websocket ?? this.#events) as never);
    else request.end();
  }

  #onUpgrade(response: http.IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#socket = socket;
    const goesOn = this.#events.onUpgrade(response);
    if (this.#isOver) return;
    if (!goesOn) {
      this.#end();
      this.#destroy();
      return;
    }
    const asked = { key: this.#key, subprotocols: this.#protocols, deflate: this.#deflate?.terms };
    let agreement: ClientAgreement;
    try {
      agreement = checkResponse(received(response), asked);
    } catch (error) {
      this.#fail(error as HandshakeError);
      return;
    }
    this.#end();
    this.#socket = undefined;
    this.#events.onOpen(socket, head, agreement);
  }

  #onResponse(response: http.IncomingMessage): void {
    const { status } = received(response);
    const { location } = response.headers;
    const isRedirect = this.#options.followRedirects && status >= 300 && status < 400;
    if (isRedirect && location) {
      this.#redirect(response, location);
      return;
    }
    this.#isTakenOver = this.#events.onUnexpectedResponse(this.request, response);
    // The body is not read: it may have no end.
    if (!this.#isTakenOver) this.#fail(unexpectedResponse(received(response)));
  }

  #redirect(response: http.IncomingMessage, location: string): void {
    destroyRequest(this.request);
    if (++this.#redirects > (this.#options.maxRedirects ?? 10)) {
      this.#fail(responseError(received(response), 'GOODWIRE_TOO_MANY_REDIRECTS', 'Maximum redirects exceeded'));
      return;
    }
    try {
      const home = this.#home;
      const to = parseAddress(resolve(location, this.#address));
      if (keepsCredentials(home, to) || this.#events.hasRedirectListener?.()) {
        this.#auth ||= to.auth;
      } else {
        this.#auth = undefined;
        this.#headers = withoutCredentials(this.#headers, home, to);
      }
      this.#address = to;
      this.request = this.#createRequest();
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    this.#events.onRedirect(this.url, this.request);
    if (this.#isOver) return;
    try {
      this.#sendRequest();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** The request is done with. That can happen with neither response nor error, when somebody aborts it. */
  #onClose(): void {
    if (!this.#isTakenOver) {
      this.#fail(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }));
      return;
    }
    // There is nothing left that could time out.
    clearTimeout(this.#timer);
    this.#destroySocket();
  }

  readonly #onTimeout = (): void => {
    this.#fail(new HandshakeError(0, 'GOODWIRE_HANDSHAKE_TIMEOUT', 'Opening handshake has timed out'));
  };

  readonly #onAbort = (): void => {
    this.abort(abortError(this.#signal?.reason));
  };

  #fail(error: Error): void {
    if (this.#isOver) return;
    // An agent may emit an error at once, while the one to be told does not have the attempt yet.
    if (!this.#hasStarted) {
      this.abort(error);
      return;
    }
    this.#end();
    this.#destroy();
    this.#events.onError(error);
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  /** Throws nothing: `createConnection` and the agent may have given a stream whose `destroy()` throws. */
  #destroy(): void {
    destroyRequest(this.request);
    if (this.#socket !== undefined) destroyStream(this.#socket);
    this.#destroySocket();
  }

  /** When the response has ended, HTTP takes its connection for reusable; without an agent there is nobody else to close it. */
  #destroySocket(): void {
    if (!this.#options.agent && this.request.socket) destroyStream(this.request.socket);
  }
}

/** Destroys a request. Throws nothing: `node:http` calls the `destroy()` of the request's stream, which may throw. */
function destroyRequest(request: http.ClientRequest): void {
  try {
    request.destroy();
  } catch {
    // The request counts as destroyed, and its stream has been destroyed by force if that is possible.
    if (request.socket) destroyStream(request.socket);
  }
}

type CreateConnection = NonNullable<https.RequestOptions['createConnection']>;

/** A `createConnection` of the application. `node:http` would fail on a promise when nobody can catch the error any more. */
function checked(create: CreateConnection): CreateConnection {
  return (options, callback) => {
    const stream = create.call(options, options, callback);
    if (stream && typeof stream.on !== 'function')
      throw new TypeError('createConnection must return a stream, or pass one to its callback');
    return stream;
  };
}

/**
 * Without an agent, `node:http` asks this for each connection: a connection of its own rather than a pooled one that the server
 * may be about to close.
 */
function createConnection(isSecure: boolean): CreateConnection {
  // By now the path in the options is the one of the Unix socket, if any, and no longer the one of the request.
  if (!isSecure) return (options) => net.connect(options as net.NetConnectOpts);
  return (options) => {
    const { servername, host } = options as tls.ConnectionOptions;
    // An IP address is no server name (RFC 6066 §3); the certificate is then checked against the host.
    const name = servername ?? (host && !net.isIP(host) ? host : '');
    return tls.connect({ ...(options as tls.ConnectionOptions), servername: name });
  };
}

/** A `Location` is relative to the address that was asked (RFC 9110 §10.2.2); behind a Unix socket it stays behind that socket. */
function resolve(location: string, from: Address): string {
  if (URL.canParse(location)) return location;
  if (!URL.canParse(location, 'http://localhost')) throw new SyntaxError(`Invalid URL: ${location}`);
  if (from.socketPath === undefined) return new URL(location, from.url).href;
  const { pathname, search, hash } = new URL(location, `http://localhost${from.path}`);
  return `${from.isSecure ? 'wss' : 'ws'}+unix:${from.socketPath}:${pathname}${search}${hash}`;
}

function received(response: http.IncomingMessage): HandshakeResponse {
  return { status: response.statusCode as number, headers: response.headers };
}

/** The error of an aborted signal as Node's own functions give it. */
function abortError(cause: unknown): Error {
  const error = new Error('The operation was aborted', { cause });
  error.name = 'AbortError';
  return withCode('ABORT_ERR', error);
}

function requireDelay(handshakeTimeout: unknown): void {
  if (handshakeTimeout === undefined) return;
  if (typeof handshakeTimeout !== 'number')
    throw withCode(
      'ERR_INVALID_ARG_TYPE',
      new TypeError(`handshakeTimeout must be a number of milliseconds, not ${typeof handshakeTimeout}`),
    );
  if (!(handshakeTimeout >= 0))
    throw withCode(
      'ERR_OUT_OF_RANGE',
      new RangeError(`handshakeTimeout must be 0 milliseconds or more, not ${handshakeTimeout}`),
    );
}

function requireSignal(signal: AbortSignal | undefined): void {
  // A signal of another realm, or of a polyfill, is as good.
  if (signal === undefined || (typeof signal === 'object' && 'aborted' in signal)) return;
  throw withCode('ERR_INVALID_ARG_TYPE', new TypeError(`signal must be an AbortSignal, not ${typeof signal}`));
}

/** An error with the code that Node's own functions give to such a mistake, and so `ws` too. */
function withCode<E extends Error>(code: string, error: E): E {
  return Object.assign(error, { code });
}

import { randomBytes } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';
import * as net from 'node:net';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { afterTick } from '../event-loop/after-tick.ts';
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
import { type LimitReachedMessage, reportLimit } from '../transport/diagnostics.ts';
import type { TimerHandle } from '../transport/timer.ts';
import { maxTimerDelay } from '../transport/transport-settings.ts';
import type { ClientOptions } from './client-options.ts';
import { keepsCredentials, withoutCredentials } from './redirect.ts';

/** Callbacks of an attempt to connect. Only `onBegin` is called from inside {@link connect}. */
export interface ConnectEvents {
  /** WebSocket passed to `finishRequest`. Default: this object itself. */
  readonly websocket?: unknown;
  /** Called before the first request is sent or passed to `finishRequest`. From then on the attempt can be aborted. */
  onBegin?(attempt: ConnectAttempt): void;
  /**
   * Called when the server has switched protocols, before its response is checked. Returns false to stop the attempt.
   */
  onUpgrade(response: http.IncomingMessage): boolean;
  /**
   * Called when the handshake is complete. The socket then belongs to the callee, and has no listeners of HTTP any
   * more.
   */
  onOpen(socket: Duplex, head: Buffer, agreement: ClientAgreement): void;
  /**
   * Called on any other response. Returns true to take over the request and the response; the callee must then destroy
   * the request.
   */
  onUnexpectedResponse(request: http.ClientRequest, response: http.IncomingMessage): boolean;
  /** Called when the server redirects, before it is known whether the redirect can be followed. */
  onRedirecting?(): void;
  /** Called when the attempt is redirected. The new request was not sent yet, and may be changed. */
  onRedirect(url: string, request: http.ClientRequest): void;
  /**
   * Returns true if a listener manages the credentials on a redirect to another server. Otherwise credentials are
   * removed.
   */
  hasRedirectListener?(): boolean;
  /** Called at most once, if the attempt failed. No callback follows. */
  onError(error: Error): void;
}

/** Attempt to connect in progress. */
export interface ConnectAttempt {
  /** Normalized address, of the last redirect if any. */
  readonly url: string;
  /** Request, of the last redirect if any. */
  readonly request: http.ClientRequest;
  /** Aborts the attempt: destroys the request and its socket, then calls `onError` on a later tick. */
  abort(error: Error): void;
}

/**
 * Connects to a server and performs the client's part of the opening handshake (RFC 6455 §4.1) by `node:http` or
 * `node:https`.
 * @throws SyntaxError if the address or a subprotocol is invalid; RangeError or TypeError if an option is invalid.
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
/** Default of the option `maxRedirects`, as in `ws`. */
export const defaultMaxRedirects = 10;

class Attempt implements ConnectAttempt {
  request: http.ClientRequest;
  readonly #protocols: readonly string[];
  readonly #deflate: DeflateConfiguration | null;
  readonly #options: ClientOptions;
  readonly #events: ConnectEvents;
  /** Address given by the application, to which the credentials belong. */
  readonly #home: Address;
  #address: Address;
  #headers: RequestHeaders | undefined;
  readonly #signal: AbortSignal | undefined;
  #auth: string | null | undefined;
  #key = '';
  /**
   * Socket after the server has switched protocols. Kept here, because Node 26 removes it from the request before the
   * event.
   */
  #socket: Duplex | undefined;
  #timer: TimerHandle;
  #redirects = 0;
  #hasStarted = false;
  #isTakenOver = false;
  #isEnded = false;

  constructor(address: Address, protocols: readonly string[], options: ClientOptions, events: ConnectEvents) {
    // Falsy values count as absent, because programs write `isNeeded && …`.
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
    else if (!this.#isEnded) signal?.addEventListener('abort', this.#onAbort);
    this.#hasStarted = true;
  }

  get url(): string {
    return this.#address.url;
  }

  abort(error: Error): void {
    if (this.#isEnded) return;
    this.#end();
    this.#destroy();
    afterTick(() => {
      // If connect() has thrown, the caller has the error, and there is no listener yet.
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
      // Agents expect the port of the address as text, as with ws.
      port: port === defaultPort ? port : String(port),
      path,
      socketPath,
      defaultPort: options.defaultPort || defaultPort,
      auth: this.#auth,
      // A copy with a prototype, because agents expect an ordinary object.
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
      // HTTP's timeout restarts with every octet, and its signal would still control the socket after the handshake.
      timeout: undefined,
      signal: undefined,
    });
    // 0 disables the limit. Otherwise HTTP would silently drop fields, such as an unrequested extension; maxHeaderSize
    // limits them anyway.
    request.maxHeadersCount = 0;

    // False for redirected requests and for late errors: the attempt then has another request, or is over.
    const isCurrent = () => request === this.request && !this.#isEnded;
    request.on('upgrade', (response, socket, head) => {
      if (isCurrent()) this.#onUpgrade(response, socket, head);
      else destroyStream(socket);
    });
    request.on('response', (response) => {
      if (isCurrent()) this.#onResponse(response);
    });
    request.on('error', (error) => {
      if (isCurrent()) this.#fail(withMessage(error));
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
    if (this.#isEnded) return;
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
    // The body is not read, because it may be endless.
    if (!this.#isTakenOver) this.#fail(unexpectedResponse(received(response)));
  }

  #redirect(response: http.IncomingMessage, location: string): void {
    destroyRequest(this.request);
    this.#events.onRedirecting?.();
    if (++this.#redirects > (this.#options.maxRedirects ?? defaultMaxRedirects)) {
      this.#fail(responseError(received(response), 'GOODWIRE_TOO_MANY_REDIRECTS', 'Maximum redirects exceeded'));
      return;
    }
    try {
      const home = this.#home;
      const to = parseAddress(resolve(location, this.#address));
      // Otherwise a server of the network could reach services of this machine.
      if (to.socketPath !== undefined && this.#address.socketPath === undefined)
        throw responseError(
          received(response),
          'GOODWIRE_REDIRECT_TO_UNIX_SOCKET',
          `A redirect must not lead from the network to a Unix socket; got ${location}`,
        );
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
    if (this.#isEnded) return;
    try {
      this.#sendRequest();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** Handles the end of the request. There may be neither a response nor an error, if a listener aborts the request. */
  #onClose(): void {
    if (!this.#isTakenOver) {
      this.#fail(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }));
      return;
    }
    // The handshake can no longer time out.
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
    if (this.#isEnded) return;
    // An agent may emit an error synchronously, before the caller of connect() has the attempt.
    if (!this.#hasStarted) {
      this.abort(error);
      return;
    }
    this.#end();
    this.#destroy();
    reportLimit(() => this.#limitBehind(error));
    this.#events.onError(error);
  }

  /** Returns the limit that has ended the attempt with an error; undefined for other errors. */
  #limitBehind(error: Error): LimitReachedMessage | undefined {
    const { websocket } = this.#events;
    const { handshakeTimeout = 0, maxRedirects = defaultMaxRedirects, maxHeaderSize } = this.#options;
    const about = websocket === undefined ? { request: this.request } : { websocket: websocket as object };
    switch ((error as NodeJS.ErrnoException).code) {
      case 'GOODWIRE_HANDSHAKE_TIMEOUT':
        return { limit: 'handshakeTimeout', value: handshakeTimeout, ...about };
      case 'GOODWIRE_TOO_MANY_REDIRECTS':
        return { limit: 'maxRedirects', value: maxRedirects, received: this.#redirects, ...about };
      case 'HPE_HEADER_OVERFLOW':
        return { limit: 'maxHeaderSize', value: maxHeaderSize ?? http.maxHeaderSize, ...about };
      default:
        return undefined;
    }
  }

  #end(): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  /** Never throws, although `createConnection` or an agent may supply a stream whose `destroy()` throws. */
  #destroy(): void {
    destroyRequest(this.request);
    if (this.#socket !== undefined) destroyStream(this.#socket);
    this.#destroySocket();
  }

  /**
   * Destroys the socket. After the response HTTP treats its connection as reusable, and without an agent no other code
   * closes it.
   */
  #destroySocket(): void {
    if (!this.#options.agent && this.request.socket) destroyStream(this.request.socket);
  }
}

/**
 * Destroys a request. Never throws, although `node:http` calls the `destroy()` of the request's stream, which may
 * throw.
 */
function destroyRequest(request: http.ClientRequest): void {
  try {
    request.destroy();
  } catch {
    // The request counts as destroyed. Its stream is destroyed by force where possible.
    if (request.socket) destroyStream(request.socket);
  }
}

type CreateConnection = NonNullable<https.RequestOptions['createConnection']>;

/**
 * Wraps a `createConnection` of the application. Otherwise `node:http` would fail on a promise too late for the error
 * to be caught.
 */
function checked(create: CreateConnection): CreateConnection {
  return (options, callback) => {
    const stream = create.call(options, options, callback);
    if (stream && typeof stream.on !== 'function')
      throw new TypeError('createConnection must return a stream, or pass one to its callback');
    return stream;
  };
}

/**
 * Returns the `createConnection` for requests without an agent. Each gets a new connection, because the server might be
 * about to close a pooled one.
 */
function createConnection(isSecure: boolean): CreateConnection {
  // Here `path` in the options is the Unix socket's, if any, and no longer the request's.
  if (!isSecure) return (options) => net.connect(options as net.NetConnectOpts);
  return (options) => {
    const { servername, host } = options as tls.ConnectionOptions;
    // An IP address is not a valid server name (RFC 6066 §3). The certificate is then checked against the host.
    const name = servername ?? (host && !net.isIP(host) ? host : '');
    return tls.connect({ ...(options as tls.ConnectionOptions), servername: name });
  };
}

/**
 * Resolves a `Location` relative to the requested address (RFC 9110 §10.2.2). Behind a Unix socket the target stays
 * behind that socket.
 */
function resolve(location: string, from: Address): string {
  if (URL.canParse(location)) return location;
  if (!URL.canParse(location, 'http://localhost')) throw new SyntaxError(`Invalid URL: ${location}`);
  if (from.socketPath === undefined) return new URL(location, from.url).href;
  const { pathname, search, hash } = new URL(location, `http://localhost${from.path}`);
  // The path of the socket is percent-decoded, so each of its segments is encoded again.
  const socketPath = from.socketPath.split('/').map(encodeURIComponent).join('/');
  return `${from.isSecure ? 'wss' : 'ws'}+unix:${socketPath}:${pathname}${search}${hash}`;
}

/**
 * Gives an error for several attempts (a host with several addresses) the messages of its errors. Node leaves its
 * message empty.
 */
function withMessage(error: Error): Error {
  const { errors } = error as Partial<AggregateError>;
  if (error.message === '' && Array.isArray(errors)) {
    const messages = errors.map((single: unknown) => (single as Partial<Error> | null)?.message || String(single));
    error.message = messages.join('; ') || String((error as NodeJS.ErrnoException).code ?? 'no address to connect to');
  }
  return error;
}

function received(response: http.IncomingMessage): HandshakeResponse {
  return { status: response.statusCode as number, headers: response.headers };
}

/** Returns the error for an aborted signal, as Node's own functions throw it. */
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
  // Accepts signals of another realm or of a polyfill.
  if (signal === undefined || (typeof signal === 'object' && 'aborted' in signal)) return;
  throw withCode('ERR_INVALID_ARG_TYPE', new TypeError(`signal must be an AbortSignal, not ${typeof signal}`));
}

/** Adds the code that Node's own functions, and so `ws`, use for such an error. */
function withCode<E extends Error>(code: string, error: E): E {
  return Object.assign(error, { code });
}

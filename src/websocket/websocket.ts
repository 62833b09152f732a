import { EventEmitter } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ClientOptions as ConnectOptions } from '../client/client-options.ts';
import { type ConnectAttempt, connect } from '../client/connect.ts';
import { formatClosePayload } from '../connection/close-payload.ts';
import type { PeerError } from '../connection/connection.ts';
import { afterTick } from '../event-loop/after-tick.ts';
import { type DeflateAgreement, permessageDeflate } from '../extension/deflate-negotiation.ts';
import { CloseCode } from '../frame/close-code.ts';
import type { MessageData } from '../message/message-decoder.ts';
import { asPrepared } from '../message/prepared-message.ts';
import { isBlob, octetLength, type SendData, toOctets } from '../message/send-data.ts';
import { isUint8Array } from '../realm/kinds.ts';
import { destroyStream } from '../transport/destroy-stream.ts';
import type { SendCallback } from '../transport/send-callback.ts';
import { Transport } from '../transport/transport.ts';
import {
  answerPing,
  answersClose,
  onClosed,
  onEnding,
  onFailure,
  onMessage,
  onPeerClosed,
  onPing,
  onPong,
  onStreamError,
  type TransportEvents,
} from '../transport/transport-events.ts';
import type { TransportOptions, TransportSettings } from '../transport/transport-settings.ts';
import { CloseRecord } from './close-record.ts';
import { publishError } from './diagnostics.ts';
import { useSmallEventTable } from './event-table.ts';
import { addListener, getAttribute, removeListener, setAttribute } from './event-target.ts';
import type * as events from './events.ts';
import * as own from './own.ts';
import { type SocketSettingsOptions, socketSettings } from './socket-settings.ts';
import type { AcceptedOptions, BinaryType, RawData, ReadyState, SendOptions } from './websocket-options.ts';

const binaryTypes: readonly string[] = ['nodebuffer', 'arraybuffer', 'blob', 'fragments'] satisfies BinaryType[];

/** Options of a client; see {@link ConnectOptions} for those of the opening handshake. */
export interface ClientOptions extends ConnectOptions<WebSocket> {}

/** Options of {@link WebSocket.setSocket}. They take precedence over those of the constructor. */
export interface SocketOptions extends SocketSettingsOptions {
  /** The subprotocol that was negotiated; empty for none. */
  protocol?: string | undefined;
  /** The parameters of permessage-deflate that were negotiated (RFC 7692 §7.1). Default: none were. */
  deflate?: DeflateAgreement | undefined;
  /** Settings already built from options that many sockets share. If given, the other options of this object are ignored. */
  settings?: TransportSettings | undefined;
}

/** The events of a {@link WebSocket} with their arguments. */
export interface WebSocketEvents {
  /** The socket is closed. The code is the peer's, or 1005 (it has sent none) or 1006 (no close frame). Emitted exactly once. */
  close: [code: number, reason: Buffer];
  /** The peer violated the protocol, or the connection could not be opened. `close` follows. */
  error: [error: Error];
  /** A message was received. Text is its UTF-8 octets, with `isBinary` false. */
  message: [data: RawData, isBinary: boolean];
  /** The connection is open: `send()` can be called. */
  open: [];
  /** A ping was received. It is answered already unless `autoPong` is false. */
  ping: [data: Buffer];
  /** A pong was received. */
  pong: [data: Buffer];
  /** The client is about to follow a redirect. The headers of the request may be changed. */
  redirect: [url: string, request: ClientRequest];
  /** The server has answered anything but 101. With a listener there is no `error`: the listener must end the request. */
  'unexpected-response': [request: ClientRequest, response: IncomingMessage];
  /** The server has accepted the handshake of the client. `open` follows. */
  upgrade: [response: IncomingMessage];
}

// Interfaces, so that a program can add its own fields, as with the types of ws.

/** An event, as listeners of `addEventListener` get it. */
export interface Event extends events.Event<WebSocket> {}
/** A `message` event, as listeners of `addEventListener` get it. */
export interface MessageEvent extends events.MessageEvent<WebSocket> {}
/** A `close` event, as listeners of `addEventListener` get it. */
export interface CloseEvent extends events.CloseEvent<WebSocket> {}
/** An `error` event, as listeners of `addEventListener` get it. */
export interface ErrorEvent extends events.ErrorEvent<WebSocket> {}

/** Events of `addEventListener`, by name. */
export interface WebSocketEventMap {
  /** The connection is open. */
  open: Event;
  /** A message was received. */
  message: MessageEvent;
  /** The socket is closed. */
  close: CloseEvent;
  /** The peer violated the protocol, or the connection could not be opened. */
  error: ErrorEvent;
}

/** Options of {@link WebSocket.addEventListener}. */
export interface EventListenerOptions {
  /** True if the listener is removed when it is called. Default false. */
  once?: boolean | undefined;
}

// The getter of an on… attribute is typed with any, so that a socket can be passed to code that is typed for ws. The setter is typed.
// biome-ignore lint/suspicious/noExplicitAny: see above
type AnyAttribute = ((event: any) => void) | null;

type Listener<Args extends unknown[]> = (this: WebSocket, ...args: Args) => void;
// biome-ignore lint/suspicious/noExplicitAny: an application may emit events of its own, as on every EventEmitter
type AnyListener = (this: WebSocket, ...args: any[]) => void;

export interface WebSocket {
  /** 0: the connection is not open yet. */
  readonly CONNECTING: 0;
  /** 1: messages can be sent. */
  readonly OPEN: 1;
  /** 2: the closing handshake has begun, or the stream is ending. */
  readonly CLOSING: 2;
  /** 3: closed, or never opened. */
  readonly CLOSED: 3;

  /** Emitted when the connection is open: `send()` can be called. */
  on(event: 'open', listener: (this: WebSocket) => void): this;
  /**
   * Emitted for each message.
   * @param listener Called with `data`, by default a Buffer (see `binaryType`; text is its UTF-8 bytes), and `isBinary`, which is false
   *   for text.
   */
  on(event: 'message', listener: (this: WebSocket, data: RawData, isBinary: boolean) => void): this;
  /**
   * Emitted exactly once, when the socket is closed.
   * @param listener Called with `code`, which is the peer's, or 1005 (it has sent none) or 1006 (no close frame), and `reason`, the
   *   UTF-8 bytes of the peer's reason, often empty.
   */
  on(event: 'close', listener: (this: WebSocket, code: number, reason: Buffer) => void): this;
  /**
   * Emitted if the peer violated the protocol, or if the connection could not be opened. `close` follows.
   * @param listener Called with `error`: a ProtocolError, a HandshakeError, or the error of the network.
   */
  on(event: 'error', listener: (this: WebSocket, error: Error) => void): this;
  /**
   * Emitted for each ping. It is answered already unless `autoPong` is false.
   * @param listener Called with `data`, the payload: at most 125 bytes.
   */
  on(event: 'ping', listener: (this: WebSocket, data: Buffer) => void): this;
  /**
   * Emitted for each pong.
   * @param listener Called with `data`, the payload: that of the ping which it answers.
   */
  on(event: 'pong', listener: (this: WebSocket, data: Buffer) => void): this;
  /**
   * Emitted on a client when the server has accepted the handshake, before `open`.
   * @param listener Called with `response`, the server's 101 with its headers.
   */
  on(event: 'upgrade', listener: (this: WebSocket, response: IncomingMessage) => void): this;
  /**
   * Emitted on a client before it follows a redirect.
   * @param listener Called with `url`, the new address, and `request`, whose headers may be changed.
   */
  on(event: 'redirect', listener: (this: WebSocket, url: string, request: ClientRequest) => void): this;
  /**
   * Emitted on a client if the server answers anything but 101. With a listener there is no `error`: the listener must end
   * the request.
   * @param listener Called with `request` and `response`, whose body can be read.
   */
  on(
    event: 'unexpected-response',
    listener: (this: WebSocket, request: ClientRequest, response: IncomingMessage) => void,
  ): this;
  /** Adds a listener. */
  on<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  on(event: string | symbol, listener: AnyListener): this;
  /** Adds a listener that is called for the next event only. {@link on} describes the events. */
  once<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  once(event: string | symbol, listener: AnyListener): this;
  /** Removes a listener. */
  off<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  off(event: string | symbol, listener: AnyListener): this;
  /** Adds a listener, as {@link on}, which describes the events. */
  addListener<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  addListener(event: string | symbol, listener: AnyListener): this;
  /** Removes a listener. */
  removeListener<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  removeListener(event: string | symbol, listener: AnyListener): this;
  /** Adds a listener in front of the others. {@link on} describes the events. */
  prependListener<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  prependListener(event: string | symbol, listener: AnyListener): this;
  /** Adds a listener in front of the others, for the next event only. {@link on} describes the events. */
  prependOnceListener<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  prependOnceListener(event: string | symbol, listener: AnyListener): this;
  /** Calls the listeners of an event. Returns true if there are any. */
  emit<E extends keyof WebSocketEvents>(event: E, ...args: WebSocketEvents[E]): boolean;
  // biome-ignore lint/suspicious/noExplicitAny: see AnyListener
  emit(event: string | symbol, ...args: any[]): boolean;
}

/** Values of a WebSocket's private fields. @internal Only for src/ws-internals.ts, goods and tests. */
export interface Inside {
  readonly transport: Transport | null;
  readonly attempt: ConnectAttempt | null;
  readonly closeRecord: Readonly<CloseRecord> | null;
  /** Options of the constructor; null once there is a connection. */
  readonly options: AcceptedOptions | ClientOptions | null;
  readonly binaryType: BinaryType;
  readonly deflate: DeflateAgreement | null;
  readonly isServer: boolean;
  readonly redirects: number;
}

/** @internal Returns the values of a socket's private fields. */
export let insideOf: (socket: WebSocket) => Inside;
/** @internal */
export let setIsServer: (socket: WebSocket, isServer: boolean) => void;
/** @internal */
export let setReadyState: (socket: WebSocket, state: ReadyState) => void;

/** @internal Options that were changed on one socket before it had a connection. The socket's own options may be shared with others. */
export const changedBefore = new WeakMap<WebSocket, Partial<TransportOptions>>();
/** Number of redirects of a client. A WeakMap, because a field would cost memory for every socket, and few are redirected. */
const redirects = new WeakMap<WebSocket, number>();
const stateNames = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'] as const;

/**
 * A WebSocket, the client's or the server's end. One object has the EventEmitter interface of `ws` and the interface of the browser (WHATWG
 * WebSockets).
 *
 * @example
 * ```ts
 * import WebSocket from 'goodwire';
 *
 * const socket = new WebSocket('wss://example.com/chat');
 * socket.on('open', () => socket.send('hello'));
 * socket.on('message', (data, isBinary) => console.log(isBinary ? data : data.toString()));
 * socket.on('close', (code, reason) => console.log(code, reason.toString()));
 * socket.on('error', (error) => console.error(error.message));
 * ```
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see the interface
export class WebSocket extends EventEmitter implements TransportEvents {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;

  static {
    insideOf = (socket) => ({
      transport: socket[own.transport],
      attempt: socket[own.attempt],
      closeRecord: socket[own.closeRecord],
      options: socket[own.options],
      binaryType: socket[own.binaryType],
      deflate: socket[own.deflate],
      isServer: socket[own.isServer],
      redirects: redirects.get(socket) ?? 0,
    });
    setIsServer = (socket, isServer) => {
      socket[own.isServer] = isServer;
    };
    setReadyState = (socket, state) => {
      socket[own.readyState] = state;
    };
  }

  private [own.readyState]: ReadyState = 0;
  private [own.isServer]: boolean;
  private [own.transport]: Transport | null = null;
  /** Options of the constructor; null once there is a connection. */
  private [own.options]: AcceptedOptions | ClientOptions | null;
  private [own.attempt]: ConnectAttempt | null = null;
  private [own.binaryType]: BinaryType = 'nodebuffer';
  private [own.protocol] = '';
  /** The parameters of permessage-deflate that were negotiated; null if none were. Kept when the socket is closed. */
  private [own.deflate]: DeflateAgreement | null = null;
  private [own.url]: string | undefined = undefined;
  /** Record of the end of the connection; null until something is to be recorded, so that open sockets pay no memory for it. */
  private [own.closeRecord]: CloseRecord | null = null;

  /**
   * Creates a socket that has no connection until {@link setSocket} is called, as a server does.
   * @param options Options of the socket of a server.
   */
  constructor(address: null, protocols?: undefined, options?: AcceptedOptions);
  /**
   * Opens a connection as a client (RFC 6455 §4.1).
   * @param address A URL with the scheme `ws:`, `wss:`, `http:` or `https:`, or `ws+unix:/path/to.sock:/path`.
   * @param options Options of the client and of its request.
   * @throws SyntaxError if the address is invalid; TypeError or RangeError if an option is invalid.
   */
  constructor(address: string | URL, options?: ClientOptions);
  /**
   * Opens a connection as a client (RFC 6455 §4.1), and offers subprotocols.
   * @param address A URL with the scheme `ws:`, `wss:`, `http:` or `https:`, or `ws+unix:/path/to.sock:/path`.
   * @param protocols The subprotocols to offer, in order of preference.
   * @param options Options of the client and of its request.
   * @throws SyntaxError if the address or a subprotocol is invalid; TypeError or RangeError if an option is invalid.
   */
  constructor(address: string | URL, protocols?: string | string[], options?: ClientOptions);
  constructor(
    address: string | URL | null,
    protocols?: string | string[] | ClientOptions | null,
    options?: ClientOptions | AcceptedOptions,
  ) {
    super();
    useSmallEventTable(this);
    if (address === null) {
      const accepted = (options ?? {}) as AcceptedOptions;
      this[own.isServer] = accepted.isServer ?? true;
      this[own.options] = accepted;
      return;
    }
    if (typeof protocols === 'object' && protocols !== null && !Array.isArray(protocols)) {
      options = protocols;
      protocols = undefined;
    }
    const chosen: ClientOptions = { ...(options as ClientOptions | undefined) };
    // Not `??`: a subprotocol of null is an error, as in ws.
    const offered: unknown = protocols === undefined ? (chosen.protocols ?? []) : protocols;
    this[own.isServer] = false;
    this[own.options] = chosen;
    connect(
      address,
      Array.isArray(offered) ? (offered as string[]) : [offered as string],
      chosen as ConnectOptions<never>,
      {
        websocket: this,
        onBegin: (attempt) => {
          this[own.attempt] = attempt;
          this[own.url] = attempt.url;
        },
        hasRedirectListener: () => this.listenerCount('redirect') > 0,
        onUpgrade: (response) => {
          this.emit('upgrade', response);
          return this[own.readyState] === 0;
        },
        onOpen: (socket, head, { protocol, deflate }) => {
          this[own.attempt] = null;
          try {
            this.setSocket(socket, head, { ...chosen, protocol, deflate: deflate ?? undefined });
          } catch (error) {
            // A listener of `open` has thrown. The error is the application's, and the connection stays open.
            if (this[own.readyState] === 1) throw error;
            // Otherwise the end of the stream would emit a second `close`.
            this[own.transport] = null;
            destroyStream(socket);
            this[own.failToOpen](error as Error);
          }
        },
        onUnexpectedResponse: (request, response) => this.emit('unexpected-response', request, response),
        onRedirecting: () => void redirects.set(this, (redirects.get(this) ?? 0) + 1),
        onRedirect: (url, request) => {
          this[own.url] = url;
          this.emit('redirect', url, request);
        },
        onError: (error) => this[own.failToOpen](error),
      },
    );
  }

  /** Form in which binary messages are delivered. Default "nodebuffer". Setting an unknown value has no effect. */
  get binaryType(): Exclude<BinaryType, 'blob'> {
    return this[own.binaryType] as Exclude<BinaryType, 'blob'>;
  }

  set binaryType(type: BinaryType) {
    if (!binaryTypes.includes(type)) return;
    this[own.binaryType] = type;
    if (this[own.transport] !== null) this[own.transport].connection.keepsFragments = type === 'fragments';
  }

  /**
   * Number of payload octets of messages that were given to be sent and that the kernel does not have: without framing, before compression;
   * control frames do not count (WHATWG WebSockets §3.1). Once the socket is closed the number never falls. Then everything that is sent
   * is added, pings and pongs too.
   */
  get bufferedAmount(): number {
    return (this[own.closeRecord]?.lostOctets ?? 0) + (this[own.transport]?.bufferedAmount ?? 0);
  }

  /** The negotiated extensions (§9): "permessage-deflate", or empty for none. Without parameters, as in `ws`. */
  get extensions(): string {
    return this[own.deflate] === null ? '' : permessageDeflate;
  }

  /** True if {@link pause} has stopped the reading. */
  get isPaused(): boolean {
    return this[own.transport]?.isPaused ?? this[own.closeRecord]?.isPaused ?? false;
  }

  /** The negotiated subprotocol; empty for none (§1.9). */
  get protocol(): string {
    return this[own.protocol];
  }

  /** State of the socket: 0 connecting, 1 open, 2 closing, 3 closed. */
  get readyState(): ReadyState {
    return this[own.readyState];
  }

  /** The normalized address; undefined on the server's end. */
  get url(): string {
    return this[own.url] as string;
  }

  /** True if the socket is closed and the closing handshake was completed (§7.1.4). */
  get wasClean(): boolean {
    return this[own.closeRecord]?.wasClean ?? false;
  }

  /** Listener that is called when the connection opens. */
  get onopen(): AnyAttribute {
    return getAttribute(this, 'open') as ((event: Event) => void) | null;
  }

  set onopen(listener: ((event: Event) => void) | null) {
    setAttribute(this, 'open', listener);
  }

  /** Listener that is called with each message. */
  get onmessage(): AnyAttribute {
    return getAttribute(this, 'message') as ((event: MessageEvent) => void) | null;
  }

  set onmessage(listener: ((event: MessageEvent) => void) | null) {
    setAttribute(this, 'message', listener);
  }

  /** Listener that is called once, when the connection is closed. */
  get onclose(): AnyAttribute {
    return getAttribute(this, 'close') as ((event: CloseEvent) => void) | null;
  }

  set onclose(listener: ((event: CloseEvent) => void) | null) {
    setAttribute(this, 'close', listener);
  }

  /** Listener that is called when the peer violated the protocol, or the connection could not be opened. */
  get onerror(): AnyAttribute {
    return getAttribute(this, 'error') as ((event: ErrorEvent) => void) | null;
  }

  set onerror(listener: ((event: ErrorEvent) => void) | null) {
    setAttribute(this, 'error', listener);
  }

  /** Adds a listener as in the browser, for `open`, `message`, `close` or `error`. With `once` it is removed when it is called. */
  addEventListener<E extends keyof WebSocketEventMap>(
    type: E,
    listener: events.EventListenerOf<WebSocket, WebSocketEventMap[E]>,
    options: EventListenerOptions = {},
  ): void {
    addListener(this, type, listener, options.once === true);
  }

  /** Removes a listener that {@link addEventListener} added. */
  removeEventListener<E extends keyof WebSocketEventMap>(
    type: E,
    listener: events.EventListenerOf<WebSocket, WebSocketEventMap[E]>,
  ): void {
    removeListener(this, type, listener);
  }

  /**
   * Gives the socket its connection: a stream on which the opening handshake is done. The socket becomes open.
   * @param head Octets received behind the opening handshake.
   * @throws the error that a method of the stream or a listener of `open` throws. The caller then has to destroy the stream.
   */
  setSocket(stream: Duplex, head: Buffer, options: SocketOptions = {}): void {
    if (options.protocol) this[own.protocol] = options.protocol;
    this[own.deflate] = options.deflate ?? null;
    const settings =
      options.settings ?? socketSettings({ ...this[own.options], ...options }, this[own.isServer], options.deflate);
    this[own.options] = null;
    const changes = changedBefore.get(this);
    const transport = new Transport(stream, head, changes === undefined ? settings : settings.changed(changes), this);
    // A stream may emit 'close' while the transport adds its listeners. Otherwise the closed socket would become open again.
    if (this[own.readyState] === 3) return;
    this[own.transport] = transport;
    if (this[own.binaryType] === 'fragments') transport.connection.keepsFragments = true;
    const { setTimeout, setNoDelay } = stream as Partial<Record<'setTimeout' | 'setNoDelay', (value?: number) => void>>;
    setTimeout?.call(stream, 0);
    setNoDelay?.call(stream);
    // The stream may have emitted 'end', 'error' or 'close' meanwhile. Otherwise a closing socket would become open.
    if (this[own.readyState] !== 0) return;
    this[own.readyState] = 1;
    this.emit('open');
  }

  /**
   * Sends a message.
   * @param data A string or number is sent as text, other data as binary: a Buffer, view, ArrayBuffer, Blob or array of octets. A
   *   {@link PreparedMessage} is sent as it was prepared, and `options` are ignored. You may change a Buffer after the call, except one
   *   of more than 8 KiB on a server: octets of it that the kernel does not take at once are not copied. If `bufferedAmount` is not 0
   *   after the call, change that Buffer only after `callback` is called.
   * @param callback Called when the octets have been handed to the kernel, or with the error that prevented it.
   * @throws Error while the socket is CONNECTING. In CLOSING and CLOSED the callback gets the error.
   */
  send(data: SendData, callback?: SendCallback): void;
  send(data: SendData, options: SendOptions, callback?: SendCallback): void;
  send(data: SendData, options?: SendOptions | SendCallback, callback?: SendCallback): void {
    if (this[own.readyState] === 0) throw notOpen(0);
    if (typeof options === 'function') {
      callback = options;
      options = undefined;
    }
    if (typeof callback !== 'function') callback = undefined;
    if (typeof data === 'number') data = data.toString();
    if (this[own.readyState] !== 1) {
      this[own.sendTooLate](data, callback);
      return;
    }
    const isText = typeof data === 'string';
    const isBinary = options?.binary ?? !isText;
    const fin = options?.fin ?? true;
    const masked = options?.mask ?? !this[own.isServer];
    const compresses = options?.compress ?? true;
    const transport = this[own.transport]!;
    const prepared = isText ? null : asPrepared(data);
    if (isText) transport.send(data as string, isBinary, fin, masked, compresses, callback);
    else if (prepared !== null) transport.sendPrepared(prepared, callback);
    else if (isBlob(data)) transport.sendBlob(data, isBinary, fin, masked, compresses, callback);
    else transport.send(toOctets(data), isBinary, fin, masked, compresses, callback);
  }

  /**
   * Sends a ping of at most 125 octets (§5.5.2).
   * @throws Error while CONNECTING; RangeError if the payload is longer.
   */
  ping(callback?: (error: Error) => void): void;
  ping(data: SendData | undefined, callback?: (error: Error) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: typed so for programs written for `ws`
  ping(data?: any, mask?: boolean, callback?: (error: Error) => void): void;
  ping(data?: unknown, mask?: unknown, callback?: unknown): void {
    this[own.sendControl]('ping', data as SendData, mask as boolean, callback as SendCallback);
  }

  /** Sends a pong of at most 125 octets (§5.5.3). @throws as {@link ping}. */
  pong(callback?: (error: Error) => void): void;
  pong(data: SendData | undefined, callback?: (error: Error) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: typed so for programs written for `ws`
  pong(data?: any, mask?: boolean, callback?: (error: Error) => void): void;
  pong(data?: unknown, mask?: unknown, callback?: unknown): void {
    this[own.sendControl]('pong', data as SendData, mask as boolean, callback as SendCallback);
  }

  /**
   * Begins the closing handshake (§7.1.2) behind everything that was sent. While CONNECTING, aborts the attempt.
   * @param code 1000–1003, 1007–1014 or 3000–4999. Default: the close frame has no code.
   * @param reason At most 123 octets of UTF-8, copied. Only with a code.
   * @throws TypeError if the code or the type of the reason is invalid; RangeError if the reason is too long.
   */
  close(code?: number, reason?: string | Buffer): void {
    if (this[own.readyState] === 3) return;
    if (this[own.readyState] === 0) {
      this[own.abort]();
      return;
    }
    if (this[own.readyState] === 2) {
      this[own.transport]?.endIfDone();
      return;
    }
    const checked = code === undefined ? undefined : checkReason(reason);
    formatClosePayload(code, checked);
    this[own.readyState] = 2;
    this[own.transport]!.close(code, checked);
  }

  /** Ends the connection at once, without a closing handshake. While CONNECTING, aborts the attempt. */
  terminate(): void {
    if (this[own.readyState] === 3) return;
    if (this[own.readyState] === 0) {
      this[own.abort]();
      return;
    }
    if (this[own.transport] === null) return;
    this[own.readyState] = 2;
    this[own.transport].destroy();
  }

  /** Stops reading from the peer. No event is delivered after the one that is being delivered. */
  pause(): void {
    if (this[own.readyState] === 0 || this[own.readyState] === 3) return;
    this[own.transport]?.pause();
  }

  /** Continues reading after {@link pause}. */
  resume(): void {
    if (this[own.readyState] === 0 || this[own.readyState] === 3) return;
    this[own.transport]?.resume();
  }

  /** Returns the names of the events that have listeners. */
  override eventNames(): (string | symbol)[] {
    // The table of listeners also has names without a listener; see event-table.ts.
    return super.eventNames().filter((name) => this.listenerCount(name) > 0);
  }

  // Events of the transport.

  /** @internal */
  [onMessage](data: MessageData, isBinary: boolean): void {
    if (!isBinary || this[own.binaryType] === 'nodebuffer' || this[own.binaryType] === 'fragments') {
      this.emit('message', data, isBinary);
    } else if (this[own.binaryType] === 'arraybuffer') {
      this.emit('message', toArrayBuffer(data as Buffer), true);
    } else {
      this.emit('message', new Blob([data as Buffer]) as unknown as RawData, true);
    }
  }

  /** @internal The application may have put its own `pong` on the socket, a subclass or the prototype. It then answers, as in ws. */
  [answerPing](payload: Buffer): boolean {
    if (this.pong === ownPong) return false;
    this.pong(payload, !this[own.isServer], noop);
    return true;
  }

  /** @internal */
  [onPing](payload: Buffer): void {
    this.emit('ping', payload);
  }

  /** @internal */
  [onPong](payload: Buffer): void {
    this.emit('pong', payload);
  }

  /** @internal True if the application has put its own `close` on the socket, a subclass or the prototype. */
  [answersClose](): boolean {
    return this.close !== ownClose;
  }

  /** @internal */
  [onPeerClosed](code: number, reason: Buffer): void {
    this[own.recordClose]().receiveClose(code, reason);
    if (!this[answersClose]()) this[own.readyState] = 2;
    // Otherwise the socket stays open until the application's own `close` calls ours, as in ws.
    else if (code === CloseCode.noStatusReceived) this.close();
    else this.close(code, reason);
  }

  /** @internal */
  [onFailure](error: Error): void {
    const { closeCode } = error as Partial<PeerError>;
    try {
      // The close frame is sent already, whatever the application's own `close` does. It is called as in ws.
      if (closeCode !== undefined && this[answersClose]()) this.close(closeCode);
    } finally {
      this[own.readyState] = 2;
      this[own.emitError](error);
    }
  }

  /** @internal */
  [onStreamError](error: Error): void {
    publishError(this, error, false);
  }

  /** @internal */
  [onEnding](): void {
    if (this[own.readyState] !== 3) this[own.readyState] = 2;
  }

  /** @internal */
  [onClosed](wasClean: boolean, lostOctets: number): void {
    const transport = this[own.transport];
    const record = this[own.recordClose]();
    // Without a transport the stream closed while the transport was created. If the socket is closed too, its failure was reported, and
    // `close` has been emitted.
    if (transport === null && this[own.readyState] === 3) return;
    record.streamClosed(wasClean, lostOctets, transport);
    // Otherwise an application that keeps closed sockets would keep the memory of their connections.
    this[own.transport] = null;
    this[own.finish]();
  }

  private [own.finish](): void {
    this[own.readyState] = 3;
    const { code, reason } = this[own.recordClose]();
    this.emit('close', code, reason);
  }

  private [own.recordClose](): CloseRecord {
    this[own.closeRecord] ??= new CloseRecord();
    return this[own.closeRecord];
  }

  private [own.emitError](error: Error): void {
    if (!this[own.recordClose]().recordError()) return;
    // Otherwise a peer could end the process of a server that has no listener for errors. A client chooses its peer.
    const isHandled = !this[own.isServer] || this.listenerCount('error') > 0;
    publishError(this, error, isHandled);
    if (isHandled) this.emit('error', error);
  }

  private [own.failToOpen](error: Error): void {
    this[own.attempt] = null;
    this[own.options] = null;
    this[own.readyState] = 2;
    try {
      this[own.emitError](error);
    } finally {
      this[own.finish]();
    }
  }

  private [own.abort](): void {
    const attempt = this[own.attempt];
    if (attempt === null) return;
    this[own.readyState] = 2;
    attempt.abort(new Error('WebSocket was closed before the connection was established'));
  }

  private [own.sendTooLate](data: SendData, callback?: SendCallback): void {
    this[own.recordClose]().addLost(octetLength(data));
    if (callback !== undefined) afterTick(callback, notOpen(this[own.readyState]));
  }

  private [own.sendControl](
    kind: 'ping' | 'pong',
    data?: SendData | SendCallback,
    mask?: boolean | SendCallback,
    callback?: SendCallback,
  ): void {
    if (this[own.readyState] === 0) throw notOpen(0);
    if (typeof data === 'function') {
      callback = data as SendCallback;
      data = undefined;
      mask = undefined;
    } else if (typeof mask === 'function') {
      callback = mask;
      mask = undefined;
    }
    if (typeof callback !== 'function') callback = undefined;
    if (typeof data === 'number') data = data.toString();
    if (this[own.readyState] !== 1) {
      this[own.sendTooLate](data as SendData, callback);
      return;
    }
    const masked = (mask as boolean | undefined) ?? !this[own.isServer];
    if (isBlob(data)) this[own.transport]!.sendBlobControl(kind, data, masked, callback);
    else this[own.transport]!.sendControl(kind, toOctets(data as SendData), masked, callback);
  }
}

for (const [value, name] of stateNames.entries()) {
  const constant = { enumerable: true, value, writable: false, configurable: false };
  Object.defineProperty(WebSocket, name, constant);
  Object.defineProperty(WebSocket.prototype, name, constant);
}

// These are enumerable, as in a browser and in `ws`: programs list or copy the attributes of a socket.
for (const name of [
  'binaryType',
  'bufferedAmount',
  'extensions',
  'isPaused',
  'protocol',
  'readyState',
  'url',
  'onopen',
  'onmessage',
  'onclose',
  'onerror',
  'addEventListener',
  'removeEventListener',
  'eventNames',
]) {
  Object.defineProperty(WebSocket.prototype, name, { enumerable: true });
}

/** The methods as they are here, to be compared with those of a socket. */
const { pong: ownPong, close: ownClose } = WebSocket.prototype;
const noop = (): void => {};

function notOpen(state: ReadyState): Error {
  return new Error(`WebSocket is not open: readyState ${state} (${stateNames[state]})`);
}

/** Returns a copy of a close reason, or undefined if the value is empty or has no length. @throws TypeError if the type is invalid. */
function checkReason(reason: unknown): string | Uint8Array | undefined {
  if (typeof reason === 'string') return reason;
  if (isUint8Array(reason)) return Buffer.from(reason);
  const isEmpty = reason === undefined || (reason !== null && !(reason as { length?: number }).length);
  if (isEmpty) return undefined;
  throw new TypeError('Second argument must be a string or a Uint8Array');
}

function toArrayBuffer({ buffer, byteOffset, byteLength }: Buffer): ArrayBuffer {
  if (byteOffset === 0 && byteLength === buffer.byteLength) return buffer as ArrayBuffer;
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
}

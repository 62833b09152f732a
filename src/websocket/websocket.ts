import { EventEmitter } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ClientOptions as ConnectOptions } from '../client/client-options.ts';
import { type ConnectAttempt, connect } from '../client/connect.ts';
import { formatClosePayload } from '../connection/close-payload.ts';
import { type DeflateAgreement, permessageDeflate } from '../extension/deflate-negotiation.ts';
import { CloseCode } from '../frame/close-code.ts';
import type { MessageData } from '../message/message-decoder.ts';
import { PreparedMessage } from '../message/prepared-message.ts';
import { isBlob, octetLength, type SendData, toOctets } from '../message/send-data.ts';
import { destroyStream } from '../transport/destroy-stream.ts';
import type { SendCallback } from '../transport/send-callback.ts';
import { Transport } from '../transport/transport.ts';
import {
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
import { publishError } from './diagnostics.ts';
import { useSmallEventTable } from './event-table.ts';
import { addListener, getAttribute, removeListener, setAttribute } from './event-target.ts';
import type {
  CloseEvent,
  ErrorEvent,
  Event,
  EventListenerOf,
  MessageEvent,
  WebSocketListenerEvents,
} from './events.ts';
import * as own from './own.ts';
import { type SocketSettingsOptions, socketSettings } from './socket-settings.ts';

/** The states of a WebSocket (WHATWG WebSockets §3.1). */
export type ReadyState = 0 | 1 | 2 | 3;

/**
 * How binary messages are delivered: as a Buffer, which may be a view of a larger chunk; as an ArrayBuffer of their own; as a
 * Blob; or as a list of Buffers, one for each fragment (the first 16 384 are told apart).
 */
export type BinaryType = 'nodebuffer' | 'arraybuffer' | 'blob' | 'fragments';

const binaryTypes: readonly string[] = ['nodebuffer', 'arraybuffer', 'blob', 'fragments'];

/** The message of a `message` event. With `binaryType` "blob" it is a Blob, which for the sake of code typed for `ws` is not here. */
export type RawData = Buffer | ArrayBuffer | Buffer[];

/** How one message is sent. */
export interface SendOptions {
  /** Binary or text; default: text for strings and numbers. */
  binary?: boolean | undefined;
  /** Whether permessage-deflate may compress it, if it was negotiated. Default true. */
  compress?: boolean | undefined;
  /** Whether it is the last fragment of its message. Default true. */
  fin?: boolean | undefined;
  /** Whether it is masked. Default: as the RFC demands (§5.1). */
  mask?: boolean | undefined;
}

/** Options of a client; see {@link ConnectOptions} for those of the opening handshake. */
export type ClientOptions = ConnectOptions<WebSocket>;

/** Options of a socket that a server has accepted. */
export interface AcceptedOptions {
  autoPong?: boolean | undefined;
  closeTimeout?: number | undefined;
  /** Which role it plays. Default true: it is the server's end. */
  isServer?: boolean | undefined;
}

/** What {@link WebSocket.setSocket} needs to know beside what the constructor was given. */
export interface SocketOptions extends SocketSettingsOptions {
  /** The subprotocol that the opening handshake agreed on; empty for none. */
  protocol?: string | undefined;
  /** permessage-deflate as it agreed on it (RFC 7692 §7.1), if it did. */
  deflate?: DeflateAgreement | undefined;
  /** What became of options that many sockets share; the options here are not looked at then. */
  settings?: TransportSettings | undefined;
}

/** The events of a {@link WebSocket} with their arguments. */
export interface WebSocketEvents {
  /** Closed: the peer's code, or 1005 (none) or 1006 (no close frame), and its reason. Emitted exactly once. */
  close: [code: number, reason: Buffer];
  /** The peer broke the protocol, or the connection could not be opened. `close` follows. */
  error: [error: Error];
  /** A message; text comes as its UTF-8 octets with `isBinary` false. */
  message: [data: RawData, isBinary: boolean];
  open: [];
  ping: [data: Buffer];
  pong: [data: Buffer];
  redirect: [url: string, request: ClientRequest];
  'unexpected-response': [request: ClientRequest, response: IncomingMessage];
  upgrade: [response: IncomingMessage];
}

// As read, an on… attribute takes any event, so that the socket goes into code that is typed for ws; as written it is typed.
// biome-ignore lint/suspicious/noExplicitAny: see above
type AnyAttribute = ((event: any) => void) | null;

type Listener<Args extends unknown[]> = (this: WebSocket, ...args: Args) => void;
// biome-ignore lint/suspicious/noExplicitAny: events of the application's own, as with every EventEmitter
type AnyListener = (this: WebSocket, ...args: any[]) => void;

export interface WebSocket {
  /** 0: the connection is not open yet. */
  readonly CONNECTING: 0;
  /** 1: messages can be sent. */
  readonly OPEN: 1;
  /** 2: the closing handshake, or the end of the stream, has begun. */
  readonly CLOSING: 2;
  /** 3: closed, or never opened. */
  readonly CLOSED: 3;

  on<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  on(event: string | symbol, listener: AnyListener): this;
  once<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  once(event: string | symbol, listener: AnyListener): this;
  off<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  off(event: string | symbol, listener: AnyListener): this;
  addListener<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  addListener(event: string | symbol, listener: AnyListener): this;
  removeListener<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  removeListener(event: string | symbol, listener: AnyListener): this;
  prependListener<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  prependListener(event: string | symbol, listener: AnyListener): this;
  prependOnceListener<E extends keyof WebSocketEvents>(event: E, listener: Listener<WebSocketEvents[E]>): this;
  prependOnceListener(event: string | symbol, listener: AnyListener): this;
  emit<E extends keyof WebSocketEvents>(event: E, ...args: WebSocketEvents[E]): boolean;
  // biome-ignore lint/suspicious/noExplicitAny: see AnyListener
  emit(event: string | symbol, ...args: any[]): boolean;
}

/** How a socket ends, or ended. */
interface Ending {
  code: number;
  reason: Buffer;
  wasClean: boolean;
  /** Whether an error was emitted: there is at most one. */
  hasErred: boolean;
  /** Whether the reading had been stopped. */
  isPaused: boolean;
  /** Octets of sends after the end, or that the end has prevented, which count as buffered for ever (WHATWG WebSockets §3.1). */
  lostOctets: number;
  /** Whether the peer's close frame has come, and ours has gone. */
  hasReceivedClose: boolean;
  hasSentClose: boolean;
  /** The stream that was: programs ask it for the peer's address when they are told of the end. */
  stream: Duplex | null;
}

/** What lies behind a WebSocket's private fields. @internal For src/ws-internals.ts, and for nobody else. */
export interface Inside {
  readonly transport: Transport | null;
  readonly attempt: ConnectAttempt | null;
  readonly ending: Readonly<Ending> | null;
  /** What the constructor was given, until there is a connection. */
  readonly options: AcceptedOptions | ClientOptions | null;
  readonly binaryType: BinaryType;
  readonly deflate: DeflateAgreement | null;
  readonly isServer: boolean;
  readonly redirects: number;
}

/** @internal */
export let insideOf: (socket: WebSocket) => Inside;
/** @internal */
export let setIsServer: (socket: WebSocket, isServer: boolean) => void;
/** @internal */
export let setReadyState: (socket: WebSocket, state: ReadyState) => void;

const noPayload = Buffer.alloc(0);
/** @internal Options that were changed on one socket, whose options may be everybody's, before it had a connection. */
export const changedBefore = new WeakMap<WebSocket, Partial<TransportOptions>>();
/** How often a client was redirected; most are not, and there may be very many sockets. */
const redirects = new WeakMap<WebSocket, number>();
const stateNames = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'] as const;

/**
 * A WebSocket, client or server end: the EventEmitter that programs written for `ws` know, and the browser's WebSocket (WHATWG
 * WebSockets), on one object.
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
      ending: socket[own.ending],
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
  /** What the constructor was given, until there is a connection. */
  private [own.options]: AcceptedOptions | ClientOptions | null;
  private [own.attempt]: ConnectAttempt | null = null;
  private [own.binaryType]: BinaryType = 'nodebuffer';
  private [own.protocol] = '';
  /** permessage-deflate as it was agreed on, also when the socket is closed. */
  private [own.deflate]: DeflateAgreement | null = null;
  private [own.url]: string | undefined = undefined;
  /** How it ends: kept apart, because most sockets are open most of the time, and there may be very many. */
  private [own.ending]: Ending | null = null;

  /**
   * Opens a connection as a client (RFC 6455 §4.1). An address of null makes a socket without a connection: a server gives it one
   * with {@link setSocket}.
   * @param address `ws:`, `wss:`, `http:`, `https:`, or `ws+unix:/path/to.sock:/path`.
   * @param protocols The subprotocols to offer, the preferred one first.
   * @throws SyntaxError for an address or subprotocols that are invalid; TypeError or RangeError for options that are.
   */
  constructor(address: null, protocols?: undefined, options?: AcceptedOptions);
  constructor(address: string | URL, options?: ClientOptions);
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
    const offered: unknown = protocols ?? chosen.protocols ?? [];
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
            // The application's own exception: a listener of `open` threw.
            if (this[own.readyState] === 1) throw error;
            // Otherwise the end of the stream would emit a second `close`.
            this[own.transport] = null;
            destroyStream(socket);
            this[own.failToOpen](error as Error);
          }
        },
        onUnexpectedResponse: (request, response) => this.emit('unexpected-response', request, response),
        onRedirect: (url, request) => {
          this[own.url] = url;
          redirects.set(this, (redirects.get(this) ?? 0) + 1);
          this.emit('redirect', url, request);
        },
        onError: (error) => this[own.failToOpen](error),
      },
    );
  }

  /** How binary messages are delivered. Default "nodebuffer"; what it does not know is ignored. */
  get binaryType(): Exclude<BinaryType, 'blob'> {
    return this[own.binaryType] as Exclude<BinaryType, 'blob'>;
  }

  set binaryType(type: BinaryType) {
    if (!binaryTypes.includes(type)) return;
    this[own.binaryType] = type;
    if (this[own.transport] !== null) this[own.transport].connection.keepsFragments = type === 'fragments';
  }

  /** Octets given to be sent that the kernel does not have yet, framing included; once the socket is closed it does not fall. */
  get bufferedAmount(): number {
    return (this[own.ending]?.lostOctets ?? 0) + (this[own.transport]?.bufferedAmount ?? 0);
  }

  /** The names of the extensions agreed on, as in `ws`: "permessage-deflate", or empty for none (§9). */
  get extensions(): string {
    return this[own.deflate] === null ? '' : permessageDeflate;
  }

  /** Whether {@link pause} stopped the reading. */
  get isPaused(): boolean {
    return this[own.transport]?.isPaused ?? this[own.ending]?.isPaused ?? false;
  }

  /** The subprotocol agreed on; empty for none (§1.9). */
  get protocol(): string {
    return this[own.protocol];
  }

  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  get readyState(): ReadyState {
    return this[own.readyState];
  }

  /** The address, as normalized; undefined on a server's end. */
  get url(): string {
    return this[own.url] as string;
  }

  /** Whether the closing handshake was completed (§7.1.4); meaningful once the socket is closed. */
  get wasClean(): boolean {
    return this[own.ending]?.wasClean ?? false;
  }

  /** Called when the connection opens. */
  get onopen(): AnyAttribute {
    return getAttribute(this, 'open') as ((event: Event<WebSocket>) => void) | null;
  }

  set onopen(listener: ((event: Event<WebSocket>) => void) | null) {
    setAttribute(this, 'open', listener);
  }

  /** Called with each message. */
  get onmessage(): AnyAttribute {
    return getAttribute(this, 'message') as ((event: MessageEvent<WebSocket>) => void) | null;
  }

  set onmessage(listener: ((event: MessageEvent<WebSocket>) => void) | null) {
    setAttribute(this, 'message', listener);
  }

  /** Called once, when the connection is closed. */
  get onclose(): AnyAttribute {
    return getAttribute(this, 'close') as ((event: CloseEvent<WebSocket>) => void) | null;
  }

  set onclose(listener: ((event: CloseEvent<WebSocket>) => void) | null) {
    setAttribute(this, 'close', listener);
  }

  /** Called when the peer broke the protocol or the connection could not be opened. */
  get onerror(): AnyAttribute {
    return getAttribute(this, 'error') as ((event: ErrorEvent<WebSocket>) => void) | null;
  }

  set onerror(listener: ((event: ErrorEvent<WebSocket>) => void) | null) {
    setAttribute(this, 'error', listener);
  }

  /** Adds a listener of the WHATWG kind for `open`, `message`, `close` or `error`; with `once` it is called once. */
  addEventListener<E extends keyof WebSocketListenerEvents<WebSocket>>(
    type: E,
    listener: EventListenerOf<WebSocket, WebSocketListenerEvents<WebSocket>[E]>,
    options: { once?: boolean | undefined } = {},
  ): void {
    addListener(this, type, listener, options.once === true);
  }

  /** Removes a listener that {@link addEventListener} added. */
  removeEventListener<E extends keyof WebSocketListenerEvents<WebSocket>>(
    type: E,
    listener: EventListenerOf<WebSocket, WebSocketListenerEvents<WebSocket>[E]>,
  ): void {
    removeListener(this, type, listener);
  }

  /**
   * Gives the socket its connection: a stream on which the opening handshake is done. It becomes open.
   * @param head What came behind the handshake.
   * @throws what a method of the stream or a listener of `open` throws. The caller has to destroy the stream then.
   */
  setSocket(stream: Duplex, head: Buffer, options: SocketOptions = {}): void {
    if (options.protocol) this[own.protocol] = options.protocol;
    this[own.deflate] = options.deflate ?? null;
    const settings =
      options.settings ?? socketSettings({ ...this[own.options], ...options }, this[own.isServer], options.deflate);
    this[own.options] = null;
    const changes = changedBefore.get(this);
    const transport = new Transport(stream, head, changes === undefined ? settings : settings.changed(changes), this);
    // A stream that emits 'close' while the transport adds its listeners: this socket is closed, and must not become open again.
    if (this[own.readyState] === 3) return;
    this[own.transport] = transport;
    if (this[own.binaryType] === 'fragments') transport.connection.keepsFragments = true;
    const { setTimeout, setNoDelay } = stream as Partial<Record<'setTimeout' | 'setNoDelay', (value?: number) => void>>;
    setTimeout?.call(stream, 0);
    setNoDelay?.call(stream);
    // A stream that has emitted 'end', 'error' or 'close' meanwhile.
    if (this[own.readyState] !== 0) return;
    this[own.readyState] = 1;
    this.emit('open');
  }

  /**
   * Sends a message.
   * @param data A string or number goes as text; a Buffer, view, ArrayBuffer, Blob or array of octets as binary data; a
   *   {@link PreparedMessage} as it was prepared, whatever `options` say. A Buffer may be
   *   used again afterwards, unless it has more than 8 KiB on a server: what the kernel does not take of it at once is not copied, so
   *   leave it as it is until `callback` is called while `bufferedAmount` is not 0.
   * @param callback Called when the kernel has the octets, or with the error that prevented it.
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
    if (isText) transport.send(data as string, isBinary, fin, masked, compresses, callback);
    else if (data instanceof PreparedMessage) transport.sendPrepared(data, callback);
    else if (isBlob(data)) transport.sendBlob(data, isBinary, fin, masked, compresses, callback);
    else transport.send(toOctets(data), isBinary, fin, masked, compresses, callback);
  }

  /**
   * Sends a ping with at most 125 octets (§5.5.2).
   * @throws Error while CONNECTING; RangeError for a longer payload.
   */
  ping(callback?: (error: Error) => void): void;
  ping(data: SendData | undefined, callback?: (error: Error) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: typed so for programs written for `ws`
  ping(data?: any, mask?: boolean, callback?: (error: Error) => void): void;
  ping(data?: unknown, mask?: unknown, callback?: unknown): void {
    this[own.sendControl]('ping', data as SendData, mask as boolean, callback as SendCallback);
  }

  /** Sends a pong with at most 125 octets (§5.5.3). @throws as {@link ping}. */
  pong(callback?: (error: Error) => void): void;
  pong(data: SendData | undefined, callback?: (error: Error) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: typed so for programs written for `ws`
  pong(data?: any, mask?: boolean, callback?: (error: Error) => void): void;
  pong(data?: unknown, mask?: unknown, callback?: unknown): void {
    this[own.sendControl]('pong', data as SendData, mask as boolean, callback as SendCallback);
  }

  /**
   * Begins the closing handshake (§7.1.2) behind all that was sent; while CONNECTING it gives up the attempt.
   * @param code 1000–1003, 1007–1014 or 3000–4999; none if left out.
   * @param reason At most 123 octets of UTF-8; only with a code. It is copied.
   * @throws TypeError for another code or kind of reason; RangeError for a longer reason.
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
    const said = code === undefined ? undefined : checkReason(reason);
    formatClosePayload(code, said);
    this[own.readyState] = 2;
    this[own.transport]!.close(code, said);
  }

  /** Ends the connection at once and without a closing handshake; while CONNECTING it gives up the attempt. */
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

  /** Stops the delivery of events, behind the one being delivered, and the reading from the peer. */
  pause(): void {
    if (this[own.readyState] === 0 || this[own.readyState] === 3) return;
    this[own.transport]?.pause();
  }

  /** Undoes {@link pause}. */
  resume(): void {
    if (this[own.readyState] === 0 || this[own.readyState] === 3) return;
    this[own.transport]?.resume();
  }

  /** The events that have listeners. */
  override eventNames(): (string | symbol)[] {
    // The table of listeners has names without any.
    return super.eventNames().filter((name) => this.listenerCount(name) > 0);
  }

  // From here on: what the transport tells.

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

  /** @internal */
  [onPing](payload: Buffer): void {
    this.emit('ping', payload);
  }

  /** @internal */
  [onPong](payload: Buffer): void {
    this.emit('pong', payload);
  }

  /** @internal */
  [onPeerClosed](code: number, reason: Buffer): void {
    this[own.readyState] = 2;
    const ending = this[own.end]();
    ending.code = code;
    ending.reason = reason;
    ending.hasReceivedClose = true;
  }

  /** @internal */
  [onFailure](error: Error): void {
    this[own.readyState] = 2;
    this[own.emitError](error);
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
    const ending = this[own.end]();
    // Without a transport the stream failed or closed while the transport was made. If the failure was told, `close` has been emitted.
    if (transport === null && this[own.readyState] === 3) return;
    ending.wasClean = wasClean;
    ending.lostOctets += lostOctets;
    ending.isPaused = transport?.isPaused ?? false;
    ending.hasSentClose = transport?.hasSentClose ?? false;
    ending.stream = transport?.stream ?? null;
    // Applications may keep closed sockets, and must not keep all that was behind them.
    this[own.transport] = null;
    this[own.finish]();
  }

  private [own.finish](): void {
    this[own.readyState] = 3;
    const { code, reason } = this[own.end]();
    this.emit('close', code, reason);
  }

  private [own.end](): Ending {
    this[own.ending] ??= {
      code: CloseCode.abnormalClosure,
      reason: noPayload,
      wasClean: false,
      hasErred: false,
      isPaused: false,
      lostOctets: 0,
      hasReceivedClose: false,
      hasSentClose: false,
      stream: null,
    };
    return this[own.ending];
  }

  private [own.emitError](error: Error): void {
    const ending = this[own.end]();
    if (ending.hasErred) return;
    ending.hasErred = true;
    // A peer must not bring a server down that has no listener for errors. A client's application chose its peer.
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
    this[own.end]().lostOctets += octetLength(data);
    if (callback !== undefined) process.nextTick(callback, notOpen(this[own.readyState]));
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

// As in a browser, and in `ws`, the attributes show when a program lists what a socket has.
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

function notOpen(state: ReadyState): Error {
  return new Error(`WebSocket is not open: readyState ${state} (${stateNames[state]})`);
}

/** A copy of a close reason; what has no length, or is empty, is none. */
function checkReason(reason: unknown): string | Uint8Array | undefined {
  if (typeof reason === 'string') return reason;
  if (reason instanceof Uint8Array) return Buffer.from(reason);
  const isNone = reason === undefined || (reason !== null && !(reason as { length?: number }).length);
  if (isNone) return undefined;
  throw new TypeError('Second argument must be a string or a Uint8Array');
}

function toArrayBuffer({ buffer, byteOffset, byteLength }: Buffer): ArrayBuffer {
  if (byteOffset === 0 && byteLength === buffer.byteLength) return buffer as ArrayBuffer;
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
}

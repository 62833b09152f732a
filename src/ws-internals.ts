/**
 * What programs reach for inside of ws's objects, under the names that it has there: engine.io sends frames of its own by
 * `socket._sender.sendFrame`, its client calls `socket._socket.unref()`, crossws waits for the `drain` of `socket._socket`,
 * `@fastify/websocket` sets `_isServer`, and many read `_socket.remoteAddress`. Neither `ws` nor we document any of it. It is here,
 * all in one file, because a program that works with `ws` should go on working. It is live, and made of accessors on the
 * prototypes, which cost an idle socket nothing. What programs are known to set can be set; the rest is read-only.
 *
 * @module
 */
import { EventEmitter } from 'node:events';
import type { ClientRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ZlibOptions } from 'node:zlib';
import { limit } from './compat/limit.ts';
import { PerMessageDeflate } from './compat/per-message-deflate.ts';
import { Sender } from './compat/sender.ts';
import { CloseCode } from './frame/close-code.ts';
import { defaultMaxPayload } from './frame/frame-decoder.ts';
import type { SendData } from './message/send-data.ts';
import { httpServerOf, WebSocketServer } from './server/websocket-server.ts';
import type { SendCallback } from './transport/send-callback.ts';
import { defaultCloseTimeout, type TransportOptions } from './transport/transport-settings.ts';
import { changedBefore, insideOf, setIsServer, setReadyState, WebSocket } from './websocket/websocket.ts';
import type { BinaryType, ReadyState, SendOptions } from './websocket/websocket-options.ts';

/** The `_sender` of a WebSocket: what it sends takes the same way as everything else, so that the order is kept. */
class LiveSender extends Sender {
  readonly #websocket: WebSocket;

  constructor(websocket: WebSocket, stream: Duplex) {
    super(stream);
    this.#websocket = websocket;
  }

  override send(data: SendData, options: SendOptions, callback?: SendCallback): void {
    this.#websocket.send(data, options, callback);
  }

  override ping(data: SendData, mask: boolean, callback?: SendCallback): void {
    this.#websocket.ping(data, mask, callback);
  }

  override pong(data: SendData, mask: boolean, callback?: SendCallback): void {
    this.#websocket.pong(data, mask, callback);
  }

  override close(code?: number, data?: string | Buffer, _mask?: boolean, callback?: SendCallback): void {
    this.#websocket.close(code, data);
    if (callback !== undefined) process.nextTick(callback);
  }

  override sendFrame(list: readonly Buffer[], callback?: SendCallback): void {
    for (const frame of list) {
      if (!(frame instanceof Uint8Array)) throw new TypeError('sendFrame() takes a list of Buffers, which are frames');
    }
    const { transport } = insideOf(this.#websocket);
    const told = typeof callback === 'function' ? callback : undefined;
    if (transport?.connection.isOpen) transport.sendRaw(list, told);
    else if (told !== undefined) process.nextTick(told, notOpen(this.#websocket.readyState));
  }
}

function notOpen(state: ReadyState): Error {
  return Object.assign(new Error(`The frames were not sent: readyState is ${state}, and not 1 (OPEN)`), {
    code: 'EPIPE',
  });
}

/** The `_receiver` of a WebSocket: its limit, which programs raise once they know a client, and what else they look at. It emits nothing. */
class LiveReceiver extends EventEmitter {
  readonly #websocket: WebSocket;

  constructor(websocket: WebSocket) {
    super();
    this.#websocket = websocket;
  }

  /** Octets that a message may have, from the next one on; 0 is no limit. */
  get _maxPayload(): number {
    return settled(this.#websocket).maxPayload ?? defaultMaxPayload;
  }

  set _maxPayload(octets: number) {
    settle(this.#websocket, { maxPayload: limit(octets) });
  }

  get _binaryType(): BinaryType {
    return insideOf(this.#websocket).binaryType;
  }

  set _binaryType(type: BinaryType) {
    this.#websocket.binaryType = type;
  }

  get _extensions(): object {
    return extensionsOf(this.#websocket);
  }

  get _isServer(): boolean {
    return insideOf(this.#websocket).isServer;
  }
}

/** The options of a socket: of its connection, or those which it will have. */
function settled(websocket: WebSocket): Partial<TransportOptions> {
  const { transport, options } = insideOf(websocket);
  return transport?.settings.options ?? { ...(options as Partial<TransportOptions>), ...changedBefore.get(websocket) };
}

/** Changes options of one socket, whose others it may share with many. */
function settle(websocket: WebSocket, changes: Partial<TransportOptions>): void {
  const { transport, options } = insideOf(websocket);
  if (transport !== null) transport.connection.changeSettings(transport.settings.changed(changes));
  // The options themselves may be those of a server, and of all its sockets.
  else if (options !== null) changedBefore.set(websocket, { ...changedBefore.get(websocket), ...changes });
}

const noExtensions = Object.freeze({});
const extensions = new WeakMap<WebSocket, object>();

/** The running extensions by name. What there is of permessage-deflate is what was agreed on: messages do not pass through it. */
function extensionsOf(websocket: WebSocket): object {
  const { deflate, isServer, transport } = insideOf(websocket);
  if (deflate === null) return noExtensions;
  let running = extensions.get(websocket);
  if (running === undefined) {
    const { threshold, zlibDeflateOptions, zlibInflateOptions } = transport?.settings.deflate?.options ?? {};
    const extension = new PerMessageDeflate({
      isServer,
      threshold,
      zlibDeflateOptions: zlibDeflateOptions as ZlibOptions | undefined,
      zlibInflateOptions: zlibInflateOptions as ZlibOptions | undefined,
      maxPayload: settled(websocket).maxPayload ?? defaultMaxPayload,
    });
    extension.params = {
      ...(deflate.serverNoContextTakeover && { server_no_context_takeover: true }),
      ...(deflate.clientNoContextTakeover && { client_no_context_takeover: true }),
      ...(deflate.serverMaxWindowBits < 15 && { server_max_window_bits: deflate.serverMaxWindowBits }),
      ...(deflate.clientMaxWindowBits < 15 && { client_max_window_bits: deflate.clientMaxWindowBits }),
    };
    running = Object.freeze({ [PerMessageDeflate.extensionName]: extension });
    extensions.set(websocket, running);
  }
  return running;
}

const senders = new WeakMap<WebSocket, LiveSender>();
const receivers = new WeakMap<WebSocket, LiveReceiver>();
const noReason = Buffer.alloc(0);

function streamOf(websocket: WebSocket): Duplex | null {
  const { transport, closeRecord } = insideOf(websocket);
  return transport?.stream ?? closeRecord?.stream ?? null;
}

function senderOf(websocket: WebSocket): LiveSender | null {
  const stream = streamOf(websocket);
  if (stream === null) return null;
  let sender = senders.get(websocket);
  if (sender === undefined) {
    sender = new LiveSender(websocket, stream);
    senders.set(websocket, sender);
  }
  return sender;
}

function receiverOf(websocket: WebSocket): LiveReceiver | null {
  if (streamOf(websocket) === null) return null;
  let receiver = receivers.get(websocket);
  if (receiver === undefined) {
    receiver = new LiveReceiver(websocket);
    receivers.set(websocket, receiver);
  }
  return receiver;
}

/** What a program puts in the place of a field is what it finds there from then on: mocks do that. */
function shadow(name: string): (this: object, value: unknown) => void {
  return function (value) {
    Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
  };
}

/** One accessor for each name, not enumerable: they do not show when a socket is printed or its keys are listed. */
function reveal<T extends object>(
  prototype: T,
  accessors: Record<string, { get(this: T): unknown; set?(this: T, value: never): void }>,
): void {
  for (const [name, accessor] of Object.entries(accessors)) {
    Object.defineProperty(prototype, name, {
      set: shadow(name),
      ...accessor,
      configurable: true,
    } as PropertyDescriptor);
  }
}

reveal(WebSocket.prototype, {
  _autoPong: {
    get() {
      return settled(this).autoPong ?? true;
    },
    set(autoPong: boolean) {
      settle(this, { autoPong });
    },
  },
  _binaryType: {
    get() {
      return insideOf(this).binaryType;
    },
  },
  _bufferedAmount: {
    get() {
      return insideOf(this).closeRecord?.lostOctets ?? 0;
    },
  },
  _closeCode: {
    get() {
      return insideOf(this).closeRecord?.code ?? CloseCode.abnormalClosure;
    },
  },
  _closeFrameReceived: {
    get() {
      return insideOf(this).closeRecord?.hasReceivedClose ?? false;
    },
  },
  _closeFrameSent: {
    get() {
      const { transport, closeRecord } = insideOf(this);
      return transport?.hasSentClose ?? closeRecord?.hasSentClose ?? false;
    },
  },
  _closeMessage: {
    get() {
      return insideOf(this).closeRecord?.reason ?? noReason;
    },
  },
  _closeTimeout: {
    get() {
      return settled(this).closeTimeout ?? defaultCloseTimeout;
    },
    set(closeTimeout: number) {
      settle(this, { closeTimeout });
    },
  },
  _closeTimer: {
    get() {
      return insideOf(this).transport?.closeTimer ?? null;
    },
  },
  _errorEmitted: {
    get() {
      return insideOf(this).closeRecord?.hasErred ?? false;
    },
  },
  _extensions: {
    get() {
      return extensionsOf(this);
    },
  },
  _isServer: {
    get() {
      return insideOf(this).isServer;
    },
    /** Before `setSocket`: it decides whether frames are masked. */
    set(isServer: boolean) {
      setIsServer(this, isServer);
    },
  },
  _paused: {
    get() {
      return this.isPaused;
    },
  },
  _protocol: {
    get() {
      return this.protocol;
    },
  },
  _readyState: {
    get() {
      return this.readyState;
    },
    set(state: ReadyState) {
      setReadyState(this, state);
    },
  },
  _receiver: {
    get() {
      return receiverOf(this);
    },
  },
  _redirects: {
    get() {
      const { redirects, isServer } = insideOf(this);
      return isServer ? undefined : redirects;
    },
  },
  /** The client's request until it is answered, then null; undefined on a server's end. */
  _req: {
    get(): ClientRequest | null | undefined {
      const { attempt, isServer } = insideOf(this);
      return isServer ? undefined : (attempt?.request ?? null);
    },
  },
  _sender: {
    get() {
      return senderOf(this);
    },
  },
  /** The stream below, also when it is closed; null before there is one. */
  _socket: {
    get() {
      // Whoever takes the stream may write to it, or end it: what was sent comes before.
      insideOf(this).transport?.flush();
      return streamOf(this);
    },
  },
  _url: {
    get() {
      return this.url;
    },
  },
});

reveal(WebSocketServer.prototype, {
  /** The HTTP server that is listened at; null for `noServer`, and once it is closed. */
  _server: {
    get() {
      return httpServerOf(this);
    },
  },
});

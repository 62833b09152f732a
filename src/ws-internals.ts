/**
 * Internal fields of ws's objects that programs use, with their names in ws. engine.io sends its own frames by
 * `socket._sender.sendFrame`, its client calls `socket._socket.unref()`, crossws waits for `drain` of `socket._socket`,
 * `@fastify/websocket` sets `_isServer`, and many read `_socket.remoteAddress`. Neither `ws` nor goodwire documents
 * them. They exist, in this file only, so that programs for `ws` keep working. The values are live: accessors on the
 * prototypes, which cost an idle socket no memory. Fields that known programs set are writable; assigning another one
 * replaces it for that object.
 *
 * @module
 */

import { EventEmitter } from 'node:events';
import type { ClientRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ZlibOptions } from 'node:zlib';
import { limit } from './compat/limit.ts';
import { PerMessageDeflate } from './compat/per-message-deflate.ts';
import { Sender, type SenderFrameOptions } from './compat/sender.ts';
import { afterTick } from './event-loop/after-tick.ts';
import { CloseCode } from './frame/close-code.ts';
import { defaultMaxPayload } from './frame/frame-decoder.ts';
import { Opcode } from './frame/opcode.ts';
import type { SendData } from './message/send-data.ts';
import { isUint8Array } from './realm/kinds.ts';
import { httpServerOf, type State, stateOf, WebSocketServer } from './server/websocket-server.ts';
import type { SendCallback } from './transport/send-callback.ts';
import { defaultCloseTimeout, type TransportOptions } from './transport/transport-settings.ts';
import { changedBefore, insideOf, setIsServer, setReadyState, WebSocket } from './websocket/websocket.ts';
import type { BinaryType, ReadyState, SendOptions } from './websocket/websocket-options.ts';

/** `_sender` of a WebSocket. Its messages use the same queue as all others, so that the order is kept. */
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
    if (callback !== undefined) afterTick(callback);
  }

  override dispatch(
    data: Uint8Array | string,
    compress: boolean,
    options: SenderFrameOptions,
    callback?: SendCallback,
  ): void {
    const { opcode, fin, mask } = options;
    if (opcode > Opcode.binary) {
      this.sendFrame(Sender.frame(data, options), callback);
      return;
    }
    this.#websocket.send(data, { binary: opcode === Opcode.binary, compress, fin: Boolean(fin), mask }, callback);
  }

  override sendFrame(list: readonly Buffer[], callback?: SendCallback): void {
    for (const frame of list) {
      if (!isUint8Array(frame)) throw new TypeError('sendFrame() expects a list of Buffers with encoded frames');
    }
    const { transport } = insideOf(this.#websocket);
    const told = typeof callback === 'function' ? callback : undefined;
    if (transport?.connection.isOpen) transport.sendRaw(list, told);
    else if (told !== undefined) afterTick(told, notOpen(this.#websocket.readyState));
  }
}

function notOpen(state: ReadyState): Error {
  return Object.assign(new Error(`The frames were not sent: readyState must be 1 (OPEN); got ${state}`), {
    code: 'EPIPE',
  });
}

/**
 * `_receiver` of a WebSocket: the message limit, which programs raise for known clients, and other fields that they
 * read. Emits no events.
 */
class LiveReceiver extends EventEmitter {
  readonly #websocket: WebSocket;

  constructor(websocket: WebSocket) {
    super();
    this.#websocket = websocket;
  }

  /** Maximum length of a message in bytes, from the next message on; 0 is unlimited. */
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

  /** Maximum number of fragments of a message; 0 is unlimited. */
  get _maxFragments(): number {
    return settled(this.#websocket).maxFragments ?? 0;
  }

  /** Maximum number of chunks that may carry one part of a frame; 0 is unlimited. */
  get _maxBufferedChunks(): number {
    return settled(this.#websocket).maxBufferedChunks ?? 0;
  }

  /** Number of payload bytes that the frames so far of a fragmented message announce; 0 between two messages. */
  get _totalPayloadLength(): number {
    return insideOf(this.#websocket).transport?.connection.incomingLength ?? 0;
  }
}

/** Returns the options of a socket: those of its connection, or those it will have. */
function settled(websocket: WebSocket): Partial<TransportOptions> {
  const { transport, options } = insideOf(websocket);
  return transport?.settings.options ?? { ...(options as Partial<TransportOptions>), ...changedBefore.get(websocket) };
}

/** Changes options of one socket without affecting other sockets that share them. */
function settle(websocket: WebSocket, changes: Partial<TransportOptions>): void {
  const { transport, options } = insideOf(websocket);
  if (transport !== null) transport.connection.changeSettings(transport.settings.changed(changes));
  // The options object may belong to a server and all its sockets, so it is not changed.
  else if (options !== null) changedBefore.set(websocket, { ...changedBefore.get(websocket), ...changes });
}

const noExtensions = Object.freeze({});
const extensions = new WeakMap<WebSocket, object>();

/**
 * Returns the active extensions by name. permessage-deflate only reports the agreed parameters; messages do not pass
 * through it.
 */
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

/** Replaces the accessor by a value that a program assigns, as mocks do. */
function shadow(name: string): (this: object, value: unknown) => void {
  return function (value) {
    Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
  };
}

/**
 * Defines an accessor for each name. Not enumerable, so that printing a socket or listing its keys does not show them.
 */
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
    /** Set it before `setSocket`, because it determines whether frames are masked. */
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
  /** Request of the client until the response; then null. Undefined on the server's end. */
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
  /** The underlying stream, even after it has closed; null before there is one. */
  _socket: {
    get() {
      // The caller may write to the stream or end it, so earlier messages must be written first.
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

/** Numbers of the states in ws. */
const stateNumbers: Readonly<Record<State, number>> = { running: 0, closing: 1, closed: 2 };

reveal(WebSocketServer.prototype, {
  _state: {
    get() {
      return stateNumbers[stateOf(this)];
    },
  },
  /** The HTTP server on which the WebSocketServer listens; null for `noServer`, and after it has closed. */
  _server: {
    get() {
      return httpServerOf(this);
    },
  },
});

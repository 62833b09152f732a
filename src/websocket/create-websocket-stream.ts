import { errorMonitor } from 'node:events';
import { addAbortSignal, Duplex, type DuplexOptions } from 'node:stream';
import type { RawData, ReadyState } from './websocket-options.ts';

type Callback = (error?: Error | null) => void;

/** Socket that can be made a stream: a WebSocket of this package, or one of `ws`. Its types are those that both have. */
export interface StreamableSocket {
  readonly CONNECTING: 0;
  readonly CLOSED: 3;
  readonly isPaused: boolean;
  readonly readyState: ReadyState;
  readonly url: string;
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of both
  on(event: string, listener: (...args: any[]) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of both
  once(event: string, listener: (...args: any[]) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of both
  off(event: string, listener: (...args: any[]) => void): unknown;
  send(data: string | Buffer, callback?: (error?: Error) => void): void;
  close(): void;
  terminate(): void;
  pause(): void;
  resume(): void;
}

/** Undocumented field of a socket, ours or of `ws`, that the stream reads. */
interface Internals {
  /** The stream of the connection; null or undefined before there is one. */
  readonly _socket?: Duplex | null | undefined;
}

/** Options that the caller cannot choose. Otherwise an option such as `read` would replace our method. */
const fixedOptions = {
  read: undefined,
  write: undefined,
  writev: undefined,
  final: undefined,
  destroy: undefined,
  // Added at the end of the constructor: before that there is nothing to destroy.
  signal: undefined,
  // Otherwise an error would be reported only when the socket is closed; see the constructor.
  autoDestroy: false,
  emitClose: true,
  // The readable side may have a mode of its own: received messages are text or octets. Written ones are not distinguished.
  objectMode: false,
  writableObjectMode: false,
} as const;

/** A WebSocket as a Duplex; see {@link createWebSocketStream}. */
class WebSocketDuplex extends Duplex {
  readonly #websocket: StreamableSocket & Internals;
  /** The error that the socket has emitted. */
  #failure: Error | null = null;
  /** Callback of a write that waits for the connection. */
  #unsent: Callback | null = null;
  /** Completes `destroy()`. Called when the socket is closed. */
  #destroyed: (() => void) | null = null;
  /** Callback of `end()`, which waits for the closing handshake. */
  #finished: Callback | null = null;

  constructor(websocket: StreamableSocket, options?: DuplexOptions) {
    super({ ...options, ...fixedOptions } as DuplexOptions);
    this.#websocket = websocket;
    // These three replace autoDestroy, which would end the connection after an error is emitted. As in ws it is ended before. The first
    // is an error monitor, because a listener for 'error' would keep Node from throwing errors that the application does not handle.
    this.on(errorMonitor, () => this.destroy());
    this.on('end', () => {
      if (this.writableFinished) this.destroy();
    });
    this.on('finish', () => {
      if (this.readableEnded) this.destroy();
    });
    if (this.readable) websocket.on('message', this.#onMessage);
    websocket.on('error', this.#onError);
    websocket.once('close', this.#onClose);
    // A closed socket will not emit 'close' again.
    if (websocket.readyState === websocket.CLOSED) this.push(null);
    if (options?.signal) addAbortSignal(options.signal, this);
  }

  override _read(): void {
    if (this.#websocket.isPaused) this.#websocket.resume();
  }

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, callback: Callback): void {
    this._writev([{ chunk }], callback);
  }

  /** Sends chunks that have waited for the write before: each is a message, all leave in one write, and the last one has the callback. */
  override _writev(chunks: readonly { readonly chunk: Buffer | string }[], callback: Callback): void {
    const websocket = this.#websocket;
    if (websocket.readyState === websocket.CONNECTING) {
      this.#unsent = callback;
      this.#whenOpen(() => {
        this.#unsent = null;
        this._writev(chunks, callback);
      });
      return;
    }
    const last = chunks.length - 1;
    for (let i = 0; i < last; i++) websocket.send(chunks[i]!.chunk);
    websocket.send(chunks[last]!.chunk, (error) => {
      if (error) this.#ignoreUnhandled();
      callback(error);
    });
  }

  override _final(callback: Callback): void {
    const websocket = this.#websocket;
    if (websocket.readyState === websocket.CONNECTING) {
      this.#whenOpen(() => this._final(callback));
      return;
    }
    const socket = websocket._socket;
    if (socket?.writableFinished || websocket.readyState === websocket.CLOSED) {
      callback();
      return;
    }
    this.#finished = callback;
    socket?.once('finish', this.#onFinished);
    websocket.close();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    const websocket = this.#websocket;
    websocket.off('message', this.#onMessage);
    if (websocket.readyState === websocket.CLOSED) {
      callback(error);
      return;
    }
    this.#destroyed = () => callback(error ?? this.#failure);
    // A socket that failed closes by itself. To terminate it here would keep its close frame from the peer.
    if (this.#failure === null) websocket.terminate();
  }

  readonly #onMessage = (data: RawData, isBinary: boolean): void => {
    const chunk = !isBinary && this.readableObjectMode ? data.toString() : data;
    if (!this.push(chunk)) this.#websocket.pause();
  };

  readonly #onError = (error: Error): void => {
    this.#failure = error;
    this.#ignoreUnhandled();
    this.destroy(error);
  };

  readonly #onClose = (): void => {
    if (this.#destroyed !== null) {
      this.#unsent?.(this.errored ?? this.#failure);
      this.#destroyed();
      return;
    }
    this.push(null);
    // Otherwise end() would wait for ever if the connection ended without a closing handshake.
    this.#onFinished();
  };

  readonly #onFinished = (): void => {
    const callback = this.#finished;
    this.#finished = null;
    callback?.();
  };

  #whenOpen(act: () => void): void {
    this.#websocket.once('open', act);
  }

  /** Keeps a peer from ending the process of a server whose application does not listen for errors of the stream; as for its sockets. */
  #ignoreUnhandled(): void {
    const isServer = this.#websocket.url === undefined;
    if (isServer) this.on('error', () => {});
  }
}

/**
 * Returns a WebSocket as a stream of octets. Each chunk that is written is sent as a message. Received messages can be read; while they are
 * not, the socket is paused. Ending the stream closes the socket, and the close of the socket ends the stream. Destroying the stream
 * terminates the socket, and an error of the socket destroys the stream.
 * @param options Options of a Duplex. With `readableObjectMode` each message is one chunk: text as a string, binary data as a Buffer.
 *   `objectMode`, `writableObjectMode`, `autoDestroy` and `emitClose` have no effect.
 *
 * @example
 * ```ts
 * import { pipeline } from 'node:stream/promises';
 * import WebSocket, { createWebSocketStream } from 'goodwire';
 *
 * const stream = createWebSocketStream(new WebSocket('wss://example.com/echo'));
 * await pipeline(process.stdin, stream, process.stdout);
 * ```
 */
export function createWebSocketStream(websocket: StreamableSocket, options?: DuplexOptions): Duplex {
  return new WebSocketDuplex(websocket, options);
}

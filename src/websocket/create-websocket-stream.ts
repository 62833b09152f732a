import { errorMonitor } from 'node:events';
import { addAbortSignal, Duplex, type DuplexOptions } from 'node:stream';
import type { WebSocket } from './websocket.ts';
import type { RawData } from './websocket-options.ts';

type Callback = (error?: Error | null) => void;

/** What the stream reads of a socket, one of ours or of `ws`, beyond what is documented. */
interface Internals {
  /** The stream below; null or nothing as long as there is none. */
  readonly _socket?: Duplex | null | undefined;
}

/** What is not for the caller to choose: an option of these names would take the place of our method. */
const ours = {
  read: undefined,
  write: undefined,
  writev: undefined,
  final: undefined,
  destroy: undefined,
  // Heeded once there is something to destroy.
  signal: undefined,
  // It would hold an error back until the socket is closed; see the constructor.
  autoDestroy: false,
  emitClose: true,
  // Each side's own mode counts, and only what comes can be told apart as text and octets.
  objectMode: false,
  writableObjectMode: false,
} as const;

/** A WebSocket as a Duplex; see {@link createWebSocketStream}. */
class WebSocketDuplex extends Duplex {
  readonly #websocket: WebSocket & Internals;
  /** What the socket has reported. */
  #failure: Error | null = null;
  /** The callback of a write that waits for the connection. */
  #unsent: Callback | null = null;
  /** Ends `destroy()` once the socket is closed. */
  #destroyed: (() => void) | null = null;
  /** The callback of the end that waits for the closing handshake. */
  #finished: Callback | null = null;

  constructor(websocket: WebSocket, options?: DuplexOptions) {
    super({ ...options, ...ours } as DuplexOptions);
    this.#websocket = websocket;
    // What autoDestroy does, but it ends the connection before an error is told, as ws does, and not after. A monitor, because a
    // listener would make Node believe that somebody handles the errors.
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
    // It will not tell again.
    if (websocket.readyState === websocket.CLOSED) this.push(null);
    if (options?.signal) addAbortSignal(options.signal, this);
  }

  override _read(): void {
    if (this.#websocket.isPaused) this.#websocket.resume();
  }

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, callback: Callback): void {
    this._writev([{ chunk }], callback);
  }

  /** All that had to wait for the write before it: a message each, but one callback, and so one write of the socket. */
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
      if (error) this.#catchUnheard();
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
    // A socket that failed closes by itself, once it has told the peer why.
    if (this.#failure === null) websocket.terminate();
  }

  readonly #onMessage = (data: RawData, isBinary: boolean): void => {
    const chunk = !isBinary && this.readableObjectMode ? data.toString() : data;
    if (!this.push(chunk)) this.#websocket.pause();
  };

  readonly #onError = (error: Error): void => {
    this.#failure = error;
    this.#catchUnheard();
    this.destroy(error);
  };

  readonly #onClose = (): void => {
    if (this.#destroyed !== null) {
      this.#unsent?.(this.errored ?? this.#failure);
      this.#destroyed();
      return;
    }
    this.push(null);
    // Where the connection ended without a closing handshake: all has been handed to the kernel, and nobody is to wait for ever.
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

  /** No peer ends the process of a server where nobody listens for the errors of its stream: as with the errors of its sockets. */
  #catchUnheard(): void {
    const isServer = this.#websocket.url === undefined;
    if (isServer) this.on('error', () => {});
  }
}

/**
 * A WebSocket as a stream of octets. What is written is sent, a message for each chunk; what comes can be read, and is asked for no
 * faster than that. The end of the stream is the close of the socket, on either side; to destroy it terminates the socket, and an
 * error of the socket destroys it.
 * @param options Those of a Duplex. With `readableObjectMode` each message is read as it came, text as a string and binary data as a
 *   Buffer. `objectMode`, `writableObjectMode`, `autoDestroy` and `emitClose` are without effect.
 */
export function createWebSocketStream(websocket: WebSocket, options?: DuplexOptions): Duplex {
  return new WebSocketDuplex(websocket, options);
}

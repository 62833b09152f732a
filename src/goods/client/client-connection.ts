import { afterMicrotask } from '../../event-loop/after-microtask.ts';
import { isArrayBuffer, isError } from '../../realm/kinds.ts';
import { utf8Length } from '../definition/goods-name.ts';
import { decodeBytesItem } from '../wire/binary-codec.ts';
import {
  type BytesFrame,
  type ErrorFrame,
  type Frame,
  type OkFrame,
  type PushFrame,
  subprotocol,
  type WelcomeFrame,
} from '../wire/frames.ts';
import { WireError } from '../wire/goods-error.ts';
import { formatRequest, parseFrame } from '../wire/text-codec.ts';
import { TokenBucket } from '../wire/token-bucket.ts';
import { ConnectionError, refusalOf } from './client-errors.ts';
import type { Clock } from './clock.ts';
import { Heartbeat } from './heartbeat.ts';

/** The part of a WebSocket that a client uses. The platform's class has it, goodwire's, and that of `ws`. */
export interface WebSocketLike {
  readonly protocol: string;
  readonly readyState: number;
  binaryType: string;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  /** Ends the connection at once. Browsers do not have it. */
  terminate?(): void;
  // biome-ignore lint/suspicious/noExplicitAny: every WebSocket has event types of its own, and none of them takes another's listeners.
  addEventListener(type: 'open' | 'message' | 'error' | 'close', listener: (event: any) => void): void;
}

/** A request that has no reply yet. Only methods with `@throws` throw. */
export interface PendingRequest {
  /** True if the reply is of no use any more: a request that was not sent is not to be sent. */
  readonly isDropped: boolean;
  /** Returns the message. @throws TypeError if JSON cannot hold it. */
  write(id: number): string | Uint8Array;
  /** Takes the reply. @throws WireError if it does not fit the request. */
  settle(reply: OkFrame): void;
  /** Takes the refusal, or the error for which the request could not be written. */
  refuse(error: Error): void;
  /** Called if the connection was lost before the reply. */
  lose(wasSent: boolean): void;
}

/** The end of a connection. */
export interface Disconnection {
  readonly error: Error;
  /** True if another connection would end the same way. */
  readonly isFinal: boolean;
  /** Milliseconds before the client may reconnect, if the market has said so. */
  readonly retryAfter: number | undefined;
}

/** Calls that a {@link ClientConnection} makes to its client. */
export interface ConnectionHooks {
  welcome(frame: WelcomeFrame): void;
  /** @throws WireError if the frame is invalid. */
  receive(frame: PushFrame): void;
  /** Called once. */
  lost(disconnection: Disconnection): void;
}

/** Times in milliseconds. */
export interface ConnectionTimes {
  /** Time until the market's welcome must have come. */
  readonly openTimeout: number;
  /** Silence after which the market is asked for a sign of life, and again after which the connection is given up; 0: never. */
  readonly heartbeat: number;
}

const readyStateOpen = 1;
/** Milliseconds that a market has to close the connection after it has announced that. */
const closingTimeout = 10_000;

/** Close codes after which another connection would end the same way: docs/goods-protocol.md §9. */
const finalCodes: ReadonlySet<number> = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010, 4401, 4403]);

const isLimit = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;

/** One WebSocket of a client, from the start of its opening handshake until it is lost: requests out, replies and frames in. */
export class ClientConnection {
  readonly #socket: WebSocketLike;
  readonly #clock: Clock;
  readonly #hooks: ConnectionHooks;
  /** Requests that have not been sent, in order. */
  readonly #queue = new Set<PendingRequest>();
  /** Requests that were sent and have no reply, by id. */
  readonly #sent = new Map<number, PendingRequest>();
  #lastId = 0;
  #isWelcome = false;
  #isEnded = false;
  #isClosed = false;
  #onClosed: (() => void) | null = null;
  #requests: TokenBucket | null = null;
  #messageSize = Number.POSITIVE_INFINITY;
  #retryAfter: number | undefined;
  #cause: unknown;
  readonly #heartbeat: Heartbeat;
  /** Timer of the welcome, or of the end that the market has announced. */
  #deadline: unknown;
  /** Timer of the pause that the market's limits require before the next request. */
  #rateTimer: unknown = null;

  constructor(socket: WebSocketLike, clock: Clock, times: ConnectionTimes, hooks: ConnectionHooks) {
    this.#socket = socket;
    this.#clock = clock;
    this.#hooks = hooks;
    const { openTimeout, heartbeat } = times;
    this.#heartbeat = new Heartbeat(clock, heartbeat, {
      ask: () => this.#ping(),
      silent: () => this.#abandon(`nothing came in ${2 * heartbeat} milliseconds`),
    });
    this.#deadline = clock.setTimeout(
      () => this.#abandon(`there was no welcome in ${openTimeout} milliseconds`),
      openTimeout,
    );
    socket.binaryType = 'arraybuffer';
    // Never removed: later events are ignored, and without the `error` listener a late error could be an uncaught exception.
    socket.addEventListener('open', () => this.#opened());
    socket.addEventListener('message', (event: { data: unknown }) => this.#message(event.data));
    socket.addEventListener('error', (event: { error?: unknown }) => {
      this.#cause ??= event.error;
    });
    socket.addEventListener('close', (event: { code?: unknown; reason?: unknown }) => this.#closed(event));
    // Not at once: the caller of this constructor does not have the object yet.
    if (socket.readyState === readyStateOpen) afterMicrotask(() => this.#opened());
  }

  /** Sends a request as soon as the market's limits let it. */
  ask(request: PendingRequest): void {
    this.#queue.add(request);
    this.#pump();
  }

  /**
   * Closes the connection. Nothing is delivered from it any more, and pending requests are lost.
   * @returns A promise that is fulfilled when the WebSocket is closed, or after `timeout` milliseconds.
   */
  close(code: number, reason: string, timeout: number): Promise<void> {
    this.#end();
    this.#try(() => this.#socket.close(code, reason));
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(() => {
        this.#try(() => this.#socket.terminate?.());
        resolve();
      }, timeout);
      this.#onClosed = () => {
        this.#clock.clearTimeout(timer);
        resolve();
      };
    });
  }

  #opened(): void {
    if (this.#isEnded || this.#socket.protocol === subprotocol) return;
    this.#fail(new WireError(1007, `the market does not speak ${subprotocol}`));
  }

  #message(data: unknown): void {
    if (this.#isEnded) return;
    this.#heartbeat.noteActivity();
    try {
      const frame = read(data);
      if (frame !== null) this.#receive(frame);
    } catch (error) {
      // The error was caused by the message, whatever its class.
      this.#fail(isError(error) ? error : new WireError(1007, 'a frame could not be taken', { cause: error }));
    }
  }

  #receive(frame: Frame | BytesFrame): void {
    if (frame.op === 'welcome') {
      this.#welcome(frame);
      return;
    }
    if (!this.#isWelcome) throw new WireError(1007, `the first frame of a market is welcome, and not ${frame.op}`);
    if (frame.op === 'ok' || frame.op === 'error') this.#reply(frame);
    else if (frame.op === 'closing') this.#closing(frame.retryAfter);
    else this.#hooks.receive(frame);
  }

  #welcome(frame: WelcomeFrame): void {
    if (this.#isWelcome) throw new WireError(1007, 'a market says welcome once');
    if (frame.protocol !== subprotocol) throw new WireError(1007, `the market speaks ${frame.protocol}`);
    this.#isWelcome = true;
    const { requestsPerSecond, requestBurst, messageSize } = frame.limits;
    if (isLimit(requestsPerSecond) && isLimit(requestBurst)) {
      this.#requests = new TokenBucket(requestsPerSecond, requestBurst, this.#clock.now());
    }
    if (isLimit(messageSize)) this.#messageSize = messageSize;
    this.#clock.clearTimeout(this.#deadline);
    this.#heartbeat.start();
    this.#hooks.welcome(frame);
    this.#pump();
  }

  #reply(frame: OkFrame | ErrorFrame): void {
    const request = this.#sent.get(frame.id);
    if (request === undefined) throw new WireError(1007, `there is no request ${frame.id} to reply to`);
    this.#sent.delete(frame.id);
    if (frame.op === 'ok') request.settle(frame);
    else request.refuse(refusalOf(frame));
  }

  #closing(retryAfter: number): void {
    this.#retryAfter = retryAfter;
    this.#heartbeat.stop();
    this.#clock.clearTimeout(this.#deadline);
    this.#deadline = this.#clock.setTimeout(
      () => this.#abandon('the market did not close as announced'),
      closingTimeout,
    );
  }

  #pump(): void {
    if (!this.#isWelcome || this.#isEnded || this.#rateTimer !== null) return;
    for (const request of this.#queue) {
      if (!request.isDropped) {
        const wait = this.#requests?.take(this.#clock.now()) ?? 0;
        if (wait > 0) {
          this.#rateTimer = this.#clock.setTimeout(() => {
            this.#rateTimer = null;
            this.#pump();
          }, wait);
          return;
        }
      }
      this.#queue.delete(request);
      if (!request.isDropped) this.#send(request);
      // A callback may have ended the connection.
      if (this.#isEnded) return;
    }
  }

  #send(request: PendingRequest): void {
    const id = ++this.#lastId;
    let message: string | Uint8Array;
    try {
      message = request.write(id);
      const size = typeof message === 'string' ? utf8Length(message) : message.length;
      if (size > this.#messageSize) {
        throw new RangeError(`The market takes messages of up to ${this.#messageSize} bytes; this one has ${size}`);
      }
    } catch (error) {
      request.refuse(error as Error);
      return;
    }
    this.#sent.set(id, request);
    try {
      this.#socket.send(message);
    } catch (error) {
      this.#cause ??= error;
      this.#abandon('the WebSocket takes nothing any more');
    }
  }

  #ping(): void {
    const ignore = () => {};
    const write = (id: number) => formatRequest({ op: 'ping', id });
    this.ask({ isDropped: false, write, settle: ignore, refuse: ignore, lose: ignore });
  }

  /** Ends the connection without waiting for the peer's close frame. */
  #abandon(why: string): void {
    const error = new ConnectionError(`the connection was given up: ${why}`, 1006, '', { cause: this.#cause });
    this.#lose({ error, isFinal: false, retryAfter: this.#retryAfter });
    this.#try(() => (this.#socket.terminate === undefined ? this.#socket.close() : this.#socket.terminate()));
  }

  /** Closes the connection because of an invalid message. */
  #fail(error: Error): void {
    this.#lose({ error, isFinal: true, retryAfter: undefined });
    // Browsers refuse to send a code below 3000 other than 1000.
    const code = 3000 + (error instanceof WireError ? error.closeCode : 1007);
    this.#try(() => this.#socket.close(code, ''));
  }

  #closed({ code, reason }: { code?: unknown; reason?: unknown }): void {
    this.#isClosed = true;
    this.#onClosed?.();
    const closeCode = typeof code === 'number' ? code : 1006;
    const text = String(reason ?? '');
    const what = this.#isWelcome ? 'the connection was lost' : 'no connection could be made';
    const message = `${what}: ${closeCode}${text === '' ? '' : ` ${text}`}`;
    const error = new ConnectionError(message, closeCode, text, { cause: this.#cause });
    this.#lose({ error, isFinal: finalCodes.has(closeCode), retryAfter: this.#retryAfter });
  }

  #lose(disconnection: Disconnection): void {
    if (this.#isEnded) return;
    this.#end();
    this.#hooks.lost(disconnection);
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#heartbeat.stop();
    this.#clock.clearTimeout(this.#deadline);
    if (this.#rateTimer !== null) this.#clock.clearTimeout(this.#rateTimer);
    for (const request of this.#sent.values()) request.lose(true);
    for (const request of this.#queue) request.lose(false);
    this.#sent.clear();
    this.#queue.clear();
  }

  #try(action: () => void): void {
    try {
      action();
    } catch {
      // A WebSocket that cannot be closed counts as closed.
    }
  }
}

function read(data: unknown): Frame | BytesFrame | null {
  if (typeof data === 'string') return parseFrame(data);
  if (isArrayBuffer(data)) return decodeBytesItem(new Uint8Array(data));
  if (ArrayBuffer.isView(data)) return decodeBytesItem(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  throw new WireError(1003, 'a message is neither text nor an ArrayBuffer');
}

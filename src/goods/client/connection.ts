import { utf8Length } from '../definition/goods-name.ts';
import { decodeBytesItem } from '../wire/binary-codec.ts';
import {
  type BytesFrame,
  type ErrorFrame,
  type Frame,
  type OkFrame,
  subprotocol,
  type WelcomeFrame,
} from '../wire/frames.ts';
import { WireError } from '../wire/goods-error.ts';
import { formatRequest, parseFrame } from '../wire/text-codec.ts';
import { TokenBucket } from '../wire/token-bucket.ts';
import { ConnectionError, refusalOf } from './client-errors.ts';
import type { Clock } from './clock.ts';

/** What a client needs of a WebSocket: the platform's has it, ours, and that of ws. */
export interface WebSocketLike {
  readonly protocol: string;
  readonly readyState: number;
  binaryType: string;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Ends the connection at once, where there is such a thing. */
  terminate?(): void;
  // biome-ignore lint/suspicious/noExplicitAny: every WebSocket has event types of its own, and none of them takes another's listeners.
  addEventListener(type: 'open' | 'message' | 'error' | 'close', listener: (event: any) => void): void;
}

/** A request on its way. Its methods throw nothing. */
export interface PendingRequest {
  /** Nobody waits for it any more: if it has not been sent, it is not to be. */
  readonly isDropped: boolean;
  /** The message. @throws TypeError if JSON cannot hold it. */
  write(id: number): string | Uint8Array<ArrayBuffer>;
  /** Takes the reply. @throws WireError if it is none to such a request. */
  settle(reply: OkFrame): void;
  refuse(error: Error): void;
  /** The connection was lost, before or after it was sent. */
  lose(wasSent: boolean): void;
}

/** How a connection ended. */
export interface Disconnection {
  readonly error: Error;
  /** Whether the same would happen again. */
  readonly isFinal: boolean;
  /** Milliseconds after which the market wants the client back. */
  readonly retryAfter: number | undefined;
}

/** Whom a {@link ClientConnection} tells. */
export interface ConnectionSink {
  welcome(frame: WelcomeFrame): void;
  /** Everything but welcome and replies. @throws WireError for what must not come. */
  receive(frame: Frame | BytesFrame): void;
  /** Called once. */
  lost(disconnection: Disconnection): void;
}

/** Milliseconds. */
export interface ConnectionTimes {
  /** Until the market's welcome. */
  readonly openTimeout: number;
  /** Of silence until it is asked for a sign of life, and again until it is given up; 0: never. */
  readonly heartbeat: number;
}

const readyStateOpen = 1;
/** Milliseconds that a market has to close the connection, after it has said so. */
const closingTimeout = 10_000;

/** After these the same would happen again: docs/goods-protocol.md §9. */
const finalCodes: ReadonlySet<number> = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010, 4401, 4403]);

const isLimit = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;

/** One WebSocket of a client, from before it is open until it is lost: requests out, replies and frames in. */
export class ClientConnection {
  readonly #socket: WebSocketLike;
  readonly #clock: Clock;
  readonly #times: ConnectionTimes;
  readonly #sink: ConnectionSink;
  /** Requests that were not sent yet, in order. */
  readonly #queue = new Set<PendingRequest>();
  /** Requests that were sent, by their id. */
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
  #hasHeard = false;
  #isAsked = false;
  /** Until the welcome, then for the heartbeat; or for the end that was announced. */
  #deadline: unknown;
  #pace: unknown = null;

  constructor(socket: WebSocketLike, clock: Clock, times: ConnectionTimes, sink: ConnectionSink) {
    this.#socket = socket;
    this.#clock = clock;
    this.#times = times;
    this.#sink = sink;
    const { openTimeout } = times;
    this.#deadline = clock.setTimeout(
      () => this.#abandon(`there was no welcome in ${openTimeout} milliseconds`),
      openTimeout,
    );
    socket.binaryType = 'arraybuffer';
    // They stay for good: what comes after the end of it is nobody's concern, and an error that nobody listens to could be the program's end.
    socket.addEventListener('open', () => this.#opened());
    socket.addEventListener('message', (event: { data: unknown }) => this.#message(event.data));
    socket.addEventListener('error', (event: { error?: unknown }) => {
      this.#cause ??= event.error;
    });
    socket.addEventListener('close', (event: { code?: unknown; reason?: unknown }) => this.#closed(event));
    // Not at once: who made this does not have it yet.
    if (socket.readyState === readyStateOpen) queueMicrotask(() => this.#opened());
  }

  /** Sends a request as soon as the market's limits let it. */
  ask(request: PendingRequest): void {
    this.#queue.add(request);
    this.#pump();
  }

  /**
   * Closes the connection; nothing comes from it any more. What is asked is told that it was lost.
   * @returns When the WebSocket is closed, or was given a number of milliseconds for it.
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
    this.#hasHeard = true;
    try {
      const frame = read(data);
      if (frame !== null) this.#receive(frame);
    } catch (error) {
      // Whatever it was, it was in what came.
      this.#fail(error instanceof Error ? error : new WireError(1007, 'a frame could not be taken', { cause: error }));
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
    else this.#sink.receive(frame);
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
    this.#beat();
    this.#sink.welcome(frame);
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
    this.#clock.clearTimeout(this.#deadline);
    this.#deadline = this.#clock.setTimeout(
      () => this.#abandon('the market did not close as announced'),
      closingTimeout,
    );
  }

  #pump(): void {
    if (!this.#isWelcome || this.#isEnded || this.#pace !== null) return;
    for (const request of this.#queue) {
      if (!request.isDropped) {
        const wait = this.#requests?.take(this.#clock.now()) ?? 0;
        if (wait > 0) {
          this.#pace = this.#clock.setTimeout(() => {
            this.#pace = null;
            this.#pump();
          }, wait);
          return;
        }
      }
      this.#queue.delete(request);
      if (!request.isDropped) this.#send(request);
      // Whoever was told may have ended it.
      if (this.#isEnded) return;
    }
  }

  #send(request: PendingRequest): void {
    const id = ++this.#lastId;
    let message: string | Uint8Array<ArrayBuffer>;
    try {
      message = request.write(id);
      const size = typeof message === 'string' ? utf8Length(message) : message.length;
      if (size > this.#messageSize) {
        throw new RangeError(`The market takes messages of up to ${this.#messageSize} octets; this one has ${size}`);
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

  #beat(): void {
    const { heartbeat } = this.#times;
    if (heartbeat === 0) return;
    this.#hasHeard = false;
    this.#deadline = this.#clock.setTimeout(() => {
      if (this.#hasHeard) this.#isAsked = false;
      else if (this.#isAsked) {
        this.#abandon(`nothing came in ${2 * heartbeat} milliseconds`);
        return;
      } else {
        this.#isAsked = true;
        this.#askForLife();
      }
      if (!this.#isEnded) this.#beat();
    }, heartbeat);
  }

  #askForLife(): void {
    const nothing = () => {};
    const write = (id: number) => formatRequest({ op: 'ping', id });
    this.ask({ isDropped: false, write, settle: nothing, refuse: nothing, lose: nothing });
  }

  /** Gives it up without waiting for the peer to agree. */
  #abandon(why: string): void {
    const error = new ConnectionError(`the connection was given up: ${why}`, 1006, '', { cause: this.#cause });
    this.#lose({ error, isFinal: false, retryAfter: this.#retryAfter });
    this.#try(() => (this.#socket.terminate === undefined ? this.#socket.close() : this.#socket.terminate()));
  }

  /** The peer has sent what it must not. */
  #fail(error: Error): void {
    this.#lose({ error, isFinal: true, retryAfter: undefined });
    // A browser lets nobody send the codes below 3000 but 1000.
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
    this.#sink.lost(disconnection);
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#clock.clearTimeout(this.#deadline);
    if (this.#pace !== null) this.#clock.clearTimeout(this.#pace);
    for (const request of this.#sent.values()) request.lose(true);
    for (const request of this.#queue) request.lose(false);
    this.#sent.clear();
    this.#queue.clear();
  }

  #try(action: () => void): void {
    try {
      action();
    } catch {
      // A WebSocket that cannot be closed is one that is closed.
    }
  }
}

function read(data: unknown): Frame | BytesFrame | null {
  if (typeof data === 'string') return parseFrame(data);
  if (data instanceof ArrayBuffer) return decodeBytesItem(new Uint8Array(data));
  if (ArrayBuffer.isView(data)) return decodeBytesItem(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  throw new WireError(1003, 'a message is neither text nor an ArrayBuffer');
}

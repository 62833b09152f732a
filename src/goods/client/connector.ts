import { type PushFrame, subprotocol } from '../wire/frames.ts';
import { Backoff, type BackoffOptions } from './backoff.ts';
import { ClientConnection, type Disconnection, type WebSocketLike } from './client-connection.ts';
import { ClosedError, ConnectionError } from './client-errors.ts';
import type { ClientState, GoodsClientOptions, PerConnection } from './client-options.ts';
import type { Clock } from './clock.ts';

type WebSocketConstructor = new (url: string, protocols: string, options?: object) => WebSocketLike;

/** Calls that a {@link Connector} makes to its client. */
export interface ConnectorHooks {
  stateChanged(state: ClientState): void;
  /** Called with a new connection: what must be asked on it is to be asked now. */
  connected(connection: ClientConnection): void;
  /** Called with each frame but welcome, closing and replies. @throws WireError if the frame is invalid. */
  receive(frame: PushFrame): void;
  /** Called when there is no connection any more. */
  disconnected(): void;
  /** Called when a connection was lost, and the client goes on. */
  failed(error: Error): void;
  /**
   * Called when the client is about to be closed, to take everything that waits.
   * @returns A function that is called once the client is closed, to end what was taken.
   */
  closing(): (error: Error | null) => void;
}

/** Timing of a {@link Connector}. */
export interface ConnectorTiming {
  readonly clock: Clock;
  readonly backoff: BackoffOptions;
}

const defaultOpenTimeout = 10_000;
const defaultHeartbeat = 30_000;
/** Milliseconds that a connection must have lasted, for the next pause to be a short one again. */
const stableAfter = 5000;
/** Maximum number of milliseconds that a market can ask a client to wait. */
export const maxRetryAfter = 600_000;
/** Close code of a market that has not identified the client: docs/goods-protocol.md §9. */
const notIdentified = 4401;

/** Keeps a client connected: over one WebSocket at a time, and a new one when it is lost. */
export class Connector {
  readonly #address: PerConnection<string | URL>;
  readonly #options: GoodsClientOptions;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #hooks: ConnectorHooks;
  #connection: ClientConnection | null = null;
  #state: ClientState = 'connecting';
  /** Time of the last welcome. */
  #openedAt = 0;
  /** Timer of the pause before the next connection, or of the wait for its address. */
  #timer: unknown = null;
  /** The error that has closed the client. */
  #error: Error | null = null;

  constructor(
    address: PerConnection<string | URL>,
    options: GoodsClientOptions,
    { clock, backoff }: ConnectorTiming,
    hooks: ConnectorHooks,
  ) {
    this.#address = typeof address === 'object' ? String(address) : address;
    this.#options = options;
    this.#clock = clock;
    this.#backoff = new Backoff(backoff);
    this.#hooks = hooks;
  }

  get state(): ClientState {
    return this.#state;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** The connection; null between two connections. It may not be open yet. */
  get connection(): ClientConnection | null {
    return this.#connection;
  }

  /** The error for requests to a closed client. */
  get closeError(): Error {
    return this.#error ?? new ClosedError();
  }

  /** Starts. @throws TypeError if there is no WebSocket; what the WebSocket throws for the address. */
  connect(): void {
    const { webSocketOptions } = this.#options;
    const address = this.#address;
    this.#requireWebSocket();
    this.#setState('connecting');
    // A listener may have closed the client.
    if (this.#state !== 'connecting') return;
    if (typeof address === 'function' || typeof webSocketOptions === 'function') {
      this.#resolveAddress(address, webSocketOptions);
    } else this.#open(address, webSocketOptions);
  }

  /** Closes the client for good. @returns The connection, which is to be closed. */
  close(): ClientConnection | null {
    const connection = this.#connection;
    this.#connection = null;
    this.#finish(null);
    return connection;
  }

  #requireWebSocket(): WebSocketConstructor {
    const { WebSocket = (globalThis as { WebSocket?: unknown }).WebSocket } = this.#options;
    if (typeof WebSocket !== 'function') throw new TypeError('There is no WebSocket here; give one as an option');
    return WebSocket as WebSocketConstructor;
  }

  /** Calls the functions of the application that return the address and the options, and then connects. */
  #resolveAddress(address: PerConnection<string | URL>, options: PerConnection<object> | undefined): void {
    const { openTimeout = defaultOpenTimeout } = this.#options;
    const fail = (message: string, cause?: unknown) => {
      const error = new ConnectionError(`no connection could be made: ${message}`, 1006, '', { cause });
      this.#scheduleReconnect({ error, isFinal: false, retryAfter: undefined });
    };
    const timer = this.#clock.setTimeout(() => {
      this.#timer = null;
      fail(`there was no address in ${openTimeout} milliseconds`);
    }, openTimeout);
    this.#timer = timer;
    /** Ignores an answer that comes after the timeout or after the client was closed. */
    const inTime =
      <Value>(action: (value: Value) => void) =>
      (value: Value) => {
        if (this.#timer !== timer) return;
        this.#clock.clearTimeout(timer);
        this.#timer = null;
        action(value);
      };
    Promise.all([resolved(address), resolved(options)]).then(
      inTime(([address, options]) => this.#tryTo(() => this.#open(address, options))),
      inTime((cause) => fail('the program gave no address', cause)),
    );
  }

  /** Calls a function that connects. What the WebSocket throws for the address closes the client. */
  #tryTo(connect: () => void): void {
    try {
      connect();
    } catch (error) {
      this.#finish(error as Error);
    }
  }

  #open(address: string | URL, options: object | undefined): void {
    const { openTimeout = defaultOpenTimeout, heartbeat = defaultHeartbeat } = this.#options;
    const Constructor = this.#requireWebSocket();
    const socket = new Constructor(String(address), subprotocol, ...(options === undefined ? [] : [options]));
    const times = { openTimeout, heartbeat };
    const connection = new ClientConnection(socket, this.#clock, times, {
      welcome: () => {
        this.#openedAt = this.#clock.now();
        this.#setState('open');
      },
      receive: (frame) => this.#hooks.receive(frame),
      lost: (disconnection) => this.#lost(connection, disconnection),
    });
    this.#connection = connection;
    this.#hooks.connected(connection);
  }

  #lost(connection: ClientConnection, disconnection: Disconnection): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#hooks.disconnected();
    // A callback may have closed the client.
    if (!this.isClosed) this.#scheduleReconnect(disconnection);
  }

  /** Connects again after a pause, or closes the client if that would be of no use. */
  #scheduleReconnect({ error, isFinal, retryAfter }: Disconnection): void {
    if ((isFinal && !this.#mayBeIdentifiedNext(error)) || this.#options.reconnect === false) {
      this.#finish(error);
      return;
    }
    if (this.#state === 'open' && this.#clock.now() - this.#openedAt >= stableAfter) this.#backoff.reset();
    const pause = Math.max(this.#backoff.next(), Math.min(retryAfter ?? 0, maxRetryAfter));
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = null;
      this.#tryTo(() => this.connect());
    }, pause);
    this.#hooks.failed(error);
    // A listener may have closed the client.
    if (!this.isClosed) this.#setState('waiting');
  }

  /** Returns true if the market has refused the client's identity, and the application may give another token for the next connection. */
  #mayBeIdentifiedNext(error: Error): boolean {
    const isAsked = [this.#address, this.#options.webSocketOptions].some((value) => typeof value === 'function');
    return isAsked && error instanceof ConnectionError && error.closeCode === notIdentified;
  }

  #finish(error: Error | null): void {
    if (this.isClosed) return;
    this.#error = error;
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    const end = this.#hooks.closing();
    this.#setState('closed');
    this.#hooks.disconnected();
    end(error);
  }

  #setState(state: ClientState): void {
    this.#state = state;
    this.#hooks.stateChanged(state);
  }
}

/** Returns a promise of a value per connection. It is rejected if the function throws. */
function resolved<Value>(value: PerConnection<Value>): Promise<Value> {
  return new Promise((resolve) =>
    resolve(typeof value === 'function' ? (value as () => Value | Promise<Value>)() : value),
  );
}

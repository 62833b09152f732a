import type { IncomingMessage } from 'node:http';
import { afterPoll } from '../../event-loop/after-poll.ts';
import { CloseCode } from '../../frame/close-code.ts';
import { defaultMaxPayload } from '../../frame/frame-decoder.ts';
import { WebSocketServer } from '../../server/websocket-server.ts';
import { reportLimit } from '../../transport/diagnostics.ts';
import { type TimerHandle, unref } from '../../transport/timer.ts';
import { maxTimerDelay } from '../../transport/transport-settings.ts';
import { insideOf, WebSocket } from '../../websocket/websocket.ts';
import { isPromise } from '../definition/maybe-promise.ts';
import { MarketCore } from '../market/market-core.ts';
import type { MarketOptions, ShutdownOptions } from '../market/market-options.ts';
import type { MarketConnection } from '../session/market-connection.ts';
import type { FailurePlace } from '../shelf/observer.ts';
import { subprotocol } from '../wire/frames.ts';
import { SocketLink } from './socket-link.ts';

/** Options of `market.serve()`. */
export interface ServeOptions<User = unknown> {
  /**
   * Returns the user of a connection, which `authorize` and `variant` get as `subscriber.user`. Nothing that the client sends is read
   * before it has answered, for which it has two heartbeats. If it throws or rejects, the connection is closed with 4401. Default: the user
   * is undefined.
   */
  identify?(request: IncomingMessage, websocket: WebSocket): User | Promise<User>;
}

/** Close code for a connection that `identify` has refused: docs/goods-protocol.md §9. */
const notIdentified = 4401;

const kConnection = Symbol('goodwire.market-connection');

interface GoodsSocket extends WebSocket {
  [kConnection]?: MarketConnection | undefined;
}

/**
 * A market: goods are offered and subscribed to here. Providers put goods on its shelf and supply items. Each item goes to exactly the
 * subscribers of its goods, in their variant, encoded once for each variant.
 *
 * @example
 * ```ts
 * import { WebSocketServer } from 'goodwire';
 * import { defineGoods, Market } from 'goodwire/goods';
 *
 * const apple = defineGoods<{ variety: string; price: number }>('fruit/apple');
 * const market = new Market();
 * const orchard = market.provider('orchard');
 * orchard.shelve(apple);
 * orchard.supply(apple, { variety: 'fuji', price: 3 });
 * market.serve(new WebSocketServer({ port: 8080 }));
 * ```
 */
export class Market<User = unknown> extends MarketCore<User> {
  #heartbeatTimer: TimerHandle;

  /**
   * Creates a market. {@link serve} opens it to clients.
   * @throws RangeError if an option is invalid.
   */
  constructor(options: MarketOptions<User> = {}) {
    super(options, afterPoll);
  }

  /**
   * Accepts the connections of a server that have agreed on `goods.v1`; others are closed with 1008. If the server has no `handleProtocols`, it
   * is set to choose `goods.v1`. If the server has the default `maxPayload`, it is set to `limits.messageSize`.
   * @returns A function that stops it. Existing connections stay.
   * @throws TypeError if the server is not one of this copy of goodwire.
   */
  serve(server: WebSocketServer, options: ServeOptions<User> = {}): () => void {
    // Otherwise the first client would be the first to notice that a server of `ws` has no transport of ours.
    if (!(server instanceof WebSocketServer))
      throw new TypeError('serve() takes a WebSocketServer of the copy of goodwire that the market belongs to');
    server.options.handleProtocols ??= (protocols) => (protocols.has(subprotocol) ? subprotocol : false);
    // Otherwise a client could send 100 MiB for one request.
    if (server.options.maxPayload === defaultMaxPayload) server.options.maxPayload = this.limits.messageSize;
    const onConnection = (websocket: WebSocket, request: IncomingMessage) => this.accept(websocket, request, options);
    server.on('connection', onConnection);
    return () => void server.off('connection', onConnection);
  }

  /** Accepts one WebSocket of a server. From then on only the market may send on it. */
  accept(websocket: WebSocket, request: IncomingMessage, { identify }: ServeOptions<User> = {}): void {
    if (websocket.protocol !== subprotocol) {
      websocket.close(CloseCode.policyViolation, `the subprotocol is ${subprotocol}`);
      return;
    }
    const refuse = (error: unknown) => {
      websocket.close(notIdentified, 'not identified');
      // Last: if an observer of the application throws, the connection must be closed already.
      this.#report('identify', error);
    };
    let user: User | Promise<User>;
    let isLater: boolean;
    try {
      user = identify === undefined ? (undefined as User) : identify(request, websocket);
      isLater = isPromise(user);
    } catch (error) {
      refuse(error);
      return;
    }
    if (isLater) this.#acceptLater(websocket, user as Promise<User>, refuse);
    else this.#admit(websocket, user as User);
  }

  #acceptLater(websocket: WebSocket, user: Promise<User>, refuse: (error: unknown) => void): void {
    websocket.pause();
    // Otherwise a connection whose `identify` never answers would stay for ever: heartbeats begin only when it is admitted.
    let hasAnswered = false;
    const onTimeout = () => {
      // If a test has faked timers meanwhile, the fake function has not stopped this one.
      if (hasAnswered) return;
      reportLimit(() => ({ limit: 'heartbeat', value: this.heartbeat, websocket }));
      websocket.terminate();
    };
    const timer = this.heartbeat === 0 ? undefined : setTimeout(onTimeout, Math.min(2 * this.heartbeat, maxTimerDelay));
    // A promise of another library may throw in then(), or have no finally().
    void new Promise<User>((resolve) => resolve(user))
      .then((known) => {
        if (websocket.readyState === WebSocket.OPEN) this.#admit(websocket, known);
      }, refuse)
      .finally(() => {
        hasAnswered = true;
        clearTimeout(timer);
        websocket.resume();
      });
  }

  #admit(websocket: GoodsSocket, user: User): void {
    const { transport } = insideOf(websocket);
    if (transport === null) return;
    try {
      this.#startHeartbeat();
      websocket.binaryType = 'nodebuffer';
      websocket.on('message', onMessage);
      websocket.on('ping', onActivity);
      websocket.on('pong', onActivity);
      websocket.on('close', onClose);
      websocket[kConnection] = this.connect(new SocketLink(websocket, transport, this.observer), user);
    } catch (error) {
      // Otherwise a failure of the application's `schedule`, for instance, would end the process with the first client that connects.
      websocket.terminate();
      this.#report('market', error);
    }
  }

  #report(place: FailurePlace, error: unknown): void {
    this.observer.failure({ place, goods: undefined, variant: undefined, error });
  }

  /**
   * Starts the heartbeat, if it is not running. The timer does not keep the process alive. Where the platform's timers are numbers it does,
   * until the first heartbeat at which there is no connection.
   */
  #startHeartbeat(): void {
    if (this.#heartbeatTimer !== undefined || this.heartbeat === 0) return;
    this.#heartbeatTimer = setInterval(() => {
      this.sendHeartbeats();
      if (!this.hasConnections) this.#stopHeartbeat();
    }, this.heartbeat);
    unref(this.#heartbeatTimer);
  }

  #stopHeartbeat(): void {
    clearInterval(this.#heartbeatTimer);
    this.#heartbeatTimer = undefined;
  }

  override async shutdown(options?: ShutdownOptions): Promise<void> {
    await super.shutdown(options);
    this.#stopHeartbeat();
  }
}

// One function each for all connections: a closure per connection would cost memory for every idle one.

function onMessage(this: GoodsSocket, data: unknown, isBinary: boolean): void {
  const connection = this[kConnection];
  const bytes = data as Buffer;
  if (isBinary) connection?.receiveBytes(bytes);
  else connection?.receiveText(bytes);
}

function onActivity(this: GoodsSocket): void {
  this[kConnection]?.noteActivity();
}

function onClose(this: GoodsSocket): void {
  const connection = this[kConnection];
  this[kConnection] = undefined;
  connection?.end();
}

import type { IncomingMessage } from 'node:http';
import type { EndpointDeflate } from '../../extension/endpoint-deflate.ts';
import { CloseCode } from '../../frame/close-code.ts';
import { defaultMaxPayload } from '../../frame/frame-decoder.ts';
import { PreparedMessage } from '../../message/prepared-message.ts';
import type { WebSocketServer } from '../../server/websocket-server.ts';
import { afterPoll } from '../../transport/flush.ts';
import { type TimerHandle, unref } from '../../transport/timer.ts';
import { longestDelay, type Transport } from '../../transport/transport.ts';
import { insideOf, WebSocket } from '../../websocket/websocket.ts';
import { isPromise } from '../definition/maybe-promise.ts';
import { type Coding, type EncodedMessage, plainCoding } from '../fan-out/encoded-message.ts';
import { type MarketOptions, Market as PureMarket, type ShutdownOptions } from '../market/market.ts';
import type { Link, Session } from '../session/session.ts';
import type { Observer } from '../shelf/observer.ts';
import { subprotocol } from '../wire/frames.ts';

/** How connections come to a market. */
export interface ServeOptions<User = unknown> {
  /**
   * Whom to take a connection for: what `authorize` and `variant` get as `subscriber.user`. Nothing of the connection is read before it has
   * answered, for which it has two heartbeats. Throwing closes the connection with 4401. Default: the user is undefined.
   */
  identify?(request: IncomingMessage, websocket: WebSocket): User | Promise<User>;
}

const kSession = Symbol('goodwire.session');

interface GoodsSocket extends WebSocket {
  [kSession]?: Session | undefined;
}

/** A market that people come to over WebSocket. @see {@link PureMarket} */
export class Market<User = unknown> extends PureMarket<User> {
  #heartbeatTimer: TimerHandle;

  /** @throws RangeError if a limit is invalid. */
  constructor(options: MarketOptions<User> = {}) {
    super(options, afterPoll);
  }

  /**
   * Lets in who connects to a server and has agreed on `goods.v1`; others are closed with 1008. A server that does not choose between subprotocols
   * is told to choose that one, and one without a limit of its own takes messages of up to `limits.messageSize`.
   * @returns A function that ends it. Those who are connected stay.
   */
  serve(server: WebSocketServer, options: ServeOptions<User> = {}): () => void {
    server.options.handleProtocols ??= (protocols) => (protocols.has(subprotocol) ? subprotocol : false);
    // The default of a server is far more than a request has.
    if (server.options.maxPayload === defaultMaxPayload) server.options.maxPayload = this.limits.messageSize;
    const onConnection = (websocket: WebSocket, request: IncomingMessage) => this.accept(websocket, request, options);
    server.on('connection', onConnection);
    return () => void server.off('connection', onConnection);
  }

  /** Lets in one WebSocket that a server has accepted. It belongs to the market then: nobody else may send on it. */
  accept(websocket: WebSocket, request: IncomingMessage, { identify }: ServeOptions<User> = {}): void {
    if (websocket.protocol !== subprotocol) {
      websocket.close(CloseCode.policyViolation, `the subprotocol is ${subprotocol}`);
      return;
    }
    const refuse = (error: unknown) => {
      websocket.close(4401, 'not identified');
      // Last, because an observer of the application may throw, and the connection would stay open.
      this.observer.failure({ place: 'identify', goods: undefined, variant: undefined, error });
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
    if (!isLater) {
      this.#admit(websocket, user as User);
      return;
    }
    websocket.pause();
    // Pinged it is only once it is let in, and what is never answered must not hold it for ever.
    const patience =
      this.heartbeat === 0
        ? undefined
        : setTimeout(() => websocket.terminate(), Math.min(2 * this.heartbeat, longestDelay));
    // A promise of another library may throw from its then(), or have no finally().
    void new Promise<User>((resolve) => resolve(user))
      .then((known) => {
        if (websocket.readyState === WebSocket.OPEN) this.#admit(websocket, known);
      }, refuse)
      .finally(() => {
        clearTimeout(patience);
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
      websocket.on('ping', onSign);
      websocket.on('pong', onSign);
      websocket.on('close', onClose);
      const session = this.connect(new SocketLink(websocket, transport, this.observer), user);
      websocket[kSession] = session as unknown as Session;
    } catch (error) {
      // Otherwise a failure of the application's `schedule`, for instance, would end the process with the first client that connects.
      websocket.terminate();
      this.observer.failure({ place: 'market', goods: undefined, variant: undefined, error });
    }
  }

  /**
   * Starts the heartbeat, if it is not running. The timer does not keep the process alive. Where the platform's timers are numbers it does,
   * until the first heartbeat at which there is no connection.
   */
  #startHeartbeat(): void {
    if (this.#heartbeatTimer !== undefined || this.heartbeat === 0) return;
    this.#heartbeatTimer = setInterval(() => {
      this.sendHeartbeat();
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
  const session = this[kSession];
  const octets = data as Buffer;
  if (isBinary) session?.receiveBytes(octets);
  else session?.receiveText(octets);
}

function onSign(this: GoodsSocket): void {
  this[kSession]?.noteActivity();
}

function onClose(this: GoodsSocket): void {
  const session = this[kSession];
  this[kSession] = undefined;
  session?.end();
}

class SocketLink implements Link {
  readonly coding: Coding;
  readonly #websocket: WebSocket;
  readonly #transport: Transport;
  readonly #observer: Observer;

  constructor(websocket: WebSocket, transport: Transport, observer: Observer) {
    this.#websocket = websocket;
    this.#transport = transport;
    this.#observer = observer;
    this.coding = codingFor(transport.settings.deflate);
  }

  get bufferedAmount(): number {
    return this.#transport.bufferedAmount;
  }

  send(octets: readonly Uint8Array[]): void {
    if (this.#websocket.readyState !== WebSocket.OPEN) return;
    try {
      this.#transport.sendShared(octets);
    } catch (error) {
      // Somebody else sends on it. What was to be sent is lost, so that it cannot go on.
      this.#observer.failure({ place: 'market', goods: undefined, variant: undefined, error });
      this.terminate();
    }
  }

  awaitDrain(callback: () => void): void {
    const { stream } = this.#transport;
    // What has not been written to it yet will never be drained.
    this.#transport.flush();
    if (stream.writableNeedDrain) stream.once('drain', callback);
    else afterPoll(callback);
  }

  ping(): void {
    if (this.#websocket.readyState === WebSocket.OPEN) this.#websocket.ping();
  }

  close(code: number, reason: string): void {
    this.#websocket.close(code, reason);
  }

  terminate(): void {
    this.#websocket.terminate();
  }
}

const codings = new WeakMap<EndpointDeflate, Coding>();

/** What connections share that have agreed on permessage-deflate alike, and take no context over (RFC 7692 §7.1.1). */
function codingFor(deflate: EndpointDeflate | null): Coding {
  // With a context of its own a connection would have to compress for itself: it gets messages as they are, which §6 allows.
  if (deflate === null || deflate.takesContextOver) return plainCoding;
  let coding = codings.get(deflate);
  if (coding === undefined) {
    coding = deflating(deflate);
    codings.set(deflate, coding);
  }
  return coding;
}

function deflating(deflate: EndpointDeflate): Coding {
  const coding: Coding = {
    frame: (message: EncodedMessage) =>
      message.compresses && deflate.isWorthIt(message.payload.length)
        ? message.in(coding, () => new PreparedMessage(message.payload, { binary: message.isBinary }).frame(deflate))
        : message.plain,
  };
  return coding;
}

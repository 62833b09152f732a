import { isUint8Array } from '../../realm/kinds.ts';
import { encodeBytesSupply } from '../wire/binary-codec.ts';
import type { CatalogEntry, PushFrame, SubscriptionEntry } from '../wire/frames.ts';
import { formatRequest } from '../wire/text-codec.ts';
import type { ClientConnection } from './client-connection.ts';
import { ClientEmitter } from './client-emitter.ts';
import { ClosedError } from './client-errors.ts';
import {
  type ClientEvents,
  type ClientState,
  type GoodsClientOptions,
  type GoodsOrName,
  nameOf,
  type PerConnection,
  type RemoteDemandEvents,
  type RequestOptions,
  type SubscribeArguments,
} from './client-options.ts';
import { systemClock } from './clock.ts';
import { Connector } from './connector.ts';
import { RemoteProvider } from './remote-provider.ts';
import { Requests } from './requests.ts';
import { type SubscribeOptions, Subscription, type SubscriptionOwner } from './subscription.ts';
import { SubscriptionRegistry } from './subscription-registry.ts';

/** Name of the method where the platform has no `Symbol.asyncDispose`. */
declare const ownAsyncDispose: unique symbol;
/** Type of `Symbol.asyncDispose`. A program for browsers may be compiled with a library that does not have it. */
type AsyncDispose = typeof Symbol extends { readonly asyncDispose: infer Name extends symbol }
  ? Name
  : typeof ownAsyncDispose;
/** Not every browser has the symbol yet. */
const asyncDispose: AsyncDispose = Symbol.asyncDispose ?? Symbol('Symbol.asyncDispose');
/** Milliseconds that the market has to close the connection when the client is closed. */
const closeTimeout = 5000;
const defaultMaxPending = 100_000;
const defaultBackoffBase = 1000;
const defaultBackoffMax = 30_000;
/** Number of entries to ask for at once. */
const pageSize = 1000;

/**
 * A client of a market, over one WebSocket at a time. When the connection is lost it connects and subscribes again, and goes on where it was.
 * Items that cannot be recovered are reported as a gap. Runs in browsers, Node, Deno and Bun.
 *
 * If the connection is lost after a request was sent, the request is sent again. Only `supply` rejects instead, because it may have taken
 * effect.
 *
 * @example
 * ```ts
 * import WebSocket from 'goodwire';
 * import { GoodsClient } from 'goodwire/goods/client';
 *
 * const client = new GoodsClient('wss://example.com/market', { WebSocket });
 * for await (const { item, offset, gap } of await client.subscribe('fruit/apple')) {
 *   if (gap !== null) console.log(`items are missing: ${gap.reason}`);
 *   console.log(offset, item);
 * }
 * ```
 */
export class GoodsClient {
  readonly #events = new ClientEmitter();
  readonly #connector: Connector;
  readonly #requests: Requests;
  readonly #subscriptions: SubscriptionRegistry;
  readonly #provider: RemoteProvider;
  readonly #owner: SubscriptionOwner;

  /**
   * Creates a client, which connects at once.
   * @param address Address of the market. A function is called before each connection, also the first.
   * @throws TypeError if there is no WebSocket; RangeError if an option is out of range; what the WebSocket throws for the address.
   */
  constructor(address: PerConnection<string | URL>, options: GoodsClientOptions = {}) {
    const { clock = systemClock, random = Math.random, backoff = {}, maxPending = defaultMaxPending } = options;
    if (!Number.isSafeInteger(maxPending) || maxPending < 1) {
      throw new RangeError(`maxPending is an integer ≥ 1; got ${maxPending}`);
    }
    const pauses = {
      base: backoff.base ?? defaultBackoffBase,
      max: backoff.max ?? backoff.longest ?? defaultBackoffMax,
      random,
    };
    this.#connector = new Connector(
      address,
      options,
      { clock, backoff: pauses },
      {
        stateChanged: (state) => this.#events.emit('state', state),
        connected: (connection) => this.#connected(connection),
        receive: (frame) => this.#receive(frame),
        disconnected: () => this.#disconnected(),
        failed: (error) => this.#events.emit('error', error),
        closing: () => this.#closing(),
      },
    );
    this.#requests = new Requests(this.#connector, clock, maxPending);
    this.#subscriptions = new SubscriptionRegistry(this.#connector, this.#requests, pauses);
    this.#provider = new RemoteProvider(this.#connector, this.#requests, this.#events, pauses);
    this.#owner = {
      leave: (subscription) => this.#subscriptions.leave(subscription),
      report: (error) => this.#events.report(error),
    };
    this.#connector.connect();
  }

  /** Present state. The event `state` reports each change. */
  get state(): ClientState {
    return this.#connector.state;
  }

  /** Adds a listener. @returns A function that removes it. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /**
   * Subscribes to goods, or to all goods that a pattern matches. Each call returns a subscription of its own; those to the same goods and
   * params share one at the market. Once begun, a subscription outlasts lost connections, and goods that are off the shelf for a while. Other
   * refusals end it.
   * @returns The subscription, when the market has confirmed it. Waits for the connection.
   * @throws GoodsError if the market refuses; ClosedError if the client is closed; the reason of the signal.
   */
  async subscribe<Item, Params>(
    goods: GoodsOrName<Item, Params>,
    ...settings: SubscribeArguments<Item, Params>
  ): Promise<Subscription<Item>> {
    const [params, options = {}] = settings as [params?: Params, options?: SubscribeOptions<Item>];
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#connector.isClosed) throw this.#connector.closeError;
    // The market reads params as JSON. Params that are equal as JSON share one subscription.
    const text = params === undefined ? undefined : JSON.stringify(params);
    const read: unknown = text === undefined ? undefined : JSON.parse(text);
    const subscription = new Subscription<Item>(nameOf(goods), read, options, this.#owner);
    const plain = subscription as unknown as Subscription;
    if (signal !== undefined) {
      subscription.endOnAbort(signal, () => {
        subscription.end(signal.reason);
        void this.#subscriptions.leave(plain, signal.reason);
      });
    }
    await this.#subscriptions.add(plain);
    return subscription;
  }

  /** Returns what this connection is subscribed to, as the market lists it. @throws As {@link supply}. */
  subscriptions({ signal }: RequestOptions = {}): Promise<SubscriptionEntry[]> {
    return this.#requests.askForPages(
      (after) => ({ op: 'subscriptions', id: 0, limit: pageSize, ...after }),
      'subscriptions',
      signal,
    );
  }

  /** Returns what is on the shelf and matches a pattern. @throws As {@link supply}. */
  catalog(pattern = '**', { signal }: RequestOptions = {}): Promise<CatalogEntry[]> {
    return this.#requests.askForPages(
      (after) => ({ op: 'catalog', id: 0, pattern, limit: pageSize, ...after }),
      'catalog',
      signal,
    );
  }

  /**
   * Supplies an item.
   * @returns The offset of the item.
   * @throws GoodsError if the market refuses, or if too many requests are pending; ConnectionError if the connection was lost and the item may
   * have been supplied; ClosedError if the client is closed; the reason of the signal.
   */
  supply<Item, Params>(goods: GoodsOrName<Item, Params>, item: Item, options?: RequestOptions): Promise<number> {
    return isUint8Array(item)
      ? this.#supplyBytes(nameOf(goods), item, options)
      : this.supplyAll(goods, [item], options);
  }

  /** Supplies items that belong together. Not for bytes. @returns The offset of the last item. @throws As {@link supply}. */
  async supplyAll<Item, Params>(
    goods: GoodsOrName<Item, Params>,
    items: readonly Item[],
    { signal }: RequestOptions = {},
  ): Promise<number> {
    // A copy: the application may change the items while the request waits.
    const copy = JSON.parse(JSON.stringify(items)) as unknown[];
    const write = (id: number) => formatRequest({ op: 'supply', id, goods: nameOf(goods), items: copy });
    const { offset = 0 } = await this.#requests.ask(write, { isOnce: true, signal });
    return offset;
  }

  async #supplyBytes(goods: string, item: Uint8Array, { signal }: RequestOptions = {}): Promise<number> {
    // A copy: the application may reuse the bytes while the request waits.
    const copy = new Uint8Array(item);
    const write = (id: number) => encodeBytesSupply(id, goods, copy);
    const { offset = 0 } = await this.#requests.ask(write, { isOnce: true, signal });
    return offset;
  }

  /**
   * Puts goods on the market's shelf, and again after each reconnect, until {@link unshelve}. If the signal aborts before the reply, the goods
   * are on no shelf.
   * @throws GoodsError if the market refuses; otherwise as {@link supply}.
   */
  shelve<Item, Params>(
    goods: GoodsOrName<Item, Params>,
    events: RemoteDemandEvents = {},
    { signal }: RequestOptions = {},
  ): Promise<void> {
    return this.#provider.shelve(nameOf(goods), events, signal);
  }

  /** Takes goods off the shelf that this client has put there. @throws GoodsError `not-provider` if it has not. */
  unshelve<Item, Params>(goods: GoodsOrName<Item, Params>, reason = ''): Promise<void> {
    return this.#provider.unshelve(nameOf(goods), reason);
  }

  /** Ends all subscriptions and closes the connection. @returns A promise that is fulfilled when the connection is closed. */
  async close(): Promise<void> {
    await this.#connector.close()?.close(1000, '', closeTimeout);
  }

  /** Calls {@link close}, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }

  #connected(connection: ClientConnection): void {
    this.#provider.shelveAgain(connection);
    this.#subscriptions.subscribeAgain(connection);
    this.#requests.sendWaiting(connection);
  }

  #disconnected(): void {
    this.#subscriptions.disconnected();
    this.#requests.cancelRetries();
    this.#provider.disconnected();
  }

  #closing(): (error: Error | null) => void {
    const { subscriptions, waiters } = this.#subscriptions.takeAll();
    const requests = this.#requests.takeWaiting();
    return (error) => {
      this.#provider.clear();
      for (const { reject } of waiters) reject(error ?? new ClosedError());
      for (const request of requests) request.refuse(error ?? new ClosedError());
      for (const subscription of subscriptions) subscription.end(error ?? undefined);
      if (error !== null) this.#events.emit('error', error);
    };
  }

  #receive(frame: PushFrame): void {
    switch (frame.op) {
      case 'item':
      case 'items':
      case 'bytes':
        this.#subscriptions.takeItems(frame);
        break;
      case 'skip':
        this.#subscriptions.skip(frame);
        break;
      case 'shelved':
        this.#subscriptions.shelved(frame.goods, frame.params, frame.stream);
        break;
      case 'unshelved':
        this.#subscriptions.unshelved(frame.goods);
        break;
      case 'revoked':
        this.#subscriptions.revoked(frame);
        break;
      case 'demand':
        this.#provider.notifyDemand(frame.goods, true);
        break;
      case 'idle':
        this.#provider.notifyDemand(frame.goods, false);
        break;
      default:
        // A frame without a case does not compile.
        frame satisfies never;
    }
  }
}

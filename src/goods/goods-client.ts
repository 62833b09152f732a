import { Backoff } from './backoff.ts';
import { ClientConnection, type Inquiry, type Loss, type WebSocketLike } from './client-connection.ts';
import { ClosedError, ConnectionError, RevokedError } from './client-errors.ts';
import { type SubscribeOptions, Subscription, type SubscriptionOwner } from './client-subscription.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Goods } from './goods.ts';
import { GoodsError, WireError } from './goods-error.ts';
import { demandKind, type Tap } from './tap.ts';
import {
  type BytesFrame,
  type CatalogEntry,
  encodeBytesSupply,
  type Frame,
  formatRequest,
  type OkFrame,
  type Request,
  type Stream,
  type SubscriptionEntry,
  subprotocol,
} from './wire.ts';

/** Makes a WebSocket, as the platform's class does. */
export type WebSocketConstructor = new (url: string, protocols: string, options?: never) => WebSocketLike;

/** How a {@link GoodsClient} connects. */
export interface GoodsClientOptions {
  /** Default: the platform's. */
  readonly WebSocket?: unknown;
  /** What the class is given as its third argument: headers, for goodwire's. */
  readonly webSocketOptions?: object | undefined;
  /** Whether it connects again when the connection is lost. Default true. */
  readonly reconnect?: boolean | undefined;
  /** Milliseconds: the longest first pause before it connects again (1000), and the longest of all (30 000). */
  readonly backoff?: { readonly base?: number | undefined; readonly longest?: number | undefined } | undefined;
  /** Milliseconds that a connection may take until the market's welcome. Default 10 000. */
  readonly openTimeout?: number | undefined;
  /** Milliseconds of silence until it asks for a sign of life, and again until it gives the connection up. Default 30 000; 0: never. */
  readonly heartbeat?: number | undefined;
  readonly clock?: Clock | undefined;
  /** From 0 to 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** `waiting`: for the end of a pause before it connects again. */
export type ClientState = 'connecting' | 'open' | 'waiting' | 'closed';

/** What a client tells, and what with. */
export interface ClientEvents {
  state: ClientState;
  /**
   * A connection was lost, goods could not be put back on the shelf, or a callback threw. What a callback throws is an uncaught exception where
   * nobody listens.
   */
  error: unknown;
}

/** Goods as a client needs them: a definition, or a name. */
export type GoodsOrName<Item, Params> = Pick<Goods<Item, Params>, 'name' | 'types'> | string;

/** What a client that offers goods wants to know of them. */
export interface RemoteDemandEvents {
  onDemand?(goods: string): void;
  onIdle?(goods: string): void;
}

interface AskOptions {
  readonly isOnce?: boolean;
  readonly onSettle?: () => void;
  readonly signal?: AbortSignal | undefined;
}

/** Not every browser has the symbol yet. */
const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol('Symbol.asyncDispose');
const closeTimeout = 5000;
const longestHint = 600_000;
/** Milliseconds that a connection must have lasted for the next pause to be a short one again. */
const stableAfter = 5000;
const mostPages = 100_000;
/** Octets of a request that positions may take: half of what a market takes by default. */
const mostSince = 32_768;

const nameOf = (goods: GoodsOrName<never, never> | { readonly name: string }) =>
  typeof goods === 'string' ? goods : goods.name;
const streamKey = (goods: string, variant = '') => `${variant.length} ${variant}${goods}`;
const keyOf = (goods: string, params: unknown) => `${goods}\n${params === undefined ? '' : JSON.stringify(params)}`;

/**
 * A client of a market, over one WebSocket at a time: it connects again when the connection is lost, subscribes again, and goes on where it was.
 * What cannot be had any more is told as a gap. The same in browsers, Node, Deno and Bun.
 *
 * A request that was sent when the connection is lost is asked again, but for `supply`, which rejects: it may have been done.
 */
export class GoodsClient {
  readonly #address: string;
  readonly #options: GoodsClientOptions;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #owner: SubscriptionOwner;
  readonly #bookings = new Map<string, Set<Subscription>>();
  /** Subscriptions that nobody has confirmed yet, and who waits for that. */
  readonly #unconfirmed = new Map<Subscription, { resolve(): void; reject(error: unknown): void }>();
  readonly #shelf = new Map<string, RemoteDemandEvents>();
  readonly #waiting = new Set<Inquiry>();
  readonly #listeners = new Map<keyof ClientEvents, Set<(value: never) => void>>();
  #routes = new Map<string, Set<Tap>>();
  #connection: ClientConnection | null = null;
  #state: ClientState = 'connecting';
  #openedAt = 0;
  #timer: unknown = null;
  #error: Error | null = null;

  /** @throws TypeError where there is no WebSocket; whatever the WebSocket throws for the address. */
  constructor(address: string | URL, options: GoodsClientOptions = {}) {
    const { clock = systemClock, random = Math.random, backoff = {} } = options;
    this.#address = String(address);
    this.#options = options;
    this.#clock = clock;
    this.#backoff = new Backoff({ base: backoff.base ?? 1000, longest: backoff.longest ?? 30_000, random });
    this.#owner = { leave: (subscription) => this.#leave(subscription), report: (error) => this.#report(error) };
    this.#connect();
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Calls a listener with each event. @returns A function that ends that. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): () => void {
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(name, listeners);
    }
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /**
   * Subscribes to goods, or to all goods that match a pattern. Each call gives a subscription of its own; the market has one for the same goods
   * and params. @returns When the market has confirmed it, which waits for the connection. @throws GoodsError if it refuses.
   */
  async subscribe<Item, Params>(
    goods: GoodsOrName<Item, Params>,
    params?: Params,
    options: SubscribeOptions<Item> = {},
  ): Promise<Subscription<Item>> {
    const { signal } = options;
    signal?.throwIfAborted();
    this.#demandOpen();
    // As the market reads it.
    const text = params === undefined ? undefined : JSON.stringify(params);
    const read: unknown = text === undefined ? undefined : JSON.parse(text);
    const subscription = new Subscription<Item>(nameOf(goods), read, options, this.#owner);
    const plain = subscription as unknown as Subscription;
    const key = keyOf(subscription.goods, read);
    const subscriptions = this.#bookings.get(key) ?? new Set();
    this.#bookings.set(key, subscriptions.add(plain));
    const abort = () => {
      subscription.end(signal!.reason);
      void this.#leave(plain, signal!.reason);
    };
    if (signal !== undefined) subscription.heed(signal, abort);
    await new Promise<void>((resolve, reject) => {
      this.#unconfirmed.set(plain, { resolve, reject });
      if (this.#connection !== null) this.#connection.ask(this.#subscribing(plain));
    });
    return subscription;
  }

  /** What this connection is subscribed to, says the market. */
  subscriptions({ signal }: { signal?: AbortSignal } = {}): Promise<SubscriptionEntry[]> {
    return this.#pages((after) => ({ op: 'subscriptions', id: 0, limit: 1000, ...after }), 'subscriptions', signal);
  }

  /** What is on the shelf, of that what a pattern matches. */
  catalog(pattern = '**', { signal }: { signal?: AbortSignal } = {}): Promise<CatalogEntry[]> {
    return this.#pages((after) => ({ op: 'catalog', id: 0, pattern, limit: 1000, ...after }), 'catalog', signal);
  }

  /** Supplies an item. @returns Its offset. @throws GoodsError if the market refuses; ConnectionError if nobody knows whether it was done. */
  supply<Item, Params>(goods: GoodsOrName<Item, Params>, item: Item): Promise<number> {
    return item instanceof Uint8Array ? this.#supplyBytes(nameOf(goods), item) : this.supplyAll(goods, [item]);
  }

  /** Supplies items that belong together, which are no octets. @returns The offset of the last. */
  async supplyAll<Item, Params>(goods: GoodsOrName<Item, Params>, items: readonly Item[]): Promise<number> {
    // As they are now: they may have to wait.
    const kept = JSON.parse(JSON.stringify(items)) as unknown[];
    const { offset = 0 } = await this.#ask(
      (id) => formatRequest({ op: 'supply', id, goods: nameOf(goods), items: kept }),
      { isOnce: true },
    );
    return offset;
  }

  async #supplyBytes(goods: string, item: Uint8Array): Promise<number> {
    const kept = new Uint8Array(item);
    const write = (id: number) => encodeBytesSupply(id, goods, kept) as Uint8Array<ArrayBuffer>;
    const { offset = 0 } = await this.#ask(write, { isOnce: true });
    return offset;
  }

  /** Puts goods on the market's shelf, and again after each reconnect, until {@link unshelve}. */
  async shelve<Item, Params>(goods: GoodsOrName<Item, Params>, events: RemoteDemandEvents = {}): Promise<void> {
    const name = nameOf(goods);
    // At once with the reply: word of demand may be right behind it.
    const onSettle = () => void this.#shelf.set(name, events);
    await this.#ask((id) => formatRequest({ op: 'shelve', id, goods: name }), { onSettle });
  }

  /** Takes goods off the shelf that this client has put there. */
  async unshelve<Item, Params>(goods: GoodsOrName<Item, Params>, reason = ''): Promise<void> {
    const name = nameOf(goods);
    this.#shelf.delete(name);
    await this.#ask((id) => formatRequest({ op: 'unshelve', id, goods: name, reason }));
  }

  /** Ends all subscriptions, and the connection. @returns When that is closed. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    this.#finish(null);
    await connection?.close(1000, '', closeTimeout);
  }

  #connect(): void {
    const { WebSocket = (globalThis as { WebSocket?: unknown }).WebSocket, webSocketOptions } = this.#options;
    if (typeof WebSocket !== 'function') throw new TypeError('There is no WebSocket here; give one as an option');
    const Constructor = WebSocket as new (...settings: unknown[]) => WebSocketLike;
    const { openTimeout = 10_000, heartbeat = 30_000 } = this.#options;
    this.#turn('connecting');
    if (this.#state !== 'connecting') return;
    const settings = webSocketOptions === undefined ? [] : [webSocketOptions];
    const socket = new Constructor(this.#address, subprotocol, ...settings);
    const connection = new ClientConnection(
      socket,
      this.#clock,
      { openTimeout, heartbeat },
      {
        welcome: () => {
          this.#openedAt = this.#clock.now();
          this.#turn('open');
        },
        receive: (frame) => this.#receive(frame),
        lost: (loss) => this.#lost(connection, loss),
      },
    );
    this.#connection = connection;
    for (const name of this.#shelf.keys()) connection.ask(this.#shelvingAgain(name));
    for (const subscriptions of this.#bookings.values()) {
      for (const subscription of subscriptions) connection.ask(this.#subscribing(subscription));
    }
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const inquiry of waiting) connection.ask(inquiry);
  }

  #lost(connection: ClientConnection, { error, isFinal, retryAfter }: Loss): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#routes = new Map();
    if (isFinal || this.#options.reconnect === false) {
      this.#finish(error);
      return;
    }
    if (this.#state === 'open' && this.#clock.now() - this.#openedAt >= stableAfter) this.#backoff.reset();
    const pause = Math.max(this.#backoff.next(), Math.min(retryAfter ?? 0, longestHint));
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = null;
      try {
        this.#connect();
      } catch (cause) {
        this.#finish(cause as Error);
      }
    }, pause);
    this.#emit('error', error);
    if (this.#state !== 'closed') this.#turn('waiting');
  }

  #finish(error: Error | null): void {
    if (this.#state === 'closed') return;
    this.#error = error;
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer);
    const subscriptions = [...this.#bookings.values()].flatMap((some) => [...some]);
    const unconfirmed = [...this.#unconfirmed.values()];
    const waiting = [...this.#waiting];
    this.#bookings.clear();
    this.#unconfirmed.clear();
    this.#waiting.clear();
    this.#shelf.clear();
    this.#routes = new Map();
    this.#turn('closed');
    for (const { reject } of unconfirmed) reject(error ?? new ClosedError());
    for (const inquiry of waiting) inquiry.refuse(error ?? new ClosedError());
    for (const subscription of subscriptions) subscription.end(error ?? undefined);
    if (error !== null) this.#emit('error', error);
  }

  #demandOpen(): void {
    if (this.#state === 'closed') throw this.#error ?? new ClosedError();
  }

  #turn(state: ClientState): void {
    this.#state = state;
    this.#emit('state', state);
  }

  #emit<Name extends keyof ClientEvents>(name: Name, value: ClientEvents[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as (value: ClientEvents[Name]) => void)(value);
      } catch (error) {
        if (name === 'error') rethrow(error);
        else this.#report(error);
      }
    }
  }

  /** A callback of the program threw: nobody else suffers from it, and it is not lost. */
  #report(error: unknown): void {
    if ((this.#listeners.get('error')?.size ?? 0) > 0) this.#emit('error', error);
    else rethrow(error);
  }

  /** Asks, and again on the next connection if this one is lost; with `isOnce` not where it may have been done. */
  #ask(write: Inquiry['write'], { isOnce = false, onSettle, signal }: AskOptions = {}): Promise<OkFrame> {
    return new Promise((resolve, reject) => {
      this.#demandOpen();
      signal?.throwIfAborted();
      let isDropped = false;
      const abort = () => {
        isDropped = true;
        this.#waiting.delete(inquiry);
        reject(signal?.reason);
      };
      const refuse = (error: Error) => {
        signal?.removeEventListener('abort', abort);
        reject(error);
      };
      const inquiry: Inquiry = {
        get isDropped() {
          return isDropped;
        },
        write,
        settle: (reply) => {
          signal?.removeEventListener('abort', abort);
          onSettle?.();
          resolve(reply);
        },
        refuse,
        lose: (wasSent) => {
          if (isDropped) return;
          if (this.#state === 'closed') refuse(this.#error ?? new ClosedError());
          else if (wasSent && isOnce) {
            refuse(new ConnectionError('the connection was lost, and it may have been done', 1006, ''));
          } else this.#waiting.add(inquiry);
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      if (this.#connection === null) this.#waiting.add(inquiry);
      else this.#connection.ask(inquiry);
    });
  }

  async #pages<Name extends 'catalog' | 'subscriptions'>(
    request: (after: { after?: string }) => Request,
    name: Name,
    signal: AbortSignal | undefined,
  ): Promise<NonNullable<OkFrame[Name]>[number][]> {
    const entries: NonNullable<OkFrame[Name]>[number][] = [];
    let after: { after?: string } = {};
    for (let page = 0; page < mostPages; page++) {
      const reply = await this.#ask((id) => formatRequest({ ...request(after), id }), { signal });
      for (const entry of reply[name] ?? []) entries.push(entry as NonNullable<OkFrame[Name]>[number]);
      if (reply.next === undefined) return entries;
      if (reply.next === after.after) throw new WireError(1007, 'the next page is the same one again');
      after = { after: reply.next };
    }
    throw new WireError(1007, `there are more than ${mostPages} pages`);
  }

  #shelvingAgain(name: string): Inquiry {
    const shelf = this.#shelf;
    return {
      get isDropped() {
        return !shelf.has(name);
      },
      write: (id) => formatRequest({ op: 'shelve', id, goods: name }),
      settle: () => {},
      refuse: (error) => this.#emit('error', error),
      lose: () => {},
    };
  }

  #subscribing(subscription: Subscription): Inquiry {
    const { goods, params, last } = subscription;
    const settled = (error?: unknown) => {
      const waiter = this.#unconfirmed.get(subscription);
      this.#unconfirmed.delete(subscription);
      if (error === undefined) waiter?.resolve();
      else waiter?.reject(error);
    };
    return {
      get isDropped() {
        return subscription.isEnded;
      },
      write: (id) => {
        const since = subscription.positions;
        // What has no room is told as a gap.
        while (JSON.stringify(since).length > mostSince) since.length >>= 1;
        return formatRequest({ op: 'subscribe', id, goods, params, last, ...(since.length === 0 ? {} : { since }) });
      },
      settle: ({ streams }) => {
        if (subscription.isEnded) return;
        if (streams === undefined) throw new WireError(1007, 'the reply to subscribe has no streams');
        for (const stream of streams) this.#open(subscription, stream);
        settled();
      },
      refuse: (error) => {
        const isLater =
          error instanceof GoodsError && ['rate-limited', 'too-many-pending', 'closing'].includes(error.code);
        if (isLater && !subscription.isEnded) {
          const pause = (error as GoodsError).retryAfter ?? 1000;
          const connection = this.#connection;
          this.#clock.setTimeout(() => {
            if (connection !== null && connection === this.#connection) connection.ask(this.#subscribing(subscription));
          }, pause);
          return;
        }
        this.#forget(subscription);
        subscription.end(error);
        settled(error);
      },
      lose: () => {},
    };
  }

  #open(subscription: Subscription, stream: Stream): void {
    if (!['json', 'text', 'bytes'].includes(stream.kind)) return;
    const before = subscription.taps.get(stream.goods);
    if (before !== undefined) this.#unroute(before);
    const tap = subscription.open(stream);
    const key = streamKey(stream.goods, stream.variant);
    const taps = this.#routes.get(key) ?? new Set();
    this.#routes.set(key, taps.add(tap));
  }

  #unroute(tap: Tap): void {
    const key = streamKey(tap.goods, tap.variant);
    const taps = this.#routes.get(key);
    taps?.delete(tap);
    if (taps?.size === 0) this.#routes.delete(key);
  }

  #forget(subscription: Subscription): void {
    const key = keyOf(subscription.goods, subscription.params);
    const subscriptions = this.#bookings.get(key);
    subscriptions?.delete(subscription);
    if (subscriptions?.size === 0) this.#bookings.delete(key);
    for (const tap of subscription.taps.values()) this.#unroute(tap);
  }

  #leave(subscription: Subscription, reason?: unknown): Promise<void> {
    const { goods, params } = subscription;
    const key = keyOf(goods, params);
    this.#forget(subscription);
    const waiter = this.#unconfirmed.get(subscription);
    this.#unconfirmed.delete(subscription);
    waiter?.reject(reason ?? new Error('the subscription was ended before it began'));
    const connection = this.#connection;
    if (connection === null || this.#bookings.has(key)) return Promise.resolve();
    const bookings = this.#bookings;
    return new Promise((resolve) => {
      connection.ask({
        get isDropped() {
          return bookings.has(key);
        },
        write: (id) => formatRequest({ op: 'unsubscribe', id, goods, params }),
        settle: () => resolve(),
        refuse: () => resolve(),
        lose: () => resolve(),
      });
      if (bookings.has(key)) resolve();
    });
  }

  #receive(frame: Frame | BytesFrame): void {
    switch (frame.op) {
      case 'item':
      case 'bytes':
        this.#lead(frame, (tap) => {
          demandKind(tap, frame.op, [frame.item]);
          tap.take(frame.offset, [frame.item]);
        });
        break;
      case 'items':
        this.#lead(frame, (tap) => {
          demandKind(tap, frame.op, frame.items);
          tap.take(frame.offset, frame.items);
        });
        break;
      case 'skip':
        this.#lead(frame, (tap) => tap.skip(frame.from, frame.to, frame.reason));
        break;
      case 'shelved':
        for (const subscription of this.#bookings.get(keyOf(frame.goods, frame.params)) ?? []) {
          this.#open(subscription, frame.stream);
        }
        break;
      case 'unshelved':
        for (const taps of [...this.#routes.values()]) {
          for (const tap of [...taps]) if (tap.goods === frame.goods) this.#unroute(tap);
        }
        break;
      case 'revoked':
        this.#revoked(frame.goods, frame.params, frame.stream, frame.reason);
        break;
      case 'demand':
      case 'idle':
        this.#demand(frame.goods, frame.op);
        break;
      default:
    }
  }

  #lead(frame: { readonly goods: string; readonly variant?: string }, give: (tap: Tap) => void): void {
    for (const tap of [...(this.#routes.get(streamKey(frame.goods, frame.variant)) ?? [])]) if (!tap.isOver) give(tap);
  }

  #revoked(goods: string, params: unknown, stream: string | undefined, reason: string): void {
    for (const subscription of [...(this.#bookings.get(keyOf(goods, params)) ?? [])]) {
      if (stream === undefined) {
        this.#forget(subscription);
        subscription.end(new RevokedError(goods, reason));
        continue;
      }
      const tap = subscription.taps.get(stream);
      if (tap === undefined) continue;
      this.#unroute(tap);
      subscription.taps.delete(stream);
    }
  }

  #demand(goods: string, op: 'demand' | 'idle'): void {
    const events = this.#shelf.get(goods);
    try {
      if (op === 'demand') events?.onDemand?.(goods);
      else events?.onIdle?.(goods);
    } catch (error) {
      this.#report(error);
    }
  }

  /** As {@link close}, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }
}

function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

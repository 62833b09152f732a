import type { Goods } from '../definition/goods.ts';
import { encodeBytesSupply } from '../wire/binary-codec.ts';
import {
  type BytesFrame,
  type CatalogEntry,
  type Frame,
  type OkFrame,
  type Request,
  type Stream,
  type SubscriptionEntry,
  subprotocol,
} from '../wire/frames.ts';
import { GoodsError, type GoodsErrorCode, WireError } from '../wire/goods-error.ts';
import { formatRequest } from '../wire/text-codec.ts';
import { Backoff, type BackoffOptions } from './backoff.ts';
import { ClosedError, ConnectionError, RevokedError } from './client-errors.ts';
import { type Clock, systemClock } from './clock.ts';
import { ClientConnection, type Disconnection, type PendingRequest, type WebSocketLike } from './connection.ts';
import { assertKind, type StreamCursor } from './stream-cursor.ts';
import { type SubscribeOptions, Subscription, type SubscriptionOwner } from './subscription.ts';

/** The platform's class, or another that is used as it is. */
type WebSocketConstructor = new (url: string, protocols: string, options?: object) => WebSocketLike;

/**
 * What may differ from one connection to the next, as a token does: a value, or a function that is asked for it before each connection.
 * Where it throws or rejects there is no connection that time, and the next one is tried after a pause.
 */
export type PerConnection<Value> = Value | (() => Value | Promise<Value>);

/** How a {@link GoodsClient} connects. */
export interface GoodsClientOptions {
  /** Default: the platform's. */
  readonly WebSocket?: unknown;
  /** What the class is given as its third argument: headers, for goodwire's. */
  readonly webSocketOptions?: PerConnection<object> | undefined;
  /** Whether it connects again when the connection is lost. Default true. */
  readonly reconnect?: boolean | undefined;
  /** Milliseconds: the longest first pause before it connects again (1000), and the longest of all (30 000). */
  readonly backoff?: { readonly base?: number | undefined; readonly max?: number | undefined } | undefined;
  /** Milliseconds that a connection may take until the market's welcome, and a function before it to say where to. Default 10 000. */
  readonly openTimeout?: number | undefined;
  /** Milliseconds of silence until it asks for a sign of life, and again until it gives the connection up. Default 30 000; 0: never. */
  readonly heartbeat?: number | undefined;
  /** How many requests but `subscribe` may be without a reply, also for want of a connection; more are refused. Default 100 000. */
  readonly maxPending?: number | undefined;
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

/** What follows the goods in a subscribe: params may be left out where the goods need none. */
export type SubscribeArguments<Item, Params> = undefined extends Params
  ? [params?: Params, options?: SubscribeOptions<Item>]
  : [params: Params, options?: SubscribeOptions<Item>];

/** How a request is made. */
export interface RequestOptions {
  /** Aborting gives the request up, and rejects with the reason: it is not sent, or if it was, it may have been done. */
  readonly signal?: AbortSignal | undefined;
}

/** What a client that offers goods wants to know of them. */
export interface RemoteDemandEvents {
  /** The first subscriber has come. */
  onDemand?(goods: string): void;
  /** The last one has left, or the connection was lost. */
  onIdle?(goods: string): void;
}

interface AskOptions extends RequestOptions {
  readonly isOnce?: boolean;
  readonly onSettle?: () => void;
}

/** Not every browser has the symbol yet. */
const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol('Symbol.asyncDispose');
const closeTimeout = 5000;
const maxRetryAfter = 600_000;
/** Milliseconds that a connection must have lasted for the next pause to be a short one again. */
const stableAfter = 5000;
const maxPages = 100_000;
/** The close code of a market that does not know who this is: docs/goods-protocol.md §9. */
const notIdentified = 4401;
const defaultOpenTimeout = 10_000;
/** Octets of a request that positions may take: half of what a market takes by default. */
const maxSinceLength = 32_768;

/** Refusals that may be none in a moment; and those that may be none when the market, or a provider, has come up again. */
const passing: readonly GoodsErrorCode[] = ['rate-limited', 'too-many-pending', 'closing'];
const passingAgain: readonly GoodsErrorCode[] = [...passing, 'unknown-goods', 'already-shelved', 'internal'];

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
  readonly #address: PerConnection<string | URL>;
  readonly #options: GoodsClientOptions;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #pauses: BackoffOptions;
  readonly #maxPending: number;
  readonly #owner: SubscriptionOwner;
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  /** Subscriptions that nobody has confirmed yet, and who waits for that. */
  readonly #unconfirmed = new Map<Subscription, { resolve(): void; reject(error: unknown): void }>();
  /** Of these, what this connection's market has confirmed. */
  readonly #attached = new Set<Subscription>();
  /** The keys of what it has booked. */
  readonly #confirmedKeys = new Set<string>();
  readonly #shelf = new Map<string, { readonly events: RemoteDemandEvents; isDemanded: boolean }>();
  /** Timers of what was refused for now. */
  readonly #retries = new Set<unknown>();
  readonly #waiting = new Set<PendingRequest>();
  readonly #listeners = new Map<keyof ClientEvents, Set<(value: never) => void>>();
  #routes = new Map<string, Set<StreamCursor>>();
  #connection: ClientConnection | null = null;
  #state: ClientState = 'connecting';
  #openedAt = 0;
  /** Requests without a reply. */
  #pending = 0;
  /** Of the pause before the next connection, or of whoever is asked where to. */
  #timer: unknown = null;
  #error: Error | null = null;

  /**
   * @param address Of the market. A function is asked before each connection, also the first.
   * @throws TypeError where there is no WebSocket; whatever the WebSocket throws for the address; RangeError for options out of range.
   */
  constructor(address: PerConnection<string | URL>, options: GoodsClientOptions = {}) {
    const { clock = systemClock, random = Math.random, backoff = {}, maxPending = 100_000 } = options;
    if (!Number.isSafeInteger(maxPending) || maxPending < 1) {
      throw new RangeError(`maxPending is an integer ≥ 1; got ${maxPending}`);
    }
    this.#address = address instanceof URL ? String(address) : address;
    this.#options = options;
    this.#clock = clock;
    this.#maxPending = maxPending;
    this.#pauses = { base: backoff.base ?? 1000, max: backoff.max ?? 30_000, random };
    this.#backoff = new Backoff(this.#pauses);
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
   * and params. Once it has begun it lasts over lost connections, also where its goods are not there again for a while; other refusals end it.
   * @returns When the market has confirmed it, which waits for the connection. @throws GoodsError if it refuses.
   */
  async subscribe<Item, Params>(
    goods: GoodsOrName<Item, Params>,
    ...settings: SubscribeArguments<Item, Params>
  ): Promise<Subscription<Item>> {
    const [params, options = {}] = settings as [params?: Params, options?: SubscribeOptions<Item>];
    const { signal } = options;
    signal?.throwIfAborted();
    this.#assertOpen();
    // As the market reads it.
    const text = params === undefined ? undefined : JSON.stringify(params);
    const read: unknown = text === undefined ? undefined : JSON.parse(text);
    const subscription = new Subscription<Item>(nameOf(goods), read, options, this.#owner);
    const plain = subscription as unknown as Subscription;
    const key = keyOf(subscription.goods, read);
    const subscriptions = this.#subscriptions.get(key) ?? new Set();
    this.#subscriptions.set(key, subscriptions.add(plain));
    const abort = () => {
      subscription.end(signal!.reason);
      void this.#leave(plain, signal!.reason);
    };
    if (signal !== undefined) subscription.endOnAbort(signal, abort);
    await new Promise<void>((resolve, reject) => {
      this.#unconfirmed.set(plain, { resolve, reject });
      if (this.#connection !== null) this.#connection.ask(this.#subscribing(plain));
    });
    return subscription;
  }

  /** What this connection is subscribed to, says the market. */
  subscriptions({ signal }: RequestOptions = {}): Promise<SubscriptionEntry[]> {
    return this.#pages((after) => ({ op: 'subscriptions', id: 0, limit: 1000, ...after }), 'subscriptions', signal);
  }

  /** What is on the shelf, of that what a pattern matches. */
  catalog(pattern = '**', { signal }: RequestOptions = {}): Promise<CatalogEntry[]> {
    return this.#pages((after) => ({ op: 'catalog', id: 0, pattern, limit: 1000, ...after }), 'catalog', signal);
  }

  /** Supplies an item. @returns Its offset. @throws GoodsError if the market refuses; ConnectionError if nobody knows whether it was done. */
  supply<Item, Params>(goods: GoodsOrName<Item, Params>, item: Item, options?: RequestOptions): Promise<number> {
    return item instanceof Uint8Array
      ? this.#supplyBytes(nameOf(goods), item, options)
      : this.supplyAll(goods, [item], options);
  }

  /** Supplies items that belong together, which are no octets. @returns The offset of the last. */
  async supplyAll<Item, Params>(
    goods: GoodsOrName<Item, Params>,
    items: readonly Item[],
    { signal }: RequestOptions = {},
  ): Promise<number> {
    // As they are now: they may have to wait.
    const kept = JSON.parse(JSON.stringify(items)) as unknown[];
    const { offset = 0 } = await this.#ask(
      (id) => formatRequest({ op: 'supply', id, goods: nameOf(goods), items: kept }),
      { isOnce: true, signal },
    );
    return offset;
  }

  async #supplyBytes(goods: string, item: Uint8Array, { signal }: RequestOptions = {}): Promise<number> {
    const kept = new Uint8Array(item);
    const write = (id: number) => encodeBytesSupply(id, goods, kept) as Uint8Array<ArrayBuffer>;
    const { offset = 0 } = await this.#ask(write, { isOnce: true, signal });
    return offset;
  }

  /** Puts goods on the market's shelf, and again after each reconnect, until {@link unshelve}. Given up by its signal they are on no shelf. */
  async shelve<Item, Params>(
    goods: GoodsOrName<Item, Params>,
    events: RemoteDemandEvents = {},
    { signal }: RequestOptions = {},
  ): Promise<void> {
    const name = nameOf(goods);
    // At once with the reply: word of demand may be right behind it.
    const onSettle = () => {
      if (signal?.aborted !== true) this.#shelf.set(name, { events, isDemanded: false });
      // It had been sent before it was given up.
      else void this.#tell((id) => formatRequest({ op: 'unshelve', id, goods: name, reason: '' }));
    };
    await this.#ask((id) => formatRequest({ op: 'shelve', id, goods: name }), { onSettle, signal });
  }

  /** Takes goods off the shelf that this client has put there. */
  async unshelve<Item, Params>(goods: GoodsOrName<Item, Params>, reason = ''): Promise<void> {
    const name = nameOf(goods);
    const wasShelved = this.#shelf.delete(name);
    // Nothing of it outlives a connection but the wish to have it back.
    if (wasShelved && this.#connection === null) return;
    try {
      await this.#ask((id) => formatRequest({ op: 'unshelve', id, goods: name, reason }));
    } catch (error) {
      const isRemoved = error instanceof GoodsError && error.code === 'not-provider';
      if (!(wasShelved && isRemoved)) throw error;
    }
  }

  /** Ends all subscriptions, and the connection. @returns When that is closed. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    this.#finish(null);
    await connection?.close(1000, '', closeTimeout);
  }

  #connect(): void {
    const { webSocketOptions } = this.#options;
    const address = this.#address;
    this.#requireWebSocket();
    this.#setState('connecting');
    if (this.#state !== 'connecting') return;
    if (typeof address === 'function' || typeof webSocketOptions === 'function')
      this.#resolveAddress(address, webSocketOptions);
    else this.#open(address, webSocketOptions);
  }

  #requireWebSocket(): WebSocketConstructor {
    const { WebSocket = (globalThis as { WebSocket?: unknown }).WebSocket } = this.#options;
    if (typeof WebSocket !== 'function') throw new TypeError('There is no WebSocket here; give one as an option');
    return WebSocket as WebSocketConstructor;
  }

  /** Asks the program where to. */
  #resolveAddress(address: PerConnection<string | URL>, options: PerConnection<object> | undefined): void {
    const { openTimeout = defaultOpenTimeout } = this.#options;
    const give = (message: string, cause?: unknown) => {
      const error = new ConnectionError(`no connection could be made: ${message}`, 1006, '', { cause });
      this.#scheduleReconnect({ error, isFinal: false, retryAfter: undefined });
    };
    const timer = this.#clock.setTimeout(() => {
      this.#timer = null;
      give(`there was no address in ${openTimeout} milliseconds`);
    }, openTimeout);
    this.#timer = timer;
    /** What comes too late, or after the client was closed, is nobody's concern. */
    const once =
      <Value>(action: (value: Value) => void) =>
      (value: Value) => {
        if (this.#timer !== timer) return;
        this.#clock.clearTimeout(timer);
        this.#timer = null;
        action(value);
      };
    Promise.all([given(address), given(options)]).then(
      once(([address, options]) => this.#tryTo(() => this.#open(address, options))),
      once((cause) => give('the program gave no address', cause)),
    );
  }

  /** Connects; whatever the WebSocket throws for the address is the client's end. */
  #tryTo(connect: () => void): void {
    try {
      connect();
    } catch (error) {
      this.#finish(error as Error);
    }
  }

  #open(address: string | URL, options: object | undefined): void {
    const { openTimeout = defaultOpenTimeout, heartbeat = 30_000 } = this.#options;
    const Constructor = this.#requireWebSocket();
    const socket = new Constructor(String(address), subprotocol, ...(options === undefined ? [] : [options]));
    const connection = new ClientConnection(
      socket,
      this.#clock,
      { openTimeout, heartbeat },
      {
        welcome: () => {
          this.#openedAt = this.#clock.now();
          this.#setState('open');
        },
        receive: (frame) => this.#receive(frame),
        lost: (disconnection) => this.#lost(connection, disconnection),
      },
    );
    this.#connection = connection;
    for (const name of this.#shelf.keys()) connection.ask(this.#shelvingAgain(name));
    for (const subscriptions of this.#subscriptions.values()) {
      for (const subscription of subscriptions) connection.ask(this.#subscribing(subscription));
    }
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const request of waiting) connection.ask(request);
  }

  #lost(connection: ClientConnection, disconnection: Disconnection): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#detach();
    // Whoever was told may have closed it.
    if (!this.#isClosed()) this.#scheduleReconnect(disconnection);
  }

  /** There is no connection: goes on without one for a while, or for good. */
  #scheduleReconnect({ error, isFinal, retryAfter }: Disconnection): void {
    if ((isFinal && !this.#mayPassNext(error)) || this.#options.reconnect === false) {
      this.#finish(error);
      return;
    }
    if (this.#state === 'open' && this.#clock.now() - this.#openedAt >= stableAfter) this.#backoff.reset();
    const pause = Math.max(this.#backoff.next(), Math.min(retryAfter ?? 0, maxRetryAfter));
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = null;
      this.#tryTo(() => this.#connect());
    }, pause);
    this.#emit('error', error);
    if (!this.#isClosed()) this.#setState('waiting');
  }

  /** Whoever was not identified may be with the next token. */
  #mayPassNext(error: Error): boolean {
    const isAsked = [this.#address, this.#options.webSocketOptions].some((value) => typeof value === 'function');
    return isAsked && error instanceof ConnectionError && error.closeCode === notIdentified;
  }

  /** For where a callback may have changed it. */
  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Forgets what was so on the connection only. */
  #detach(): void {
    this.#routes = new Map();
    this.#attached.clear();
    this.#confirmedKeys.clear();
    for (const timer of this.#retries) this.#clock.clearTimeout(timer);
    this.#retries.clear();
    // Whoever was subscribed is out of reach; there is word of demand again on the next connection.
    for (const name of [...this.#shelf.keys()]) this.#demand(name, 'idle');
  }

  #finish(error: Error | null): void {
    if (this.#state === 'closed') return;
    this.#error = error;
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    const subscriptions = [...this.#subscriptions.values()].flatMap((some) => [...some]);
    const unconfirmed = [...this.#unconfirmed.values()];
    const waiting = [...this.#waiting];
    this.#subscriptions.clear();
    this.#unconfirmed.clear();
    this.#waiting.clear();
    this.#setState('closed');
    this.#detach();
    this.#shelf.clear();
    for (const { reject } of unconfirmed) reject(error ?? new ClosedError());
    for (const request of waiting) request.refuse(error ?? new ClosedError());
    for (const subscription of subscriptions) subscription.end(error ?? undefined);
    if (error !== null) this.#emit('error', error);
  }

  #assertOpen(): void {
    if (this.#state === 'closed') throw this.#error ?? new ClosedError();
  }

  #setState(state: ClientState): void {
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
  #ask(write: PendingRequest['write'], { isOnce = false, onSettle, signal }: AskOptions = {}): Promise<OkFrame> {
    return new Promise((resolve, reject) => {
      this.#assertOpen();
      signal?.throwIfAborted();
      this.#demandRoom();
      this.#pending++;
      let isDropped = false;
      const over = () => {
        this.#pending--;
        signal?.removeEventListener('abort', abort);
      };
      const refuse = (error: unknown) => {
        if (isDropped) return;
        over();
        reject(error);
      };
      const abort = () => {
        refuse(signal?.reason);
        isDropped = true;
        this.#waiting.delete(request);
      };
      const request: PendingRequest = {
        get isDropped() {
          return isDropped;
        },
        write,
        settle: (reply) => {
          onSettle?.();
          if (isDropped) return;
          over();
          resolve(reply);
        },
        refuse,
        lose: (wasSent) => {
          if (isDropped) return;
          if (this.#state === 'closed') refuse(this.#error ?? new ClosedError());
          else if (wasSent && isOnce) {
            refuse(new ConnectionError('the connection was lost, and it may have been done', 1006, ''));
          } else this.#waiting.add(request);
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      if (this.#connection === null) this.#waiting.add(request);
      else this.#connection.ask(request);
    });
  }

  #demandRoom(): void {
    const most = this.#maxPending;
    if (this.#pending < most) return;
    throw new GoodsError('too-many-pending', `maxPending is ${most}, and as many requests have no reply yet`);
  }

  async #pages<Name extends 'catalog' | 'subscriptions'>(
    request: (after: { after?: string }) => Request,
    name: Name,
    signal: AbortSignal | undefined,
  ): Promise<NonNullable<OkFrame[Name]>[number][]> {
    const entries: NonNullable<OkFrame[Name]>[number][] = [];
    let after: { after?: string } = {};
    for (let page = 0; page < maxPages; page++) {
      const reply = await this.#ask((id) => formatRequest({ ...request(after), id }), { signal });
      for (const entry of reply[name] ?? []) entries.push(entry as NonNullable<OkFrame[Name]>[number]);
      if (reply.next === undefined) return entries;
      if (reply.next === after.after) throw new WireError(1007, 'the next page is the same one again');
      after = { after: reply.next };
    }
    throw new WireError(1007, `there are more than ${maxPages} pages`);
  }

  /** Asks once more on this connection, in a while. */
  #retry(pause: number, request: PendingRequest): void {
    const timer = this.#clock.setTimeout(
      () => {
        this.#retries.delete(timer);
        this.#connection?.ask(request);
      },
      Math.min(pause, maxRetryAfter),
    );
    this.#retries.add(timer);
  }

  #shelvingAgain(name: string, backoff = new Backoff(this.#pauses)): PendingRequest {
    const shelf = this.#shelf;
    return {
      get isDropped() {
        return !shelf.has(name);
      },
      write: (id) => formatRequest({ op: 'shelve', id, goods: name }),
      settle: () => {},
      refuse: (error) => {
        if (!shelf.has(name)) return;
        // The market may not have noticed yet that the connection before is gone.
        if (isOneOf(error, passingAgain)) {
          this.#retry(Math.max(backoff.next(), error.retryAfter ?? 0), this.#shelvingAgain(name, backoff));
        } else this.#emit('error', error);
      },
      lose: () => {},
    };
  }

  #subscribing(subscription: Subscription, backoff = new Backoff(this.#pauses)): PendingRequest {
    const { goods, params, last } = subscription;
    const key = keyOf(goods, params);
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
        while (JSON.stringify(since).length > maxSinceLength) since.length >>= 1;
        return formatRequest({ op: 'subscribe', id, goods, params, last, ...(since.length === 0 ? {} : { since }) });
      },
      settle: ({ streams }) => {
        if (streams === undefined) throw new WireError(1007, 'the reply to subscribe has no streams');
        if (!this.#subscriptions.has(key)) return;
        this.#confirmedKeys.add(key);
        if (subscription.isEnded) return;
        const isFirst = !this.#attached.has(subscription);
        const isLate = subscription.hasBegun && isFirst;
        this.#attached.add(subscription);
        subscription.begin(new Set(streams.map((stream) => stream.goods)), isFirst);
        for (const stream of streams) {
          // A callback may have ended it.
          if (subscription.isEnded) return;
          this.#openStream(subscription, stream, isLate);
        }
        this.#moveToVariant(subscription, streams);
        settled();
      },
      refuse: (error) => {
        if (isOneOf(error, subscription.hasBegun ? passingAgain : passing) && !subscription.isEnded) {
          this.#retry(Math.max(backoff.next(), error.retryAfter ?? 0), this.#subscribing(subscription, backoff));
          return;
        }
        this.#forget(subscription);
        subscription.end(error);
        settled(error);
        // Somebody with the same wish may have left meanwhile, and have relied on this one.
        if (!this.#subscriptions.has(key) && this.#confirmedKeys.has(key)) void this.#unsubscribe(subscription);
      },
      lose: () => {},
    };
  }

  #openStream(subscription: Subscription, stream: Stream, isLate: boolean): void {
    if (!['json', 'text', 'bytes'].includes(stream.kind)) return;
    const before = subscription.cursors.get(stream.goods);
    if (before !== undefined) this.#unroute(before);
    const cursor = subscription.open(stream, isLate);
    // Who was told of a gap may have ended it.
    if (!subscription.isEnded) this.#route(cursor);
  }

  /** All who have the same wish are one subscriber to the market, and move to the variant that the last reply names. */
  #moveToVariant(subscription: Subscription, streams: readonly Stream[]): void {
    for (const other of this.#subscriptions.get(keyOf(subscription.goods, subscription.params)) ?? []) {
      if (other === subscription || !this.#attached.has(other)) continue;
      for (const { goods, epoch, variant = '' } of streams) {
        const cursor = other.cursors.get(goods);
        if (cursor === undefined || cursor.isEnded || cursor.epoch !== epoch || cursor.variant === variant) continue;
        this.#unroute(cursor);
        cursor.variant = variant;
        this.#route(cursor);
      }
    }
  }

  #route(cursor: StreamCursor): void {
    const key = streamKey(cursor.goods, cursor.variant);
    const cursors = this.#routes.get(key) ?? new Set();
    this.#routes.set(key, cursors.add(cursor));
  }

  #unroute(cursor: StreamCursor): void {
    const key = streamKey(cursor.goods, cursor.variant);
    const cursors = this.#routes.get(key);
    cursors?.delete(cursor);
    if (cursors?.size === 0) this.#routes.delete(key);
  }

  #forget(subscription: Subscription): void {
    const key = keyOf(subscription.goods, subscription.params);
    const subscriptions = this.#subscriptions.get(key);
    subscriptions?.delete(subscription);
    if (subscriptions?.size === 0) this.#subscriptions.delete(key);
    this.#attached.delete(subscription);
    for (const cursor of subscription.cursors.values()) this.#unroute(cursor);
  }

  #leave(subscription: Subscription, reason?: unknown): Promise<void> {
    const { goods, params } = subscription;
    const key = keyOf(goods, params);
    this.#forget(subscription);
    const waiter = this.#unconfirmed.get(subscription);
    this.#unconfirmed.delete(subscription);
    waiter?.reject(reason ?? new Error('the subscription was ended before it began'));
    return this.#subscriptions.has(key) ? Promise.resolve() : this.#unsubscribe(subscription);
  }

  /** Tells the market that nobody wants it any more. Whoever wants it later asks behind that. */
  #unsubscribe({ goods, params }: Subscription): Promise<void> {
    this.#confirmedKeys.delete(keyOf(goods, params));
    return this.#tell((id) => formatRequest({ op: 'unsubscribe', id, goods, params }));
  }

  /** Asks for what is so anyway once this connection is lost. @returns When there is a reply, whatever it is, or none to come. */
  #tell(write: PendingRequest['write']): Promise<void> {
    const connection = this.#connection;
    if (connection === null) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => resolve();
      connection.ask({ isDropped: false, write, settle: done, refuse: done, lose: done });
    });
  }

  #receive(frame: Frame | BytesFrame): void {
    switch (frame.op) {
      case 'item':
      case 'bytes':
        this.#routeFrame(frame, (cursor) => {
          assertKind(cursor, frame.op, [frame.item]);
          cursor.take(frame.offset, [frame.item]);
        });
        break;
      case 'items':
        this.#routeFrame(frame, (cursor) => {
          assertKind(cursor, frame.op, frame.items);
          cursor.take(frame.offset, frame.items);
        });
        break;
      case 'skip':
        this.#routeFrame(frame, (cursor) => cursor.skip(frame.from, frame.to, frame.reason));
        break;
      case 'shelved':
        for (const subscription of [...(this.#subscriptions.get(keyOf(frame.goods, frame.params)) ?? [])]) {
          // Whoever waits for a reply is told there.
          if (this.#attached.has(subscription)) this.#openStream(subscription, frame.stream, false);
        }
        break;
      case 'unshelved':
        for (const subscription of this.#attached) {
          const cursor = subscription.cursors.get(frame.goods);
          if (cursor === undefined || cursor.isEnded) continue;
          this.#unroute(cursor);
          subscription.retire(cursor);
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

  #routeFrame(
    frame: { readonly goods: string; readonly variant?: string },
    give: (cursor: StreamCursor) => void,
  ): void {
    for (const cursor of [...(this.#routes.get(streamKey(frame.goods, frame.variant)) ?? [])])
      if (!cursor.isEnded) give(cursor);
  }

  #revoked(goods: string, params: unknown, stream: string | undefined, reason: string): void {
    if (stream === undefined) this.#confirmedKeys.delete(keyOf(goods, params));
    for (const subscription of [...(this.#subscriptions.get(keyOf(goods, params)) ?? [])]) {
      if (stream === undefined) {
        this.#forget(subscription);
        subscription.end(new RevokedError(goods, reason));
        continue;
      }
      const cursor = subscription.cursors.get(stream);
      if (cursor === undefined) continue;
      this.#unroute(cursor);
      subscription.cursors.delete(stream);
    }
  }

  #demand(goods: string, op: 'demand' | 'idle'): void {
    const shelved = this.#shelf.get(goods);
    const isDemanded = op === 'demand';
    if (shelved === undefined || shelved.isDemanded === isDemanded) return;
    shelved.isDemanded = isDemanded;
    try {
      if (isDemanded) shelved.events.onDemand?.(goods);
      else shelved.events.onIdle?.(goods);
    } catch (error) {
      this.#report(error);
    }
  }

  /** As {@link close}, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.close();
  }
}

function isOneOf(error: Error, codes: readonly GoodsErrorCode[]): error is GoodsError {
  return error instanceof GoodsError && codes.includes(error.code);
}

/** Also what is thrown at once is a rejection. */
function given<Value>(value: PerConnection<Value>): Promise<Value> {
  return new Promise((resolve) =>
    resolve(typeof value === 'function' ? (value as () => Value | Promise<Value>)() : value),
  );
}

function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

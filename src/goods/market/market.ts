import type { Backplane, Published } from '../backplane/backplane.ts';
import { MemoryBackplane } from '../backplane/memory-backplane.ts';
import type { AccessRequest, Action, Goods, Subscriber } from '../definition/goods.ts';
import { defaultNameLength, hasStars, matches, utf8Length } from '../definition/goods-name.ts';
import { packItem } from '../definition/item.ts';
import { after, isPromise } from '../definition/maybe-promise.ts';
import type { Position } from '../definition/position.ts';
import { messageOf } from '../definition/thrown.ts';
import { validate } from '../definition/validator.ts';
import { Outbox } from '../fan-out/outbox.ts';
import { Ledger } from '../ledger/ledger.ts';
import {
  type Desk,
  type Link,
  Session,
  type SubscribeCommand,
  type Subscription,
  subscriptionMatches,
} from '../session/session.ts';
import { StreamMap } from '../session/stream-map.ts';
import type { GoodsFailureMessage, Observer } from '../shelf/observer.ts';
import { type DemandEvents, Provider, type ProviderBackend } from '../shelf/provider.ts';
import { type GoodsStream, ShelvedGoods, type ShelvedGoodsStatistics } from '../shelf/shelved-goods.ts';
import { type CatalogEntry, type Since, type Stream, subprotocol, type WireLimits } from '../wire/frames.ts';
import { GoodsError } from '../wire/goods-error.ts';
import { channelObserver } from './channel-observer.ts';

/** How a {@link Market} is run. */
export interface MarketOptions<User = unknown> {
  /** Asked on each subscribe, resume and supply, before the hook of the goods, which is asked too. Default: yes. Throwing is a no. */
  authorize?(subscriber: Subscriber<User>, request: AccessRequest): boolean | Promise<boolean>;
  /** What one connection may; see {@link defaultLimits}. */
  readonly limits?: Partial<WireLimits> | undefined;
  /** Milliseconds between two pings; a connection from which nothing came in two of them is ended. Default 30 000; 0: never. */
  readonly heartbeat?: number | undefined;
  /** Octets waiting for a subscriber to read from which on it falls behind; at least 65 536. Default 262 144. */
  readonly highWaterMark?: number | undefined;
  /**
   * Goods that are made because somebody asks for, or supplies, a name that a pattern on the shelf matches: so many at a time. Default
   * 100 000.
   */
  readonly maxOnDemandGoods?: number | undefined;
  /** What joins it to other markets. Default: nothing. */
  readonly backplane?: Backplane | undefined;
  /** Whom it tells what happens. Default: the channels of `node:diagnostics_channel`. */
  readonly observer?: Observer | undefined;
  /** The clock, in milliseconds. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
  /**
   * Schedules the flush that sends supplied items. Default `setImmediate`: everything supplied while the currently readable sockets are
   * read is sent as one batch. Default where there is no `setImmediate`: `setTimeout`.
   */
  readonly schedule?: ((flush: () => void) => void) | undefined;
  /** From 0 to 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** What one connection may, unless a market says otherwise. */
export const defaultLimits: WireLimits = {
  subscriptions: 1000,
  nameLength: defaultNameLength,
  paramsSize: 4096,
  messageSize: 65_536,
  requestsPerSecond: 100,
  requestBurst: 1200,
  itemsPerSecond: 1000,
};

const defaultHeartbeat = 30_000;
const defaultHighWaterMark = 262_144;
const minHighWaterMark = 65_536;
const maxVariantLength = 255;
const defaultMaxOnDemandGoods = 100_000;
/** Milliseconds: when those who are sent away come back, at the earliest; some later, up to twice as late. */
const defaultRetryAfter = 2000;
const defaultDeadline = 10_000;

/** What has happened at a market. */
export interface MarketStatistics {
  /** Connections. */
  readonly sessions: number;
  readonly subscriptions: number;
  readonly goods: readonly GoodsStatistics[];
}

/** What has happened to goods on the shelf. */
export interface GoodsStatistics extends Readonly<ShelvedGoodsStatistics> {
  readonly goods: string;
  /** Those who get it, each counted once for a variant. */
  readonly subscribers: number;
  /** Keys of variants: what encoding costs by. */
  readonly variants: number;
  readonly epoch: string;
  readonly offset: number;
  /** Items that are kept. */
  readonly kept: number;
}

/** Whom, and of what, {@link Market.revoke} takes a subscription. */
export interface Revocation<User = unknown> {
  /** A name or a pattern. Default: everything. */
  readonly goods?: string | undefined;
  /** One of the market's subscribers, or which of them. Default: all. */
  readonly subscriber?: Subscriber<User> | ((subscriber: Subscriber<User>) => boolean) | undefined;
}

/** How {@link Market.shutdown} goes. */
export interface ShutdownOptions {
  /** Told to the clients. Default "restart". */
  readonly reason?: string | undefined;
  /** 1012 (the service restarts) or 1013 (try again later). Default 1012. */
  readonly code?: 1012 | 1013 | undefined;
  /** Milliseconds after which clients are to come back; each is told up to twice as many. Default 2000. */
  readonly retryAfter?: number | undefined;
  /** Milliseconds after which those who are still there are cut off. Default 10 000. */
  readonly deadline?: number | undefined;
}

/** Goods whose name is a pattern, on the shelf. */
interface PatternOffer {
  readonly goods: Goods;
  readonly provider: Provider;
  readonly events: DemandEvents;
}

/**
 * Where goods are offered and subscribed to. Providers put goods on its shelf and supply items; each goes to exactly those who have
 * subscribed, in the variant that was made for them, encoded once for each variant.
 *
 * ```ts
 * const market = new Market();
 * const orchard = market.provider('orchard');
 * orchard.shelve(apple);
 * orchard.supply(apple, { variety: 'fuji', price: 3 });
 * serve(market, new WebSocketServer({ port: 8080 }));
 * ```
 */
export class Market<User = unknown> {
  readonly heartbeat: number;
  readonly limits: WireLimits;
  readonly #options: MarketOptions<User>;
  readonly #backplane: Backplane;
  /** Whom it tells what happens. */
  readonly observer: Observer;
  readonly #now: () => number;
  readonly #outbox: Outbox<GoodsStream>;
  readonly #ledger = new Ledger<Session, Subscription>();
  readonly #sessions = new Set<Session>();
  /** The sessions, and those that are closed and whose connections are not gone yet. */
  readonly #connected = new Set<Session>();
  readonly #shelf = new Map<string, ShelvedGoods>();
  readonly #maxOnDemand: number;
  #onDemandCount = 0;
  readonly #patternOffers = new Map<string, PatternOffer>();
  readonly #clientGoods = new Map<string, Goods>();
  readonly #desk: Desk;
  readonly #backend: ProviderBackend;
  /** Goods whose demand may have changed, until the provider is told. */
  readonly #changed = new Set<ShelvedGoods>();
  #lastSession = 0;
  #isClosing = false;
  #onEmpty: (() => void) | null = null;

  /**
   * @param schedule Default of the option of that name.
   * @throws RangeError for a limit that is none.
   */
  constructor(options: MarketOptions<User> = {}, schedule: (flush: () => void) => void = defaultSchedule()) {
    const { heartbeat = defaultHeartbeat, highWaterMark = defaultHighWaterMark } = options;
    this.limits = { ...defaultLimits, ...options.limits };
    for (const [name, value] of Object.entries(this.limits)) {
      if (!Number.isSafeInteger(value) || value < 1)
        throw new RangeError(`limits.${name} is an integer ≥ 1; got ${value}`);
    }
    if (!(heartbeat >= 0 && heartbeat < 2 ** 31))
      throw new RangeError(`heartbeat is 0 to 2^31-1 milliseconds; got ${heartbeat}`);
    if (!(highWaterMark >= minHighWaterMark)) {
      throw new RangeError(`highWaterMark is at least ${minHighWaterMark} octets; got ${highWaterMark}`);
    }
    const { maxOnDemandGoods = defaultMaxOnDemandGoods } = options;
    if (!(maxOnDemandGoods >= 0)) throw new RangeError(`maxOnDemandGoods is a number ≥ 0; got ${maxOnDemandGoods}`);
    this.heartbeat = heartbeat;
    this.#maxOnDemand = maxOnDemandGoods;
    this.#options = options;
    this.observer = options.observer ?? channelObserver();
    this.#now = options.now ?? Date.now;
    this.#backplane = options.backplane ?? new MemoryBackplane({ now: this.#now });
    this.#outbox = new Outbox(options.schedule ?? schedule);
    this.#backplane.onGap((goods) => this.#reopen(goods));
    const isClosing = () => this.#isClosing;
    const shelf = this.#shelf;
    this.#desk = {
      limits: this.limits,
      highWaterMark,
      observer: this.observer,
      outbox: this.#outbox,
      get isClosing() {
        return isClosing();
      },
      get goods() {
        return shelf.size;
      },
      now: this.#now,
      subscribe: (session, command) => this.#subscribe(session, command),
      unsubscribe: (session, key) => this.#unsubscribe(session, key),
      supplyRemote: (session, id, name, items) => this.#supplyRemote(session, id, name, items),
      shelveRemote: (session, id, name) => this.#shelveRemote(session, id, name),
      unshelveRemote: (session, name, reason) => this.#unshelveRemote(session, name, reason),
      catalog: (pattern) => this.catalog(pattern),
      left: (session) => this.#left(session),
      gone: (session) => this.#gone(session),
    };
    this.#backend = {
      shelve: (provider, goods, events) => this.#shelve(provider, goods, events),
      unshelve: (provider, name, reason) => this.#unshelve(provider, name, reason),
      unshelveAll: (provider, reason) => this.#unshelveAll(provider, reason),
      supply: (provider, name, items) => this.#supply(provider, name, items),
    };
  }

  /** Somebody who offers goods here. Each call makes another one. */
  provider(name: string): Provider<User> {
    return new Provider<User>(name, this.#backend);
  }

  /**
   * Lets clients put goods on the shelf over their own connections, under names that the name of these matches, if `authorize` lets them. All
   * else is as defined here. @throws Error if there are such goods.
   */
  allowClientGoods<Item, Params>(goods: Goods<Item, Params, User>): void {
    if (this.#clientGoods.has(goods.name)) throw new Error(`${goods.name} is consigned already`);
    this.#clientGoods.set(goods.name, goods as unknown as Goods);
  }

  /** What is on the shelf, by name; entries with stars are made when they are asked for. */
  catalog(pattern = '**'): CatalogEntry[] {
    const entries: CatalogEntry[] = [];
    for (const { name, goods } of this.#shelf.values()) {
      if (goods.options.listed !== false && matches(pattern, name)) entries.push({ goods: name, kind: goods.kind });
    }
    for (const { goods } of this.#patternOffers.values()) {
      const isAsked = pattern === '**' || pattern === goods.name;
      if (goods.options.listed !== false && isAsked) entries.push({ goods: goods.name, kind: goods.kind });
    }
    return entries.sort((a, b) => (a.goods < b.goods ? -1 : 1));
  }

  /** The subscribers that are connected. */
  get subscribers(): Subscriber<User>[] {
    return [...this.#sessions] as unknown as Subscriber<User>[];
  }

  /** What one of them is subscribed to: goods, or patterns, with params. */
  subscriptions(subscriber: Subscriber<User>): { goods: string; params: unknown }[] {
    const session = subscriber as unknown as Session;
    if (!this.#sessions.has(session)) return [];
    return [...session.bookings.values()].map(({ pattern, params }) => ({ goods: pattern, params }));
  }

  /** What has happened so far. */
  statistics(): MarketStatistics {
    let subscriptions = 0;
    for (const { bookings } of this.#sessions) subscriptions += bookings.size;
    const goods = [...this.#shelf.values()].map((shelved): GoodsStatistics => {
      this.#refresh(shelved);
      let subscribers = 0;
      for (const { audience } of shelved.streams.values()) subscribers += audience.length;
      const { name, epoch, offset, log } = shelved;
      return {
        goods: name,
        subscribers,
        variants: shelved.streams.size,
        epoch,
        offset,
        kept: log.length,
        ...shelved.statistics,
      };
    });
    return { sessions: this.#sessions.size, subscriptions, goods };
  }

  /**
   * Ends subscriptions, and says why. What is taken from a subscription by pattern does not come back to it. A new subscribe asks `authorize`.
   * @returns How many subscriptions were ended or lost a part.
   */
  revoke({ goods = '**', subscriber }: Revocation<User>, reason: string): number {
    let count = 0;
    const isMeant =
      typeof subscriber === 'function'
        ? (session: Session) => subscriber(session as unknown as Session<User>)
        : (session: Session) => subscriber === undefined || subscriber === (session as unknown);
    for (const session of [...this.#sessions]) {
      if (!isMeant(session)) continue;
      for (const [key, booking] of [...session.bookings])
        if (this.#revoke(session, key, booking, goods, reason)) count++;
    }
    this.#notifyDemandChanges();
    return count;
  }

  #revoke(session: Session, key: string, booking: Subscription, goods: string, reason: string): boolean {
    const { pattern, params } = booking;
    const about = { op: 'revoked', goods: pattern, params } as const;
    if (goods === pattern || goods === '**' || (!hasStars(pattern) && matches(goods, pattern))) {
      this.#strike(session, key, booking);
      session.tell({ ...about, reason });
      this.observer.subscription({ event: 'revoked', goods: pattern, subscriber: session.id });
      return true;
    }
    if (!hasStars(pattern)) return false;
    const streams = [...booking.streams.values()].filter(({ shelved }) => matches(goods, shelved.name));
    if (!(booking.revoked?.includes(goods) ?? false)) booking.revoked = [...(booking.revoked ?? []), goods];
    for (const stream of streams) {
      this.#leave(booking, stream);
      session.tell({ ...about, stream: stream.shelved.name, reason });
    }
    return streams.length > 0;
  }

  /** Hands out all that was supplied until now, without waiting for its time. */
  flush(): void {
    this.#outbox.flush();
  }

  /**
   * Takes a connection that has agreed on `goods.v1`. Give what arrives to the session's `receive` and `receiveBytes`, and call its `end` when
   * the connection is gone. For WebSockets, `serve` does all that.
   */
  connect(link: Link, user: User): Session<User> {
    const session = new Session<User>(++this.#lastSession, user, link, this.#desk);
    this.#sessions.add(session as Session);
    this.#connected.add(session as Session);
    try {
      session.tell({ op: 'welcome', protocol: subprotocol, heartbeat: this.heartbeat, limits: this.limits });
      if (this.#isClosing) this.#sendAway(session as Session, {});
    } catch (error) {
      // Otherwise shutdown() would wait for a session that nobody has.
      session.end();
      throw error;
    }
    return session;
  }

  /** True while there are connections, including those that are being closed. @internal */
  protected get hasConnections(): boolean {
    return this.#connected.size > 0;
  }

  /** Pings all connections, and ends those that are gone. To be called every {@link heartbeat} milliseconds; `serve` does. */
  sendHeartbeat(): void {
    for (const session of [...this.#sessions]) session.sendHeartbeat();
  }

  /**
   * Takes no more requests, sends what it owes, tells every client when to come back, and closes its connection.
   * @returns When all connections are gone, by themselves or cut off at the deadline.
   */
  async shutdown(options: ShutdownOptions = {}): Promise<void> {
    this.#isClosing = true;
    if (this.#connected.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    const open = [...this.#sessions];
    for (const session of open) this.#sendAway(session, options);
    const timer = setTimeout(() => {
      for (const session of [...this.#connected]) session.terminate();
    }, options.deadline ?? defaultDeadline);
    await empty;
    clearTimeout(timer);
  }

  #sendAway(
    session: Session,
    { reason = 'restart', code = 1012, retryAfter = defaultRetryAfter }: ShutdownOptions,
  ): void {
    const random = (this.#options.random ?? Math.random)();
    session.tell({ op: 'closing', reason, retryAfter: Math.round(retryAfter * (1 + random)) });
    session.closeWhenSent(code, reason);
  }

  // From here on: the shelf.

  #shelve(provider: Provider, goods: Goods, events: DemandEvents): void {
    const { name } = goods;
    if (this.#shelf.has(name) || this.#patternOffers.has(name)) throw new Error(`${name} is on the shelf already`);
    if (goods.isPattern) this.#patternOffers.set(name, { goods, provider, events });
    else this.#open(goods, provider, events, false);
  }

  /** Puts goods on the shelf, and lets those in who wait for such. */
  #open(goods: Goods, provider: Provider, events: DemandEvents, isOnDemand: boolean): ShelvedGoods {
    const shelved = new ShelvedGoods(goods, provider, events, {
      isOnDemand,
      observer: this.observer,
      now: this.#now,
      onPublished: (one, published) => this.#published(one, published),
    });
    this.#shelf.set(shelved.name, shelved);
    if (isOnDemand) this.#onDemandCount++;
    this.#begin(shelved);
    return shelved;
  }

  #begin(shelved: ShelvedGoods): void {
    try {
      const position = this.#backplane.subscribe(shelved.name, shelved.listener);
      const kept = after(position, (where) =>
        after(this.#backplane.history(shelved.name, shelved.history.size), (history) => ({ where, history })),
      );
      if (!isPromise(kept)) {
        this.#start(shelved, kept.where, kept.history);
        return;
      }
      shelved.loading = kept
        .then(({ where, history }) => this.#start(shelved, where, history))
        .catch((error: unknown) => this.#failToOpen(shelved, error));
    } catch (error) {
      this.#failToOpen(shelved, error);
    }
  }

  #failToOpen(shelved: ShelvedGoods, error: unknown): void {
    this.#failed('backplane', shelved.name, error);
    shelved.loading = null;
    if (!shelved.isRemoved) this.#close(shelved, 'not available');
  }

  #start(shelved: ShelvedGoods, { epoch, offset }: Position, history: readonly Published[]): void {
    shelved.loading = null;
    if (shelved.isRemoved) return;
    shelved.epoch = epoch;
    shelved.offset = offset;
    for (const published of history) {
      if (published.epoch !== epoch || published.offset > offset) continue;
      const [item] = published.items;
      const text = shelved.goods.options.tailor === undefined ? textOf(shelved, published, 0) : undefined;
      shelved.log.append(published.offset, item, text, published.time);
    }
    const { publishedWhileLoading } = shelved;
    shelved.publishedWhileLoading = [];
    for (const published of publishedWhileLoading) this.#published(shelved, published);
    this.#joinWaitingSubscriptions(shelved);
  }

  /** Those who have booked what goods match that have come now. */
  #joinWaitingSubscriptions(shelved: ShelvedGoods): void {
    const waiting: Subscription[] = [];
    this.#ledger.forEachSubscriber(shelved.name, (_session, booking) => waiting.push(booking));
    for (const booking of waiting) {
      const { session, params, last } = booking;
      if (booking.revoked?.some((pattern) => matches(pattern, shelved.name))) continue;
      const join = (variant: string | null) => {
        const isStill = variant !== null && !shelved.isRemoved && this.#isBooked(booking);
        if (!isStill || booking.streams.has(shelved.name)) return;
        const stream = this.#join(booking, shelved, variant);
        const { pattern } = booking;
        session.tell({ op: 'shelved', goods: pattern, params, stream: stream.announcement });
        this.#replayLast(session, stream, last);
        this.#notifyDemandChanges();
      };
      void after(this.#admitQuietly(session, shelved.goods, shelved.name, params, 'subscribe'), join);
    }
  }

  #isBooked(booking: Subscription): boolean {
    return booking.session.bookings.get(booking.key) === booking;
  }

  #unshelve(provider: Provider, name: string, reason: string): boolean {
    const shelved = this.#shelf.get(name);
    if (shelved !== undefined && shelved.provider === provider) {
      this.#close(shelved, reason);
      return true;
    }
    const offer = this.#patternOffers.get(name);
    if (offer === undefined || offer.provider !== provider) return false;
    this.#patternOffers.delete(name);
    for (const made of [...this.#shelf.values()]) {
      if (made.isOnDemand && made.provider === provider && matches(name, made.name)) this.#close(made, reason);
    }
    return true;
  }

  #unshelveAll(provider: Provider, reason: string): void {
    for (const { goods, provider: owner } of [...this.#patternOffers.values()]) {
      if (owner === provider) this.#patternOffers.delete(goods.name);
    }
    for (const shelved of [...this.#shelf.values()]) if (shelved.provider === provider) this.#close(shelved, reason);
  }

  /** Takes goods off the shelf, and tells all who have a stream of them. */
  #close(shelved: ShelvedGoods, reason: string): void {
    const told = this.#clear(shelved);
    this.#shelf.delete(shelved.name);
    if (shelved.isOnDemand) this.#onDemandCount--;
    for (const session of told) session.tell({ op: 'unshelved', goods: shelved.name, reason });
    this.#notifyDemand(shelved);
  }

  /** @returns Those who had a stream. */
  #clear(shelved: ShelvedGoods): Set<Session> {
    shelved.isRemoved = true;
    const told = new Set<Session>();
    this.#ledger.forEachSubscriber(shelved.name, (session, booking) => {
      const stream = booking.streams.get(shelved.name);
      if (stream?.shelved !== shelved) return;
      booking.streams.delete(shelved.name);
      session.forget(stream);
      told.add(session);
    });
    shelved.streams.clear();
    shelved.demand = 0;
    this.#release(shelved);
    return told;
  }

  #release(shelved: ShelvedGoods): void {
    const failed = (error: unknown) => this.#failed('backplane', shelved.name, error);
    try {
      const done = this.#backplane.unsubscribe(shelved.name, shelved.listener);
      if (isPromise(done)) done.then(undefined, failed);
    } catch (error) {
      failed(error);
    }
  }

  /** The backplane may have lost something: the goods begin anew. */
  #reopen(name: string): void {
    const shelved = this.#shelf.get(name);
    if (shelved === undefined) return;
    const { goods, provider, events, isOnDemand } = shelved;
    this.#close(shelved, 'interrupted');
    this.#open(goods, provider, events, isOnDemand);
  }

  /** Goods by name: on the shelf, or about to be because a pattern on the shelf matches. */
  #patternOfferFor(name: string): PatternOffer | undefined {
    for (const offer of this.#patternOffers.values()) if (matches(offer.goods.name, name)) return offer;
    return undefined;
  }

  #clientGoodsFor(name: string): Goods | undefined {
    for (const goods of this.#clientGoods.values()) if (matches(goods.name, name)) return goods;
    return undefined;
  }

  #make({ goods, provider, events }: PatternOffer, name: string): ShelvedGoods {
    const shelved = this.#shelf.get(name);
    if (shelved !== undefined) return shelved;
    if (this.#onDemandCount >= this.#maxOnDemand) this.#sweep();
    if (this.#onDemandCount >= this.#maxOnDemand) throw new GoodsError('too-many-goods', name);
    return this.#open(goods.named(name), provider, events, true);
  }

  /** Takes off what was made, what nobody has subscribed to, and of which nothing is kept any more. */
  #sweep(): void {
    for (const shelved of [...this.#shelf.values()]) {
      if (shelved.isOnDemand && shelved.demand === 0 && shelved.log.length === 0) this.#close(shelved, '');
    }
  }

  // From here on: supplying.

  #supply(provider: Provider, name: string, items: readonly unknown[]): Position | Promise<Position> {
    let shelved = this.#shelf.get(name);
    if (shelved === undefined) {
      const offer = this.#patternOfferFor(name);
      if (offer?.provider === provider) shelved = this.#make(offer, name);
    }
    if (shelved === undefined || shelved.provider !== provider)
      throw new Error(`${name} is not on the shelf of ${provider.name}`);
    return this.#publish(shelved, items);
  }

  /** @throws TypeError if one is no item of these goods. */
  #publish(shelved: ShelvedGoods, items: readonly unknown[]): Position | Promise<Position> {
    if (items.length === 0) throw new RangeError('There is no item to supply');
    const { kind, options } = shelved.goods;
    const cuts = options.tailor === undefined || kind !== 'json' ? items.map((item) => packItem(kind, item)) : null;
    const texts = kind === 'bytes' || cuts === null ? undefined : (cuts as string[]);
    // The application may use its octets again.
    const own = kind === 'bytes' ? (cuts as Uint8Array[]).map((octets) => new Uint8Array(octets)) : [...items];
    const position = this.#backplane.publish(shelved.name, { kind, items: own, texts }, shelved.history);
    if (isPromise(position)) {
      position.then(undefined, (error: unknown) => this.#failed('backplane', shelved.name, error));
    }
    return position;
  }

  /** What the backplane hands over: to all who have a stream. Throws nothing, for others are handed it too. */
  #published(shelved: ShelvedGoods, published: Published): void {
    if (shelved.isRemoved) return;
    try {
      this.#take(shelved, published);
    } catch (error) {
      // Another market, whose goods are of another kind.
      this.#failToOpen(shelved, error);
    }
  }

  /** @throws TypeError for what is no item of these goods. */
  #take(shelved: ShelvedGoods, published: Published): void {
    if (shelved.loading !== null) {
      shelved.publishedWhileLoading.push(published);
      return;
    }
    const { items, epoch, offset, time } = published;
    if (epoch !== shelved.epoch || offset > shelved.offset + 1) {
      this.#reopen(shelved.name);
      return;
    }
    const first = shelved.offset + 1 - offset;
    if (first >= items.length) return;
    const isTailored = shelved.goods.options.tailor !== undefined;
    const entries = [];
    for (let i = first; i < items.length; i++) {
      entries.push(
        shelved.log.append(offset + i, items[i], isTailored ? undefined : textOf(shelved, published, i), time),
      );
    }
    shelved.offset = offset + items.length - 1;
    shelved.statistics.items += entries.length;
    this.#refresh(shelved);
    for (const stream of shelved.streams.values()) {
      this.#dispatch(stream, entries);
      // A tailor may do what it likes, also take its goods off the shelf.
      if (shelved.isRemoved) return;
    }
  }

  #dispatch(stream: GoodsStream, entries: readonly Parameters<GoodsStream['encode']>[0][]): void {
    const { audience, shelved } = stream;
    if (audience.length === 0) return;
    if (entries.length > 1 && shelved.goods.kind !== 'bytes') {
      const texts: string[] = [];
      for (const entry of entries) {
        const cut = stream.cut(entry);
        if (cut === null) break;
        texts.push(cut as string);
      }
      if (texts.length === entries.length && !shelved.isRemoved) {
        const first = entries[0]!.offset;
        this.#outbox.push(audience, stream, stream.encodeAll(first, texts), first, first + entries.length - 1);
        shelved.statistics.delivered += audience.length;
        return;
      }
    }
    for (const entry of entries) {
      const encoded = stream.encode(entry);
      if (shelved.isRemoved) return;
      if (encoded === null) {
        this.#skip(stream, entry.offset);
        continue;
      }
      this.#outbox.push(audience, stream, encoded, entry.offset);
      shelved.statistics.delivered += audience.length;
    }
  }

  /** Says that a variant does not get an item; with those before it that it did not get either, if that has not left yet. */
  #skip(stream: GoodsStream, offset: number): void {
    const { audience, reason } = stream;
    const latest = this.#outbox.latest(audience, stream);
    const before = stream.latestSkip;
    if (latest !== undefined && latest.encoded === before?.encoded && before.reason === reason) {
      const encoded = stream.skip(before.from, offset, reason);
      stream.latestSkip = { encoded, from: before.from, reason };
      this.#outbox.replaceLatest(encoded, before.from, offset);
      return;
    }
    const encoded = stream.skip(offset, offset, reason);
    stream.latestSkip = { encoded, from: offset, reason };
    this.#outbox.push(audience, stream, encoded, offset);
  }

  /** Looks up who gets what, if that has changed. */
  #refresh(shelved: ShelvedGoods): void {
    if (!shelved.isStale) return;
    shelved.isStale = false;
    const audiences = new Map<GoodsStream, Set<Session>>();
    for (const stream of shelved.streams.values()) audiences.set(stream, new Set());
    this.#ledger.forEachSubscriber(shelved.name, (session, booking) => {
      const stream = booking.streams.get(shelved.name);
      if (stream !== undefined) audiences.get(stream)?.add(session);
    });
    for (const [stream, audience] of audiences) stream.audience = [...audience];
  }

  #supplyRemote(session: Session, id: number, name: string, items: readonly unknown[]): void | Promise<void> {
    const offer = this.#shelf.has(name) ? undefined : this.#patternOfferFor(name);
    const goods = this.#shelf.get(name)?.goods ?? offer?.goods;
    if (goods === undefined) throw new GoodsError('unknown-goods', name);
    const isAllowedTo = () =>
      goods.options.remote === true ||
      (session.provider !== null && this.#shelf.get(name)?.provider === session.provider);
    if (!isAllowedTo()) throw new GoodsError('not-provider', name);
    return after(this.#authorize(session, goods, name, undefined, 'supply'), () =>
      after(this.#checked(goods, items), (checked) => {
        if (session.isClosed) return undefined;
        const shelved = this.#shelf.get(name) ?? (offer === undefined ? undefined : this.#make(offer, name));
        if (shelved === undefined || shelved.goods.options !== goods.options || !isAllowedTo()) {
          throw new GoodsError('not-provider', name);
        }
        let position: Position | Promise<Position>;
        try {
          position = this.#publish(shelved, checked);
        } catch (cause) {
          throw new GoodsError('bad-item', messageOf(cause), { cause });
        }
        return after(position, ({ offset }) => session.tell({ op: 'ok', id, offset }));
      }),
    );
  }

  #checked(goods: Goods, items: readonly unknown[]): readonly unknown[] | Promise<readonly unknown[]> {
    const { item: validator } = goods.options;
    const refuse = (cause: unknown): never => {
      throw new GoodsError('bad-item', messageOf(cause), { cause });
    };
    try {
      for (const item of items) if (goods.kind !== 'json') packItem(goods.kind, item);
      if (goods.kind === 'json' && items.some((item) => item instanceof Uint8Array)) {
        throw new TypeError('the goods are not made of bytes');
      }
      if (validator === undefined) return items;
      const checked = items.map((item) => validate(validator, item));
      return checked.some(isPromise) ? Promise.all(checked).catch(refuse) : checked;
    } catch (cause) {
      return refuse(cause);
    }
  }

  #shelveRemote(session: Session, id: number, name: string): void | Promise<void> {
    const goods = this.#clientGoodsFor(name);
    if (goods === undefined) throw new GoodsError('forbidden', name);
    return after(this.#authorize(session, goods, name, undefined, 'shelve'), () => {
      if (session.isClosed) return;
      if (this.#shelf.has(name)) throw new GoodsError('already-shelved', name);
      session.shelvedNames ??= new Set();
      if (session.shelvedNames.size >= this.limits.subscriptions) throw new GoodsError('too-many-goods', name);
      session.shelvedNames.add(name);
      session.provider ??= new Provider(`subscriber ${session.id}`, this.#backend);
      session.tell({ op: 'ok', id });
      this.#open(
        goods.named(name),
        session.provider,
        {
          onDemand: (goods) => session.tell({ op: 'demand', goods }),
          onIdle: (goods) => session.tell({ op: 'idle', goods }),
        },
        false,
      );
    });
  }

  #unshelveRemote(session: Session, name: string, reason: string): void {
    const isDone = session.provider !== null && this.#unshelve(session.provider, name, reason);
    if (!isDone) throw new GoodsError('not-provider', name);
    session.shelvedNames?.delete(name);
  }

  // From here on: subscribing.

  #subscribe(session: Session, command: SubscribeCommand): void | Promise<void> {
    this.#demandRoom(session, command);
    return hasStars(command.pattern) ? this.#subscribeToMany(session, command) : this.#subscribeToOne(session, command);
  }

  #demandRoom(session: Session, { key }: SubscribeCommand): void {
    if (session.bookings.has(key) || session.bookings.size < this.limits.subscriptions) return;
    throw new GoodsError('too-many-subscriptions', `at most ${this.limits.subscriptions}`);
  }

  #subscribeToMany(session: Session, command: SubscribeCommand): void | Promise<void> {
    const { pattern, params, since } = command;
    const shelvedGoods = [...this.#shelf.values()].filter(({ name }) => matches(pattern, name));
    const variants = shelvedGoods.map((shelved) => {
      const action = since?.has(shelved.name) ? 'resume' : 'subscribe';
      return this.#admitQuietly(session, shelved.goods, shelved.name, params, action);
    });
    const finish = (all: readonly (string | null)[]) => {
      const admitted = shelvedGoods.flatMap((shelved, i) =>
        all[i] === null ? [] : [{ shelved, variant: all[i] as string }],
      );
      return this.#finish(session, command, admitted);
    };
    return variants.some(isPromise) ? Promise.all(variants).then(finish) : finish(variants as (string | null)[]);
  }

  #subscribeToOne(session: Session, command: SubscribeCommand): void | Promise<void> {
    const { pattern: name, params, since } = command;
    const shelved = this.#shelf.get(name);
    const offer = shelved === undefined ? this.#patternOfferFor(name) : undefined;
    const goods = shelved?.goods ?? offer?.goods ?? this.#clientGoodsFor(name);
    if (goods === undefined) {
      // It was there once, and may come back.
      if (session.bookings.has(command.key)) return this.#finish(session, command, []);
      throw new GoodsError('unknown-goods', name);
    }
    const action = since?.has(name) ? 'resume' : 'subscribe';
    return after(this.#admit(session, goods, name, params, action), (variant) => {
      const now = this.#shelf.get(name) ?? (offer === undefined ? undefined : this.#make(offer, name));
      const isSame = now !== undefined && now.goods.options === goods.options;
      return this.#finish(session, command, isSame ? [{ shelved: now, variant }] : []);
    });
  }

  /** Books, joins the streams, and replies: with all that is to follow behind it. */
  #finish(
    session: Session,
    command: SubscribeCommand,
    admitted: readonly { readonly shelved: ShelvedGoods; readonly variant: string }[],
  ): void | Promise<void> {
    const loading = admitted.flatMap(({ shelved }) => shelved.loading ?? []);
    if (loading.length > 0) return Promise.all(loading).then(() => this.#finish(session, command, admitted));
    if (session.isClosed) return undefined;
    this.#demandRoom(session, command);
    const { id, pattern, params, key, last, since } = command;
    let booking = session.bookings.get(key);
    if (booking === undefined) {
      booking = { session, key, pattern, params, last, streams: new StreamMap(), revoked: null };
      session.bookings.set(key, booking);
      this.#ledger.book(session, pattern, booking);
      this.observer.subscription({ event: 'subscribed', goods: pattern, subscriber: session.id });
    }
    const streams: Stream[] = [];
    const replays: (() => void)[] = [];
    for (const { shelved, variant } of admitted) {
      if (shelved.isRemoved) continue;
      if (!subscriptionMatches(booking, shelved.name, matches)) continue;
      const stream = this.#join(booking, shelved, variant);
      const wanted = since?.get(shelved.name);
      if (wanted === undefined) {
        streams.push(stream.announcement);
        replays.push(() => this.#replayLast(session, stream, last));
      } else {
        const recovered = canRecover(shelved, wanted);
        streams.push({ ...stream.announcement, recovered });
        replays.push(() =>
          recovered ? session.replay(stream, wanted.offset + 1) : this.#replayLast(session, stream, last),
        );
      }
    }
    session.tell({ op: 'ok', id, streams });
    for (const replay of replays) replay();
    this.#notifyDemandChanges();
    return undefined;
  }

  #replayLast(session: Session, stream: GoodsStream, last: number): void {
    const { log, offset } = stream.shelved;
    session.replay(stream, offset + 1 - Math.min(last, log.length));
  }

  #unsubscribe(session: Session, key: string): boolean {
    const booking = session.bookings.get(key);
    if (booking === undefined) return false;
    this.#strike(session, key, booking);
    this.observer.subscription({ event: 'unsubscribed', goods: booking.pattern, subscriber: session.id });
    this.#notifyDemandChanges();
    return true;
  }

  #strike(session: Session, key: string, booking: Subscription): void {
    session.bookings.delete(key);
    this.#ledger.strike(session, booking.pattern, booking);
    for (const stream of [...booking.streams.values()]) this.#leave(booking, stream);
  }

  #join(booking: Subscription, shelved: ShelvedGoods, variant: string): GoodsStream {
    const before = booking.streams.get(shelved.name);
    if (before?.variant === variant) return before;
    if (before !== undefined) this.#leave(booking, before);
    const stream = shelved.stream(variant);
    stream.bookings++;
    shelved.demand++;
    shelved.isStale = true;
    booking.streams.set(shelved.name, stream);
    this.#changed.add(shelved);
    return stream;
  }

  #leave(booking: Subscription, stream: GoodsStream): void {
    const { shelved } = stream;
    const { session } = booking;
    booking.streams.delete(shelved.name);
    if (!session.isClosed && !session.holds(stream)) session.forget(stream);
    shelved.demand--;
    shelved.isStale = true;
    if (--stream.bookings === 0) shelved.streams.delete(stream.variant);
    this.#changed.add(shelved);
  }

  /** A connection is gone. */
  #left(session: Session): void {
    this.#sessions.delete(session);
    for (const [key, booking] of [...session.bookings]) this.#strike(session, key, booking);
    session.provider?.close('provider gone');
    this.#notifyDemandChanges();
  }

  #gone(session: Session): void {
    this.#connected.delete(session);
    if (this.#connected.size === 0) this.#onEmpty?.();
  }

  /** Tells providers whether there is demand, once what has changed it is done. */
  #notifyDemandChanges(): void {
    for (const shelved of this.#changed) {
      this.#changed.delete(shelved);
      if (!shelved.isRemoved) this.#notifyDemand(shelved);
    }
  }

  #notifyDemand(shelved: ShelvedGoods): void {
    const isDemanded = shelved.demand > 0;
    if (isDemanded === shelved.isDemanded) return;
    shelved.isDemanded = isDemanded;
    const place = isDemanded ? 'onDemand' : 'onIdle';
    try {
      shelved.events[place]?.(shelved.name);
    } catch (error) {
      this.#failed(place, shelved.name, error);
    }
    // Whoever asks for names that nobody ever supplies must leave nothing behind.
    const isLeftover = shelved.isOnDemand && !shelved.isRemoved && shelved.demand === 0 && shelved.offset === 0;
    if (isLeftover) this.#close(shelved, '');
  }

  /** A function that the application has given failed, for some goods and no variant of them. */
  #failed(place: GoodsFailureMessage['place'], goods: string, error: unknown): void {
    this.observer.failure({ place, goods, variant: undefined, error });
  }

  /** @returns The variant that a subscriber gets. @throws GoodsError if it gets none. */
  #admit(session: Session, goods: Goods, name: string, params: unknown, action: Action): string | Promise<string> {
    return after(this.#authorize(session, goods, name, params, action), () =>
      after(this.#validParams(goods, params), (valid) => this.#variant(session, goods, name, valid)),
    );
  }

  /** As {@link #admit}; null if it gets none. */
  #admitQuietly(
    session: Session,
    goods: Goods,
    name: string,
    params: unknown,
    action: Action,
  ): string | null | Promise<string | null> {
    try {
      const variant = this.#admit(session, goods, name, params, action);
      return isPromise(variant) ? variant.catch(() => null) : variant;
    } catch {
      return null;
    }
  }

  #authorize(session: Session, goods: Goods, name: string, params: unknown, action: Action): void | Promise<void> {
    const request: AccessRequest = { action, goods: name, params };
    const subscriber = session as unknown as Subscriber<User>;
    const ask = (hook: (() => boolean | Promise<boolean>) | undefined): void | Promise<void> => {
      if (hook === undefined) return undefined;
      const refuse = (cause?: unknown): never => {
        if (cause !== undefined) this.#failed('authorize', name, cause);
        throw new GoodsError('forbidden', name, { cause });
      };
      let answer: boolean | Promise<boolean>;
      try {
        answer = hook();
      } catch (error) {
        return refuse(error);
      }
      if (!isPromise(answer)) return answer === true ? undefined : refuse();
      return answer.then((isAllowed) => (isAllowed === true ? undefined : refuse()), refuse);
    };
    const { authorize } = this.#options;
    const { options } = goods;
    return after(ask(authorize && (() => authorize.call(this.#options, subscriber, request))), () =>
      ask(options.authorize && (() => options.authorize!(session, request))),
    );
  }

  #validParams(goods: Goods, params: unknown): unknown {
    const { params: validator, variant } = goods.options;
    const refuse = (cause: unknown): never => {
      throw new GoodsError('bad-params', messageOf(cause), { cause });
    };
    if (validator === undefined) {
      // What nobody looks at is a mistake of the client.
      if (params !== undefined && variant === undefined) throw new GoodsError('bad-params', 'there are none');
      return params;
    }
    try {
      const valid = validate(validator, params);
      return isPromise(valid) ? valid.catch(refuse) : valid;
    } catch (cause) {
      return refuse(cause);
    }
  }

  #variant(session: Session, goods: Goods, name: string, params: unknown): string {
    if (goods.options.variant === undefined) return '';
    let variant: unknown;
    try {
      variant = goods.options.variant(session, params);
      if (typeof variant !== 'string') throw new TypeError(`variant returned a ${typeof variant}, and not a string`);
      if (utf8Length(variant) > maxVariantLength || /\p{Cs}/u.test(variant)) {
        throw new RangeError(`variant returned no text of at most ${maxVariantLength} octets of UTF-8`);
      }
    } catch (cause) {
      this.#failed('variant', name, cause);
      throw new GoodsError('variant-failed', '', { cause });
    }
    return variant as string;
  }
}

/** The JSON of an item that every variant gets as it is. */
function textOf({ goods }: ShelvedGoods, { items, texts }: Published, i: number): string | undefined {
  return goods.kind === 'bytes' ? undefined : (texts?.[i] ?? (packItem(goods.kind, items[i]) as string));
}

/** Whether everything behind a position is still there. */
function canRecover({ epoch, offset, log }: ShelvedGoods, since: Since): boolean {
  if (since.epoch !== epoch || since.offset > offset) return false;
  return since.offset === offset || log.at(since.offset + 1) !== undefined;
}

/** In Jest with jsdom, and in browsers, there is no `setImmediate`. */
function defaultSchedule(): (flush: () => void) => void {
  return typeof setImmediate === 'function' ? setImmediate : (flush) => void setTimeout(flush, 0);
}

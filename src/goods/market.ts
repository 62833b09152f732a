import { type Backplane, MemoryBackplane, type Published } from './backplane.ts';
import { channelObserver, type GoodsFailureMessage, type Observer } from './diagnostics.ts';
import type { Action, Goods, Subscriber, Wish } from './goods.ts';
import { GoodsError, messageOf } from './goods-error.ts';
import { defaultNameLength, hasStars, matches, utf8Length } from './goods-name.ts';
import { Lanes } from './lanes.ts';
import { Ledger } from './ledger.ts';
import { Outbox } from './outbox.ts';
import { type Counter, type DemandEvents, Provider } from './provider.ts';
import { type Booking, bookingMatches, type Desk, type Link, type Order, Session } from './session.ts';
import { after, isPromise, validate } from './validate.ts';
import { type Lane, packed, Ware, type WareStatistics } from './ware.ts';
import { type CatalogEntry, type Position, type Since, type Stream, subprotocol, type WireLimits } from './wire.ts';

/** How a {@link Market} is run. */
export interface MarketOptions<User = unknown> {
  /** Asked on each subscribe, resume and supply, before the hook of the goods, which is asked too. Default: yes. Throwing is a no. */
  authorize?(subscriber: Subscriber<User>, wish: Wish): boolean | Promise<boolean>;
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
  readonly madeGoods?: number | undefined;
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
const leastHighWaterMark = 65_536;
const longestVariant = 255;
const defaultMadeGoods = 100_000;
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
export interface GoodsStatistics extends Readonly<WareStatistics> {
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
interface Template {
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
  readonly #outbox: Outbox<Lane>;
  readonly #ledger = new Ledger<Session, Booking>();
  readonly #sessions = new Set<Session>();
  /** The sessions, and those that are closed and whose connections are not gone yet. */
  readonly #connected = new Set<Session>();
  readonly #shelf = new Map<string, Ware>();
  readonly #mostMade: number;
  #made = 0;
  readonly #templates = new Map<string, Template>();
  readonly #consignments = new Map<string, Goods>();
  readonly #desk: Desk;
  readonly #counter: Counter;
  /** Goods whose demand may have changed, until the provider is told. */
  readonly #changed = new Set<Ware>();
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
    if (!(highWaterMark >= leastHighWaterMark)) {
      throw new RangeError(`highWaterMark is at least ${leastHighWaterMark} octets; got ${highWaterMark}`);
    }
    const { madeGoods = defaultMadeGoods } = options;
    if (!(madeGoods >= 0)) throw new RangeError(`madeGoods is a number ≥ 0; got ${madeGoods}`);
    this.heartbeat = heartbeat;
    this.#mostMade = madeGoods;
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
      subscribe: (session, order) => this.#subscribe(session, order),
      unsubscribe: (session, key) => this.#unsubscribe(session, key),
      supplyRemote: (session, id, name, items) => this.#supplyRemote(session, id, name, items),
      shelveRemote: (session, id, name) => this.#shelveRemote(session, id, name),
      unshelveRemote: (session, name, reason) => this.#unshelveRemote(session, name, reason),
      catalog: (pattern) => this.catalog(pattern),
      left: (session) => this.#left(session),
      gone: (session) => this.#gone(session),
    };
    this.#counter = {
      shelve: (provider, goods, events) => this.#shelve(provider, goods, events),
      unshelve: (provider, name, reason) => this.#unshelve(provider, name, reason),
      unshelveAll: (provider, reason) => this.#unshelveAll(provider, reason),
      supply: (provider, name, items) => this.#supply(provider, name, items),
    };
  }

  /** Somebody who offers goods here. Each call makes another one. */
  provider(name: string): Provider<User> {
    return new Provider<User>(name, this.#counter);
  }

  /**
   * Lets clients put goods on the shelf over their own connections, under names that the name of these matches, if `authorize` lets them. All
   * else is as defined here. @throws Error if there are such goods.
   */
  consign<Item, Params>(goods: Goods<Item, Params, User>): void {
    if (this.#consignments.has(goods.name)) throw new Error(`${goods.name} is consigned already`);
    this.#consignments.set(goods.name, goods as unknown as Goods);
  }

  /** What is on the shelf, by name; entries with stars are made when they are asked for. */
  catalog(pattern = '**'): CatalogEntry[] {
    const entries: CatalogEntry[] = [];
    for (const { name, goods } of this.#shelf.values()) {
      if (goods.options.listed !== false && matches(pattern, name)) entries.push({ goods: name, kind: goods.kind });
    }
    for (const { goods } of this.#templates.values()) {
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
    const goods = [...this.#shelf.values()].map((ware): GoodsStatistics => {
      this.#refresh(ware);
      let subscribers = 0;
      for (const { audience } of ware.lanes.values()) subscribers += audience.length;
      const { name, epoch, offset, log } = ware;
      return {
        goods: name,
        subscribers,
        variants: ware.lanes.size,
        epoch,
        offset,
        kept: log.length,
        ...ware.statistics,
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
    this.#settleDemand();
    return count;
  }

  #revoke(session: Session, key: string, booking: Booking, goods: string, reason: string): boolean {
    const { pattern, params } = booking;
    const about = { op: 'revoked', goods: pattern, params } as const;
    if (goods === pattern || goods === '**' || (!hasStars(pattern) && matches(goods, pattern))) {
      this.#strike(session, key, booking);
      session.tell({ ...about, reason });
      this.observer.subscription({ event: 'revoked', goods: pattern, subscriber: session.id });
      return true;
    }
    if (!hasStars(pattern)) return false;
    const lanes = [...booking.lanes.values()].filter(({ ware }) => matches(goods, ware.name));
    if (!(booking.revoked?.includes(goods) ?? false)) booking.revoked = [...(booking.revoked ?? []), goods];
    for (const lane of lanes) {
      this.#leave(booking, lane);
      session.tell({ ...about, stream: lane.ware.name, reason });
    }
    return lanes.length > 0;
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
  beat(): void {
    for (const session of [...this.#sessions]) session.beat();
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
    if (this.#shelf.has(name) || this.#templates.has(name)) throw new Error(`${name} is on the shelf already`);
    if (goods.isPattern) this.#templates.set(name, { goods, provider, events });
    else this.#open(goods, provider, events, false);
  }

  /** Puts goods on the shelf, and lets those in who wait for such. */
  #open(goods: Goods, provider: Provider, events: DemandEvents, isMade: boolean): Ware {
    const ware = new Ware(goods, provider, events, {
      isMade,
      observer: this.observer,
      now: this.#now,
      onPublished: (one, published) => this.#published(one, published),
    });
    this.#shelf.set(ware.name, ware);
    if (isMade) this.#made++;
    this.#begin(ware);
    return ware;
  }

  #begin(ware: Ware): void {
    try {
      const position = this.#backplane.subscribe(ware.name, ware.listener);
      const kept = after(position, (where) =>
        after(this.#backplane.history(ware.name, ware.history.size), (history) => ({ where, history })),
      );
      if (!isPromise(kept)) {
        this.#start(ware, kept.where, kept.history);
        return;
      }
      ware.opening = kept
        .then(({ where, history }) => this.#start(ware, where, history))
        .catch((error: unknown) => this.#failToOpen(ware, error));
    } catch (error) {
      this.#failToOpen(ware, error);
    }
  }

  #failToOpen(ware: Ware, error: unknown): void {
    this.#failed('backplane', ware.name, error);
    ware.opening = null;
    if (!ware.isOff) this.#close(ware, 'not available');
  }

  #start(ware: Ware, { epoch, offset }: Position, history: readonly Published[]): void {
    ware.opening = null;
    if (ware.isOff) return;
    ware.epoch = epoch;
    ware.offset = offset;
    for (const published of history) {
      if (published.epoch !== epoch || published.offset > offset) continue;
      const [item] = published.items;
      const text = ware.goods.options.tailor === undefined ? textOf(ware, published, 0) : undefined;
      ware.log.append(published.offset, item, text, published.time);
    }
    const { early } = ware;
    ware.early = [];
    for (const published of early) this.#published(ware, published);
    this.#letIn(ware);
  }

  /** Those who have booked what goods match that have come now. */
  #letIn(ware: Ware): void {
    const waiting: Booking[] = [];
    this.#ledger.forEachSubscriber(ware.name, (_session, booking) => waiting.push(booking));
    for (const booking of waiting) {
      const { session, params, last } = booking;
      if (booking.revoked?.some((pattern) => matches(pattern, ware.name))) continue;
      const join = (variant: string | null) => {
        const isStill = variant !== null && !ware.isOff && this.#isBooked(booking);
        if (!isStill || booking.lanes.has(ware.name)) return;
        const lane = this.#join(booking, ware, variant);
        const { pattern } = booking;
        session.tell({ op: 'shelved', goods: pattern, params, stream: lane.stream });
        this.#replayLast(session, lane, last);
        this.#settleDemand();
      };
      void after(this.#admitQuietly(session, ware.goods, ware.name, params, 'subscribe'), join);
    }
  }

  #isBooked(booking: Booking): boolean {
    return booking.session.bookings.get(booking.key) === booking;
  }

  #unshelve(provider: Provider, name: string, reason: string): boolean {
    const ware = this.#shelf.get(name);
    if (ware !== undefined && ware.provider === provider) {
      this.#close(ware, reason);
      return true;
    }
    const template = this.#templates.get(name);
    if (template === undefined || template.provider !== provider) return false;
    this.#templates.delete(name);
    for (const made of [...this.#shelf.values()]) {
      if (made.isMade && made.provider === provider && matches(name, made.name)) this.#close(made, reason);
    }
    return true;
  }

  #unshelveAll(provider: Provider, reason: string): void {
    for (const { goods, provider: owner } of [...this.#templates.values()]) {
      if (owner === provider) this.#templates.delete(goods.name);
    }
    for (const ware of [...this.#shelf.values()]) if (ware.provider === provider) this.#close(ware, reason);
  }

  /** Takes goods off the shelf, and tells all who have a stream of them. */
  #close(ware: Ware, reason: string): void {
    const told = this.#clear(ware);
    this.#shelf.delete(ware.name);
    if (ware.isMade) this.#made--;
    for (const session of told) session.tell({ op: 'unshelved', goods: ware.name, reason });
    this.#tellDemand(ware);
  }

  /** @returns Those who had a stream. */
  #clear(ware: Ware): Set<Session> {
    ware.isOff = true;
    const told = new Set<Session>();
    this.#ledger.forEachSubscriber(ware.name, (session, booking) => {
      const lane = booking.lanes.get(ware.name);
      if (lane?.ware !== ware) return;
      booking.lanes.delete(ware.name);
      session.forget(lane);
      told.add(session);
    });
    ware.lanes.clear();
    ware.demand = 0;
    this.#release(ware);
    return told;
  }

  #release(ware: Ware): void {
    const failed = (error: unknown) => this.#failed('backplane', ware.name, error);
    try {
      const done = this.#backplane.unsubscribe(ware.name, ware.listener);
      if (isPromise(done)) done.then(undefined, failed);
    } catch (error) {
      failed(error);
    }
  }

  /** The backplane may have lost something: the goods begin anew. */
  #reopen(name: string): void {
    const ware = this.#shelf.get(name);
    if (ware === undefined) return;
    const { goods, provider, events, isMade } = ware;
    this.#close(ware, 'interrupted');
    this.#open(goods, provider, events, isMade);
  }

  /** Goods by name: on the shelf, or about to be because a pattern on the shelf matches. */
  #templateOf(name: string): Template | undefined {
    for (const template of this.#templates.values()) if (matches(template.goods.name, name)) return template;
    return undefined;
  }

  #consignmentOf(name: string): Goods | undefined {
    for (const goods of this.#consignments.values()) if (matches(goods.name, name)) return goods;
    return undefined;
  }

  #make({ goods, provider, events }: Template, name: string): Ware {
    const ware = this.#shelf.get(name);
    if (ware !== undefined) return ware;
    if (this.#made >= this.#mostMade) this.#sweep();
    if (this.#made >= this.#mostMade) throw new GoodsError('too-many-goods', name);
    return this.#open(goods.named(name), provider, events, true);
  }

  /** Takes off what was made, what nobody has subscribed to, and of which nothing is kept any more. */
  #sweep(): void {
    for (const ware of [...this.#shelf.values()]) {
      if (ware.isMade && ware.demand === 0 && ware.log.length === 0) this.#close(ware, '');
    }
  }

  // From here on: supplying.

  #supply(provider: Provider, name: string, items: readonly unknown[]): Position | Promise<Position> {
    let ware = this.#shelf.get(name);
    if (ware === undefined) {
      const template = this.#templateOf(name);
      if (template?.provider === provider) ware = this.#make(template, name);
    }
    if (ware === undefined || ware.provider !== provider)
      throw new Error(`${name} is not on the shelf of ${provider.name}`);
    return this.#publish(ware, items);
  }

  /** @throws TypeError if one is no item of these goods. */
  #publish(ware: Ware, items: readonly unknown[]): Position | Promise<Position> {
    if (items.length === 0) throw new RangeError('There is no item to supply');
    const { kind, options } = ware.goods;
    const cuts = options.tailor === undefined || kind !== 'json' ? items.map((item) => packed(kind, item)) : null;
    const texts = kind === 'bytes' || cuts === null ? undefined : (cuts as string[]);
    // The application may use its octets again.
    const own = kind === 'bytes' ? (cuts as Uint8Array[]).map((octets) => new Uint8Array(octets)) : [...items];
    const position = this.#backplane.publish(ware.name, { kind, items: own, texts }, ware.history);
    if (isPromise(position)) {
      position.then(undefined, (error: unknown) => this.#failed('backplane', ware.name, error));
    }
    return position;
  }

  /** What the backplane hands over: to all who have a stream. Throws nothing, for others are handed it too. */
  #published(ware: Ware, published: Published): void {
    if (ware.isOff) return;
    try {
      this.#take(ware, published);
    } catch (error) {
      // Another market, whose goods are of another kind.
      this.#failToOpen(ware, error);
    }
  }

  /** @throws TypeError for what is no item of these goods. */
  #take(ware: Ware, published: Published): void {
    if (ware.opening !== null) {
      ware.early.push(published);
      return;
    }
    const { items, epoch, offset, time } = published;
    if (epoch !== ware.epoch || offset > ware.offset + 1) {
      this.#reopen(ware.name);
      return;
    }
    const first = ware.offset + 1 - offset;
    if (first >= items.length) return;
    const isTailored = ware.goods.options.tailor !== undefined;
    const entries = [];
    for (let i = first; i < items.length; i++) {
      entries.push(ware.log.append(offset + i, items[i], isTailored ? undefined : textOf(ware, published, i), time));
    }
    ware.offset = offset + items.length - 1;
    ware.statistics.items += entries.length;
    this.#refresh(ware);
    for (const lane of ware.lanes.values()) {
      this.#dispatch(lane, entries);
      // A tailor may do what it likes, also take its goods off the shelf.
      if (ware.isOff) return;
    }
  }

  #dispatch(lane: Lane, entries: readonly Parameters<Lane['encode']>[0][]): void {
    const { audience, ware } = lane;
    if (audience.length === 0) return;
    if (entries.length > 1 && ware.goods.kind !== 'bytes') {
      const texts: string[] = [];
      for (const entry of entries) {
        const cut = lane.cut(entry);
        if (cut === null) break;
        texts.push(cut as string);
      }
      if (texts.length === entries.length && !ware.isOff) {
        const first = entries[0]!.offset;
        this.#outbox.push(audience, lane, lane.encodeAll(first, texts), first, first + entries.length - 1);
        ware.statistics.delivered += audience.length;
        return;
      }
    }
    for (const entry of entries) {
      const encoded = lane.encode(entry);
      if (ware.isOff) return;
      if (encoded === null) {
        this.#skip(lane, entry.offset);
        continue;
      }
      this.#outbox.push(audience, lane, encoded, entry.offset);
      ware.statistics.delivered += audience.length;
    }
  }

  /** Says that a variant does not get an item; with those before it that it did not get either, if that has not left yet. */
  #skip(lane: Lane, offset: number): void {
    const { audience, reason } = lane;
    const latest = this.#outbox.latest(audience, lane);
    const before = lane.latestSkip;
    if (latest !== undefined && latest.encoded === before?.encoded && before.reason === reason) {
      const encoded = lane.skip(before.from, offset, reason);
      lane.latestSkip = { encoded, from: before.from, reason };
      this.#outbox.replaceLatest(encoded, before.from, offset);
      return;
    }
    const encoded = lane.skip(offset, offset, reason);
    lane.latestSkip = { encoded, from: offset, reason };
    this.#outbox.push(audience, lane, encoded, offset);
  }

  /** Looks up who gets what, if that has changed. */
  #refresh(ware: Ware): void {
    if (!ware.isStale) return;
    ware.isStale = false;
    const audiences = new Map<Lane, Set<Session>>();
    for (const lane of ware.lanes.values()) audiences.set(lane, new Set());
    this.#ledger.forEachSubscriber(ware.name, (session, booking) => {
      const lane = booking.lanes.get(ware.name);
      if (lane !== undefined) audiences.get(lane)?.add(session);
    });
    for (const [lane, audience] of audiences) lane.audience = [...audience];
  }

  #supplyRemote(session: Session, id: number, name: string, items: readonly unknown[]): void | Promise<void> {
    const template = this.#shelf.has(name) ? undefined : this.#templateOf(name);
    const goods = this.#shelf.get(name)?.goods ?? template?.goods;
    if (goods === undefined) throw new GoodsError('unknown-goods', name);
    const isAllowedTo = () =>
      goods.options.remote === true ||
      (session.provider !== null && this.#shelf.get(name)?.provider === session.provider);
    if (!isAllowedTo()) throw new GoodsError('not-provider', name);
    return after(this.#authorize(session, goods, name, undefined, 'supply'), () =>
      after(this.#checked(goods, items), (checked) => {
        if (session.isClosed) return undefined;
        const ware = this.#shelf.get(name) ?? (template === undefined ? undefined : this.#make(template, name));
        if (ware === undefined || ware.goods.options !== goods.options || !isAllowedTo()) {
          throw new GoodsError('not-provider', name);
        }
        let position: Position | Promise<Position>;
        try {
          position = this.#publish(ware, checked);
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
      for (const item of items) if (goods.kind !== 'json') packed(goods.kind, item);
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
    const goods = this.#consignmentOf(name);
    if (goods === undefined) throw new GoodsError('forbidden', name);
    return after(this.#authorize(session, goods, name, undefined, 'shelve'), () => {
      if (session.isClosed) return;
      if (this.#shelf.has(name)) throw new GoodsError('already-shelved', name);
      session.shelved ??= new Set();
      if (session.shelved.size >= this.limits.subscriptions) throw new GoodsError('too-many-goods', name);
      session.shelved.add(name);
      session.provider ??= new Provider(`subscriber ${session.id}`, this.#counter);
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
    session.shelved?.delete(name);
  }

  // From here on: subscribing.

  #subscribe(session: Session, order: Order): void | Promise<void> {
    this.#demandRoom(session, order);
    return hasStars(order.pattern) ? this.#subscribeToMany(session, order) : this.#subscribeToOne(session, order);
  }

  #demandRoom(session: Session, { key }: Order): void {
    if (session.bookings.has(key) || session.bookings.size < this.limits.subscriptions) return;
    throw new GoodsError('too-many-subscriptions', `at most ${this.limits.subscriptions}`);
  }

  #subscribeToMany(session: Session, order: Order): void | Promise<void> {
    const { pattern, params, since } = order;
    const wares = [...this.#shelf.values()].filter(({ name }) => matches(pattern, name));
    const variants = wares.map((ware) => {
      const action = since?.has(ware.name) ? 'resume' : 'subscribe';
      return this.#admitQuietly(session, ware.goods, ware.name, params, action);
    });
    const finish = (all: readonly (string | null)[]) => {
      const admitted = wares.flatMap((ware, i) => (all[i] === null ? [] : [{ ware, variant: all[i] as string }]));
      return this.#finish(session, order, admitted);
    };
    return variants.some(isPromise) ? Promise.all(variants).then(finish) : finish(variants as (string | null)[]);
  }

  #subscribeToOne(session: Session, order: Order): void | Promise<void> {
    const { pattern: name, params, since } = order;
    const ware = this.#shelf.get(name);
    const template = ware === undefined ? this.#templateOf(name) : undefined;
    const goods = ware?.goods ?? template?.goods ?? this.#consignmentOf(name);
    if (goods === undefined) {
      // It was there once, and may come back.
      if (session.bookings.has(order.key)) return this.#finish(session, order, []);
      throw new GoodsError('unknown-goods', name);
    }
    const action = since?.has(name) ? 'resume' : 'subscribe';
    return after(this.#admit(session, goods, name, params, action), (variant) => {
      const now = this.#shelf.get(name) ?? (template === undefined ? undefined : this.#make(template, name));
      const isSame = now !== undefined && now.goods.options === goods.options;
      return this.#finish(session, order, isSame ? [{ ware: now, variant }] : []);
    });
  }

  /** Books, joins the lanes, and replies: with all that is to follow behind it. */
  #finish(
    session: Session,
    order: Order,
    admitted: readonly { readonly ware: Ware; readonly variant: string }[],
  ): void | Promise<void> {
    const opening = admitted.flatMap(({ ware }) => ware.opening ?? []);
    if (opening.length > 0) return Promise.all(opening).then(() => this.#finish(session, order, admitted));
    if (session.isClosed) return undefined;
    this.#demandRoom(session, order);
    const { id, pattern, params, key, last, since } = order;
    let booking = session.bookings.get(key);
    if (booking === undefined) {
      booking = { session, key, pattern, params, last, lanes: new Lanes(), revoked: null };
      session.bookings.set(key, booking);
      this.#ledger.book(session, pattern, booking);
      this.observer.subscription({ event: 'subscribed', goods: pattern, subscriber: session.id });
    }
    const streams: Stream[] = [];
    const replays: (() => void)[] = [];
    for (const { ware, variant } of admitted) {
      if (ware.isOff) continue;
      if (!bookingMatches(booking, ware.name, matches)) continue;
      const lane = this.#join(booking, ware, variant);
      const wanted = since?.get(ware.name);
      if (wanted === undefined) {
        streams.push(lane.stream);
        replays.push(() => this.#replayLast(session, lane, last));
      } else {
        const recovered = canRecover(ware, wanted);
        streams.push({ ...lane.stream, recovered });
        replays.push(() =>
          recovered ? session.replay(lane, wanted.offset + 1) : this.#replayLast(session, lane, last),
        );
      }
    }
    session.tell({ op: 'ok', id, streams });
    for (const replay of replays) replay();
    this.#settleDemand();
    return undefined;
  }

  #replayLast(session: Session, lane: Lane, last: number): void {
    const { log, offset } = lane.ware;
    session.replay(lane, offset + 1 - Math.min(last, log.length));
  }

  #unsubscribe(session: Session, key: string): boolean {
    const booking = session.bookings.get(key);
    if (booking === undefined) return false;
    this.#strike(session, key, booking);
    this.observer.subscription({ event: 'unsubscribed', goods: booking.pattern, subscriber: session.id });
    this.#settleDemand();
    return true;
  }

  #strike(session: Session, key: string, booking: Booking): void {
    session.bookings.delete(key);
    this.#ledger.strike(session, booking.pattern, booking);
    for (const lane of [...booking.lanes.values()]) this.#leave(booking, lane);
  }

  #join(booking: Booking, ware: Ware, variant: string): Lane {
    const before = booking.lanes.get(ware.name);
    if (before?.variant === variant) return before;
    if (before !== undefined) this.#leave(booking, before);
    const lane = ware.lane(variant);
    lane.bookings++;
    ware.demand++;
    ware.isStale = true;
    booking.lanes.set(ware.name, lane);
    this.#changed.add(ware);
    return lane;
  }

  #leave(booking: Booking, lane: Lane): void {
    const { ware } = lane;
    const { session } = booking;
    booking.lanes.delete(ware.name);
    if (!session.isClosed && !session.holds(lane)) session.forget(lane);
    ware.demand--;
    ware.isStale = true;
    if (--lane.bookings === 0) ware.lanes.delete(lane.variant);
    this.#changed.add(ware);
  }

  /** A connection is gone. */
  #left(session: Session): void {
    this.#sessions.delete(session);
    for (const [key, booking] of [...session.bookings]) this.#strike(session, key, booking);
    session.provider?.close('provider gone');
    this.#settleDemand();
  }

  #gone(session: Session): void {
    this.#connected.delete(session);
    if (this.#connected.size === 0) this.#onEmpty?.();
  }

  /** Tells providers whether there is demand, once what has changed it is done. */
  #settleDemand(): void {
    for (const ware of this.#changed) {
      this.#changed.delete(ware);
      if (!ware.isOff) this.#tellDemand(ware);
    }
  }

  #tellDemand(ware: Ware): void {
    const isDemanded = ware.demand > 0;
    if (isDemanded === ware.isDemanded) return;
    ware.isDemanded = isDemanded;
    const place = isDemanded ? 'onDemand' : 'onIdle';
    try {
      ware.events[place]?.(ware.name);
    } catch (error) {
      this.#failed(place, ware.name, error);
    }
    // Whoever asks for names that nobody ever supplies must leave nothing behind.
    const isLeftover = ware.isMade && !ware.isOff && ware.demand === 0 && ware.offset === 0;
    if (isLeftover) this.#close(ware, '');
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
    const wish: Wish = { action, goods: name, params };
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
    return after(ask(authorize && (() => authorize.call(this.#options, subscriber, wish))), () =>
      ask(options.authorize && (() => options.authorize!(session, wish))),
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
      if (utf8Length(variant) > longestVariant || /\p{Cs}/u.test(variant)) {
        throw new RangeError(`variant returned no text of at most ${longestVariant} octets of UTF-8`);
      }
    } catch (cause) {
      this.#failed('variant', name, cause);
      throw new GoodsError('variant-failed', '', { cause });
    }
    return variant as string;
  }
}

/** The JSON of an item that every variant gets as it is. */
function textOf({ goods }: Ware, { items, texts }: Published, i: number): string | undefined {
  return goods.kind === 'bytes' ? undefined : (texts?.[i] ?? (packed(goods.kind, items[i]) as string));
}

/** Whether everything behind a position is still there. */
function canRecover({ epoch, offset, log }: Ware, since: Since): boolean {
  if (since.epoch !== epoch || since.offset > offset) return false;
  return since.offset === offset || log.at(since.offset + 1) !== undefined;
}

/** In Jest with jsdom, and in browsers, there is no `setImmediate`. */
function defaultSchedule(): (flush: () => void) => void {
  return typeof setImmediate === 'function' ? setImmediate : (flush) => void setTimeout(flush, 0);
}

import type { Goods, Subscriber } from '../definition/goods.ts';
import { Outbox } from '../fan-out/outbox.ts';
import type { Link } from '../session/link.ts';
import type { MarketConnection } from '../session/market-connection.ts';
import { Session, type SessionContext } from '../session/session.ts';
import type { Observer } from '../shelf/observer.ts';
import { Provider, type ProviderBackend } from '../shelf/provider.ts';
import { Shelf } from '../shelf/shelf.ts';
import type { GoodsStream } from '../shelf/shelved-goods.ts';
import { type CatalogEntry, subprotocol, type WireLimits } from '../wire/frames.ts';
import { Admission } from './admission.ts';
import { ClientGoods } from './client-goods.ts';
import {
  defaultDeadline,
  defaultRetryAfter,
  type MarketOptions,
  type MarketSettings,
  type MarketStatistics,
  type Revocation,
  readMarketOptions,
  type ShutdownOptions,
} from './market-options.ts';
import { Publication } from './publication.ts';
import { RequestFields } from './request-fields.ts';
import { RequestHandler } from './request-handler.ts';
import { Subscriptions } from './subscriptions.ts';
import { SupplyHandler } from './supply-handler.ts';

/** A market without WebSockets: everything but how connections come to it. {@link connect} takes connections of any kind. */
export class MarketCore<User = unknown> {
  readonly #settings: MarketSettings;
  readonly #outbox: Outbox<GoodsStream>;
  readonly #shelf: Shelf;
  readonly #clientGoods: ClientGoods;
  readonly #subscriptions: Subscriptions;
  readonly #providerBackend: ProviderBackend;
  readonly #sessionContext: SessionContext;
  /** Sessions that take requests. */
  readonly #sessions = new Set<Session>();
  /** The sessions, and those that are closed and whose connections are not gone yet. */
  readonly #connected = new Set<Session>();
  #lastSessionId = 0;
  #isClosing = false;
  #onEmpty: (() => void) | null = null;

  /**
   * @param defaultSchedule Default of the option `schedule`.
   * @throws RangeError if an option is invalid.
   */
  constructor(options: MarketOptions<User>, defaultSchedule: (flush: () => void) => void) {
    const settings = readMarketOptions(options, defaultSchedule);
    const { limits, observer, rateTime, highWaterMark } = settings;
    this.#settings = settings;
    const outbox = new Outbox<GoodsStream>(settings.schedule);
    const publication = new Publication(outbox);
    const shelf = new Shelf(settings, {
      onReady: (goods) => this.#subscriptions.joinWaitingSubscriptions(goods),
      onRemoved: (goods, reason) => this.#subscriptions.removeGoods(goods, reason),
      onItems: (goods, entries) => publication.publish(goods, entries),
      forEachRecipient: (goods, visit) => this.#subscriptions.forEachRecipient(goods, visit),
    });
    this.#outbox = outbox;
    this.#shelf = shelf;
    this.#providerBackend = {
      shelve: (provider, goods, events) => shelf.shelve(provider, goods, events),
      unshelve: (provider, name, reason) => shelf.unshelve(provider, name, reason),
      unshelveAll: (provider, reason) => shelf.unshelveAll(provider, reason),
      supply: (provider, name, items) => supply.fromProvider(provider, name, items),
    };
    const admission = new Admission(options, observer);
    const clientGoods = new ClientGoods(shelf, admission, this.#providerBackend, limits.subscriptions);
    const supply = new SupplyHandler(shelf, admission, clientGoods);
    const maxSubscriptions = limits.subscriptions;
    const subscriptions = new Subscriptions({ shelf, admission, clientGoods, observer, maxSubscriptions });
    this.#clientGoods = clientGoods;
    this.#subscriptions = subscriptions;
    const isClosing = () => this.#isClosing;
    const fields = new RequestFields(limits);
    const parts = {
      limits,
      observer,
      fields,
      shelf,
      subscriptions,
      supply,
      clientGoods,
      rateTime,
      get isClosing() {
        return isClosing();
      },
    };
    this.#sessionContext = {
      outbox,
      observer,
      highWaterMark,
      receiverFor: (session) => new RequestHandler(session, parts),
      closed: (session) => this.#closed(session),
      gone: (session) => this.#gone(session),
    };
  }

  /** Milliseconds between two pings; 0 if there are none. */
  get heartbeat(): number {
    return this.#settings.heartbeat;
  }

  /** Limits of one connection. */
  get limits(): WireLimits {
    return this.#settings.limits;
  }

  /** Called with what happens in the market. */
  get observer(): Observer {
    return this.#settings.observer;
  }

  // Goods.

  /** Creates a provider, which puts goods on the shelf and supplies their items. The name is for error messages. */
  provider(name: string): Provider<User> {
    return new Provider<User>(name, this.#providerBackend);
  }

  /**
   * Lets clients put goods on the shelf over their own connections, if `authorize` allows it: under all names that the definition's name
   * matches. Everything else is as in the definition.
   * @throws Error if the name was allowed before.
   */
  allowClientGoods<Item, Params>(goods: Goods<Item, Params, User>): void {
    this.#clientGoods.allow(goods as unknown as Goods);
  }

  /** Former name of {@link allowClientGoods}. @deprecated */
  consign<Item, Params>(goods: Goods<Item, Params, User>): void {
    this.allowClientGoods(goods);
  }

  /** Returns what is on the shelf, sorted by name. A pattern on the shelf is listed only for `**` or for exactly that pattern. */
  catalog(pattern = '**'): CatalogEntry[] {
    return this.#shelf.catalog(pattern);
  }

  /** Sends everything supplied until now, without waiting for the scheduled flush. */
  flush(): void {
    this.#outbox.flush();
  }

  // Subscribers.

  /** The connected subscribers. */
  get subscribers(): Subscriber<User>[] {
    return [...this.#sessions] as unknown as Subscriber<User>[];
  }

  /** Returns the subscriptions of a subscriber: names or patterns, with params. */
  subscriptions(subscriber: Subscriber<User>): { goods: string; params: unknown }[] {
    const session = subscriber as unknown as Session;
    if (!this.#sessions.has(session)) return [];
    return [...session.subscriptions.values()].map(({ pattern, params }) => ({ goods: pattern, params }));
  }

  /** Returns counts since the market was created, and the present state. */
  statistics(): MarketStatistics {
    return {
      sessions: this.#sessions.size,
      subscriptions: this.#subscriptions.size,
      goods: this.#shelf.all().map((goods) => goods.statistics()),
    };
  }

  /**
   * Ends subscriptions and tells the subscribers the reason. Goods that are taken from a subscription to a pattern do not come back to it; a
   * new subscribe calls `authorize` again.
   * @returns The number of subscriptions that ended or lost goods.
   */
  revoke({ goods = '**', subscriber }: Revocation<User>, reason: string): number {
    let count = 0;
    for (const session of [...this.#sessions]) {
      const one = session as unknown as Subscriber<User>;
      const isMeant =
        typeof subscriber === 'function' ? subscriber(one) : subscriber === undefined || subscriber === one;
      if (isMeant) count += this.#subscriptions.revoke(session, goods, reason);
    }
    this.#shelf.demand.notifyChanges();
    return count;
  }

  // Connections.

  /**
   * Takes a connection that has agreed on `goods.v1`. Call `receive`, `receiveText` or `receiveBytes` of the result with each message, and
   * `end` when the connection is gone. For WebSockets, `serve` does all that.
   */
  connect(link: Link, user: User): MarketConnection<User> {
    const session = new Session<User>(++this.#lastSessionId, user, link, this.#sessionContext);
    this.#sessions.add(session as Session);
    this.#connected.add(session as Session);
    try {
      session.send({ op: 'welcome', protocol: subprotocol, heartbeat: this.heartbeat, limits: this.limits });
      if (this.#isClosing) this.#announceClosing(session as Session, {});
    } catch (error) {
      // Otherwise shutdown() would wait for a session that the caller does not have.
      session.end();
      throw error;
    }
    return session;
  }

  /** True if there are connections, including those that are being closed. @internal */
  protected get hasConnections(): boolean {
    return this.#connected.size > 0;
  }

  /** Pings all connections, and ends those that have not answered two pings. Call it every {@link heartbeat} milliseconds; `serve` does. */
  sendHeartbeats(): void {
    for (const session of [...this.#sessions]) session.sendHeartbeat(this.heartbeat);
  }

  /**
   * Refuses further requests, sends what is queued, tells every client when to reconnect, and closes all connections.
   * @returns A promise that is fulfilled when all connections are gone, at most the time that the links take to end after the deadline.
   */
  async shutdown(options: ShutdownOptions = {}): Promise<void> {
    this.#isClosing = true;
    if (this.#connected.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const session of [...this.#sessions]) this.#announceClosing(session, options);
    const timer = setTimeout(() => {
      for (const session of [...this.#connected]) session.terminate();
    }, options.deadline ?? defaultDeadline);
    await empty;
    clearTimeout(timer);
  }

  #announceClosing(session: Session, options: ShutdownOptions): void {
    const { reason = 'restart', code = 1012, retryAfter = defaultRetryAfter } = options;
    // Random, so that the clients do not all reconnect at the same time.
    session.send({ op: 'closing', reason, retryAfter: Math.round(retryAfter * (1 + this.#settings.random())) });
    session.closeWhenSent(code, reason);
  }

  #closed(session: Session): void {
    this.#sessions.delete(session);
    this.#subscriptions.endAll(session);
    this.#clientGoods.leave(session);
    this.#shelf.demand.notifyChanges();
  }

  #gone(session: Session): void {
    this.#connected.delete(session);
    if (this.#connected.size === 0) this.#onEmpty?.();
  }
}

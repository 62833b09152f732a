import type { Backplane } from '../backplane/backplane.ts';
import type { Goods } from '../definition/goods.ts';
import { matches } from '../definition/goods-name.ts';
import type { Position } from '../definition/position.ts';
import type { Recipient } from '../fan-out/outbox.ts';
import type { CatalogEntry } from '../wire/frames.ts';
import { GoodsError } from '../wire/goods-error.ts';
import { BackplaneFeed } from './backplane-feed.ts';
import { Demand } from './demand.ts';
import type { HistoryEntry } from './history.ts';
import type { Observer } from './observer.ts';
import type { DemandEvents, Provider } from './provider.ts';
import { type GoodsStream, type ShelfContext, ShelvedGoods } from './shelved-goods.ts';

/** Goods on the shelf whose name is a pattern: goods with a name that it matches are created on demand. */
export interface PatternOffer {
  readonly definition: Goods;
  readonly provider: Provider;
  readonly events: DemandEvents;
}

/** Calls that a {@link Shelf} makes to its market. */
export interface ShelfHooks {
  /** Called when goods are loaded: subscriptions can join them now. */
  onReady(goods: ShelvedGoods): void;
  /** Called when goods were taken off the shelf: subscriptions have to leave them, and subscribers are to be told. */
  onRemoved(goods: ShelvedGoods, reason: string): void;
  /** Called with new items of goods, which are to be sent. */
  onItems(goods: ShelvedGoods, entries: readonly HistoryEntry[]): void;
  /** Calls `visit` with each recipient and its stream of some goods. */
  forEachRecipient(goods: ShelvedGoods, visit: (recipient: Recipient<GoodsStream>, stream: GoodsStream) => void): void;
}

/** Settings of a {@link Shelf}. */
export interface ShelfOptions {
  readonly backplane: Backplane;
  readonly observer: Observer;
  /** Returns the time in milliseconds. */
  readonly now: () => number;
  /** Maximum number of goods that exist on demand. */
  readonly maxOnDemandGoods: number;
}

/** The goods of a market by name, and the patterns whose goods are created on demand. */
export class Shelf {
  readonly demand = new Demand((goods) => this.remove(goods, ''));
  readonly #hooks: ShelfHooks;
  readonly #feed: BackplaneFeed;
  readonly #context: ShelfContext;
  readonly #maxOnDemand: number;
  readonly #goods = new Map<string, ShelvedGoods>();
  readonly #patternOffers = new Map<string, PatternOffer>();
  /** Number of goods that exist on demand. */
  #onDemand = 0;

  constructor({ backplane, observer, now, maxOnDemandGoods }: ShelfOptions, hooks: ShelfHooks) {
    this.#hooks = hooks;
    this.#maxOnDemand = maxOnDemandGoods;
    this.#feed = new BackplaneFeed(backplane, observer, {
      ready: (goods) => hooks.onReady(goods),
      appended: (goods, entries) => hooks.onItems(goods, entries),
      failed: (goods) => this.remove(goods, 'not available'),
      gap: (name) => this.#reopen(name),
    });
    this.#context = {
      observer,
      now,
      published: (goods, published) => this.#feed.receive(goods, published),
      demandChanged: (goods) => this.demand.note(goods),
      forEachRecipient: (goods, visit) => hooks.forEachRecipient(goods, visit),
    };
  }

  // Reading the shelf.

  /** Number of goods, patterns not counted. */
  get size(): number {
    return this.#goods.size;
  }

  get(name: string): ShelvedGoods | undefined {
    return this.#goods.get(name);
  }

  /** Returns a copy of the list of all goods. */
  all(): ShelvedGoods[] {
    return [...this.#goods.values()];
  }

  /** Returns the goods whose names a pattern matches. */
  matching(pattern: string): ShelvedGoods[] {
    return this.all().filter(({ name }) => matches(pattern, name));
  }

  /** Returns the pattern on the shelf that matches a name. */
  patternOfferFor(name: string): PatternOffer | undefined {
    for (const offer of this.#patternOffers.values()) if (matches(offer.definition.name, name)) return offer;
    return undefined;
  }

  /** Returns what the catalog lists for a pattern, sorted by name. A pattern on the shelf is listed only for `**` or for exactly that pattern. */
  catalog(pattern: string): CatalogEntry[] {
    const entries: CatalogEntry[] = [];
    for (const { name, definition } of this.#goods.values()) {
      if (definition.options.listed !== false && matches(pattern, name)) {
        entries.push({ goods: name, kind: definition.kind });
      }
    }
    for (const { definition } of this.#patternOffers.values()) {
      const isRequested = pattern === '**' || pattern === definition.name;
      if (definition.options.listed !== false && isRequested) {
        entries.push({ goods: definition.name, kind: definition.kind });
      }
    }
    return entries.sort((a, b) => (a.goods < b.goods ? -1 : 1));
  }

  // Putting goods on the shelf.

  /** Puts goods, or a pattern, on the shelf. @throws Error if there are goods of that name. */
  shelve(provider: Provider, definition: Goods, events: DemandEvents): void {
    const { name } = definition;
    if (this.#goods.has(name) || this.#patternOffers.has(name)) throw new Error(`${name} is on the shelf already`);
    if (definition.isPattern) this.#patternOffers.set(name, { definition, provider, events });
    else this.open(definition, provider, events);
  }

  /** Puts goods on the shelf and loads them from the backplane. */
  open(definition: Goods, provider: Provider, events: DemandEvents, isOnDemand = false): ShelvedGoods {
    const goods = new ShelvedGoods(definition, provider, events, isOnDemand, this.#context);
    this.#goods.set(goods.name, goods);
    if (isOnDemand) this.#onDemand++;
    this.#feed.open(goods);
    return goods;
  }

  /**
   * Returns goods of a pattern by their name. Creates them if they are not on the shelf.
   * @throws GoodsError `too-many-goods` if there is no room for them.
   */
  openOnDemand({ definition, provider, events }: PatternOffer, name: string): ShelvedGoods {
    const goods = this.#goods.get(name);
    if (goods !== undefined) return goods;
    if (this.#onDemand >= this.#maxOnDemand) this.#removeDisposable();
    if (this.#onDemand >= this.#maxOnDemand) throw new GoodsError('too-many-goods', name);
    return this.open(definition.named(name), provider, events, true);
  }

  /**
   * Returns goods by their name. Creates them if they are not on the shelf and there is an offer that can.
   * @throws GoodsError as {@link openOnDemand}
   */
  getOrOpen(name: string, offer: PatternOffer | undefined): ShelvedGoods | undefined {
    return this.#goods.get(name) ?? (offer === undefined ? undefined : this.openOnDemand(offer, name));
  }

  /** Begins anew with goods of which the backplane may have lost items. */
  #reopen(name: string): void {
    const goods = this.#goods.get(name);
    if (goods === undefined) return;
    this.remove(goods, 'interrupted');
    this.open(goods.definition, goods.provider, goods.events, goods.isOnDemand);
  }

  // Taking goods off the shelf.

  /** Takes goods, or a pattern and its goods, off the shelf. @returns false if this provider has none of that name. */
  unshelve(provider: Provider, name: string, reason: string): boolean {
    const goods = this.#goods.get(name);
    if (goods !== undefined && goods.provider === provider) {
      this.remove(goods, reason);
      return true;
    }
    const offer = this.#patternOffers.get(name);
    if (offer === undefined || offer.provider !== provider) return false;
    this.#patternOffers.delete(name);
    for (const created of this.matching(name)) {
      if (created.isOnDemand && created.provider === provider) this.remove(created, reason);
    }
    return true;
  }

  /** Takes everything of a provider off the shelf. */
  unshelveAll(provider: Provider, reason: string): void {
    for (const [name, offer] of [...this.#patternOffers]) {
      if (offer.provider === provider) this.#patternOffers.delete(name);
    }
    for (const goods of this.all()) if (goods.provider === provider) this.remove(goods, reason);
  }

  /** Takes goods of any provider off the shelf. */
  remove(goods: ShelvedGoods, reason: string): void {
    if (goods.isRemoved) return;
    goods.remove();
    this.#feed.close(goods);
    this.#goods.delete(goods.name);
    if (goods.isOnDemand) this.#onDemand--;
    this.#hooks.onRemoved(goods, reason);
    this.demand.notify(goods);
  }

  #removeDisposable(): void {
    for (const goods of this.all()) if (goods.isDisposable) this.remove(goods, '');
  }

  // Items.

  /** Publishes items of goods. @throws as {@link BackplaneFeed.publish} */
  publish(goods: ShelvedGoods, items: readonly unknown[]): Position | Promise<Position> {
    return this.#feed.publish(goods, items);
  }
}

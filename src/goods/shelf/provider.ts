import type { Goods } from '../definition/goods.ts';
import type { Position } from '../definition/position.ts';

/** Callbacks of a provider about the subscribers of its goods. What a callback throws is reported, and has no other effect. */
export interface DemandEvents {
  /** Called when the first subscriber has come. */
  onDemand?(goods: string): void;
  /** Called when the last subscriber has left. */
  onIdle?(goods: string): void;
}

/** What a {@link Provider} does at its market. @internal */
export interface ProviderBackend {
  shelve(provider: Provider, goods: Goods, events: DemandEvents): void;
  unshelve(provider: Provider, name: string, reason: string): boolean;
  unshelveAll(provider: Provider, reason: string): void;
  supply(provider: Provider, name: string, items: readonly unknown[]): Position | Promise<Position>;
}

/**
 * Offers goods: puts them on the shelf of its market, takes them off, and supplies items. Made by `market.provider(name)`.
 */
export class Provider<User = unknown> {
  readonly name: string;
  readonly #backend: ProviderBackend;

  /** @internal */
  constructor(name: string, counter: ProviderBackend) {
    this.name = name;
    this.#backend = counter;
  }

  /**
   * Puts goods on the shelf. Those who have subscribed to them by a pattern, or while they were off the shelf, are told. Goods whose name is a pattern
   * are made when somebody subscribes to a name that it matches, or when an item of it is supplied.
   * @throws Error if they are on the shelf already.
   */
  shelve<Item, Params>(goods: Goods<Item, Params, User>, events: DemandEvents = {}): void {
    this.#backend.shelve(this, goods as unknown as Goods, events);
  }

  /**
   * Takes goods off the shelf; subscribers are told the reason. Of a pattern, also all goods that it has made.
   * @returns false if this provider has none on it.
   */
  unshelve<Item, Params>(goods: Goods<Item, Params, User>, reason = ''): boolean {
    return this.#backend.unshelve(this, goods.name, reason);
  }

  /** Takes all of its goods off the shelf. */
  close(reason = ''): void {
    this.#backend.unshelveAll(this, reason);
  }

  /**
   * Supplies an item to all who have subscribed. Octets are copied; an object must stay as it is while the history has it, if the goods have
   * `tailor`.
   * @returns Where it is; a promise if the market's backplane needs time, which may be left alone.
   * @throws TypeError for what is no item of such goods; Error if this provider does not have them on the shelf.
   */
  supply<Item, Params>(goods: Goods<Item, Params, User>, item: Item): Position | Promise<Position> {
    return this.#backend.supply(this, goods.name, [item]);
  }

  /** Supplies items that belong together: they leave in one frame. Of none of them none is supplied if one is no item. @throws as {@link supply}; RangeError for none. */
  supplyAll<Item, Params>(goods: Goods<Item, Params, User>, items: readonly Item[]): Position | Promise<Position> {
    return this.#backend.supply(this, goods.name, items);
  }
}

import type { Goods } from '../definition/goods.ts';
import type { Position } from '../definition/position.ts';

/** Callbacks of a provider about the subscribers of its goods. What a callback throws is reported, and has no other effect. */
export interface DemandEvents {
  /** Called when the first subscriber has come. */
  onDemand?(goods: string): void;
  /** Called when the last subscriber has left. */
  onIdle?(goods: string): void;
}

/** Calls that a {@link Provider} makes to its market. @internal */
export interface ProviderBackend {
  shelve(provider: Provider, goods: Goods, events: DemandEvents): void;
  unshelve(provider: Provider, name: string, reason: string): boolean;
  unshelveAll(provider: Provider, reason: string): void;
  supply(provider: Provider, name: string, items: readonly unknown[]): Position | Promise<Position>;
}

/** Offers goods at a market: puts them on the shelf, takes them off, and supplies items. Created by `market.provider(name)`. */
export class Provider<User = unknown> {
  /** For error messages. */
  readonly name: string;
  readonly #backend: ProviderBackend;

  /** @internal */
  constructor(name: string, backend: ProviderBackend) {
    this.name = name;
    this.#backend = backend;
  }

  /**
   * Puts goods on the shelf. Subscribers who have subscribed by a pattern, or while the goods were off the shelf, are told. If the name is a
   * pattern, goods are created when a client subscribes to a name that it matches, or when an item of such a name is supplied.
   * @throws Error if goods of that name are on the shelf already.
   */
  shelve<Item, Params>(goods: Goods<Item, Params, User>, events: DemandEvents = {}): void {
    this.#backend.shelve(this, goods as unknown as Goods, events);
  }

  /**
   * Takes goods off the shelf, and tells subscribers the reason. For a pattern, also takes off all goods created for it.
   * @returns false if this provider has no goods of that name on the shelf.
   */
  unshelve<Item, Params>(goods: Goods<Item, Params, User>, reason = ''): boolean {
    return this.#backend.unshelve(this, goods.name, reason);
  }

  /** Takes all goods of this provider off the shelf. */
  close(reason = ''): void {
    this.#backend.unshelveAll(this, reason);
  }

  /**
   * Supplies an item to all subscribers. Bytes are copied. If the goods have `tailor`, an object must not be changed while it is in the history.
   * @returns The position of the item; a promise if the backplane needs time. The promise may be ignored.
   * @throws TypeError if the item is not of the goods' kind; Error if this provider does not have the goods on the shelf; GoodsError
   * `too-many-goods` if there is no room for goods that the name would create.
   */
  supply<Item, Params>(goods: Goods<Item, Params, User>, item: Item): Position | Promise<Position> {
    return this.#backend.supply(this, goods.name, [item]);
  }

  /**
   * Supplies items that belong together. They are sent in one frame per variant, unless they are bytes or the variant leaves one out. If one is
   * invalid, none is supplied.
   * @returns The position of the last item.
   * @throws As {@link supply}; RangeError if there is no item.
   */
  supplyAll<Item, Params>(goods: Goods<Item, Params, User>, items: readonly Item[]): Position | Promise<Position> {
    return this.#backend.supply(this, goods.name, items);
  }
}

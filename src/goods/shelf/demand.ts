import type { ShelvedGoods } from './shelved-goods.ts';

/** Set of goods whose demand may have changed and whose providers have not been notified. */
export class Demand {
  readonly #changed = new Set<ShelvedGoods>();
  readonly #onUnused: (goods: ShelvedGoods) => void;

  /** @param onUnused Called with goods on demand that have no subscription and never had an item. */
  constructor(onUnused: (goods: ShelvedGoods) => void) {
    this.#onUnused = onUnused;
  }

  /** Notes goods that a subscription has joined or left. */
  note(goods: ShelvedGoods): void {
    this.#changed.add(goods);
  }

  /** Tells the providers of changed demand. Call it after the operation that changed the demand is complete. */
  notifyChanges(): void {
    for (const goods of this.#changed) {
      this.#changed.delete(goods);
      if (!goods.isRemoved) this.notify(goods);
    }
  }

  /** Tells the provider of some goods whether there is demand, if that has changed. */
  notify(goods: ShelvedGoods): void {
    // Otherwise a client could fill the shelf by subscribing to names for which nothing is ever supplied.
    if (goods.notifyDemand() && goods.isUnused) this.#onUnused(goods);
  }
}

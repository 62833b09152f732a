import type { HistoryOptions } from '../definition/goods.ts';
import type { Kind } from '../definition/item.ts';
import type { Position } from '../definition/position.ts';

/** Items that were supplied together, on their way to every market. */
export interface Supply {
  readonly kind: Kind;
  /** JSON values, texts, or `Uint8Array`s, which nobody alters any more; at least one. */
  readonly items: readonly unknown[];
  /** The items as JSON, if the supplying market has made it anyway: for an implementation that has to encode them. */
  readonly texts?: readonly string[] | undefined;
}

/** A supply in its place: the first item has the offset, each next one the next. */
export interface Published extends Position, Supply {
  /** When, in milliseconds of the clock of whoever keeps it. */
  readonly time: number;
}

/** Gets what is published of goods, in the order of the offsets, without holes and each once. */
export type BackplaneListener = (published: Published) => void;

/**
 * What joins markets of several processes to one: a log of items for each goods, with one counting for all. Methods may answer at once or with
 * a promise; who implements it runs `test/goods/backplane/backplane-contract.ts` against it.
 */
export interface Backplane {
  /**
   * Adds a supply to the log of some goods, and hands it to all who have subscribed to them, the publishing market among them.
   * @returns The position of its last item, once that is certain.
   */
  publish(goods: string, supply: Supply, history: HistoryOptions): Position | Promise<Position>;
  /** Begins to hand over what is published behind the position that it returns. A second listener to the same goods is another one. */
  subscribe(goods: string, listener: BackplaneListener): Position | Promise<Position>;
  /** Undoes {@link subscribe}. Nothing is handed over any more when it returns. */
  unsubscribe(goods: string, listener: BackplaneListener): void | Promise<void>;
  /** The latest items that are kept, at most so many, oldest first; in supplies of one item each. */
  history(goods: string, count: number): readonly Published[] | Promise<readonly Published[]>;
  /** Whom to call when what was published may not have been handed over: the market then begins anew with those goods. */
  onGap(listener: (goods: string) => void): void;
}

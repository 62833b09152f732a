import type { HistoryOptions } from '../definition/goods.ts';
import type { Kind } from '../definition/item.ts';
import type { Position } from '../definition/position.ts';

/** Items that were supplied together. */
export interface Supply {
  readonly kind: Kind;
  /** JSON values, strings, or `Uint8Array`s. At least one. They must not be changed any more. */
  readonly items: readonly unknown[];
  /** The items as JSON, if the supplying market has it already. An implementation that encodes items can use it. */
  readonly texts?: readonly string[] | undefined;
}

/** A supply with its position: the offset of the first item. Those of the others follow. */
export interface Published extends Position, Supply {
  /** Milliseconds of the clock of the backplane. */
  readonly time: number;
}

/** Called with what is published of goods: in the order of the offsets, without holes, each offset once. */
export type BackplaneListener = (published: Published) => void;

/**
 * Joins the markets of several processes to one. It has a log of items for each goods, with one count of offsets for all markets. Methods may
 * return at once or a promise. Implementations run the tests of `test/goods/backplane/backplane-contract.ts`.
 */
export interface Backplane {
  /**
   * Adds a supply to the log of some goods, and calls all listeners of these goods, in the publishing market too.
   * @returns The position of the last item, when it is certain.
   */
  publish(goods: string, supply: Supply, history: HistoryOptions): Position | Promise<Position>;
  /** Adds a listener for what is published behind the position that it returns. Goods may have several listeners. */
  subscribe(goods: string, listener: BackplaneListener): Position | Promise<Position>;
  /** Removes a listener. It is not called any more once this returns. */
  unsubscribe(goods: string, listener: BackplaneListener): void | Promise<void>;
  /** Returns the latest items that are kept, at most `count`, oldest first. Each supply has one item. */
  history(goods: string, count: number): readonly Published[] | Promise<readonly Published[]>;
  /** Adds a function to call if published items may have been lost. The market then loads those goods anew. */
  onGap(listener: (goods: string) => void): void;
}

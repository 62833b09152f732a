import type { Backplane, Published } from '../backplane/backplane.ts';
import { packItem } from '../definition/item.ts';
import { after, isPromise } from '../definition/maybe-promise.ts';
import type { Position } from '../definition/position.ts';
import type { HistoryEntry } from './history.ts';
import type { Observer } from './observer.ts';
import type { ShelvedGoods } from './shelved-goods.ts';

/** Calls that a {@link BackplaneFeed} makes to its shelf. */
export interface FeedHooks {
  /** Called when goods have been loaded from the backplane. */
  ready(goods: ShelvedGoods): void;
  /** Called with the entries of items that were published. May throw what `goods.append` throws. */
  appended(goods: ShelvedGoods, entries: readonly HistoryEntry[]): void;
  /** Called when the backplane has failed for some goods. */
  failed(goods: ShelvedGoods): void;
  /** Called when items of goods may be missing. */
  gap(name: string): void;
}

/** Connects shelved goods to the backplane: loads them, publishes what is supplied, and takes what was published. */
export class BackplaneFeed {
  readonly #backplane: Backplane;
  readonly #observer: Observer;
  readonly #hooks: FeedHooks;

  constructor(backplane: Backplane, observer: Observer, hooks: FeedHooks) {
    this.#backplane = backplane;
    this.#observer = observer;
    this.#hooks = hooks;
    backplane.onGap((goods) => hooks.gap(goods));
  }

  /** Subscribes to goods and loads them. Throws nothing. */
  open(goods: ShelvedGoods): void {
    const { name, historyOptions } = goods;
    try {
      const loaded = after(this.#backplane.subscribe(name, goods.listener), (position) =>
        after(this.#backplane.history(name, historyOptions.size), (history) => ({ position, history })),
      );
      if (!isPromise(loaded)) {
        this.#load(goods, loaded.position, loaded.history);
        return;
      }
      goods.waitFor(
        loaded
          .then(({ position, history }) => this.#load(goods, position, history))
          .catch((error: unknown) => this.#fail(goods, error)),
      );
    } catch (error) {
      this.#fail(goods, error);
    }
  }

  /** Unsubscribes from goods. Throws nothing. */
  close(goods: ShelvedGoods): void {
    try {
      const done = this.#backplane.unsubscribe(goods.name, goods.listener);
      if (isPromise(done)) done.then(undefined, (error: unknown) => this.#report(goods, error));
    } catch (error) {
      this.#report(goods, error);
    }
  }

  /**
   * Publishes items.
   * @throws RangeError if there is none; TypeError if one is no item of these goods; what the backplane throws.
   */
  publish(goods: ShelvedGoods, items: readonly unknown[]): Position | Promise<Position> {
    if (items.length === 0) throw new RangeError('There is no item to supply');
    const { kind, options } = goods.definition;
    const isSharedAsIs = options.tailor === undefined || kind !== 'json';
    const packed = isSharedAsIs ? items.map((item) => packItem(kind, item)) : null;
    const texts = kind === 'bytes' || packed === null ? undefined : (packed as string[]);
    // Bytes are copied: the application may reuse its buffer.
    const own = kind === 'bytes' ? (packed as Uint8Array[]).map((bytes) => new Uint8Array(bytes)) : [...items];
    const position = this.#backplane.publish(goods.name, { kind, items: own, texts }, goods.historyOptions);
    if (isPromise(position)) position.then(undefined, (error: unknown) => this.#report(goods, error));
    return position;
  }

  /** Takes a supply that was published. Throws nothing: the backplane calls further listeners after this one. */
  receive(goods: ShelvedGoods, published: Published): void {
    if (goods.isRemoved) return;
    try {
      this.#take(goods, published);
    } catch (error) {
      // The goods of another market may be of another kind.
      this.#fail(goods, error);
    }
  }

  #take(goods: ShelvedGoods, published: Published): void {
    if (goods.holdWhileLoading(published)) return;
    const entries = goods.append(published);
    if (entries === null) this.#hooks.gap(goods.name);
    else if (entries.length > 0) this.#hooks.appended(goods, entries);
  }

  #load(goods: ShelvedGoods, position: Position, history: readonly Published[]): void {
    for (const published of goods.load(position, history)) this.receive(goods, published);
    // A `tailor` that was called for these items may have taken the goods off the shelf.
    if (!goods.isRemoved) this.#hooks.ready(goods);
  }

  #fail(goods: ShelvedGoods, error: unknown): void {
    this.#report(goods, error);
    goods.failToLoad();
    if (!goods.isRemoved) this.#hooks.failed(goods);
  }

  #report(goods: ShelvedGoods, error: unknown): void {
    this.#observer.failure({ place: 'backplane', goods: goods.name, variant: undefined, error });
  }
}

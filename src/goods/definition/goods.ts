import { hasStars, isGoodsName, isPattern, matches } from './goods-name.ts';
import type { Kind } from './item.ts';
import type { Validator } from './validator.ts';

/** A connection to a market, with its user. */
export interface Subscriber<User = unknown> {
  /** Number that identifies the connection within the market. */
  readonly id: number;
  /** The value that `identify` returned. */
  readonly user: User;
}

/** Action that `authorize` decides on. `resume` is a subscribe that continues an earlier one. */
export type Action = 'subscribe' | 'resume' | 'supply' | 'shelve';

/** A request that `authorize` decides on. */
export interface AccessRequest<Params = unknown> {
  readonly action: Action;
  /** Name of the goods. For a subscribe with a pattern, `authorize` is called once for each goods that matches. */
  readonly goods: string;
  /** Params as the client sent them, not validated yet; undefined for supply and shelve. */
  readonly params: Params | undefined;
}

/** Number and age of the items that are kept for subscribers that come, or come back, later. */
export interface HistoryOptions {
  /** Maximum number of items. An integer of at least 0. */
  readonly size: number;
  /** Milliseconds after which an item expires; above 0, at most 2^31-1. Default: items do not expire. */
  readonly ttl?: number | undefined;
}

/**
 * Policy for a subscriber that reads too slowly. Its items are not queued: it falls behind along the history. When it reads again it gets
 * the latest item only (`conflate`), or the items that the history still has (`drop-oldest`). With `disconnect` it is disconnected as soon as
 * the history no longer has the item that it needs next, so that it comes back and resumes.
 */
export type Overflow = 'conflate' | 'drop-oldest' | 'disconnect';

/** Options of goods. The market calls the methods; a client never does. */
export interface GoodsOptions<Item = unknown, Params = unknown, User = unknown> {
  /** Checks the params of a subscribe, and may fill in defaults. Default: params are refused, unless there is `variant`. */
  readonly params?: Validator<Params> | undefined;
  /** Checks items that clients supply. Default: any item of the kind is accepted. */
  readonly item?: Validator<Item> | undefined;
  /**
   * Returns the variant that a subscriber gets: a text of at most 255 bytes of UTF-8. Subscribers of the same variant share every frame.
   * Default: one variant for all.
   */
  variant?(subscriber: Subscriber<User>, params: Params): string;
  /** Returns an item in a variant, and not a promise; undefined to leave the item out of the variant. Default: the item as it is. */
  tailor?(item: Item, variant: string, goods: string): unknown;
  /** Default: the latest item, which does not expire. An item of goods with `tailor` must not be changed while it is kept. */
  readonly history?: HistoryOptions | undefined;
  /** Policy for slow subscribers. Default `drop-oldest`. */
  readonly overflow?: Overflow | undefined;
  /** Returns true if a subscriber may do what it asks for. If it throws or rejects, the request is refused. Default: every request is allowed. */
  authorize?(subscriber: Subscriber<User>, request: AccessRequest): boolean | Promise<boolean>;
  /** True if clients may supply items, if `authorize` allows it. Default false. */
  readonly remote?: boolean | undefined;
  /** True if frames may be compressed. Set it to false if a frame holds a secret beside text that others choose. Default true. */
  readonly compress?: boolean | undefined;
  /** True if the catalog lists the goods. Default true. */
  readonly listed?: boolean | undefined;
}

const kinds: readonly unknown[] = ['json', 'text', 'bytes'];
const overflows: readonly unknown[] = ['conflate', 'drop-oldest', 'disconnect'];
const maxTtl = 2 ** 31 - 1;

/** A definition of goods, which both sides share. Created by {@link defineGoods}. */
export class Goods<Item = unknown, Params = unknown, User = unknown> {
  /** A name, or a pattern for goods that are created on demand. */
  readonly name: string;
  /** Kind of the items. */
  readonly kind: Kind;
  /** Options of the definition. */
  readonly options: GoodsOptions<Item, Params, User>;
  /** For the type checker only; never set. */
  declare readonly types?: { readonly item: Item; readonly params: Params };

  /**
   * Creates a definition; {@link defineGoods} does so too, with the types of each kind.
   * @throws TypeError or RangeError if the definition is invalid.
   */
  constructor(name: string, kind: Kind, options: GoodsOptions<Item, Params, User>) {
    if (!isPattern(name)) throw new TypeError(`${JSON.stringify(name)} is not a name of goods`);
    if (!kinds.includes(kind)) throw new TypeError(`The kind of goods is json, text or bytes; got ${String(kind)}`);
    const { overflow, history } = options;
    if (overflow !== undefined && !overflows.includes(overflow)) {
      throw new TypeError(`overflow is conflate, drop-oldest or disconnect; got ${String(overflow)}`);
    }
    if (history !== undefined) {
      const { size, ttl } = history;
      if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`history.size is an integer ≥ 0; got ${size}`);
      if (ttl !== undefined && !(ttl > 0 && ttl <= maxTtl)) {
        throw new RangeError(`history.ttl is above 0 and at most ${maxTtl} milliseconds; got ${ttl}`);
      }
    }
    this.name = name;
    this.kind = kind;
    this.options = options;
  }

  /** True if the name has stars. */
  get isPattern(): boolean {
    return hasStars(this.name);
  }

  /** Returns the definition of one goods of this pattern. @throws RangeError if the pattern does not match the name. */
  named(name: string): Goods<Item, Params, User> {
    if (!isGoodsName(name) || !matches(this.name, name)) {
      throw new RangeError(`${JSON.stringify(name)} is not a name that ${this.name} matches`);
    }
    return new Goods(name, this.kind, this.options);
  }
}

/**
 * Defines goods whose items are bytes, text or JSON values. Both sides use it: the market and the client.
 * @param name Segments separated by `/`. With a segment `*` or `**` it defines all goods that match; they are created on demand.
 * @throws TypeError or RangeError if the name or an option is invalid.
 *
 * @example
 * ```ts
 * import { defineGoods } from 'goodwire/goods';
 *
 * const rates: Record<string, number> = { CNY: 1, EUR: 0.12 };
 * // `params` may be a function, or a schema of zod, valibot or arktype.
 * const apple = defineGoods<{ variety: string; price: number }, { currency: string }>('fruit/apple', {
 *   params: (value) => ({ currency: String((value as { currency?: unknown }).currency) }),
 *   variant: (_subscriber, { currency }) => currency,
 *   tailor: (item, currency) => ({ ...item, price: item.price * (rates[currency] ?? 1) }),
 * });
 * ```
 */
export function defineGoods<Item extends Uint8Array, Params = undefined, User = unknown>(
  name: string,
  options: GoodsOptions<Item, Params, User> & { readonly kind: 'bytes' },
): Goods<Item, Params, User>;
export function defineGoods<Item extends string, Params = undefined, User = unknown>(
  name: string,
  options: GoodsOptions<Item, Params, User> & { readonly kind: 'text' },
): Goods<Item, Params, User>;
export function defineGoods<Item, Params = undefined, User = unknown>(
  name: string,
  options?: GoodsOptions<Item, Params, User> & { readonly kind?: 'json' | undefined },
): Goods<Item, Params, User>;
export function defineGoods<Item, Params, User>(
  name: string,
  options: GoodsOptions<Item, Params, User> & { readonly kind?: Kind | undefined } = {},
): Goods<Item, Params, User> {
  return new Goods(name, options.kind ?? 'json', options);
}

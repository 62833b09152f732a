import { hasStars, isGoodsName, isPattern, matches } from './goods-name.ts';
import type { Kind } from './item.ts';
import type { Validator } from './validator.ts';

/** Who subscribes: a connection, and whom the market takes it for. */
export interface Subscriber<User = unknown> {
  /** A number of its own within the market. */
  readonly id: number;
  /** What the market's `identify` returned for it. */
  readonly user: User;
}

/** What a subscriber wants to do: asked of `authorize` every time. `resume` is a subscribe that continues an earlier one. */
export type Action = 'subscribe' | 'resume' | 'supply' | 'shelve';

/** What `authorize` is asked. */
export interface AccessRequest<Params = unknown> {
  readonly action: Action;
  /** The name; for a pattern it is asked once for each goods that matches. */
  readonly goods: string;
  /** What was sent, not validated yet; undefined for supply and shelve. */
  readonly params: Params | undefined;
}

/** What of the items of goods is kept for those who come, or come back, later. */
export interface HistoryOptions {
  /** How many items. */
  readonly size: number;
  /** For how many milliseconds. Default: for ever. */
  readonly ttl?: number | undefined;
}

/**
 * What a subscriber gets that reads too slowly. Its items are not queued: it falls behind along the history, and when it reads
 * again it gets the latest item only (`conflate`), what the history still has (`drop-oldest`), or it is disconnected as soon as
 * the history no longer has what it needs (`disconnect`), to come back and resume.
 */
export type Overflow = 'conflate' | 'drop-oldest' | 'disconnect';

/** How goods are made and given out. The methods are called by the market only, never by a client. */
export interface GoodsOptions<Item = unknown, Params = unknown, User = unknown> {
  /** Checks the params of a subscribe, and may fill in defaults. Default: none are taken, unless there is `variant`. */
  readonly params?: Validator<Params> | undefined;
  /** Checks items that clients supply. Default: any are taken. */
  readonly item?: Validator<Item> | undefined;
  /** Which variant a subscriber gets: text of at most 255 octets. Those with the same one share every octet. Default: all share one. */
  variant?(subscriber: Subscriber<User>, params: Params): string;
  /** Makes an item for a variant, in place and not later; undefined leaves the variant out. Default: the item as it is. */
  tailor?(item: Item, variant: string, goods: string): unknown;
  /** Default: the latest item, for ever. While it is kept, an item that goes through `tailor` must not be altered. */
  readonly history?: HistoryOptions | undefined;
  /** Default `drop-oldest`. */
  readonly overflow?: Overflow | undefined;
  /** Whether a subscriber may. Default: yes. Throwing is a no. */
  authorize?(subscriber: Subscriber<User>, request: AccessRequest): boolean | Promise<boolean>;
  /** Whether clients may supply items, if `authorize` lets them. Default false. */
  readonly remote?: boolean | undefined;
  /** Whether frames may be compressed: not where one holds a secret beside text that others choose. Default true. */
  readonly compress?: boolean | undefined;
  /** Whether the catalog has it. Default true. */
  readonly listed?: boolean | undefined;
}

const kinds: readonly unknown[] = ['json', 'text', 'bytes'];
const overflows: readonly unknown[] = ['conflate', 'drop-oldest', 'disconnect'];
const maxTtl = 2 ** 31 - 1;

/** The definition of goods: what both sides share. Made by {@link defineGoods}. */
export class Goods<Item = unknown, Params = unknown, User = unknown> {
  /** A name, or a pattern for goods that are made when they are asked for. */
  readonly name: string;
  readonly kind: Kind;
  readonly options: GoodsOptions<Item, Params, User>;
  /** Only for the type checker. */
  declare readonly types?: { readonly item: Item; readonly params: Params };

  /** @throws TypeError or RangeError for what is no definition. */
  constructor(name: string, kind: Kind, options: GoodsOptions<Item, Params, User>) {
    if (!isPattern(name)) throw new TypeError(`${JSON.stringify(name)} is no name of goods`);
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

  /** Whether the name has stars. */
  get isPattern(): boolean {
    return hasStars(this.name);
  }

  /** Goods of a pattern by their name, defined the same. @throws RangeError for a name that the pattern does not match. */
  named(name: string): Goods<Item, Params, User> {
    if (!isGoodsName(name) || !matches(this.name, name)) {
      throw new RangeError(`${JSON.stringify(name)} is no name that ${this.name} matches`);
    }
    return new Goods(name, this.kind, this.options);
  }
}

/**
 * Defines goods made of octets, of text, or of JSON values; for both sides, the market's and the client's.
 *
 * ```ts
 * const apple = defineGoods<Apple, { currency: string }>('fruit/apple', {
 *   params: z.object({ currency: z.enum(['CNY', 'EUR']) }),
 *   variant: (_subscriber, { currency }) => currency,
 *   tailor: (item, currency) => ({ ...item, price: convert(item.price, currency) }),
 * });
 * ```
 * @param name Segments apart by `/`; with a segment `*` or `**` it defines all goods that match, which are made when asked for.
 * @throws TypeError or RangeError for what is no name, or for options that are not valid.
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

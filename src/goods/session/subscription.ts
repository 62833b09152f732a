import { hasStars, matches } from '../definition/goods-name.ts';
import type { GoodsStream, ShelvedGoods } from '../shelf/shelved-goods.ts';
import type { SubscriptionEntry } from '../wire/frames.ts';
import { StreamMap } from './stream-map.ts';

/** Identifies a subscription within a session. No pattern contains a line break. */
export function subscriptionKey(pattern: string, paramsText: string): string {
  return paramsText === '' ? pattern : `${pattern}\n${paramsText}`;
}

/** One subscription of a session: a name or a pattern with params, and the streams that it leads to. */
export class Subscription {
  /** {@link subscriptionKey} of the pattern and the params. */
  readonly key: string;
  /** Name or pattern, as in the request. */
  readonly pattern: string;
  readonly params: unknown;
  /** Number of the latest items to send for goods that are shelved later. */
  readonly last: number;
  readonly #streams = new StreamMap();
  /** Patterns of goods that were revoked from this subscription. */
  #revoked: readonly string[] | null = null;

  constructor(key: string, pattern: string, params: unknown, last: number) {
    this.key = key;
    this.pattern = pattern;
    this.params = params;
    this.last = last;
  }

  get streams(): Iterable<GoodsStream> {
    return this.#streams.values();
  }

  /** Returns the stream of some goods. */
  streamOf(name: string): GoodsStream | undefined {
    return this.#streams.get(name);
  }

  /** Returns true if the subscription may lead to goods of a name: the pattern matches, and they were not revoked. */
  covers(name: string): boolean {
    if (!hasStars(this.pattern)) return this.pattern === name;
    return matches(this.pattern, name) && !this.isRevoked(name);
  }

  /** Returns true if goods of a name were revoked from this subscription. */
  isRevoked(name: string): boolean {
    return this.#revoked?.some((pattern) => matches(pattern, name)) ?? false;
  }

  /** Keeps the subscription from leading to goods that a pattern matches, also to those shelved later. */
  revoke(pattern: string): void {
    if (this.#revoked?.includes(pattern)) return;
    this.#revoked = [...(this.#revoked ?? []), pattern];
  }

  /** Joins the stream of goods in a variant. The caller must have left the stream of another variant. */
  join(goods: ShelvedGoods, variant: string): GoodsStream {
    const stream = goods.stream(variant);
    stream.join();
    this.#streams.set(goods.name, stream);
    return stream;
  }

  leave(stream: GoodsStream): void {
    this.#streams.delete(stream.shelved.name);
    stream.leave();
  }

  /** Forgets the stream of goods that were taken off the shelf. */
  forget(stream: GoodsStream): void {
    this.#streams.delete(stream.shelved.name);
  }

  /** The subscription as the reply to `subscriptions` lists it. */
  get entry(): SubscriptionEntry {
    const streams = [...this.#streams.values()].map(({ announcement }) => announcement);
    return { goods: this.pattern, params: this.params, streams };
  }
}

import type { Since, Stream } from '../wire/frames.ts';
import { WireError } from '../wire/goods-error.ts';
import { Backlog, type BacklogOptions } from './backlog.ts';
import { BacklogError } from './client-errors.ts';
import { type Delivery, type Gap, type GapReason, gapReasons, joinGaps } from './delivery.ts';
import { StreamCursor, type StreamListener } from './stream-cursor.ts';

/** How a subscription is made. */
export interface SubscribeOptions<Item = unknown> {
  /** How many of the latest items to begin with, as far as the market keeps them. Default 1. */
  readonly last?: number | undefined;
  /** Aborting ends the subscription, whatever it is at; who waits gets the reason. */
  readonly signal?: AbortSignal | undefined;
  /** What waits until the program takes it. Default: 1000 items, of which the oldest go. */
  readonly buffer?: BacklogOptions | undefined;
  /** Called with each item, in place of the iterator. What it throws goes to the client's `error` event, and is an uncaught exception where nobody listens to that. */
  readonly onItem?: ((delivery: Delivery<Item>) => void) | undefined;
  /** Called as soon as it is known that items are missing; the next delivery of those goods says so too. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
}

/** What a {@link Subscription} asks of its client. @internal */
export interface SubscriptionOwner {
  leave(subscription: Subscription): Promise<void>;
  report(error: unknown): void;
}

/** Twice what a market makes by default: one that tells of more means no good. */
const maxStreams = 200_000;
/** Goods that have gone and may come back, whose positions are kept. */
const maxRetired = 1000;

interface Waiter<Item> {
  resolve(result: IteratorResult<Delivery<Item>, undefined>): void;
  reject(error: unknown): void;
}

/**
 * What a client gets of goods, or of all goods that match a pattern: an async iterator of deliveries, each offset once and in order. Leaving a
 * `for await` loop unsubscribes.
 */
export class Subscription<Item = unknown> implements AsyncIterableIterator<Delivery<Item>, undefined>, StreamListener {
  readonly goods: string;
  readonly params: unknown;
  /** @internal */
  readonly last: number;
  /** By the name of the goods. @internal */
  readonly cursors = new Map<string, StreamCursor>();
  readonly #owner: SubscriptionOwner;
  readonly #options: SubscribeOptions<Item>;
  readonly #backlog: Backlog<Item>;
  readonly #gaps = new Map<string, Gap>();
  /** Names of goods that have gone off the shelf, the longest gone first. */
  readonly #gone = new Set<string>();
  #hasBegun = false;
  #waiters: Waiter<Item>[] = [];
  #end: { readonly error: unknown } | null = null;
  #onEnd: () => void = () => {};

  /** @internal Made by `GoodsClient.subscribe`. @throws RangeError or TypeError for options that are not valid. */
  constructor(goods: string, params: unknown, options: SubscribeOptions<Item>, owner: SubscriptionOwner) {
    const { last = 1, buffer } = options;
    if (!Number.isSafeInteger(last) || last < 0) throw new RangeError(`last is an integer ≥ 0; got ${last}`);
    this.goods = goods;
    this.params = params;
    this.last = last;
    this.#options = options;
    this.#owner = owner;
    this.#backlog = new Backlog(buffer);
  }

  /** Whether the market has ever confirmed it. @internal */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get isEnded(): boolean {
    return this.#end !== null;
  }

  /** Where it stands: what a subscribe that resumes needs. */
  get positions(): Since[] {
    return [...this.cursors].map(([goods, { epoch, position }]) => ({ goods, epoch, offset: position }));
  }

  /** The next delivery. Rejects with what ended the subscription, if something did that this program has not asked for. */
  next(): Promise<IteratorResult<Delivery<Item>, undefined>> {
    const value = this.#backlog.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#end === null) return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
    const { error } = this.#end;
    this.#end = { error: undefined };
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
  }

  async return(): Promise<IteratorResult<Delivery<Item>, undefined>> {
    await this.unsubscribe();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends it; what waits is dropped. @returns When the market has ended it, or the connection is gone. */
  unsubscribe(): Promise<void> {
    if (this.#end !== null) return Promise.resolve();
    this.#backlog.clear();
    this.end();
    return this.#owner.leave(this as Subscription);
  }

  /** Ends it when the signal aborts, as long as it lasts. @internal */
  endOnAbort(signal: AbortSignal, abort: () => void): void {
    signal.addEventListener('abort', abort, { once: true });
    // A signal may outlive many subscriptions.
    this.#onEnd = () => signal.removeEventListener('abort', abort);
  }

  /** @internal */
  end(error?: unknown): void {
    if (this.#end !== null) return;
    this.#onEnd();
    for (const cursor of this.cursors.values()) cursor.isEnded = true;
    this.#end = { error };
    const [first, ...others] = this.#waiters.splice(0);
    if (first === undefined) return;
    this.#end = { error: undefined };
    if (error === undefined) first.resolve({ done: true, value: undefined });
    else first.reject(error);
    for (const { resolve } of others) resolve({ done: true, value: undefined });
  }

  /**
   * Takes note of the names of the streams in the market's reply.
   * @param isFirst Whether it is the first reply on this connection.
   * @internal
   */
  begin(names: ReadonlySet<string>, isFirst: boolean): void {
    const isResumed = this.#hasBegun && isFirst;
    this.#hasBegun = true;
    if (!isResumed) return;
    for (const cursor of [...this.cursors.values()]) {
      if (cursor.isEnded || names.has(cursor.goods)) continue;
      // They went while nobody was listening, and nobody knows what came before that.
      this.retire(cursor);
      this.miss(cursor, 'not-recovered', cursor.position + 1, null);
    }
  }

  /** Goods have gone off the shelf. Until where they were had is kept, for the case that they come back. @internal */
  retire(cursor: StreamCursor): void {
    cursor.isEnded = true;
    this.#gone.add(cursor.goods);
    if (this.#gone.size <= maxRetired) return;
    // Goods of a pattern may come and go under ever new names.
    const [longest] = this.#gone as unknown as [string];
    this.#gone.delete(longest);
    this.cursors.delete(longest);
    this.#gaps.delete(longest);
  }

  /**
   * Takes a stream that the market has told of.
   * @param isLate Whether items of goods that are new here may have been missed, because there was no connection.
   * @returns The cursor to lead its items to.
   * @throws WireError for more goods than any market has.
   * @internal
   */
  open(stream: Stream, isLate: boolean): StreamCursor {
    const before = this.cursors.get(stream.goods);
    if (before === undefined && this.cursors.size >= maxStreams) {
      throw new WireError(1007, `a subscription has more than ${maxStreams} goods`);
    }
    const cursor = new StreamCursor(stream, this.last, this);
    this.cursors.set(stream.goods, cursor);
    this.#gone.delete(stream.goods);
    if (before === undefined) {
      if (!isLate) return cursor;
      if (stream.offset > this.last) this.miss(cursor, 'not-recovered', null, null);
      else cursor.expectFrom(1);
      return cursor;
    }
    before.isEnded = true;
    const isSame = before.epoch === stream.epoch && before.position <= stream.offset;
    if (isSame && (stream.recovered === true || before.position === stream.offset)) {
      cursor.expectFrom(before.position + 1);
      return cursor;
    }
    if (before.epoch === stream.epoch) cursor.position = Math.max(cursor.position, before.position);
    // Goods that begin anew have lost nothing.
    if (stream.offset > 0 || stream.recovered !== undefined) this.miss(cursor, 'not-recovered', null, null);
    return cursor;
  }

  /** @internal */
  deliver({ goods, variant, epoch }: StreamCursor, offset: number, item: unknown): void {
    if (this.#end !== null) return;
    const gap = this.#gaps.get(goods) ?? null;
    this.#gaps.delete(goods);
    const delivery: Delivery<Item> = { goods, variant, epoch, offset, item: item as Item, gap };
    const { onItem } = this.#options;
    if (onItem !== undefined) {
      this.#call(() => onItem(delivery));
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: delivery });
      return;
    }
    const dropped = this.#backlog.push(delivery);
    if (dropped === 'full') {
      this.end(new BacklogError(this.goods, this.#backlog.size));
      void this.#owner.leave(this as Subscription);
    } else if (dropped !== null) this.#tell(dropped);
  }

  /** @internal */
  miss({ goods }: StreamCursor, reason: string, from: number | null, to: number | null): void {
    // A reason of a later version.
    const known = (gapReasons as readonly string[]).includes(reason) ? (reason as GapReason) : 'dropped';
    const gap: Gap = { goods, reason: known, from, to };
    this.#gaps.set(goods, joinGaps(this.#gaps.get(goods), gap)!);
    this.#tell(gap);
  }

  #tell(gap: Gap): void {
    const { onGap } = this.#options;
    if (onGap !== undefined) this.#call(() => onGap(gap));
  }

  #call(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#owner.report(error);
    }
  }
}

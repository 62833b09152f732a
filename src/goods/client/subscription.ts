import type { Since, Stream } from '../wire/frames.ts';
import { WireError } from '../wire/goods-error.ts';
import { Backlog, type BacklogOptions } from './backlog.ts';
import { BacklogError } from './client-errors.ts';
import { type Delivery, type Gap, type GapReason, gapReasons, joinGaps } from './delivery.ts';
import { StreamCursor, type StreamListener } from './stream-cursor.ts';

/** Options of a subscription. */
export interface SubscribeOptions<Item = unknown> {
  /** Number of the latest items to begin with, as far as the market keeps them. An integer of at least 0. Default 1. */
  readonly last?: number | undefined;
  /** Aborting ends the subscription at any time. Callers that wait get the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
  /** Limits the items that wait until the application takes them. Default: 1000 items, of which the oldest are dropped. */
  readonly buffer?: BacklogOptions | undefined;
  /**
   * Called with each item, in place of the iterator. What it throws goes to the client's `error` event. Without a listener for that event it
   * is an uncaught exception.
   */
  readonly onItem?: ((delivery: Delivery<Item>) => void) | undefined;
  /** Called as soon as it is known that items are missing. The next delivery of those goods reports them too. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
}

/** Calls that a {@link Subscription} makes to its client. @internal */
export interface SubscriptionOwner {
  leave(subscription: Subscription): Promise<void>;
  report(error: unknown): void;
}

/** Maximum number of streams of a subscription: twice the goods that a market creates by default. A market with more is hostile. */
const maxStreams = 200_000;
/** Maximum number of goods off the shelf whose positions are kept. */
const maxRetired = 1000;

interface Waiter<Item> {
  resolve(result: IteratorResult<Delivery<Item>, undefined>): void;
  reject(error: unknown): void;
}

/**
 * A subscription of a client to goods, or to all goods that a pattern matches: an async iterator of deliveries, each offset once and in
 * order. Leaving a `for await` loop unsubscribes.
 */
export class Subscription<Item = unknown> implements AsyncIterableIterator<Delivery<Item>>, StreamListener {
  /** Name or pattern that was subscribed to. */
  readonly goods: string;
  /** Params as the market reads them, from JSON. */
  readonly params: unknown;
  /** @internal */
  readonly last: number;
  readonly #owner: SubscriptionOwner;
  readonly #options: SubscribeOptions<Item>;
  readonly #backlog: Backlog<Item>;
  /** By the name of the goods. */
  readonly #cursors = new Map<string, StreamCursor>();
  /** Gaps that the next delivery of their goods will report. */
  readonly #gaps = new Map<string, Gap>();
  /** Names of goods that were taken off the shelf, in the order in which that happened. */
  readonly #retired = new Set<string>();
  #hasBegun = false;
  #waiters: Waiter<Item>[] = [];
  #end: { readonly error: unknown } | null = null;
  #onEnd: () => void = () => {};

  /** Created by `GoodsClient.subscribe`. @throws RangeError or TypeError if an option is invalid. @internal */
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

  // For the application.

  /** True if the subscription has ended: it was unsubscribed, revoked or refused, or the client was closed. */
  get isEnded(): boolean {
    return this.#end !== null;
  }

  /** Offset of the last item that arrived or was skipped, for each goods. */
  get positions(): Since[] {
    return [...this.#cursors].map(([goods, { epoch, position }]) => ({ goods, epoch, offset: position }));
  }

  /** Returns the next delivery. Rejects once with the error that has ended the subscription, if the application has not ended it. */
  next(): Promise<IteratorResult<Delivery<Item>, undefined>> {
    const value = this.#backlog.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#end === null) return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
    const { error } = this.#end;
    this.#end = { error: undefined };
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
  }

  /** Unsubscribes. Called when a `for await` loop is left. */
  async return(): Promise<IteratorResult<Delivery<Item>, undefined>> {
    await this.unsubscribe();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the subscription. Discards the items that wait. @returns A promise that is fulfilled when the market has ended it. */
  unsubscribe(): Promise<void> {
    if (this.#end !== null) return Promise.resolve();
    this.#backlog.clear();
    this.end();
    return this.#owner.leave(this as Subscription);
  }

  // For the client.

  /** True if the market has ever confirmed the subscription. @internal */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** @internal */
  get cursors(): Iterable<StreamCursor> {
    return this.#cursors.values();
  }

  /** @internal */
  cursorOf(goods: string): StreamCursor | undefined {
    return this.#cursors.get(goods);
  }

  /** Calls a function when the signal aborts, as long as the subscription lasts. @internal */
  endOnAbort(signal: AbortSignal, abort: () => void): void {
    signal.addEventListener('abort', abort, { once: true });
    // Otherwise a signal that outlives many subscriptions would keep all of them in memory.
    this.#onEnd = () => signal.removeEventListener('abort', abort);
  }

  /** @internal */
  end(error?: unknown): void {
    if (this.#end !== null) return;
    this.#onEnd();
    for (const cursor of this.#cursors.values()) cursor.end();
    this.#end = { error };
    const [first, ...others] = this.#waiters.splice(0);
    if (first === undefined) return;
    this.#end = { error: undefined };
    if (error === undefined) first.resolve({ done: true, value: undefined });
    else first.reject(error);
    for (const { resolve } of others) resolve({ done: true, value: undefined });
  }

  /**
   * Takes the names of the goods in the market's reply. Goods that were there before the connection was lost, and are not any more, are
   * reported as a gap.
   * @param isFirst True if it is the first reply on this connection.
   * @internal
   */
  begin(names: ReadonlySet<string>, isFirst: boolean): void {
    const isResumed = this.#hasBegun && isFirst;
    this.#hasBegun = true;
    if (!isResumed) return;
    for (const cursor of [...this.#cursors.values()]) {
      if (cursor.isEnded || names.has(cursor.goods)) continue;
      // The goods were taken off the shelf while there was no connection. The items before that are unknown.
      this.retire(cursor);
      this.miss(cursor, 'not-recovered', cursor.position + 1, null);
    }
  }

  /** Ends the stream of goods that were taken off the shelf. Keeps the position, in case that they come back. @internal */
  retire(cursor: StreamCursor): void {
    cursor.end();
    this.#retired.add(cursor.goods);
    if (this.#retired.size <= maxRetired) return;
    // Otherwise goods that come and go under ever new names would fill the memory.
    const [oldest] = this.#retired as unknown as [string];
    this.#retired.delete(oldest);
    this.#cursors.delete(oldest);
    this.#gaps.delete(oldest);
  }

  /** Forgets the stream of goods. @returns Its cursor. @internal */
  drop(goods: string): StreamCursor | undefined {
    const cursor = this.#cursors.get(goods);
    this.#cursors.delete(goods);
    return cursor;
  }

  /**
   * Takes a stream that the market has announced.
   * @param isLate True if items of goods that are new here may have been missed, because there was no connection.
   * @returns The cursor that gets its items.
   * @throws WireError if there are more goods than any market has.
   * @internal
   */
  open(stream: Stream, isLate: boolean): StreamCursor {
    const before = this.#cursors.get(stream.goods);
    if (before === undefined && this.#cursors.size >= maxStreams) {
      throw new WireError(1007, `a subscription has more than ${maxStreams} goods`);
    }
    const cursor = new StreamCursor(stream, this.last, this);
    this.#cursors.set(stream.goods, cursor);
    this.#retired.delete(stream.goods);
    if (before === undefined) {
      if (isLate) this.#openLate(cursor, stream.offset);
    } else this.#resume(before, cursor, stream);
    return cursor;
  }

  #openLate(cursor: StreamCursor, offset: number): void {
    if (offset > this.last) this.miss(cursor, 'not-recovered', null, null);
    else cursor.expectFrom(1);
  }

  #resume(before: StreamCursor, cursor: StreamCursor, stream: Stream): void {
    before.end();
    const isSameEpoch = before.epoch === stream.epoch;
    const isContinued = isSameEpoch && before.position <= stream.offset;
    if (isContinued && (stream.recovered === true || before.position === stream.offset)) {
      cursor.expectFrom(before.position + 1);
      return;
    }
    if (isSameEpoch) cursor.ignoreUpTo(before.position);
    // Goods without an item that count anew have lost nothing.
    if (stream.offset > 0 || stream.recovered !== undefined) this.miss(cursor, 'not-recovered', null, null);
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
    } else if (dropped !== null) this.#reportGap(dropped);
  }

  /** @internal */
  miss({ goods }: StreamCursor, reason: string, from: number | null, to: number | null): void {
    // A market of a later version may give other reasons.
    const known = (gapReasons as readonly string[]).includes(reason) ? (reason as GapReason) : 'dropped';
    const gap: Gap = { goods, reason: known, from, to };
    this.#gaps.set(goods, joinGaps(this.#gaps.get(goods), gap)!);
    this.#reportGap(gap);
  }

  #reportGap(gap: Gap): void {
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

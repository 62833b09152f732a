import type { BytesFrame, ItemFrame, ItemsFrame, RevokedFrame, SkipFrame, Stream } from '../wire/frames.ts';
import { WireError } from '../wire/goods-error.ts';
import { formatRequest } from '../wire/text-codec.ts';
import { Backoff, type BackoffOptions } from './backoff.ts';
import type { ClientConnection, PendingRequest } from './client-connection.ts';
import { RevokedError } from './client-errors.ts';
import type { Connector } from './connector.ts';
import { mayPass } from './refusals.ts';
import type { Requests } from './requests.ts';
import { StreamRoutes } from './stream-routes.ts';
import type { Subscription } from './subscription.ts';

/** Maximum length of the positions in a request, in characters: half of the message size that a market allows by default. */
const maxSinceLength = 32_768;

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/** The subscriptions of a client. Those to the same goods and params share one subscription at the market. */
export class SubscriptionRegistry {
  readonly #connector: Connector;
  readonly #requests: Requests;
  readonly #pauses: BackoffOptions;
  /** By goods and params. */
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  /** Subscriptions that the market has never confirmed, with the callers that wait for that. */
  readonly #unconfirmed = new Map<Subscription, Waiter>();
  /** Subscriptions that the market has confirmed on this connection. */
  readonly #attached = new Set<Subscription>();
  /** Keys of the subscriptions that the market has on this connection. */
  readonly #confirmedKeys = new Set<string>();
  readonly #routes = new StreamRoutes();

  constructor(connector: Connector, requests: Requests, pauses: BackoffOptions) {
    this.#connector = connector;
    this.#requests = requests;
    this.#pauses = pauses;
  }

  // Beginning.

  /** Adds a subscription and asks the market for it. @returns A promise that is fulfilled when the market has confirmed it. */
  add(subscription: Subscription): Promise<void> {
    const key = keyOf(subscription);
    const subscriptions = this.#subscriptions.get(key) ?? new Set();
    this.#subscriptions.set(key, subscriptions.add(subscription));
    return new Promise<void>((resolve, reject) => {
      this.#unconfirmed.set(subscription, { resolve, reject });
      this.#connector.connection?.ask(this.#subscribing(subscription));
    });
  }

  /** Asks for all subscriptions, on a new connection. */
  subscribeAgain(connection: ClientConnection): void {
    for (const subscriptions of this.#subscriptions.values()) {
      for (const subscription of subscriptions) connection.ask(this.#subscribing(subscription));
    }
  }

  #subscribing(subscription: Subscription, backoff = new Backoff(this.#pauses)): PendingRequest {
    const { goods, params, last } = subscription;
    return {
      get isDropped() {
        return subscription.isEnded;
      },
      write: (id) => {
        const since = subscription.positions;
        // Positions that do not fit are left out. Their items are reported as a gap.
        while (JSON.stringify(since).length > maxSinceLength) since.length >>= 1;
        return formatRequest({ op: 'subscribe', id, goods, params, last, ...(since.length === 0 ? {} : { since }) });
      },
      settle: ({ streams }) => this.#confirm(subscription, streams),
      refuse: (error) => {
        if (mayPass(error, subscription.hasBegun) && !subscription.isEnded) {
          const pause = Math.max(backoff.next(), error.retryAfter ?? 0);
          this.#requests.retry(pause, this.#subscribing(subscription, backoff));
        } else this.#refuse(subscription, error);
      },
      lose: () => {},
    };
  }

  #confirm(subscription: Subscription, streams: readonly Stream[] | undefined): void {
    if (streams === undefined) throw new WireError(1007, 'the reply to subscribe has no streams');
    const key = keyOf(subscription);
    if (!this.#subscriptions.has(key)) return;
    this.#confirmedKeys.add(key);
    if (subscription.isEnded) return;
    const isFirst = !this.#attached.has(subscription);
    const isLate = subscription.hasBegun && isFirst;
    this.#attached.add(subscription);
    subscription.begin(new Set(streams.map((stream) => stream.goods)), isFirst);
    for (const stream of streams) {
      // A callback may have ended the subscription.
      if (subscription.isEnded) return;
      this.#openStream(subscription, stream, isLate);
    }
    this.#moveToVariants(subscription, streams);
    this.#takeWaiter(subscription)?.resolve();
  }

  #refuse(subscription: Subscription, error: Error): void {
    const key = keyOf(subscription);
    this.#forget(subscription);
    subscription.end(error);
    this.#takeWaiter(subscription)?.reject(error);
    // Another subscription with this key may have ended meanwhile, and left the market's subscription to this one.
    if (!this.#subscriptions.has(key) && this.#confirmedKeys.has(key)) void this.#unsubscribe(subscription);
  }

  #takeWaiter(subscription: Subscription): Waiter | undefined {
    const waiter = this.#unconfirmed.get(subscription);
    this.#unconfirmed.delete(subscription);
    return waiter;
  }

  #openStream(subscription: Subscription, stream: Stream, isLate: boolean): void {
    if (!['json', 'text', 'bytes'].includes(stream.kind)) return;
    const before = subscription.cursorOf(stream.goods);
    if (before !== undefined) this.#routes.delete(before);
    const cursor = subscription.open(stream, isLate);
    // A callback that was told of a gap may have ended the subscription.
    if (!subscription.isEnded) this.#routes.add(cursor);
  }

  /** Moves all subscriptions with the same key to the variants of the latest reply: the market has one subscription for all of them. */
  #moveToVariants(subscription: Subscription, streams: readonly Stream[]): void {
    for (const other of this.#subscriptions.get(keyOf(subscription)) ?? []) {
      if (other === subscription || !this.#attached.has(other)) continue;
      for (const { goods, epoch, variant = '' } of streams) {
        const cursor = other.cursorOf(goods);
        if (cursor === undefined || cursor.isEnded || cursor.epoch !== epoch || cursor.variant === variant) continue;
        this.#routes.delete(cursor);
        cursor.moveTo(variant);
        this.#routes.add(cursor);
      }
    }
  }

  // Frames of the market.

  /** Takes items. @throws WireError if they are not of the kind of their stream. */
  takeItems(frame: ItemFrame | ItemsFrame | BytesFrame): void {
    const items = frame.op === 'items' ? frame.items : [frame.item];
    for (const cursor of this.#routes.cursorsFor(frame.goods, frame.variant)) {
      if (cursor.isEnded) continue;
      cursor.assertKind(frame.op === 'bytes', items);
      cursor.take(frame.offset, items);
    }
  }

  skip(frame: SkipFrame): void {
    for (const cursor of this.#routes.cursorsFor(frame.goods, frame.variant)) {
      if (!cursor.isEnded) cursor.skip(frame.from, frame.to, frame.reason);
    }
  }

  shelved(goods: string, params: unknown, stream: Stream): void {
    for (const subscription of this.#withKey(goods, params)) {
      // A subscription that is not attached gets its streams with the reply that it waits for.
      if (this.#attached.has(subscription)) this.#openStream(subscription, stream, false);
    }
  }

  unshelved(goods: string): void {
    for (const subscription of this.#attached) {
      const cursor = subscription.cursorOf(goods);
      if (cursor === undefined || cursor.isEnded) continue;
      this.#routes.delete(cursor);
      subscription.retire(cursor);
    }
  }

  revoked({ goods, params, stream, reason }: RevokedFrame): void {
    if (stream === undefined) this.#confirmedKeys.delete(keyOf({ goods, params }));
    for (const subscription of this.#withKey(goods, params)) {
      if (stream === undefined) {
        this.#forget(subscription);
        subscription.end(new RevokedError(goods, reason));
        continue;
      }
      const cursor = subscription.drop(stream);
      if (cursor !== undefined) this.#routes.delete(cursor);
    }
  }

  #withKey(goods: string, params: unknown): Subscription[] {
    return [...(this.#subscriptions.get(keyOf({ goods, params })) ?? [])];
  }

  // Ending.

  /** Removes a subscription that the application has ended. @returns A promise that is fulfilled when the market has ended it. */
  leave(subscription: Subscription, reason?: unknown): Promise<void> {
    this.#forget(subscription);
    this.#takeWaiter(subscription)?.reject(reason ?? new Error('the subscription was ended before it began'));
    return this.#subscriptions.has(keyOf(subscription)) ? Promise.resolve() : this.#unsubscribe(subscription);
  }

  #forget(subscription: Subscription): void {
    const key = keyOf(subscription);
    const subscriptions = this.#subscriptions.get(key);
    subscriptions?.delete(subscription);
    if (subscriptions?.size === 0) this.#subscriptions.delete(key);
    this.#attached.delete(subscription);
    for (const cursor of subscription.cursors) this.#routes.delete(cursor);
  }

  /** Ends the subscription at the market. A later subscribe to the same goods is sent behind this request. */
  #unsubscribe({ goods, params }: Subscription): Promise<void> {
    this.#confirmedKeys.delete(keyOf({ goods, params }));
    return this.#requests.tell((id) => formatRequest({ op: 'unsubscribe', id, goods, params }));
  }

  /** Forgets what was true for the connection that was lost. */
  disconnected(): void {
    this.#routes.clear();
    this.#attached.clear();
    this.#confirmedKeys.clear();
  }

  /** Removes all subscriptions. @returns Them, and the callers that wait for the confirmation. */
  takeAll(): { subscriptions: Subscription[]; waiters: Waiter[] } {
    const subscriptions = [...this.#subscriptions.values()].flatMap((some) => [...some]);
    const waiters = [...this.#unconfirmed.values()];
    this.#subscriptions.clear();
    this.#unconfirmed.clear();
    return { subscriptions, waiters };
  }
}

function keyOf({ goods, params }: { readonly goods: string; readonly params: unknown }): string {
  return `${goods}\n${params === undefined ? '' : JSON.stringify(params)}`;
}

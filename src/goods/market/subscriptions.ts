import type { Action, Goods } from '../definition/goods.ts';
import { hasStars, matches } from '../definition/goods-name.ts';
import { after, isPromise } from '../definition/maybe-promise.ts';
import { Ledger } from '../ledger/ledger.ts';
import type { Replay, Session } from '../session/session.ts';
import { Subscription } from '../session/subscription.ts';
import type { Observer } from '../shelf/observer.ts';
import type { Shelf } from '../shelf/shelf.ts';
import type { GoodsStream, ShelvedGoods } from '../shelf/shelved-goods.ts';
import type { Since, Stream } from '../wire/frames.ts';
import { GoodsError } from '../wire/goods-error.ts';
import type { Admission } from './admission.ts';
import type { ClientGoods } from './client-goods.ts';

/** A subscribe request whose fields have been checked. */
export interface SubscribeCommand {
  readonly id: number;
  /** Name or pattern. */
  readonly pattern: string;
  readonly params: unknown;
  /** Key of the subscription within its session. */
  readonly key: string;
  /** Number of the latest items to begin with. */
  readonly last: number;
  /** Positions to resume from, by the name of the goods; null if the request does not resume. */
  readonly since: ReadonlyMap<string, Since> | null;
}

/** Goods that a subscriber may have, in the variant that it gets. */
interface Admitted {
  readonly goods: ShelvedGoods;
  readonly variant: string;
}

/** The parts of the market that {@link Subscriptions} calls. */
export interface SubscriptionParts {
  readonly shelf: Shelf;
  readonly admission: Admission;
  readonly clientGoods: ClientGoods;
  readonly observer: Observer;
  /** Maximum number of subscriptions of one session. */
  readonly maxSubscriptions: number;
}

/** Subscriptions from the first request to the end: recorded in the ledger, and joined to streams. */
export class Subscriptions {
  readonly #shelf: Shelf;
  readonly #admission: Admission;
  readonly #clientGoods: ClientGoods;
  readonly #observer: Observer;
  readonly #maxSubscriptions: number;
  readonly #ledger = new Ledger<Session, Subscription>();

  constructor({ shelf, admission, clientGoods, observer, maxSubscriptions }: SubscriptionParts) {
    this.#shelf = shelf;
    this.#admission = admission;
    this.#clientGoods = clientGoods;
    this.#observer = observer;
    this.#maxSubscriptions = maxSubscriptions;
  }

  /** Number of subscriptions. */
  get size(): number {
    return this.#ledger.size;
  }

  // Beginning.

  /** Subscribes, and replies. @throws GoodsError if the request is refused. */
  subscribe(session: Session, command: SubscribeCommand): void | Promise<void> {
    this.#checkLimit(session, command);
    return hasStars(command.pattern)
      ? this.#subscribeToPattern(session, command)
      : this.#subscribeToName(session, command);
  }

  #checkLimit({ subscriptions }: Session, { key }: SubscribeCommand): void {
    if (subscriptions.has(key) || subscriptions.size < this.#maxSubscriptions) return;
    throw new GoodsError('too-many-subscriptions', `at most ${this.#maxSubscriptions}`);
  }

  #subscribeToPattern(session: Session, command: SubscribeCommand): void | Promise<void> {
    const matching = this.#shelf.matching(command.pattern);
    const variants = matching.map(({ definition, name }) =>
      this.#admission.tryToAdmit(applicant(session, command, definition, name)),
    );
    const finish = (all: readonly (string | null)[]) => {
      const admitted: Admitted[] = [];
      for (const [i, goods] of matching.entries()) {
        const variant = all[i]!;
        if (variant !== null) admitted.push({ goods, variant });
      }
      return this.#begin(session, command, admitted);
    };
    return variants.some(isPromise) ? Promise.all(variants).then(finish) : finish(variants as (string | null)[]);
  }

  #subscribeToName(session: Session, command: SubscribeCommand): void | Promise<void> {
    const { pattern: name, key } = command;
    const shelved = this.#shelf.get(name);
    const offer = shelved === undefined ? this.#shelf.patternOfferFor(name) : undefined;
    const definition = shelved?.definition ?? offer?.definition ?? this.#clientGoods.definitionFor(name);
    if (definition === undefined) {
      // The goods of an existing subscription were on the shelf once, and may come back.
      if (session.subscriptions.has(key)) return this.#begin(session, command, []);
      throw new GoodsError('unknown-goods', name);
    }
    return after(this.#admission.admit(applicant(session, command, definition, name)), (variant) => {
      const goods = this.#shelf.getOrOpen(name, offer);
      // Otherwise a decision about other goods of that name, which were shelved meanwhile, would be applied.
      const isSame = goods !== undefined && goods.definition.options === definition.options;
      return this.#begin(session, command, isSame ? [{ goods, variant }] : []);
    });
  }

  /** Records the subscription, joins its streams, then queues the reply and, behind it, the replayed items. */
  #begin(session: Session, command: SubscribeCommand, admitted: readonly Admitted[]): void | Promise<void> {
    const loading = admitted.flatMap(({ goods }) => goods.loading ?? []);
    if (loading.length > 0) return Promise.all(loading).then(() => this.#begin(session, command, admitted));
    if (session.isClosed) return undefined;
    this.#checkLimit(session, command);
    const { id, key, pattern, params, last, since } = command;
    const known = session.subscriptions.get(key);
    const subscription = known ?? new Subscription(key, pattern, params, last);
    if (known === undefined) {
      session.add(subscription);
      this.#ledger.book(session, pattern, subscription);
      this.#observer.subscription({ event: 'subscribed', goods: pattern, subscriber: session.id });
    }
    const streams: Stream[] = [];
    const replays: Replay[] = [];
    for (const { goods, variant } of admitted) {
      if (goods.isRemoved || !subscription.covers(goods.name)) continue;
      const stream = this.#join(session, subscription, goods, variant);
      const position = since?.get(goods.name);
      const recovered = position !== undefined && goods.canRecover(position);
      streams.push(position === undefined ? stream.announcement : { ...stream.announcement, recovered });
      replays.push({ stream, from: recovered ? position.offset + 1 : null });
    }
    session.reply({ op: 'ok', id, streams }, replays, last);
    this.#shelf.demand.notifyChanges();
    return undefined;
  }

  /** Joins existing subscriptions to goods that have just been put on the shelf. */
  joinWaitingSubscriptions(goods: ShelvedGoods): void {
    const waiting: [Session, Subscription][] = [];
    this.#ledger.forEachSubscriber(goods.name, (session, subscription) => waiting.push([session, subscription]));
    for (const [session, subscription] of waiting) {
      if (!subscription.isRevoked(goods.name)) void this.#joinWhenAdmitted(session, subscription, goods);
    }
  }

  #joinWhenAdmitted(session: Session, subscription: Subscription, goods: ShelvedGoods): void | Promise<void> {
    const { pattern, params, last } = subscription;
    const { definition, name } = goods;
    const asked = { subscriber: session, goods: definition, name, params, action: 'subscribe' } as const;
    return after(this.#admission.tryToAdmit(asked), (variant) => {
      const isCurrent = !goods.isRemoved && session.subscriptions.get(subscription.key) === subscription;
      if (variant === null || !isCurrent || subscription.streamOf(name) !== undefined) return;
      const stream = this.#join(session, subscription, goods, variant);
      session.send({ op: 'shelved', goods: pattern, params, stream: stream.announcement });
      session.replay({ stream, from: null }, last);
      this.#shelf.demand.notifyChanges();
    });
  }

  #join(session: Session, subscription: Subscription, goods: ShelvedGoods, variant: string): GoodsStream {
    const before = subscription.streamOf(goods.name);
    if (before?.variant === variant) return before;
    if (before !== undefined) this.#leave(session, subscription, before);
    return subscription.join(goods, variant);
  }

  // Ending.

  /** Ends a subscription. @returns false if the session does not have it. */
  unsubscribe(session: Session, key: string): boolean {
    const subscription = session.subscriptions.get(key);
    if (subscription === undefined) return false;
    this.#end(session, subscription);
    this.#observer.subscription({ event: 'unsubscribed', goods: subscription.pattern, subscriber: session.id });
    this.#shelf.demand.notifyChanges();
    return true;
  }

  /** Ends all subscriptions of a session. The caller has to notify providers. */
  endAll(session: Session): void {
    for (const subscription of [...session.subscriptions.values()]) this.#end(session, subscription);
  }

  /** Ends subscriptions of a session to goods, and tells it. @returns The number of subscriptions ended or reduced. */
  revoke(session: Session, goods: string, reason: string): number {
    let count = 0;
    for (const subscription of [...session.subscriptions.values()]) {
      const { pattern, params } = subscription;
      const isWhole = goods === pattern || goods === '**' || (!hasStars(pattern) && matches(goods, pattern));
      if (isWhole) {
        this.#end(session, subscription);
        session.send({ op: 'revoked', goods: pattern, params, reason });
        this.#observer.subscription({ event: 'revoked', goods: pattern, subscriber: session.id });
        count++;
      } else if (hasStars(pattern) && this.#revokePart(session, subscription, goods, reason)) count++;
    }
    return count;
  }

  /** Takes goods from a subscription to a pattern. @returns false if the subscription had none of them. */
  #revokePart(session: Session, subscription: Subscription, goods: string, reason: string): boolean {
    const streams = [...subscription.streams].filter(({ shelved }) => matches(goods, shelved.name));
    const { pattern, params } = subscription;
    subscription.revoke(goods);
    for (const stream of streams) {
      this.#leave(session, subscription, stream);
      session.send({ op: 'revoked', goods: pattern, params, stream: stream.shelved.name, reason });
    }
    return streams.length > 0;
  }

  /** Takes goods that were taken off the shelf from all subscriptions, and tells the subscribers. */
  removeGoods(goods: ShelvedGoods, reason: string): void {
    const sessions = new Set<Session>();
    this.#ledger.forEachSubscriber(goods.name, (session, subscription) => {
      const stream = subscription.streamOf(goods.name);
      if (stream?.shelved !== goods) return;
      subscription.forget(stream);
      session.forget(stream);
      sessions.add(session);
    });
    for (const session of sessions) session.send({ op: 'unshelved', goods: goods.name, reason });
  }

  /** Calls `visit` with each session that has a stream of some goods. */
  forEachRecipient({ name }: ShelvedGoods, visit: (session: Session, stream: GoodsStream) => void): void {
    this.#ledger.forEachSubscriber(name, (session, subscription) => {
      const stream = subscription.streamOf(name);
      if (stream !== undefined) visit(session, stream);
    });
  }

  #end(session: Session, subscription: Subscription): void {
    session.remove(subscription);
    this.#ledger.strike(session, subscription.pattern, subscription);
    for (const stream of [...subscription.streams]) this.#leave(session, subscription, stream);
  }

  #leave(session: Session, subscription: Subscription, stream: GoodsStream): void {
    subscription.leave(stream);
    if (!session.isClosed && !session.holds(stream)) session.forget(stream);
  }
}

function applicant(session: Session, { params, since }: SubscribeCommand, goods: Goods, name: string) {
  const action: Action = since?.has(name) ? 'resume' : 'subscribe';
  return { subscriber: session, goods, name, params, action };
}

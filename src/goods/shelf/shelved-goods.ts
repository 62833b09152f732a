import type { BackplaneListener, Published } from '../backplane/backplane.ts';
import type { Goods, HistoryOptions, Overflow } from '../definition/goods.ts';
import { packItem } from '../definition/item.ts';
import type { Position } from '../definition/position.ts';
import type { EncodedMessage } from '../fan-out/encoded-message.ts';
import type { Recipient } from '../fan-out/outbox.ts';
import type { Stream } from '../wire/frames.ts';
import { type EncodingFailure, GoodsCounters } from './goods-counters.ts';
import { History, type HistoryEntry } from './history.ts';
import type { Observer } from './observer.ts';
import type { DemandEvents, Provider } from './provider.ts';
import { VariantEncoder } from './variant-encoder.ts';

/** The latest item, without a time limit. */
const defaultHistory: HistoryOptions = { size: 1 };

/** The parts of the market that shelved goods call. All goods of a shelf share one object. */
export interface ShelfContext {
  readonly observer: Observer;
  /** Returns the time in milliseconds. */
  now(): number;
  /** Called with each supply that the backplane delivers. */
  published(goods: ShelvedGoods, published: Published): void;
  /** Called when a subscription has joined or left. */
  demandChanged(goods: ShelvedGoods): void;
  /** Calls `visit` with each recipient and its stream of these goods. */
  forEachRecipient(goods: ShelvedGoods, visit: (recipient: Recipient<GoodsStream>, stream: GoodsStream) => void): void;
}

/** Goods on the shelf: their position, history, streams and demand. */
export class ShelvedGoods {
  readonly name: string;
  readonly definition: Goods;
  readonly provider: Provider;
  readonly events: DemandEvents;
  /** True if the goods exist because a name was asked for that a pattern on the shelf matches. */
  readonly isOnDemand: boolean;
  readonly historyOptions: HistoryOptions;
  readonly overflow: Overflow;
  readonly history: History;
  readonly counters = new GoodsCounters();
  /** The function to subscribe to the backplane with. */
  readonly listener: BackplaneListener;
  readonly #context: ShelfContext;
  readonly #streams = new Map<string, GoodsStream>();
  #epoch = '';
  #offset = 0;
  /** Supplies that arrived before the goods were loaded; null once they are. */
  #publishedWhileLoading: Published[] | null = [];
  #loading: Promise<void> | null = null;
  #isRemoved = false;
  #demand = 0;
  #isProviderToldOfDemand = false;
  /** True if a subscription has joined or left since the audiences were collected. */
  #hasStaleAudiences = false;

  constructor(definition: Goods, provider: Provider, events: DemandEvents, isOnDemand: boolean, context: ShelfContext) {
    const { history = defaultHistory, overflow = 'drop-oldest' } = definition.options;
    this.name = definition.name;
    this.definition = definition;
    this.provider = provider;
    this.events = events;
    this.isOnDemand = isOnDemand;
    this.historyOptions = history;
    this.overflow = overflow;
    this.history = new History(history, () => context.now());
    this.listener = (published) => context.published(this, published);
    this.#context = context;
  }

  /** Identifies the count of {@link offset}; empty until the goods are loaded. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Offset of the last item; 0 if there was none. */
  get offset(): number {
    return this.#offset;
  }

  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  /** Settles when the backplane has loaded the goods or has failed; null if the goods are not loading. */
  get loading(): Promise<void> | null {
    return this.#loading;
  }

  /** The streams, one for each variant that a subscription leads to. */
  get streams(): Iterable<GoodsStream> {
    return this.#streams.values();
  }

  // Loading and items.

  /** Sets {@link loading}, because the backplane has answered with a promise. */
  waitFor(loading: Promise<void>): void {
    this.#loading = loading;
  }

  /** Ends the loading without a result. */
  failToLoad(): void {
    this.#loading = null;
  }

  /**
   * Takes the position and the history from the backplane.
   * @returns The supplies that arrived meanwhile, which are to be appended now.
   */
  load({ epoch, offset }: Position, history: readonly Published[]): readonly Published[] {
    this.#loading = null;
    if (this.#isRemoved) return [];
    this.#epoch = epoch;
    this.#offset = offset;
    for (const published of history) {
      if (published.epoch !== epoch || published.offset > offset) continue;
      this.history.append(published.offset, published.items[0], this.#sharedText(published, 0), published.time);
    }
    const publishedMeanwhile = this.#publishedWhileLoading ?? [];
    this.#publishedWhileLoading = null;
    return publishedMeanwhile;
  }

  /** Keeps a supply for later if the goods are still loading. @returns false if they are not. */
  holdWhileLoading(published: Published): boolean {
    this.#publishedWhileLoading?.push(published);
    return this.#publishedWhileLoading !== null;
  }

  /**
   * Adds the items of a supply that are new.
   * @returns Their entries; null if items before them are missing, or if the epoch has changed.
   * @throws TypeError if one is no item of these goods.
   */
  append(published: Published): readonly HistoryEntry[] | null {
    const { items, epoch, offset, time } = published;
    if (epoch !== this.#epoch || offset > this.#offset + 1) return null;
    const entries: HistoryEntry[] = [];
    for (let i = this.#offset + 1 - offset; i < items.length; i++) {
      entries.push(this.history.append(offset + i, items[i], this.#sharedText(published, i), time));
    }
    if (entries.length === 0) return entries;
    this.#offset = offset + items.length - 1;
    this.counters.countItems(entries.length);
    return entries;
  }

  /** Returns the JSON of an item, if every variant gets the item as it is. */
  #sharedText({ items, texts }: Published, i: number): string | undefined {
    const { kind, options } = this.definition;
    if (options.tailor !== undefined || kind === 'bytes') return undefined;
    return texts?.[i] ?? (packItem(kind, items[i]) as string);
  }

  /** Returns the offset of the first of the latest items, at most `count` of them, that the history has. */
  firstOfLatest(count: number): number {
    return this.#offset + 1 - Math.min(count, this.history.length);
  }

  /** Returns true if the history has every item behind a position. */
  canRecover(since: Position): boolean {
    if (since.epoch !== this.#epoch || since.offset > this.#offset) return false;
    return since.offset === this.#offset || this.history.at(since.offset + 1) !== undefined;
  }

  // Streams and demand.

  /** Returns the stream of a variant. Creates it if there is none. */
  stream(variant: string): GoodsStream {
    let stream = this.#streams.get(variant);
    if (stream === undefined) {
      stream = new GoodsStream(this, variant, this.#context.observer);
      this.#streams.set(variant, stream);
    }
    return stream;
  }

  /** Counts a subscription that has joined a stream. For {@link GoodsStream} only. */
  countJoin(): void {
    this.#demand++;
    this.#hasStaleAudiences = true;
    this.#context.demandChanged(this);
  }

  /** Counts a subscription that has left a stream. For {@link GoodsStream} only. */
  countLeave(stream: GoodsStream, isLast: boolean): void {
    this.#demand--;
    this.#hasStaleAudiences = true;
    if (isLast) this.#streams.delete(stream.variant);
    this.#context.demandChanged(this);
  }

  /** Collects the recipients of each stream, if a subscription has joined or left. */
  refreshAudiences(): void {
    if (!this.#hasStaleAudiences) return;
    this.#hasStaleAudiences = false;
    const audiences = new Map<GoodsStream, Set<Recipient<GoodsStream>>>();
    for (const stream of this.#streams.values()) audiences.set(stream, new Set());
    this.#context.forEachRecipient(this, (recipient, stream) => audiences.get(stream)?.add(recipient));
    for (const [stream, audience] of audiences) stream.setAudience([...audience]);
  }

  /** True if the goods exist on demand, have no subscription, and never had an item. */
  get isUnused(): boolean {
    return this.isOnDemand && !this.#isRemoved && this.#demand === 0 && this.#offset === 0;
  }

  /** True if the goods exist on demand, have no subscription, and the history is empty. */
  get isDisposable(): boolean {
    return this.isOnDemand && this.#demand === 0 && this.history.length === 0;
  }

  /** Tells the provider whether there is demand, if that has changed. @returns false if it has not. */
  notifyDemand(): boolean {
    const hasDemand = this.#demand > 0;
    if (hasDemand === this.#isProviderToldOfDemand) return false;
    this.#isProviderToldOfDemand = hasDemand;
    const place = hasDemand ? 'onDemand' : 'onIdle';
    try {
      this.events[place]?.(this.name);
    } catch (error) {
      this.#context.observer.failure({ place, goods: this.name, variant: undefined, error });
    }
    return true;
  }

  /** Ends all streams. The goods are of no use afterwards. */
  remove(): void {
    this.#isRemoved = true;
    this.#streams.clear();
    this.#demand = 0;
  }

  /** Returns the counts and sizes for `market.statistics()`. */
  statistics() {
    this.refreshAudiences();
    let subscribers = 0;
    for (const { audience } of this.#streams.values()) subscribers += audience.length;
    return {
      goods: this.name,
      subscribers,
      variants: this.#streams.size,
      epoch: this.#epoch,
      offset: this.#offset,
      kept: this.history.length,
      ...this.counters.read(),
    };
  }
}

/** One stream: goods in one variant, with the recipients that get it. */
export class GoodsStream {
  readonly shelved: ShelvedGoods;
  readonly variant: string;
  readonly encoder: VariantEncoder;
  #audience: readonly Recipient<GoodsStream>[] = [];
  /** Number of subscriptions that lead here. The stream ends with the last one. */
  #subscriptions = 0;
  /** The last `skip` frame that was queued. It can be extended as long as it has not been sent. */
  #latestSkip: { readonly frame: EncodedMessage; readonly from: number; readonly reason: EncodingFailure } | null =
    null;

  constructor(shelved: ShelvedGoods, variant: string, observer: Observer) {
    this.shelved = shelved;
    this.variant = variant;
    this.encoder = new VariantEncoder(shelved.definition, variant, shelved.counters, observer);
  }

  /** The recipients. The array is never changed: a subscriber that comes or goes leads to another array. */
  get audience(): readonly Recipient<GoodsStream>[] {
    return this.#audience;
  }

  setAudience(audience: readonly Recipient<GoodsStream>[]): void {
    this.#audience = audience;
  }

  /** The stream as frames announce it. */
  get announcement(): Stream {
    const { variant } = this;
    const { name, definition, epoch, offset } = this.shelved;
    return { goods: name, ...(variant === '' ? {} : { variant }), kind: definition.kind, epoch, offset };
  }

  /** Adds a subscription. */
  join(): void {
    this.#subscriptions++;
    this.shelved.countJoin();
  }

  /** Removes a subscription. */
  leave(): void {
    this.#subscriptions--;
    this.shelved.countLeave(this, this.#subscriptions === 0);
  }

  /**
   * Returns the `skip` frame for an item that this variant does not get.
   * @param latest The frame queued last for this audience, if it is still queued. If that is a `skip` for the same reason, the returned
   * frame extends it and has to replace it.
   */
  skip(offset: number, latest: EncodedMessage | undefined) {
    const { reason } = this.encoder;
    const before = this.#latestSkip;
    const isExtension = latest !== undefined && latest === before?.frame && before.reason === reason;
    const from = isExtension ? before.from : offset;
    const frame = this.encoder.encodeSkip(from, offset, reason);
    this.#latestSkip = { frame, from, reason };
    return { frame, from, isExtension };
  }
}

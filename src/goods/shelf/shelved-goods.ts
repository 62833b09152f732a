import type { Published } from '../backplane/backplane.ts';
import type { Goods, HistoryOptions, Overflow } from '../definition/goods.ts';
import { packItem } from '../definition/item.ts';
import { isPromise } from '../definition/maybe-promise.ts';
import { EncodedMessage } from '../fan-out/encoded-message.ts';
import type { Recipient } from '../fan-out/outbox.ts';
import { encodeBytesItem } from '../wire/binary-codec.ts';
import type { SkipFrame, SkipReason, Stream } from '../wire/frames.ts';
import { formatFrame } from '../wire/text-codec.ts';
import { History, type HistoryEntry } from './history.ts';
import type { Observer } from './observer.ts';
import type { DemandEvents, Provider } from './provider.ts';

/** What has happened to some goods since they were put on the shelf. */
export interface ShelvedGoodsStatistics {
  /** Items that were supplied. */
  items: number;
  /** Octets of their frames, before they were multiplied by the subscribers. */
  octets: number;
  /** Frames that were made: compare with items × subscribers. */
  encoded: number;
  /** Frames that were given to subscribers to be sent. */
  delivered: number;
  /** Items that `tailor` left out of a variant, and at which it failed. */
  filtered: number;
  failed: number;
  /** Items that slow subscribers did not get. */
  conflated: number;
  dropped: number;
}

/** The latest item, for ever. */
const defaultHistory: HistoryOptions = { size: 1 };

/** Goods on the shelf. */
export class ShelvedGoods {
  readonly name: string;
  readonly goods: Goods;
  readonly provider: Provider;
  readonly events: DemandEvents;
  /** Whether it was made because somebody asked for a name that a pattern on the shelf matches. */
  readonly isOnDemand: boolean;
  readonly observer: Observer;
  readonly history: HistoryOptions;
  readonly overflow: Overflow;
  readonly streams = new Map<string, GoodsStream>();
  readonly statistics: ShelvedGoodsStatistics = {
    items: 0,
    octets: 0,
    encoded: 0,
    delivered: 0,
    filtered: 0,
    failed: 0,
    conflated: 0,
    dropped: 0,
  };
  readonly listener: (published: Published) => void;
  log: History;
  epoch = '';
  /** Of the last item. */
  offset = 0;
  /** Settles when the backplane has said where the goods stand; null once it has. */
  loading: Promise<void> | null = null;
  /** What came meanwhile. */
  publishedWhileLoading: Published[] = [];
  isRemoved = false;
  /** Bookings that have a stream here. */
  demand = 0;
  /** Whether the provider was told that there is demand. */
  isDemanded = false;
  /** Whether somebody has come or gone since the audiences were looked up. */
  isStale = false;

  constructor(
    goods: Goods,
    provider: Provider,
    events: DemandEvents,
    options: {
      isOnDemand: boolean;
      observer: Observer;
      now: () => number;
      onPublished: (shelved: ShelvedGoods, published: Published) => void;
    },
  ) {
    this.name = goods.name;
    this.goods = goods;
    this.provider = provider;
    this.events = events;
    this.isOnDemand = options.isOnDemand;
    this.observer = options.observer;
    this.history = goods.options.history ?? defaultHistory;
    this.overflow = goods.options.overflow ?? 'drop-oldest';
    this.log = new History(this.history, options.now);
    this.listener = (published) => options.onPublished(this, published);
  }

  /** The stream of a variant, made if there is none. */
  stream(variant: string): GoodsStream {
    let stream = this.streams.get(variant);
    if (stream === undefined) {
      stream = new GoodsStream(this, variant);
      this.streams.set(variant, stream);
    }
    return stream;
  }
}

/** A stream: goods in one variant, and all who get it. */
export class GoodsStream {
  readonly shelved: ShelvedGoods;
  readonly variant: string;
  /** How many bookings lead here; with the last one the stream goes. */
  bookings = 0;
  /** Those who get it. Never altered: a new one is made when somebody comes or goes. */
  audience: readonly Recipient<GoodsStream>[] = [];
  /** Why {@link cut} has nothing. */
  reason: SkipReason = 'filtered';
  /** The latest frame that says so, which may grow while it has not left. */
  latestSkip: { readonly encoded: EncodedMessage; readonly from: number; readonly reason: SkipReason } | null = null;
  readonly #head: string;

  constructor(shelved: ShelvedGoods, variant: string) {
    this.shelved = shelved;
    this.variant = variant;
    const shown = variant === '' ? '' : `"variant":${JSON.stringify(variant)},`;
    this.#head = `"goods":${JSON.stringify(shelved.name)},${shown}"offset":`;
  }

  get announcement(): Stream {
    const { name, goods, epoch, offset } = this.shelved;
    const { variant } = this;
    return { goods: name, ...(variant === '' ? {} : { variant }), kind: goods.kind, epoch, offset };
  }

  /** The frame of one item: from what is kept, or made and kept. Null if the variant does not get it, for a {@link reason}. */
  encode(entry: HistoryEntry): EncodedMessage | null {
    const known = entry.frames?.get(this.variant);
    if (known !== undefined) return known;
    const cut = this.cut(entry);
    if (cut === null) return null;
    const encoded =
      typeof cut === 'string'
        ? this.#made(`{"op":"item",${this.#head}${entry.offset},"item":${cut}}`)
        : this.#made(encodeBytesItem(this.shelved.name, this.variant, entry.offset, cut));
    entry.frames ??= new Map();
    entry.frames.set(this.variant, encoded);
    return encoded;
  }

  /** The frame of items that follow one another, as JSON. */
  encodeAll(offset: number, texts: readonly string[]): EncodedMessage {
    return this.#made(`{"op":"items",${this.#head}${offset},"items":[${texts.join(',')}]}`);
  }

  /** An item as this variant gets it: JSON, or octets. Null if it gets nothing, for a {@link reason}. */
  cut(entry: HistoryEntry): string | Uint8Array | null {
    const { goods, name, observer, statistics } = this.shelved;
    const { tailor } = goods.options;
    if (tailor === undefined) return goods.kind === 'bytes' ? (entry.item as Uint8Array) : entry.text!;
    try {
      const item = tailor.call(goods.options, entry.item, this.variant, name);
      if (item === undefined) {
        this.reason = 'filtered';
        statistics.filtered++;
        return null;
      }
      if (isPromise(item)) {
        // Whatever comes of it, nobody waits for it.
        item.then(undefined, () => {});
        throw new TypeError('tailor returned a promise: it has to return the item');
      }
      return packItem(goods.kind, item);
    } catch (error) {
      this.reason = 'failed';
      statistics.failed++;
      observer.failure({ place: 'tailor', goods: name, variant: this.variant, error });
      return null;
    }
  }

  /** The frame that says that some offsets are left out. */
  skip(from: number, to: number, reason: SkipReason): EncodedMessage {
    const { variant } = this;
    const frame: SkipFrame = {
      op: 'skip',
      goods: this.shelved.name,
      ...(variant === '' ? {} : { variant }),
      from,
      to,
      reason,
    };
    return new EncodedMessage(formatFrame(frame));
  }

  #made(data: string | Uint8Array): EncodedMessage {
    const { statistics, goods } = this.shelved;
    const encoded = new EncodedMessage(data, goods.options.compress !== false);
    statistics.encoded++;
    statistics.octets += encoded.payload.length;
    return encoded;
  }
}

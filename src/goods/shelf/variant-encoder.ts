import type { Goods } from '../definition/goods.ts';
import { packItem } from '../definition/item.ts';
import { isPromise } from '../definition/maybe-promise.ts';
import { EncodedMessage } from '../fan-out/encoded-message.ts';
import { encodeBytesItem } from '../wire/binary-codec.ts';
import type { SkipFrame, SkipReason } from '../wire/frames.ts';
import { formatFrame } from '../wire/text-codec.ts';
import type { EncodingFailure, GoodsCounters } from './goods-counters.ts';
import type { HistoryEntry } from './history.ts';
import type { Observer } from './observer.ts';

/** Encodes the items of goods in one variant. The frame of an item is encoded once, however many subscribers get it. */
export class VariantEncoder {
  readonly #goods: Goods;
  readonly #name: string;
  readonly #variant: string;
  readonly #counters: GoodsCounters;
  readonly #observer: Observer;
  /** JSON that all items of this variant begin with. */
  readonly #head: string;
  #reason: EncodingFailure = 'filtered';

  constructor(goods: Goods, variant: string, counters: GoodsCounters, observer: Observer) {
    this.#goods = goods;
    this.#name = goods.name;
    this.#variant = variant;
    this.#counters = counters;
    this.#observer = observer;
    const field = variant === '' ? '' : `"variant":${JSON.stringify(variant)},`;
    this.#head = `"goods":${JSON.stringify(goods.name)},${field}"offset":`;
  }

  /** Reason for which the last call of {@link encode} or {@link tailor} returned null. */
  get reason(): EncodingFailure {
    return this.#reason;
  }

  /** Returns the frame of one item, from the history if it was encoded before; null if this variant does not get the item. */
  encode(entry: HistoryEntry): EncodedMessage | null {
    const known = entry.frame(this.#variant);
    if (known !== undefined) return known;
    const item = this.tailor(entry);
    if (item === null) return null;
    const frame =
      typeof item === 'string'
        ? this.#count(`{"op":"item",${this.#head}${entry.offset},"item":${item}}`)
        : this.#count(encodeBytesItem(this.#name, this.#variant, entry.offset, item));
    entry.keepFrame(this.#variant, frame);
    return frame;
  }

  /** Returns the frame of items with consecutive offsets, each given as JSON. */
  encodeAll(offset: number, texts: readonly string[]): EncodedMessage {
    return this.#count(`{"op":"items",${this.#head}${offset},"items":[${texts.join(',')}]}`);
  }

  /** Returns an item in this variant: as JSON, or as bytes. Null if this variant does not get it. */
  tailor(entry: HistoryEntry): string | Uint8Array | null {
    const { kind, options } = this.#goods;
    if (options.tailor === undefined) return kind === 'bytes' ? (entry.item as Uint8Array) : entry.text!;
    try {
      const item = options.tailor(entry.item, this.#variant, this.#name);
      if (item === undefined) return this.#leaveOut('filtered');
      if (isPromise(item)) {
        // Otherwise its rejection would end the process.
        item.then(undefined, () => {});
        throw new TypeError('tailor returned a promise: it has to return the item');
      }
      return packItem(kind, item);
    } catch (error) {
      this.#leaveOut('failed');
      this.#observer.failure({ place: 'tailor', goods: this.#name, variant: this.#variant, error });
      return null;
    }
  }

  /** Returns the frame that reports offsets without items. */
  encodeSkip(from: number, to: number, reason: SkipReason): EncodedMessage {
    const variant = this.#variant;
    const frame: SkipFrame = {
      op: 'skip',
      goods: this.#name,
      ...(variant === '' ? {} : { variant }),
      from,
      to,
      reason,
    };
    return new EncodedMessage(formatFrame(frame));
  }

  #leaveOut(reason: EncodingFailure): null {
    this.#reason = reason;
    this.#counters.countLeftOut(reason, 1);
    return null;
  }

  #count(data: string | Uint8Array): EncodedMessage {
    const message = new EncodedMessage(data, this.#goods.options.compress !== false);
    this.#counters.countFrame(message.payload.length);
    return message;
  }
}

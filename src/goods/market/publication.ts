import type { Outbox } from '../fan-out/outbox.ts';
import type { HistoryEntry } from '../shelf/history.ts';
import type { GoodsStream, ShelvedGoods } from '../shelf/shelved-goods.ts';

/** Queues new items for the audience of each variant. */
export class Publication {
  readonly #outbox: Outbox<GoodsStream>;

  constructor(outbox: Outbox<GoodsStream>) {
    this.#outbox = outbox;
  }

  /** Queues items for all streams of some goods. */
  publish(goods: ShelvedGoods, entries: readonly HistoryEntry[]): void {
    goods.refreshAudiences();
    for (const stream of goods.streams) {
      if (stream.audience.length > 0) this.#publishOn(stream, entries);
      // `tailor` may have taken the goods off the shelf.
      if (goods.isRemoved) return;
    }
  }

  #publishOn(stream: GoodsStream, entries: readonly HistoryEntry[]): void {
    const { shelved, encoder, audience } = stream;
    if (entries.length > 1 && shelved.definition.kind !== 'bytes' && this.#publishTogether(stream, entries)) return;
    for (const entry of entries) {
      const { offset } = entry;
      const frame = encoder.encode(entry);
      if (shelved.isRemoved) return;
      if (frame === null) {
        this.#skip(stream, offset);
        continue;
      }
      this.#outbox.push(audience, stream, frame, offset);
      shelved.counters.countDeliveries(audience.length);
    }
  }

  /** Queues all items as one frame. @returns false if this variant does not get one of them. */
  #publishTogether(stream: GoodsStream, entries: readonly HistoryEntry[]): boolean {
    const { shelved, encoder, audience } = stream;
    const texts: string[] = [];
    for (const entry of entries) {
      const text = encoder.tailor(entry);
      if (text === null) break;
      texts.push(text as string);
    }
    if (texts.length < entries.length || shelved.isRemoved) return false;
    const first = entries[0]!.offset;
    this.#outbox.push(audience, stream, encoder.encodeAll(first, texts), first, first + entries.length - 1);
    shelved.counters.countDeliveries(audience.length);
    return true;
  }

  /** Queues a `skip` frame for an item that this variant does not get. Extends the last queued frame if that is a `skip` for the same reason. */
  #skip(stream: GoodsStream, offset: number): void {
    const { audience } = stream;
    const { frame, from, isExtension } = stream.skip(offset, this.#outbox.latest(audience, stream)?.encoded);
    if (isExtension) this.#outbox.replaceLatest(frame, from, offset);
    else this.#outbox.push(audience, stream, frame, offset);
  }
}

import type { Kind } from '../definition/item.ts';
import type { Stream } from '../wire/frames.ts';
import { WireError } from '../wire/goods-error.ts';

/** What a {@link StreamCursor} gives, in order. */
export interface StreamListener {
  deliver(cursor: StreamCursor, offset: number, item: unknown): void;
  /** Items are missing; null where it is not known which. */
  miss(cursor: StreamCursor, reason: string, from: number | null, to: number | null): void;
}

/** Where one subscription stands in one stream: each offset passes once, in order, and what does not come is told. */
export class StreamCursor {
  readonly goods: string;
  readonly kind: Kind;
  readonly epoch: string;
  variant: string;
  /** The last offset that has passed. */
  position: number;
  isEnded = false;
  /** Up to which offset the first item may be ahead of the position: nobody knows how many of the latest the market still has. */
  #free: number;
  readonly #sink: StreamListener;

  /** @param last How many of the latest items are wanted. */
  constructor({ goods, kind, epoch, variant = '', offset }: Stream, last: number, sink: StreamListener) {
    this.goods = goods;
    this.kind = kind;
    this.epoch = epoch;
    this.variant = variant;
    this.position = Math.max(0, offset - last);
    this.#free = offset;
    this.#sink = sink;
  }

  /** Everything from an offset on is expected. */
  expectFrom(offset: number): void {
    this.position = offset - 1;
    this.#free = 0;
  }

  /** Takes items that were supplied together, the first of which has the given offset. */
  take(offset: number, items: readonly unknown[]): void {
    this.#reach(offset);
    for (let i = 0; i < items.length && !this.isEnded; i++) {
      if (offset + i <= this.position) continue;
      // Before the item is given: whoever gets it may do anything.
      this.position = offset + i;
      this.#sink.deliver(this, offset + i, items[i]);
    }
  }

  /** Takes word that offsets have no items. */
  skip(from: number, to: number, reason: string): void {
    this.#reach(from);
    if (to <= this.position) return;
    const first = this.position + 1;
    this.position = to;
    if (reason !== 'filtered') this.#sink.miss(this, reason, first, to);
  }

  /** What is to come before this offset, and is not there, is missing. */
  #reach(offset: number): void {
    if (offset <= this.position) return;
    const first = Math.max(this.position, Math.min(this.#free, offset - 1)) + 1;
    this.#free = 0;
    this.position = offset - 1;
    if (first < offset) this.#sink.miss(this, 'missed', first, offset - 1);
  }
}

/** Demands that what has come is of the kind of its stream. @throws WireError if not. */
export function assertKind({ kind, goods }: StreamCursor, op: string, items: readonly unknown[]): void {
  if ((op === 'bytes') !== (kind === 'bytes'))
    throw new WireError(1007, `an item of ${goods} is not of the kind ${kind}`);
  if (kind === 'text' && items.some((item) => typeof item !== 'string')) {
    throw new WireError(1007, `an item of ${goods} is no text`);
  }
}

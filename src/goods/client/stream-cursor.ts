import type { Kind } from '../definition/item.ts';
import type { Stream } from '../wire/frames.ts';
import { WireError } from '../wire/goods-error.ts';

/** Gets the items of a {@link StreamCursor} in order. */
export interface StreamListener {
  deliver(cursor: StreamCursor, offset: number, item: unknown): void;
  /** Called when items are missing. The offsets are null if it is not known which. */
  miss(cursor: StreamCursor, reason: string, from: number | null, to: number | null): void;
}

/** Position of one subscription in one stream. Each offset passes once and in order, and missing offsets are reported. */
export class StreamCursor {
  readonly goods: string;
  readonly kind: Kind;
  readonly epoch: string;
  readonly #listener: StreamListener;
  #variant: string;
  #position: number;
  #isEnded = false;
  /**
   * The first item may skip ahead up to this offset without being a gap: the client cannot know how many recent items the market still
   * keeps.
   */
  #maxSkipped: number;

  /** @param last Number of the latest items that were asked for. */
  constructor({ goods, kind, epoch, variant = '', offset }: Stream, last: number, listener: StreamListener) {
    this.goods = goods;
    this.kind = kind;
    this.epoch = epoch;
    this.#variant = variant;
    this.#position = Math.max(0, offset - last);
    this.#maxSkipped = offset;
    this.#listener = listener;
  }

  get variant(): string {
    return this.#variant;
  }

  /** The last offset that has passed. */
  get position(): number {
    return this.#position;
  }

  /** True if the cursor takes nothing more. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  end(): void {
    this.#isEnded = true;
  }

  /** Goes on with another variant of the same goods. */
  moveTo(variant: string): void {
    this.#variant = variant;
  }

  /** Expects every item from an offset on. */
  expectFrom(offset: number): void {
    this.#position = offset - 1;
    this.#maxSkipped = 0;
  }

  /** Ignores the items up to an offset. */
  ignoreUpTo(offset: number): void {
    this.#position = Math.max(this.#position, offset);
  }

  /** @throws WireError if items are not of the kind of the stream. */
  assertKind(isBytes: boolean, items: readonly unknown[]): void {
    const { kind, goods } = this;
    if (isBytes !== (kind === 'bytes')) throw new WireError(1007, `an item of ${goods} is not of the kind ${kind}`);
    if (kind === 'text' && items.some((item) => typeof item !== 'string')) {
      throw new WireError(1007, `an item of ${goods} is no text`);
    }
  }

  /** Takes items with consecutive offsets. `offset` is that of the first. */
  take(offset: number, items: readonly unknown[]): void {
    this.#reach(offset);
    for (let i = 0; i < items.length && !this.#isEnded; i++) {
      if (offset + i <= this.#position) continue;
      // Before the callback: it may end the subscription, or ask for its position.
      this.#position = offset + i;
      this.#listener.deliver(this, offset + i, items[i]);
    }
  }

  /** Takes the report that offsets have no items for this stream. */
  skip(from: number, to: number, reason: string): void {
    this.#reach(from);
    if (to <= this.#position) return;
    const first = this.#position + 1;
    this.#position = to;
    if (reason !== 'filtered') this.#listener.miss(this, reason, first, to);
  }

  /** Reports the offsets before this one that have not passed. */
  #reach(offset: number): void {
    if (offset <= this.#position) return;
    const first = Math.max(this.#position, Math.min(this.#maxSkipped, offset - 1)) + 1;
    this.#maxSkipped = 0;
    this.#position = offset - 1;
    if (first < offset) this.#listener.miss(this, 'missed', first, offset - 1);
  }
}

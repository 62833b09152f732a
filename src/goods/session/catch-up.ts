import type { Coding, EncodedMessage } from '../fan-out/encoded-message.ts';
import { type BatchSequence, join, type Outbox } from '../fan-out/outbox.ts';
import type { Miss } from '../shelf/goods-counters.ts';
import type { Observer } from '../shelf/observer.ts';
import type { GoodsStream } from '../shelf/shelved-goods.ts';
import type { Link } from './link.ts';

/** The part of a session that its {@link CatchUp} uses. */
export interface CatchUpHost {
  readonly id: number;
  readonly isClosed: boolean;
  readonly coding: Coding;
  readonly link: Link;
  readonly outbox: Outbox<GoodsStream>;
  readonly observer: Observer;
  /** Maximum number of bytes that wait before the subscriber falls behind. */
  readonly highWaterMark: number;
  /** Returns true if a subscription leads to a stream. */
  holds(stream: GoodsStream): boolean;
  close(code: number, reason: string): void;
}

/** Lag of a subscriber on one stream. */
interface Lag {
  /** Offset that the subscriber needs next; Infinity if it needs nothing more of this stream. */
  next: number;
  /** True if the lag is a replay that the subscriber asked for, and not yet the result of slow reading. */
  isReplay: boolean;
  /** Last offset published before a replay was requested: the outbox may still hold items up to it. */
  readonly until: number;
  /** True if the items up to {@link until} that the outbox still holds are to be sent besides the replay. */
  readonly includesQueued: boolean;
}

/** Serves a subscriber that is behind: from the history, as fast as it reads, so that nothing is queued for it. */
export class CatchUp {
  readonly #host: CatchUpHost;
  readonly #lags = new Map<GoodsStream, Lag>();
  #isCongested = false;
  /** Bytes of replies and notices that had to be sent although the subscriber was already behind. */
  #unread = 0;

  constructor(host: CatchUpHost) {
    this.#host = host;
  }

  /** True if a sequence of batches must go through {@link deliver}. */
  get isNeeded(): boolean {
    return this.#lags.size > 0 || this.#isCongested;
  }

  isBehindOn(stream: GoodsStream): boolean {
    return this.#lags.has(stream);
  }

  /** Starts a replay that does not fit into the outbox: items from `next` to `until`, before later items. */
  startReplay(stream: GoodsStream, next: number, until: number): void {
    this.#lags.set(stream, { next, isReplay: true, until, includesQueued: true });
  }

  /** Extends the lag on a stream to begin at an earlier offset, for a replay. */
  replayFrom(stream: GoodsStream, from: number, until: number): void {
    const lag = this.#lags.get(stream)!;
    if (lag.next !== Number.POSITIVE_INFINITY) lag.next = Math.min(lag.next, from);
    else this.#lags.set(stream, { next: from, isReplay: true, until, includesQueued: false });
  }

  /** Stops serving a stream. The entry stays: otherwise items in the outbox would be sent although earlier ones are missing. */
  forget(stream: GoodsStream): void {
    const lag = this.#lags.get(stream);
    if (lag !== undefined) lag.next = Number.POSITIVE_INFINITY;
  }

  clear(): void {
    this.#lags.clear();
  }

  /** Sends replies, and items of streams that are up to date. Other streams stay behind, and are served from the history. */
  deliver(sequence: BatchSequence<GoodsStream>): void {
    if (this.#lags.size === 0) this.checkCongestion();
    const { coding, link, highWaterMark } = this.#host;
    const frames: Uint8Array[] = [];
    let replies = 0;
    for (const { topic, messages } of sequence.batches) {
      for (const { encoded, from, to } of messages) {
        if (topic !== null && !this.#isNext(topic, from, to)) continue;
        const frame = coding.frame(encoded);
        frames.push(frame);
        if (topic === null) replies += frame.length;
      }
    }
    if (frames.length > 0) link.send(join(frames));
    if (this.#isCongested) this.#unread += replies;
    // Otherwise a client that sends requests without reading the replies would fill the memory.
    if (this.#unread > highWaterMark) {
      this.#disconnect(undefined);
      return;
    }
    this.#catchUp();
  }

  /** Returns true if a message has the offsets that a stream needs next, and can be sent. Otherwise the stream falls, or stays, behind. */
  #isNext(stream: GoodsStream, from: number, to: number): boolean {
    const lag = this.#lags.get(stream);
    if (lag === undefined) {
      if (!this.checkCongestion()) return true;
      // The subscription may have ended since the message was queued.
      if (this.#host.holds(stream)) {
        this.#lags.set(stream, { next: from, isReplay: false, until: 0, includesQueued: false });
      }
      return false;
    }
    if (to <= lag.until) {
      if (!lag.includesQueued) return false;
      if (!this.checkCongestion()) return true;
      // A stream that was forgotten stays forgotten.
      if (lag.next !== Number.POSITIVE_INFINITY) lag.next = Math.min(lag.next, from);
      return false;
    }
    if (lag.next !== from || this.checkCongestion()) return false;
    lag.next = to + 1;
    return true;
  }

  /** Returns true if more bytes wait for the subscriber than the high water mark. Then asks the link to call back. */
  checkCongestion(): boolean {
    if (this.#isCongested) return true;
    const { link, highWaterMark } = this.#host;
    if (link.bufferedAmount <= highWaterMark) return false;
    this.#isCongested = true;
    for (const lag of this.#lags.values()) lag.isReplay = false;
    link.awaitDrain(() => this.#drained());
    return true;
  }

  /** Goes on if the bytes were read without the link having called back. */
  checkDrained(): void {
    const { link, highWaterMark } = this.#host;
    if (this.#isCongested && link.bufferedAmount <= highWaterMark) this.#drained();
  }

  #drained(): void {
    this.#isCongested = false;
    this.#unread = 0;
    // The outbox may hold older messages: the reply that announces a stream, and items before those that are still to be sent.
    this.#host.outbox.whenEmpty(() => {
      if (!this.#host.isClosed) this.#catchUp();
    });
  }

  /** Serves the streams that are behind, as far as the subscriber reads. */
  #catchUp(): void {
    for (const [stream, lag] of this.#lags) {
      if (this.checkCongestion()) this.#checkLoss(stream, lag);
      else this.#catchUpOn(stream, lag);
      if (this.#host.isClosed) return;
    }
  }

  /** Disconnects a subscriber that must not lose items, as soon as the history no longer has the item that it needs. */
  #checkLoss(stream: GoodsStream, { next }: Lag): void {
    const { overflow, history, offset } = stream.shelved;
    if (overflow === 'disconnect' && next <= offset && history.at(next) === undefined) this.#disconnect(stream);
  }

  #catchUpOn(stream: GoodsStream, lag: Lag): void {
    const { shelved, encoder } = stream;
    const { history, overflow, offset: last } = shelved;
    const { coding, link, highWaterMark, outbox } = this.#host;
    const frames: Uint8Array[] = [];
    let bytes = 0;
    const add = (encoded: EncodedMessage) => {
      const frame = coding.frame(encoded);
      frames.push(frame);
      bytes += frame.length;
    };
    if (overflow === 'conflate' && !lag.isReplay && lag.next < last && history.at(last) !== undefined) {
      this.#countMiss(stream, 'conflated', last - lag.next);
      add(encoder.encodeSkip(lag.next, last - 1, 'conflated'));
      lag.next = last;
    }
    while (lag.next <= last) {
      const entry = history.at(lag.next);
      if (entry === undefined) {
        if (overflow === 'disconnect' && !lag.isReplay) {
          this.#disconnect(stream);
          return;
        }
        const oldest = history.oldest ?? last + 1;
        this.#countMiss(stream, 'dropped', oldest - lag.next);
        add(encoder.encodeSkip(lag.next, oldest - 1, 'dropped'));
        lag.next = oldest;
        continue;
      }
      const encoded = encoder.encode(entry);
      // `tailor` may have closed this session or taken its goods off the shelf.
      if (this.#host.isClosed || shelved.isRemoved) return;
      add(encoded ?? encoder.encodeSkip(lag.next, lag.next, encoder.reason));
      lag.next++;
      if (bytes < highWaterMark / 4) continue;
      link.send(join(frames.splice(0)));
      bytes = 0;
      if (this.checkCongestion()) return;
    }
    if (frames.length > 0) link.send(join(frames));
    // Otherwise an older message in the outbox would be sent behind a newer one.
    if (outbox.isEmpty && this.#lags.get(stream) === lag && lag.next > shelved.offset) this.#lags.delete(stream);
    lag.isReplay = false;
  }

  #countMiss(stream: GoodsStream, event: Miss, items: number): void {
    const { shelved } = stream;
    shelved.counters.countLeftOut(event, items);
    this.#host.observer.overflow({ event, goods: shelved.name, subscriber: this.#host.id, items });
  }

  #disconnect(stream: GoodsStream | undefined): void {
    const goods = stream?.shelved.name ?? '';
    this.#host.observer.overflow({ event: 'disconnected', goods, subscriber: this.#host.id, items: 0 });
    this.#host.close(1013, 'reads too slowly');
  }
}

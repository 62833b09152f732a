import { type Coding, EncodedMessage } from '../fan-out/encoded-message.ts';
import type { BatchSequence, Outbox, Recipient } from '../fan-out/outbox.ts';
import type { Observer } from '../shelf/observer.ts';
import type { GoodsStream } from '../shelf/shelved-goods.ts';
import { decodeBytesSupply } from '../wire/binary-codec.ts';
import type { BytesSupplyRequest, Frame, OkFrame, RawRequest } from '../wire/frames.ts';
import { formatFrame, parseRequest } from '../wire/text-codec.ts';
import { CatchUp, type CatchUpHost } from './catch-up.ts';
import type { Link } from './link.ts';
import type { MarketConnection } from './market-connection.ts';
import type { Subscription } from './subscription.ts';

/** Number of heartbeats without a sign of life after which a connection is ended. */
const maxMissedHeartbeats = 2;

/** Takes the messages of one session. */
export interface RequestReceiver {
  /**
   * Takes a message. Throws nothing.
   * @param length Length of the message: characters of a string, bytes otherwise.
   * @param parse Reads the message. Throws WireError if it is invalid.
   */
  receive<Message>(
    message: Message,
    length: number,
    parse: (message: Message) => RawRequest | BytesSupplyRequest,
  ): void;
}

/** The parts of the market that sessions call. All sessions of a market share one object. */
export interface SessionContext {
  readonly outbox: Outbox<GoodsStream>;
  readonly observer: Observer;
  /** Maximum number of bytes that wait for a subscriber before it falls behind. */
  readonly highWaterMark: number;
  /** Returns what takes the requests of a session. */
  receiverFor(session: Session): RequestReceiver;
  /** Called once, when a session takes no more requests: its subscriptions are to be ended. */
  closed(session: Session): void;
  /** Called when the connection of a session is gone. */
  gone(session: Session): void;
}

/** Items to send behind a reply. */
export interface Replay {
  readonly stream: GoodsStream;
  /** Offset of the first item; null for the latest items, as many as the subscription asks for. */
  readonly from: number | null;
}

/** One connection at a market: the subscriptions it has, and what is sent to it. Created by `market.connect()`. */
export class Session<User = unknown> implements MarketConnection<User>, Recipient<GoodsStream>, CatchUpHost {
  readonly id: number;
  readonly user: User;
  /** @internal */
  readonly coding: Coding;
  /** @internal */
  readonly link: Link;
  /** For the outbox only. @internal */
  mark: BatchSequence<GoodsStream> | null = null;
  readonly #context: SessionContext;
  readonly #requests: RequestReceiver;
  readonly #subscriptions = new Map<string, Subscription>();
  /** An audience of one. */
  readonly #self: readonly [this];
  /** Created when the subscriber falls behind for the first time. */
  #catchUp: CatchUp | null = null;
  #isClosed = false;
  #missedHeartbeats = 0;
  #closeAfterDelivery: { readonly code: number; readonly reason: string } | null = null;

  /** @internal */
  constructor(id: number, user: User, link: Link, context: SessionContext) {
    this.id = id;
    this.user = user;
    this.coding = link.coding;
    this.link = link;
    this.#context = context;
    this.#self = [this];
    this.#requests = context.receiverFor(this as Session);
  }

  // Input.

  /** Takes a text message of the peer. Throws nothing. */
  receive(text: string): void {
    this.#requests.receive(text, text.length, parseRequest);
  }

  /** Takes a text message of the peer as UTF-8. Throws nothing. */
  receiveText(bytes: Buffer): void {
    this.#requests.receive(bytes, bytes.length, parseUtf8);
  }

  /** Takes a binary message of the peer. The bytes must not be changed afterwards: the item is a view of them. Throws nothing. */
  receiveBytes(bytes: Uint8Array): void {
    this.#requests.receive(bytes, bytes.length, decodeBytesSupply);
  }

  /** Notes a sign of life of the peer, such as a pong. */
  noteActivity(): void {
    this.#missedHeartbeats = 0;
  }

  // Subscriptions.

  /** @internal */
  get subscriptions(): ReadonlyMap<string, Subscription> {
    return this.#subscriptions;
  }

  /** @internal */
  add(subscription: Subscription): void {
    this.#subscriptions.set(subscription.key, subscription);
  }

  /** Removes a subscription. The caller has to leave its streams. @internal */
  remove(subscription: Subscription): void {
    this.#subscriptions.delete(subscription.key);
  }

  /** Returns true if a subscription leads to a stream. @internal */
  holds(stream: GoodsStream): boolean {
    const { name } = stream.shelved;
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.streamOf(name) === stream) return true;
    }
    return false;
  }

  // Output.

  /** Queues a frame behind everything queued before. @internal */
  send(frame: Frame): void {
    this.#context.outbox.push(this.#self, null, new EncodedMessage(formatFrame(frame)));
  }

  /**
   * Queues a reply, and behind it the items of each replay.
   * @param last Number of the latest items to send where a replay begins at no given offset.
   * @internal
   */
  reply(reply: OkFrame, replays: readonly Replay[], last: number): void {
    this.send(reply);
    for (const replay of replays) this.replay(replay, last);
  }

  /** Queues items from the history before later items. Items above `highWaterMark` bytes are sent later, as the peer reads. @internal */
  replay({ stream, from }: Replay, last: number): void {
    const { shelved, encoder } = stream;
    const { outbox, highWaterMark } = this.#context;
    const until = shelved.offset;
    let next = from ?? shelved.firstOfLatest(last);
    if (this.#catchUp?.isBehindOn(stream)) {
      this.#catchUp.replayFrom(stream, next, until);
      return;
    }
    for (let bytes = 0; next <= until && bytes < highWaterMark; next++) {
      const entry = shelved.history.at(next);
      if (entry === undefined) break;
      const encoded = encoder.encode(entry) ?? encoder.encodeSkip(next, next, encoder.reason);
      // `tailor` may have closed this session or taken its goods off the shelf.
      if (this.#isClosed || shelved.isRemoved) return;
      bytes += encoded.payload.length;
      outbox.push(this.#self, stream, encoded, next);
    }
    if (next <= until) this.#slowReader.startReplay(stream, next, until);
  }

  /** Ends what is still owed of a stream. @internal */
  forget(stream: GoodsStream): void {
    this.#catchUp?.forget(stream);
  }

  /** For the outbox only. @internal */
  deliver(sequence: BatchSequence<GoodsStream>): void {
    if (this.#isClosed) return;
    const isSlow = this.#catchUp?.isNeeded || this.link.bufferedAmount > this.highWaterMark;
    if (isSlow) this.#slowReader.deliver(sequence);
    else this.link.send(sequence.pieces);
    if (this.#closeAfterDelivery !== null) this.close(this.#closeAfterDelivery.code, this.#closeAfterDelivery.reason);
  }

  get #slowReader(): CatchUp {
    this.#catchUp ??= new CatchUp(this);
    return this.#catchUp;
  }

  /** @internal */
  get outbox(): Outbox<GoodsStream> {
    return this.#context.outbox;
  }

  /** @internal */
  get observer(): Observer {
    return this.#context.observer;
  }

  /** @internal */
  get highWaterMark(): number {
    return this.#context.highWaterMark;
  }

  // Life.

  /** True if the session takes no more requests. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Pings the peer.
   * @param interval The market's heartbeat in milliseconds.
   * @returns false if the peer has not answered two pings: the connection was ended.
   * @internal
   */
  sendHeartbeat(interval: number): boolean {
    if (this.#missedHeartbeats >= maxMissedHeartbeats) {
      this.#leave();
      this.link.terminate(interval);
      return false;
    }
    this.#missedHeartbeats++;
    this.link.ping();
    this.#catchUp?.checkDrained();
    return true;
  }

  /** Closes the connection as soon as the queued frames have been sent. Later ones are not sent. @internal */
  closeWhenSent(code: number, reason: string): void {
    this.#closeAfterDelivery = { code, reason };
  }

  /** Closes the connection, and ends its subscriptions. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#leave();
    this.link.close(code, reason);
  }

  /** Ends the connection without a close frame. */
  terminate(): void {
    this.#leave();
    this.link.terminate();
  }

  /** Ends the subscriptions of a connection that is gone. */
  end(): void {
    this.#leave();
    this.#context.gone(this as Session);
  }

  #leave(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#catchUp?.clear();
    this.#context.closed(this as Session);
  }
}

function parseUtf8(bytes: Buffer): RawRequest {
  return parseRequest(bytes.toString());
}

import type { Subscriber } from '../definition/goods.ts';
import { hasStars, isGoodsName, isPattern } from '../definition/goods-name.ts';
import { isPromise } from '../definition/maybe-promise.ts';
import { type Coding, EncodedMessage } from '../fan-out/encoded-message.ts';
import { type BatchSequence, join, type Outbox, type Recipient } from '../fan-out/outbox.ts';
import type { Observer } from '../shelf/observer.ts';
import type { Provider } from '../shelf/provider.ts';
import type { GoodsStream } from '../shelf/shelved-goods.ts';
import { decodeBytesSupply } from '../wire/binary-codec.ts';
import type {
  BytesSupplyRequest,
  CatalogEntry,
  Frame,
  RawRequest,
  Since,
  SubscriptionEntry,
  WireLimits,
} from '../wire/frames.ts';
import { GoodsError, WireError } from '../wire/goods-error.ts';
import { formatFrame, isOffset, parseRequest } from '../wire/text-codec.ts';
import { TokenBucket } from '../wire/token-bucket.ts';
import type { StreamMap } from './stream-map.ts';

/** The connection below a {@link Session}: frames out, and how many of their octets wait. None of these throws. */
export interface Link {
  readonly coding: Coding;
  /** Octets that were given and that the kernel does not have. */
  readonly bufferedAmount: number;
  /** Sends whole frames. What cannot be sent any more is forgotten. */
  send(octets: readonly Uint8Array[]): void;
  /** Calls back once, when the peer has read what waits. Called only while much does. */
  awaitDrain(callback: () => void): void;
  ping(): void;
  close(code: number, reason: string): void;
  terminate(): void;
}

/** What a subscriber has booked, with the streams that it leads to. */
export interface Subscription {
  readonly session: Session;
  /** Under which the session has it. */
  readonly key: string;
  /** As in the request. */
  readonly pattern: string;
  readonly params: unknown;
  /** How many of the latest items are wanted where goods come later. */
  readonly last: number;
  /** By the name of the goods. */
  readonly streams: StreamMap;
  /** Patterns of goods that were revoked from it. */
  revoked: string[] | null;
}

/** Calls that a {@link Session} makes to its market. @internal */
export interface Desk {
  readonly limits: WireLimits;
  readonly highWaterMark: number;
  readonly observer: Observer;
  readonly outbox: Outbox<GoodsStream>;
  readonly isClosing: boolean;
  /** Number of goods on the shelf. */
  readonly goods: number;
  now(): number;
  subscribe(session: Session, command: SubscribeCommand): void | Promise<void>;
  unsubscribe(session: Session, key: string): boolean;
  supplyRemote(session: Session, id: number, name: string, items: readonly unknown[]): void | Promise<void>;
  shelveRemote(session: Session, id: number, name: string): void | Promise<void>;
  unshelveRemote(session: Session, name: string, reason: string): void;
  catalog(pattern: string): CatalogEntry[];
  left(session: Session): void;
  gone(session: Session): void;
}

/** Subscribe request whose fields have been checked. @internal */
export interface SubscribeCommand {
  readonly id: number;
  readonly pattern: string;
  readonly params: unknown;
  readonly key: string;
  readonly last: number;
  readonly since: ReadonlyMap<string, Since> | null;
}

/** How far behind a session is on a stream. */
interface Lag {
  /** The offset that it needs next. */
  next: number;
  /** Whether it is given what it asked for, and not what it was too slow for. */
  isReplay: boolean;
  /** Until which offset the outbox may still have what is older than the request for a replay, and whether that is owed besides. */
  readonly until: number;
  readonly owesBefore: boolean;
}

/** Levels that params may be nested. */
const maxParamsDepth = 32;
const defaultPageSize = 100;
const maxPageSize = 1000;
/** So many goods are looked through for the price of a request. */
const goodsPerRequest = 1000;
/** A client that is refused so many times its burst without a pause does not listen. */
const maxRefusals = 10;

/** One connection at a market: what it sends is taken from {@link receive}, what it gets goes to its {@link Link}. */
export class Session<User = unknown> implements Subscriber<User>, Recipient<GoodsStream> {
  readonly id: number;
  readonly user: User;
  /** By goods and params. */
  readonly bookings = new Map<string, Subscription>();
  mark: BatchSequence<GoodsStream> | null = null;
  isClosed = false;
  /** How often it was pinged since something came. */
  missedHeartbeats = 0;
  /** What offers its goods, if it ever was a provider. */
  provider: Provider | null = null;
  /** The names of the goods that it has put on the shelf. */
  shelvedNames: Set<string> | null = null;
  readonly coding: Coding;
  readonly #desk: Desk;
  readonly #link: Link;
  /** An audience of one. */
  readonly #self: readonly [this];
  readonly #lags = new Map<GoodsStream, Lag>();
  #isCongested = false;
  /** Octets that had to be sent although much waits already: replies, and news of the shelf. */
  #unread = 0;
  #lastId = 0;
  readonly #requests: TokenBucket;
  readonly #items: TokenBucket;
  #refusals = 0;
  #farewell: { readonly code: number; readonly reason: string } | null = null;
  /** The last request about some goods that waits, for the next to wait for. */
  #turns: Map<string, Promise<void>> | null = null;
  #pending = 0;

  /** @internal Made by `Market.connect`. */
  constructor(id: number, user: User, link: Link, desk: Desk) {
    this.id = id;
    this.user = user;
    this.coding = link.coding;
    this.#link = link;
    this.#desk = desk;
    this.#self = [this];
    const { limits } = desk;
    const now = desk.now();
    this.#requests = new TokenBucket(limits.requestsPerSecond, limits.requestBurst, now);
    this.#items = new TokenBucket(limits.itemsPerSecond, limits.itemsPerSecond, now);
  }

  /** Sends a frame behind all that was sent before. */
  tell(frame: Frame): void {
    this.#desk.outbox.push(this.#self, null, new EncodedMessage(formatFrame(frame)));
  }

  /** Takes a text message of the peer. Throws nothing. */
  receive(text: string): void {
    this.#receive(text.length, () => parseRequest(text));
  }

  /** As {@link receive}, with the text in UTF-8. */
  receiveText(octets: Buffer): void {
    this.#receive(octets.length, () => parseRequest(octets.toString()));
  }

  /** Takes a binary message of the peer, which may be used again afterwards. Throws nothing. */
  receiveBytes(octets: Uint8Array): void {
    this.#receive(octets.length, () => decodeBytesSupply(octets));
  }

  #receive(length: number, parse: () => RawRequest | BytesSupplyRequest): void {
    if (this.isClosed) return;
    this.missedHeartbeats = 0;
    const { limits } = this.#desk;
    let request: RawRequest | BytesSupplyRequest;
    try {
      if (length > limits.messageSize) {
        this.close(1009, `a message has at most ${limits.messageSize} octets`);
        return;
      }
      request = parse();
      if (request.id <= this.#lastId) throw new WireError(1008, 'ids of requests grow');
    } catch (error) {
      this.#desk.observer.refusal({ error: error as Error, subscriber: this.id });
      const code = error instanceof WireError ? error.closeCode : 1007;
      this.close(code, error instanceof WireError ? error.message : 'no message of goods.v1');
      return;
    }
    this.#lastId = request.id;
    const wait = this.#requests.take(this.#desk.now(), this.#costOf(request as RawRequest));
    if (wait === 0) {
      this.#refusals = 0;
      this.#begin(request as RawRequest);
    } else if (++this.#refusals > maxRefusals * limits.requestBurst) {
      this.close(1008, 'too many requests');
    } else {
      this.#refuse(request.id, new GoodsError('rate-limited', '', { retryAfter: wait }));
    }
  }

  /** How many requests a request counts as. To look through a large shelf takes time, however little is asked for. */
  #costOf({ op, goods }: RawRequest): number {
    const isSearch = op === 'catalog' || (op === 'subscribe' && typeof goods === 'string' && hasStars(goods));
    if (!isSearch) return 1;
    return Math.min(1 + Math.floor(this.#desk.goods / goodsPerRequest), this.#desk.limits.requestBurst);
  }

  /** Does a request now, or after those about the same goods that still wait for somebody's decision. */
  #begin(request: RawRequest): void {
    const { goods } = request as { goods?: unknown };
    const about = typeof goods === 'string' ? goods : '';
    const before = this.#turns?.get(about);
    if (this.#pending >= this.#desk.limits.requestBurst) {
      this.#refuse(request.id, new GoodsError('too-many-pending'));
    } else if (before === undefined) {
      const done = this.#do(request);
      if (done !== undefined) this.#wait(about, done);
    } else {
      this.#wait(
        about,
        before.then(() => this.#do(request)),
      );
    }
  }

  #wait(about: string, done: Promise<void>): void {
    this.#turns ??= new Map();
    const turns = this.#turns;
    this.#pending++;
    const turn = done.then(() => {
      this.#pending--;
      if (turns.get(about) === turn) turns.delete(about);
    });
    turns.set(about, turn);
  }

  /** @returns A promise, which never rejects, if it takes time. */
  #do(request: RawRequest): Promise<void> | undefined {
    if (this.isClosed) return undefined;
    try {
      if (this.#desk.isClosing) throw new GoodsError('closing');
      const done = this.#perform(request);
      if (!isPromise(done)) return undefined;
      return done.catch((error: unknown) => this.#refuse(request.id, error));
    } catch (error) {
      this.#refuse(request.id, error);
      return undefined;
    }
  }

  #refuse(id: number, error: unknown): void {
    if (this.isClosed) return;
    const isOurs = error instanceof GoodsError;
    if (!isOurs) this.#desk.observer.failure({ place: 'market', goods: undefined, variant: undefined, error });
    const refusal = isOurs ? error : new GoodsError('internal', '', { cause: error });
    this.#desk.observer.refusal({ error: refusal, subscriber: this.id });
    const { code, message, retryAfter } = refusal;
    this.tell({ op: 'error', id, code, message, ...(retryAfter === undefined ? {} : { retryAfter }) });
  }

  #perform(request: RawRequest): void | Promise<void> {
    const { op, id } = request;
    switch (op) {
      case 'subscribe': {
        const pattern = this.#pattern(request.goods);
        const { params, text } = this.#params(request.params);
        const last = this.#count(request.last, 'last', 0, Number.MAX_SAFE_INTEGER, 1);
        const since = this.#since(request.since);
        return this.#desk.subscribe(this as Session, {
          id,
          pattern,
          params,
          key: subscriptionKey(pattern, text),
          last,
          since,
        });
      }
      case 'unsubscribe': {
        const pattern = this.#pattern(request.goods);
        const removed = this.#desk.unsubscribe(
          this as Session,
          subscriptionKey(pattern, this.#params(request.params).text),
        );
        return this.tell({ op: 'ok', id, removed });
      }
      case 'subscriptions':
        return this.#listSubscriptions(request);
      case 'catalog':
        return this.#listCatalog(request);
      case 'supply': {
        const { items } = request;
        if (!Array.isArray(items) || items.length === 0)
          throw new GoodsError('bad-request', 'items is a list of at least one');
        return this.#supply(id, this.#name(request.goods), items);
      }
      case 'supply-bytes':
        // From JSON the item is no octets, and the goods will say so.
        return this.#supply(id, this.#name(request.goods), [request.item]);
      case 'shelve':
        return this.#desk.shelveRemote(this as Session, id, this.#name(request.goods));
      case 'unshelve': {
        const { reason = '' } = request;
        if (typeof reason !== 'string') throw new GoodsError('bad-request', 'reason is a string');
        this.#desk.unshelveRemote(this as Session, this.#name(request.goods), reason.slice(0, 1000));
        return this.tell({ op: 'ok', id });
      }
      case 'ping':
        return this.tell({ op: 'ok', id });
      default:
        throw new GoodsError('unknown-op');
    }
  }

  #supply(id: number, name: string, items: readonly unknown[]): void | Promise<void> {
    const { itemsPerSecond } = this.#desk.limits;
    if (items.length > itemsPerSecond) throw new GoodsError('bad-request', `at most ${itemsPerSecond} items at once`);
    const wait = this.#items.take(this.#desk.now(), items.length);
    if (wait > 0) throw new GoodsError('rate-limited', '', { retryAfter: wait });
    return this.#desk.supplyRemote(this as Session, id, name, items);
  }

  #listSubscriptions(request: RawRequest): void {
    const { page, next } = this.#page(
      request,
      () => [...this.bookings.keys()].sort(),
      (key) => key,
    );
    const subscriptions = page.map((key): SubscriptionEntry => {
      const { pattern, params, streams } = this.bookings.get(key)!;
      return { goods: pattern, params, streams: [...streams.values()].map(({ announcement }) => announcement) };
    });
    this.tell({ op: 'ok', id: request.id, subscriptions, ...next });
  }

  #listCatalog(request: RawRequest): void {
    const { pattern } = request;
    const list = () => this.#desk.catalog(pattern === undefined ? '**' : this.#pattern(pattern));
    const { page, next } = this.#page(request, list, ({ goods }) => goods);
    this.tell({ op: 'ok', id: request.id, catalog: page, ...next });
  }

  /** What a request asks for of a sorted list, which is made only for one that is valid; and behind what the next page begins, if there is one. */
  #page<Item>(request: RawRequest, list: () => readonly Item[], keyOf: (item: Item) => string) {
    const limit = this.#count(request.limit, 'limit', 1, maxPageSize, defaultPageSize);
    const { after } = request;
    if (after !== undefined && typeof after !== 'string') throw new GoodsError('bad-request', 'after is a string');
    const all = list();
    const rest = after === undefined ? all : all.filter((item) => keyOf(item) > after);
    const page = rest.slice(0, limit);
    return { page, next: rest.length > limit ? { next: keyOf(page.at(-1)!) } : {} };
  }

  #pattern(value: unknown): string {
    if (typeof value !== 'string') throw new GoodsError('bad-request', 'goods is a string');
    if (!isPattern(value, this.#desk.limits.nameLength)) throw new GoodsError('bad-name');
    return value;
  }

  #name(value: unknown): string {
    if (typeof value !== 'string') throw new GoodsError('bad-request', 'goods is a string');
    if (!isGoodsName(value, this.#desk.limits.nameLength)) throw new GoodsError('bad-name');
    return value;
  }

  #params(params: unknown): { params: unknown; text: string } {
    if (params === undefined) return { params, text: '' };
    if (isDeeper(params, maxParamsDepth)) throw new GoodsError('params-too-large');
    const text = JSON.stringify(params);
    if (text.length > this.#desk.limits.paramsSize) throw new GoodsError('params-too-large');
    return { params, text };
  }

  #count(value: unknown, name: string, least: number, most: number, otherwise: number): number {
    if (value === undefined) return otherwise;
    if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
      throw new GoodsError('bad-request', `${name} is an integer from ${least} to ${most}`);
    }
    return value as number;
  }

  #since(value: unknown): ReadonlyMap<string, Since> | null {
    if (value === undefined) return null;
    if (!Array.isArray(value)) throw new GoodsError('bad-request', 'since is a list');
    const since = new Map<string, Since>();
    for (const entry of value as (Partial<Since> | null)[]) {
      const isPosition = typeof entry?.goods === 'string' && typeof entry.epoch === 'string' && isOffset(entry.offset);
      if (!isPosition) throw new GoodsError('bad-request', 'an entry of since has goods, epoch and an offset ≥ 0');
      since.set(entry.goods!, entry as Since);
    }
    return since;
  }

  /** Gives what is kept from an offset on, before what comes: at once, as far as the peer may be expected to take it at once. */
  replay(stream: GoodsStream, from: number): void {
    const { shelved } = stream;
    const until = shelved.offset;
    const lag = this.#lags.get(stream);
    if (lag !== undefined) {
      if (lag.next !== Number.POSITIVE_INFINITY) lag.next = Math.min(lag.next, from);
      else this.#lags.set(stream, { next: from, isReplay: true, until, owesBefore: false });
      return;
    }
    let octets = 0;
    let next = from;
    for (; next <= until && octets < this.#desk.highWaterMark; next++) {
      const entry = shelved.log.at(next);
      if (entry === undefined) break;
      const encoded = stream.encode(entry) ?? stream.skip(next, next, stream.reason);
      // A tailor may do what it likes, also end this.
      if (this.isClosed || shelved.isRemoved) return;
      octets += encoded.payload.length;
      this.#desk.outbox.push(this.#self, stream, encoded, next);
    }
    if (next <= until) this.#lags.set(stream, { next, isReplay: true, until, owesBefore: true });
  }

  /** Nothing of a stream is owed any more. */
  forget(stream: GoodsStream): void {
    const lag = this.#lags.get(stream);
    // The outbox may still have some of it, which would not follow what was sent before.
    if (lag !== undefined) lag.next = Number.POSITIVE_INFINITY;
  }

  /** Whether one of its bookings leads to a stream. */
  holds(stream: GoodsStream): boolean {
    for (const { streams } of this.bookings.values()) if (streams.get(stream.shelved.name) === stream) return true;
    return false;
  }

  /** @internal For the outbox. */
  deliver(sequence: BatchSequence<GoodsStream>): void {
    if (this.isClosed) return;
    if (this.#lags.size > 0 || this.#hasTooMuch()) this.#deliverApart(sequence);
    else this.#link.send(sequence.octets);
    if (this.#farewell !== null) this.close(this.#farewell.code, this.#farewell.reason);
  }

  #hasTooMuch(): boolean {
    if (this.#isCongested) return true;
    if (this.#link.bufferedAmount <= this.#desk.highWaterMark) return false;
    this.#isCongested = true;
    for (const lag of this.#lags.values()) lag.isReplay = false;
    this.#link.awaitDrain(() => this.#drained());
    return true;
  }

  /** Messages that must arrive are sent; on streams where it is behind it stays behind, and gets further from what is kept. */
  #deliverApart(sequence: BatchSequence<GoodsStream>): void {
    const owed: Uint8Array[] = [];
    let replies = 0;
    for (const { topic, messages } of sequence.batches) {
      for (const { encoded, from, to } of messages) {
        if (topic !== null && !this.#isInStep(topic, from, to)) continue;
        const frame = this.coding.frame(encoded);
        owed.push(frame);
        if (topic === null) replies += frame.length;
      }
    }
    if (owed.length > 0) this.#link.send(join(owed));
    if (this.#isCongested) this.#unread += replies;
    // It asks, and does not read the answers.
    if (this.#unread > this.#desk.highWaterMark) {
      this.#disconnect(undefined);
      return;
    }
    this.#catchUp();
  }

  /** Whether the offsets of a message are what the stream needs next, and can be sent; else the stream falls, or stays, behind. */
  #isInStep(stream: GoodsStream, from: number, to: number): boolean {
    const lag = this.#lags.get(stream);
    if (lag === undefined) {
      if (!this.#hasTooMuch()) return true;
      // It may have been ended since the message was put in.
      if (this.holds(stream)) this.#lags.set(stream, { next: from, isReplay: false, until: 0, owesBefore: false });
      return false;
    }
    if (to <= lag.until) {
      if (!lag.owesBefore) return false;
      if (!this.#hasTooMuch()) return true;
      // What was forgotten stays so.
      if (lag.next !== Number.POSITIVE_INFINITY) lag.next = Math.min(lag.next, from);
      return false;
    }
    if (lag.next !== from || this.#hasTooMuch()) return false;
    lag.next = to + 1;
    return true;
  }

  #drained(): void {
    this.#isCongested = false;
    this.#unread = 0;
    // What waits in the outbox is older: the reply that names a stream, and the items before those that are behind.
    this.#desk.outbox.whenEmpty(() => {
      if (!this.isClosed) this.#catchUp();
    });
  }

  /** Gives what is behind, as much as the peer reads. */
  #catchUp(): void {
    for (const [stream, lag] of this.#lags) {
      if (this.#hasTooMuch()) this.#checkLoss(stream, lag);
      else this.#catchUpOn(stream, lag);
      if (this.isClosed) return;
    }
  }

  /** Goods that must not be lost are lost as soon as what is needed is not kept any more. */
  #checkLoss(stream: GoodsStream, { next }: Lag): void {
    const { overflow, log, offset } = stream.shelved;
    if (overflow === 'disconnect' && next <= offset && log.at(next) === undefined) this.#disconnect(stream);
  }

  #catchUpOn(stream: GoodsStream, lag: Lag): void {
    const { shelved } = stream;
    const { log, overflow, offset: last } = shelved;
    const frames: Uint8Array[] = [];
    const { highWaterMark } = this.#desk;
    let octets = 0;
    const give = (encoded: EncodedMessage) => {
      const frame = this.coding.frame(encoded);
      frames.push(frame);
      octets += frame.length;
    };
    if (overflow === 'conflate' && !lag.isReplay && lag.next < last && log.at(last) !== undefined) {
      this.#lost(stream, 'conflated', last - lag.next);
      give(stream.skip(lag.next, last - 1, 'conflated'));
      lag.next = last;
    }
    while (lag.next <= last) {
      const entry = log.at(lag.next);
      if (entry === undefined) {
        if (overflow === 'disconnect' && !lag.isReplay) {
          this.#disconnect(stream);
          return;
        }
        const oldest = log.oldest ?? last + 1;
        this.#lost(stream, 'dropped', oldest - lag.next);
        give(stream.skip(lag.next, oldest - 1, 'dropped'));
        lag.next = oldest;
        continue;
      }
      const encoded = stream.encode(entry);
      // A tailor may do what it likes, also end this.
      if (this.isClosed || shelved.isRemoved) return;
      give(encoded ?? stream.skip(lag.next, lag.next, stream.reason));
      lag.next++;
      if (octets < highWaterMark / 4) continue;
      this.#link.send(join(frames.splice(0)));
      octets = 0;
      if (this.#hasTooMuch()) return;
    }
    if (frames.length > 0) this.#link.send(join(frames));
    // What waits in the outbox may be older than what was given just now.
    if (this.#desk.outbox.isEmpty && this.#lags.get(stream) === lag && lag.next > shelved.offset)
      this.#lags.delete(stream);
    lag.isReplay = false;
  }

  #lost(stream: GoodsStream, event: 'conflated' | 'dropped', items: number): void {
    stream.shelved.statistics[event] += items;
    this.#desk.observer.overflow({ event, goods: stream.shelved.name, subscriber: this.id, items });
  }

  #disconnect(stream: GoodsStream | undefined): void {
    const goods = stream?.shelved.name ?? '';
    this.#desk.observer.overflow({ event: 'disconnected', goods, subscriber: this.id, items: 0 });
    this.close(1013, 'reads too slowly');
  }

  /** Asks the peer for a sign of life. @returns false if it has not given one for two beats: it is gone. */
  sendHeartbeat(): boolean {
    if (this.missedHeartbeats >= 2) {
      this.terminate();
      return false;
    }
    this.missedHeartbeats++;
    this.#link.ping();
    // In case that what waits left without a word.
    if (this.#isCongested && this.#link.bufferedAmount <= this.#desk.highWaterMark) this.#drained();
    return true;
  }

  /** Something came from the peer. */
  noteActivity(): void {
    this.missedHeartbeats = 0;
  }

  /** Closes the connection once what waits in the outbox has been sent; nothing is taken from it any more. */
  closeWhenSent(code: number, reason: string): void {
    this.#farewell = { code, reason };
  }

  /** Closes the connection with a code and a reason, and ends all that it has here. */
  close(code: number, reason: string): void {
    if (this.isClosed) return;
    this.#leave();
    this.#link.close(code, reason);
  }

  /** Ends the connection without a close frame. */
  terminate(): void {
    this.#leave();
    this.#link.terminate();
  }

  /** To be called when the connection is gone: everything that it has here is ended. */
  end(): void {
    this.#leave();
    this.#desk.gone(this as Session);
  }

  #leave(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#lags.clear();
    this.#desk.left(this as Session);
  }
}

/** What a subscription is known by: no pattern has a line break. */
export function subscriptionKey(pattern: string, paramsText: string): string {
  return paramsText === '' ? pattern : `${pattern}\n${paramsText}`;
}

/** Whether a value is nested deeper than so many levels. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const inner of Object.values(value)) if (isDeeper(inner, levels - 1)) return true;
  return false;
}

/** Whether a booking may lead to goods of this name. */
export function subscriptionMatches(
  { pattern, revoked }: Subscription,
  name: string,
  covers: (pattern: string, name: string) => boolean,
): boolean {
  if (!hasStars(pattern)) return pattern === name;
  return covers(pattern, name) && !(revoked?.some((one) => covers(one, name)) ?? false);
}

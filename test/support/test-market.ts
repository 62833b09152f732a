import { FrameCollector, FrameDecoder } from '../../src/frame/frame-decoder.ts';
import { Opcode } from '../../src/frame/opcode.ts';
import { defineGoods, type Goods } from '../../src/goods/definition/goods.ts';
import { plainCoding } from '../../src/goods/fan-out/encoded-message.ts';
import { MarketCore } from '../../src/goods/market/market-core.ts';
import type { MarketOptions } from '../../src/goods/market/market-options.ts';
import type { Link } from '../../src/goods/session/link.ts';
import type { Session } from '../../src/goods/session/session.ts';
import type { Observer } from '../../src/goods/shelf/observer.ts';
import { decodeBytesItem } from '../../src/goods/wire/binary-codec.ts';
import type { BytesFrame, ErrorFrame, Frame, OkFrame } from '../../src/goods/wire/frames.ts';
import { parseFrame } from '../../src/goods/wire/text-codec.ts';

/** Observer that records the events of a market as lines. */
export class Notes implements Observer {
  readonly failures: { place: string; goods: string | undefined; variant: string | undefined; error: unknown }[] = [];
  readonly events: string[] = [];
  readonly refusals: string[] = [];
  failure: Observer['failure'] = (message) => void this.failures.push(message);
  subscription: Observer['subscription'] = ({ event, goods }) => void this.events.push(`${event} ${goods}`);
  overflow: Observer['overflow'] = ({ event, goods, items }) => void this.events.push(`${event} ${goods} ${items}`);
  refusal: Observer['refusal'] = ({ error }) => void this.refusals.push(error.message);
}

/** Market without sockets. Supplied items are sent when {@link flush} is called. Its clock stands still. */
export class TestMarket<User = unknown> {
  readonly notes = new Notes();
  readonly market: MarketCore<User>;
  time = 1000;
  #flushes: (() => void)[] = [];

  constructor(options: MarketOptions<User> = {}, defaultSchedule: (flush: () => void) => void = () => {}) {
    const settings = {
      observer: this.notes,
      now: () => this.time,
      schedule: (flush: () => void) => void this.#flushes.push(flush),
      random: () => 0.5,
      ...options,
    };
    this.market = new MarketCore<User>(settings, defaultSchedule);
  }

  flush(): void {
    while (this.#flushes.length > 0) for (const flush of this.#flushes.splice(0)) flush();
  }

  /** Returns a new connection, after the `welcome` frame. */
  connect(user?: User): TestClient {
    const client = new TestClient(this as TestMarket);
    client.session = this.market.connect(client, user as User) as Session;
    this.flush();
    client.frames.length = 0;
    return client;
  }
}

/** Client that collects received frames. */
export class TestClient implements Link {
  readonly coding = plainCoding;
  session!: Session;
  /** Received frames, in order. */
  readonly frames: (Frame | BytesFrame)[] = [];
  /** Pieces as passed to send(). */
  readonly pieces: Uint8Array[] = [];
  writes = 0;
  closed: { code: number; reason: string } | null = null;
  isTerminated = false;
  pings = 0;
  /** Called for each received frame. */
  onFrame: ((frame: Frame | BytesFrame) => void) | null = null;
  /** True if the client does not read, so that sent data stays buffered. */
  isStuck = false;
  bufferedAmount = 0;
  readonly #testMarket: TestMarket;
  #onDrain: (() => void) | null = null;
  #id = 0;

  constructor(testMarket: TestMarket) {
    this.#testMarket = testMarket;
  }

  send(pieces: readonly Uint8Array[]): void {
    this.writes++;
    for (const piece of pieces) {
      this.pieces.push(piece);
      if (this.isStuck) this.bufferedAmount += piece.length;
      const frames = new FrameCollector();
      // The decoder may write into its input. Without the copy, the recorded piece would change.
      new FrameDecoder({ role: 'client' }).decode(Buffer.from(piece), 0, frames);
      for (const { opcode, payload } of frames.frames) {
        const frame = opcode === Opcode.text ? parseFrame(payload.toString())! : decodeBytesItem(payload);
        this.frames.push(frame);
        this.onFrame?.(frame);
      }
    }
  }

  awaitDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  /** Reads everything buffered. */
  read(): void {
    this.bufferedAmount = 0;
    const onDrain = this.#onDrain;
    this.#onDrain = null;
    onDrain?.();
    this.#testMarket.flush();
  }

  ping(): void {
    this.pings++;
  }

  close(code: number, reason: string): void {
    this.closed ??= { code, reason };
  }

  terminate(): void {
    this.isTerminated = true;
  }

  /** Sends a request with the next id, flushes the market, and returns the reply. */
  ask(op: string, fields: Record<string, unknown> = {}): OkFrame | ErrorFrame {
    const id = this.begin(op, fields);
    this.#testMarket.flush();
    return this.replyTo(id)!;
  }

  /** As {@link ask}, for requests that the application decides asynchronously. */
  async askLater(op: string, fields: Record<string, unknown> = {}): Promise<OkFrame | ErrorFrame> {
    const id = this.begin(op, fields);
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#testMarket.flush();
      const reply = this.replyTo(id);
      if (reply !== undefined) return reply;
    }
  }

  /** Sends a request without a flush, and returns its id. */
  begin(op: string, fields: Record<string, unknown> = {}): number {
    const id = ++this.#id;
    this.session.receive(JSON.stringify({ op, id, ...fields }));
    return id;
  }

  replyTo(id: number): OkFrame | ErrorFrame | undefined {
    return this.frames.find((frame) => (frame.op === 'ok' || frame.op === 'error') && frame.id === id) as OkFrame;
  }

  subscribe(goods: string, fields: Record<string, unknown> = {}): OkFrame | ErrorFrame {
    return this.ask('subscribe', { goods, ...fields });
  }

  /** Returns the items, skips and news since the last call as short lines. */
  take(): string[] {
    return this.frames.splice(0).flatMap(line);
  }
}

function line(frame: Frame | BytesFrame): string[] {
  const of = 'goods' in frame ? `${frame.goods}${'variant' in frame ? `[${frame.variant}]` : ''}` : '';
  switch (frame.op) {
    case 'item':
      return [`${of} ${frame.offset} ${JSON.stringify(frame.item)}`];
    case 'items':
      return frame.items.map((item, i) => `${of} ${frame.offset + i} ${JSON.stringify(item)}`);
    case 'bytes':
      return [`${of} ${frame.offset} ${Buffer.from(frame.item).toString('hex')}`];
    case 'skip':
      return [`${of} ${frame.from}-${frame.to} ${frame.reason}`];
    case 'shelved':
      return [`shelved ${of} ${frame.stream.goods} ${frame.stream.variant ?? ''}@${frame.stream.offset}`];
    case 'unshelved':
      return [`unshelved ${of} ${frame.reason}`];
    case 'revoked':
      return [`revoked ${of} ${frame.stream ?? ''} ${frame.reason}`];
    case 'error':
      return [`error ${frame.code}`];
    case 'closing':
      return [`closing ${frame.reason} ${frame.retryAfter}`];
    default:
      return [`${frame.op} ${of}`.trim()];
  }
}

/** An item of the goods below. */
export interface Apple {
  readonly price: number;
}

export const apple = defineGoods<Apple>('fruit/apple');
export const pear = defineGoods<Apple>('fruit/pear');
/** The goods of {@link apple}, with a variant for each currency. */
export const priced = defineGoods<Apple, { currency: string }>('fruit/apple', {
  params: (value) => {
    const { currency } = value as { currency: unknown };
    if (typeof currency !== 'string') throw new TypeError('currency is a string');
    return { currency };
  },
  variant: (_subscriber, { currency }) => currency,
  tailor: (item, currency) => ({ price: currency === 'CNY' ? item.price * 7 : item.price }),
  history: { size: 100 },
});

/** A market whose provider `orchard` has put goods on the shelf. */
export function shop<Item, Params>(goods: Goods<Item, Params> = apple as unknown as Goods<Item, Params>) {
  const testMarket = new TestMarket();
  const orchard = testMarket.market.provider('orchard');
  orchard.shelve(goods);
  return { testMarket, orchard, market: testMarket.market };
}

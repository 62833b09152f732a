import { hasStars } from '../definition/goods-name.ts';
import { isPromise } from '../definition/maybe-promise.ts';
import type { RequestReceiver, Session } from '../session/session.ts';
import type { BytesSupplyRequest, RawRequest } from '../wire/frames.ts';
import { GoodsError, WireError } from '../wire/goods-error.ts';
import { TokenBucket } from '../wire/token-bucket.ts';
import { isOperation, operations, type Requester, type RequestParts } from './operations.ts';
import { RequestOrder } from './request-order.ts';

/** Number of goods on the shelf for which a search counts as one more request. */
const goodsPerRequest = 1000;
/** A client that is refused this many times its burst in a row is disconnected. */
const maxRefusedBursts = 10;

/** Takes the requests of one session: checks size, id and rate, keeps the order, runs the operation, and refuses. */
export class RequestHandler implements RequestReceiver {
  readonly #session: Session;
  readonly #parts: RequestParts;
  readonly #requests: TokenBucket;
  readonly #requester: Requester;
  readonly #order = new RequestOrder();
  #lastId = 0;
  #refusals = 0;

  constructor(session: Session, parts: RequestParts) {
    const { limits } = parts;
    const now = parts.rateTime();
    this.#session = session;
    this.#parts = parts;
    this.#requests = new TokenBucket(limits.requestsPerSecond, limits.requestBurst, now);
    const items = new TokenBucket(limits.itemsPerSecond, limits.itemsPerSecond, now);
    this.#requester = { session, items, parts };
  }

  receive<Message>(
    message: Message,
    length: number,
    parse: (message: Message) => RawRequest | BytesSupplyRequest,
  ): void {
    if (this.#session.isClosed) return;
    this.#session.noteActivity();
    const { limits } = this.#parts;
    const request = this.#parse(message, length, parse);
    if (request === null) return;
    this.#lastId = request.id;
    const wait = this.#requests.take(this.#parts.rateTime(), this.#costOf(request));
    if (wait === 0) {
      this.#refusals = 0;
      this.#begin(request);
    } else if (++this.#refusals > maxRefusedBursts * limits.requestBurst) {
      this.#session.close(1008, 'too many requests');
    } else {
      this.#refuse(request.id, new GoodsError('rate-limited', '', { retryAfter: wait }));
    }
  }

  /** Returns the request of a message; null if the message is invalid, and the session was closed. */
  #parse<Message>(
    message: Message,
    length: number,
    parse: (message: Message) => RawRequest | BytesSupplyRequest,
  ): RawRequest | null {
    const { limits, observer } = this.#parts;
    if (length > limits.messageSize) {
      this.#session.close(1009, `a message has at most ${limits.messageSize} bytes`);
      return null;
    }
    try {
      const request = parse(message);
      if (request.id <= this.#lastId) throw new WireError(1008, 'ids of requests grow');
      return request as RawRequest;
    } catch (error) {
      observer.refusal({ error: error as Error, subscriber: this.#session.id });
      const isWireError = error instanceof WireError;
      this.#session.close(isWireError ? error.closeCode : 1007, isWireError ? error.message : 'no message of goods.v1');
      return null;
    }
  }

  /** Returns the number of requests that a request counts as. A search of a large shelf takes time, however short its result. */
  #costOf({ op, goods }: RawRequest): number {
    const isSearch = op === 'catalog' || (op === 'subscribe' && typeof goods === 'string' && hasStars(goods));
    if (!isSearch) return 1;
    return Math.min(1 + Math.floor(this.#parts.shelf.size / goodsPerRequest), this.#parts.limits.requestBurst);
  }

  #begin(request: RawRequest): void {
    if (this.#order.pending >= this.#parts.limits.requestBurst) {
      this.#refuse(request.id, new GoodsError('too-many-pending'));
      return;
    }
    this.#order.run(typeof request.goods === 'string' ? request.goods : '', () => this.#perform(request));
  }

  /** Does a request. @returns A promise that is never rejected, if it takes time. */
  #perform(request: RawRequest): Promise<void> | undefined {
    if (this.#session.isClosed) return undefined;
    try {
      if (this.#parts.isClosing) throw new GoodsError('closing');
      if (!isOperation(request.op)) throw new GoodsError('unknown-op');
      const done = operations[request.op](this.#requester, request);
      if (!isPromise(done)) return undefined;
      return done.catch((error: unknown) => this.#refuse(request.id, error));
    } catch (error) {
      this.#refuse(request.id, error);
      return undefined;
    }
  }

  #refuse(id: number, error: unknown): void {
    if (this.#session.isClosed) return;
    const { observer } = this.#parts;
    const isRefusal = error instanceof GoodsError;
    if (!isRefusal) observer.failure({ place: 'market', goods: undefined, variant: undefined, error });
    const refusal = isRefusal ? error : new GoodsError('internal', '', { cause: error });
    observer.refusal({ error: refusal, subscriber: this.#session.id });
    const { code, message, retryAfter } = refusal;
    this.#session.send({ op: 'error', id, code, message, ...(retryAfter === undefined ? {} : { retryAfter }) });
  }
}

import type { Session } from '../session/session.ts';
import type { Observer } from '../shelf/observer.ts';
import type { Shelf } from '../shelf/shelf.ts';
import type { BytesSupplyRequest, RawRequest, Request, WireLimits } from '../wire/frames.ts';
import { GoodsError } from '../wire/goods-error.ts';
import type { TokenBucket } from '../wire/token-bucket.ts';
import type { ClientGoods } from './client-goods.ts';
import type { RequestFields } from './request-fields.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { SupplyHandler } from './supply-handler.ts';

/** The parts of a market that requests need. All sessions share them. */
export interface RequestParts {
  readonly limits: WireLimits;
  readonly observer: Observer;
  readonly fields: RequestFields;
  readonly shelf: Shelf;
  readonly subscriptions: Subscriptions;
  readonly supply: SupplyHandler;
  readonly clientGoods: ClientGoods;
  /** True if the market is shutting down. */
  readonly isClosing: boolean;
  /** Returns the time in milliseconds for rate limits. */
  rateTime(): number;
}

/** The sender of a request. */
export interface Requester {
  readonly session: Session;
  readonly parts: RequestParts;
  /** Items that the session may still supply. */
  readonly items: TokenBucket;
}

/** Name of an operation: the `op` of a request. */
export type OperationName = Request['op'] | BytesSupplyRequest['op'];

/** Carries out a request and replies. @throws GoodsError to refuse it. */
type Operation = (requester: Requester, request: RawRequest) => void | Promise<void>;

/** Each request of docs/goods-protocol.md. A request without a row does not compile. */
export const operations: Readonly<Record<OperationName, Operation>> = {
  subscribe({ session, parts: { fields, subscriptions } }, request) {
    const { pattern, params, key } = fields.subscription(request);
    const last = fields.last(request.last);
    const since = fields.since(request.since);
    return subscriptions.subscribe(session, { id: request.id, pattern, params, key, last, since });
  },

  unsubscribe({ session, parts: { fields, subscriptions } }, request) {
    const removed = subscriptions.unsubscribe(session, fields.subscription(request).key);
    session.send({ op: 'ok', id: request.id, removed });
  },

  subscriptions({ session, parts: { fields } }, request) {
    const keys = () => [...session.subscriptions.keys()].sort();
    const { page, next } = fields.page(request, keys, (key) => key);
    const subscriptions = page.map((key) => session.subscriptions.get(key)!.entry);
    session.send({ op: 'ok', id: request.id, subscriptions, ...next });
  },

  catalog({ session, parts: { fields, shelf } }, request) {
    const { id, pattern } = request;
    const list = () => shelf.catalog(pattern === undefined ? '**' : fields.pattern(pattern));
    const { page, next } = fields.page(request, list, ({ goods }) => goods);
    session.send({ op: 'ok', id, catalog: page, ...next });
  },

  supply(requester, { id, goods, items }) {
    const { fields } = requester.parts;
    const checked = fields.items(items);
    return supply(requester, id, fields.name(goods), checked);
  },

  // If it arrives as JSON, `item` is not a Uint8Array; the check of the items refuses it with `bad-item`.
  'supply-bytes'(requester, { id, goods, item }) {
    return supply(requester, id, requester.parts.fields.name(goods), [item]);
  },

  shelve({ session, parts: { fields, clientGoods } }, { id, goods }) {
    return clientGoods.shelve(session, id, fields.name(goods));
  },

  unshelve({ session, parts: { fields, clientGoods } }, request) {
    const reason = fields.reason(request.reason);
    clientGoods.unshelve(session, fields.name(request.goods), reason);
    session.send({ op: 'ok', id: request.id });
  },

  ping({ session }, { id }) {
    session.send({ op: 'ok', id });
  },
};

/** Returns true if the `op` of a request is one of goods.v1, and not a property that every object has. */
export function isOperation(op: string): op is OperationName {
  return Object.hasOwn(operations, op);
}

function supply(
  { session, parts: { limits, supply, rateTime }, items: budget }: Requester,
  id: number,
  name: string,
  items: readonly unknown[],
): void | Promise<void> {
  const { itemsPerSecond } = limits;
  if (items.length > itemsPerSecond) throw new GoodsError('bad-request', `at most ${itemsPerSecond} items at once`);
  const wait = budget.take(rateTime(), items.length);
  if (wait > 0) throw new GoodsError('rate-limited', '', { retryAfter: wait });
  return supply.fromClient(session, id, name, items);
}

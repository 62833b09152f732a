/**
 * Goods and ledger, the client's side: runs in browsers, Node, Deno and Bun.
 *
 * @module
 */
export type { BacklogOptions, BacklogOverflow } from './backlog.ts';
export { BacklogError, ClosedError, ConnectionError, RevokedError } from './client-errors.ts';
export { type SubscribeOptions, Subscription } from './client-subscription.ts';
export type { Clock } from './clock.ts';
export type { Delivery, Gap, GapReason } from './delivery.ts';
export { defineGoods, Goods, type GoodsOptions } from './goods.ts';
export {
  type ClientEvents,
  type ClientState,
  GoodsClient,
  type GoodsClientOptions,
  type GoodsOrName,
  type PerConnection,
  type RemoteDemandEvents,
  type RequestOptions,
  type SubscribeArguments,
} from './goods-client.ts';
export { GoodsError, type GoodsErrorCode, goodsErrors, WireError } from './goods-error.ts';
export { subprotocol } from './wire.ts';

/**
 * Publish and subscribe over WebSocket: the client's side. Runs in browsers, Node, Deno and Bun.
 *
 * @module
 */
export type { BacklogOptions, BacklogOverflow } from './client/backlog.ts';
export { BacklogError, ClosedError, ConnectionError, RevokedError } from './client/client-errors.ts';
export type {
  ClientBackoff,
  ClientEvents,
  ClientState,
  GoodsClientOptions,
  GoodsOrName,
  PerConnection,
  RemoteDemandEvents,
  RequestOptions,
  SubscribeArguments,
} from './client/client-options.ts';
export type { Clock } from './client/clock.ts';
export type { Delivery, Gap, GapReason } from './client/delivery.ts';
export { GoodsClient } from './client/goods-client.ts';
export { type SubscribeOptions, Subscription } from './client/subscription.ts';
export { defineGoods, Goods, type GoodsOptions } from './definition/goods.ts';
export { subprotocol } from './wire/frames.ts';
export { GoodsError, type GoodsErrorCode, goodsErrors, WireError } from './wire/goods-error.ts';

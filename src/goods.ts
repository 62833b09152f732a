/**
 * Goods and ledger, the market's side: who offers what, who wants what, and how it gets there, over WebSocket.
 *
 * @module
 */
export {
  type Backplane,
  type BackplaneListener,
  MemoryBackplane,
  type Published,
  type Supply,
} from './goods/backplane.ts';
export type {
  FailurePlace,
  GoodsFailureMessage,
  GoodsOverflowMessage,
  GoodsRefusalMessage,
  GoodsSubscriptionMessage,
  Observer,
} from './goods/diagnostics.ts';
export { type Coding, type Encoded, plainCoding } from './goods/encoded.ts';
export {
  type AccessRequest,
  type Action,
  defineGoods,
  Goods,
  type GoodsOptions,
  type HistoryOptions,
  type Overflow,
  type Subscriber,
} from './goods/goods.ts';
export { GoodsError, type GoodsErrorCode, goodsErrors, WireError } from './goods/goods-error.ts';
export { isGoodsName, isPattern, matches } from './goods/goods-name.ts';
export { Ledger, type Line } from './goods/ledger.ts';
export {
  defaultLimits,
  type GoodsStatistics,
  type MarketOptions,
  type MarketStatistics,
  type Revocation,
  type ShutdownOptions,
} from './goods/market.ts';
export { type DemandEvents, Provider } from './goods/provider.ts';
export { Market, type ServeOptions } from './goods/serve.ts';
export type { Link, Session } from './goods/session.ts';
export type { ShelvedGoodsStatistics } from './goods/shelved-goods.ts';
export type { StandardResult, StandardSchema, Validator } from './goods/validate.ts';
export {
  type CatalogEntry,
  type Kind,
  type Position,
  type Stream,
  type SubscriptionEntry,
  subprotocol,
  type WireLimits,
} from './goods/wire.ts';

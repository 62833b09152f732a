/**
 * Publish and subscribe over WebSocket: the market's side.
 *
 * @module
 */
export type { Backplane, BackplaneListener, Published, Supply } from './goods/backplane/backplane.ts';
export { MemoryBackplane } from './goods/backplane/memory-backplane.ts';
export {
  type AccessRequest,
  type Action,
  defineGoods,
  Goods,
  type GoodsOptions,
  type HistoryOptions,
  type Overflow,
  type Subscriber,
} from './goods/definition/goods.ts';
export { isGoodsName, isPattern, matches } from './goods/definition/goods-name.ts';
export type { Kind } from './goods/definition/item.ts';
export type { Position } from './goods/definition/position.ts';
export type { StandardResult, StandardSchema, Validator } from './goods/definition/validator.ts';
export { type Coding, type EncodedMessage, plainCoding } from './goods/fan-out/encoded-message.ts';
export { Ledger } from './goods/ledger/ledger.ts';
export type { Line } from './goods/ledger/ledger-lines.ts';
export {
  defaultLimits,
  type GoodsStatistics,
  type MarketOptions,
  type MarketStatistics,
  type Revocation,
  type ShutdownOptions,
} from './goods/market/market-options.ts';
export type { Link } from './goods/session/link.ts';
export type { MarketConnection } from './goods/session/market-connection.ts';
export type { ShelvedGoodsStatistics } from './goods/shelf/goods-counters.ts';
export type {
  FailurePlace,
  GoodsFailureMessage,
  GoodsOverflowMessage,
  GoodsRefusalMessage,
  GoodsSubscriptionMessage,
  Observer,
} from './goods/shelf/observer.ts';
export { type DemandEvents, Provider } from './goods/shelf/provider.ts';
export { Market, type ServeOptions } from './goods/websocket/websocket-market.ts';
export {
  type CatalogEntry,
  type Stream,
  type SubscriptionEntry,
  subprotocol,
  type WireLimits,
} from './goods/wire/frames.ts';
export { GoodsError, type GoodsErrorCode, goodsErrors, WireError } from './goods/wire/goods-error.ts';

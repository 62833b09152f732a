/**
 * Goods and ledger, the client's side: runs in browsers, Node, Deno and Bun.
 *
 * @module
 */
export { defineGoods, Goods, type GoodsOptions } from './goods.ts';
export { GoodsError, type GoodsErrorCode, goodsErrors, WireError } from './goods-error.ts';
export { subprotocol } from './wire.ts';

import * as goodwire from 'goodwire';
import * as goods from 'goodwire/goods';
import * as client from 'goodwire/goods/client';
import * as protocol from 'goodwire/protocol';
import scenario from '../scenario.cjs';
import required from './requires-goodwire.cjs';

const { default: WebSocket, WebSocketServer } = goodwire;
const same = {
  class: WebSocket === required.WebSocket && WebSocket === goodwire.WebSocket,
  server: WebSocketServer === required.WebSocket.Server,
  market: goods.Market === required.goods.Market,
  client: client.GoodsClient === required.client.GoodsClient,
  error: goods.GoodsError === required.client.GoodsError,
  connection: protocol.Connection === required.protocol.Connection,
};
console.log(
  Object.keys(same)
    .filter((name) => !same[name])
    .join() || 'one class each',
);
console.log(await scenario.echo(goodwire));
console.log(await scenario.trade(goodwire, goods, client));

// A module for browsers, where there are no types of Node.js and the default import is the platform's WebSocket.
import WebSocket, { extension, ProtocolError, WebSocketServer } from 'goodwire';
import { defineGoods, GoodsClient, type Subscription } from 'goodwire/goods/client';

const socket: WebSocket = new WebSocket('ws://127.0.0.1');
socket.onmessage = (event: MessageEvent<string>) => event.data.length;
// @ts-expect-error the WebSocket of a browser has no such method
socket.terminate();

const client = new GoodsClient('ws://127.0.0.1', { WebSocket });
const apple = defineGoods<{ price: number }>('fruit/apple');
const subscription: Subscription<{ price: number }> = await client.subscribe(apple);
for await (const { item, gap } of subscription) item.price.toFixed(gap?.from ?? 0);

export { extension, ProtocolError, WebSocketServer };

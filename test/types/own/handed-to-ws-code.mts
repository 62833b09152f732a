// Objects of goodwire go into code whose types are those of ws: a framework's plugin, a helper of another package.
import { WebSocket, WebSocketServer } from 'goodwire';
import type { Server, RawData as WsRawData, WebSocket as WsWebSocket, WebSocketServer as WsWebSocketServer } from 'ws';

declare function track(socket: WsWebSocket): void;
declare function serve(server: WsWebSocketServer | Server): void;
declare function show(data: WsRawData): void;

const socket = new WebSocket('ws://127.0.0.1');
track(socket);
socket.on('message', (data) => show(data as WsRawData));
serve(new WebSocketServer({ noServer: true }));

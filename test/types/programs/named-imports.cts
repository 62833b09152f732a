// A CommonJS module in TypeScript, with import syntax.
import type { ClientOptions, RawData, ServerOptions } from 'ws';
import { WebSocket, WebSocketServer } from 'ws';

const options: ServerOptions = { port: 0 };
const clientOptions: ClientOptions = {};
const server: WebSocketServer = new WebSocketServer(options);
server.on('connection', (socket) => socket.on('message', (data: RawData) => data.toString()));
const client: WebSocket = new WebSocket('ws://127.0.0.1', clientOptions);

export { client, server };

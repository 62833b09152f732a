// A CommonJS module in JavaScript that TypeScript checks.
const WebSocket = require('ws');
const { WebSocketServer, Server } = require('ws');

const server = new WebSocketServer({ port: 0 });
server.on('connection', (socket, request) => {
  socket.on('message', (data, isBinary) => socket.send(data.toString(), { binary: isBinary }));
  socket.send(request.url ?? '');
});
/** @type {WebSocket} */
const client = new WebSocket('ws://127.0.0.1');
/** @type {WebSocket.RawData} */
const data = Buffer.alloc(0);
/** @type {import('ws').ServerOptions} */
const options = new Server({ noServer: true }).options;
// @ts-expect-error a port is a number
new WebSocketServer({ port: '8080' });
module.exports = { client, data, options };

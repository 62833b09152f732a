/**
 * Fan-out with Socket.IO: an event to a room. Publishers are plain WebSockets, as for the other contestants. Settings:
 * `variants`, `size`.
 */
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { WebSocketServer } from 'ws';
import { answer, settings } from '../control.js';
import { frameLength } from '../wire.js';

const { variants, size } = /** @type {{ variants: number, size: number }} */ (settings());
const http = createServer();
const io = new Server(http, {
  transports: ['websocket'],
  destroyUpgrade: false,
  pingInterval: 100_000_000,
  serveClient: false,
});
const publishers = new WebSocketServer({ noServer: true, perMessageDeflate: false });
let subscribers = 0;

io.on('connection', (socket) => {
  subscribers++;
  void socket.join(String(socket.handshake.query.variant));
});
http.on('upgrade', (request, socket, head) => {
  if (request.url !== '/publisher') return;
  publishers.handleUpgrade(request, socket, head, (publisher) => publisher.on('message', publish));
});

/** @param {import('ws').RawData} data */
function publish(data) {
  const text = data.toString();
  for (let variant = 0; variant < variants; variant++)
    io.to(String(variant)).emit('item', variants === 1 ? text : text.replace(/^./, String(variant)));
}

http.listen(0, '127.0.0.1', 4096, () => {
  answer({
    port: () => /** @type {import('node:net').AddressInfo} */ (http.address()).port,
    subscribers: () => subscribers,
    frame: () => ({ length: frameLength({ size: size + '42["item",""]'.length }), hasOffset: false }),
  });
});

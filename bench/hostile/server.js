/** Server of the hostile rows, the same for goodwire and ws: it receives messages and does nothing with them. */
import { answer, settings } from '../control.js';

const { library, perMessageDeflate } = /** @type {{ library: string, perMessageDeflate: object }} */ (settings());
const { WebSocketServer } = await import(library);

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate });
let messages = 0;
server.on('connection', (/** @type {any} */ socket) => {
  socket.on('error', () => {});
  socket.on('message', () => {
    messages++;
  });
});
server.on('listening', () => {
  answer({ port: () => server.address().port, messages: () => messages });
});

// What goodwire's types have and those of ws do not.
import WebSocket, { WebSocketServer } from 'goodwire';

const socket = new WebSocket('ws://127.0.0.1', { closeTimeout: 1_000 });
// Read, it is typed as in ws, so that the socket goes into code that is typed for ws.
socket.binaryType = 'blob';

const server = new WebSocketServer({
  port: 0,
  closeTimeout: 1_000,
  origins: ['https://example.com'],
  // The kind of callback is told from the number of its parameters, so nothing needs an annotation.
  verifyClient: ({ origin }) => origin !== '',
});
new WebSocketServer({ noServer: true, origins: (origin) => origin === 'https://example.com' });

// The statics are there in both module systems.
const classic: WebSocket.Server = new WebSocket.Server({ noServer: true });
const sibling: WebSocketServer = new WebSocket.WebSocketServer({ noServer: true });
const itself: typeof WebSocket.WebSocket = WebSocket.WebSocket;

export { classic, itself, server, sibling };

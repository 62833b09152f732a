// A CommonJS module in TypeScript, in the classic form.
import WebSocket = require('ws');

const server = new WebSocket.Server({ port: 0 });
server.on('connection', (socket: WebSocket, request) => {
  socket.on('message', (data: WebSocket.RawData) => socket.send(data.toString() + request.url));
});
const options: WebSocket.ServerOptions = server.options;
const client: WebSocket.WebSocket = new WebSocket.WebSocket('ws://127.0.0.1');
const sibling: WebSocket.WebSocketServer = new WebSocket.WebSocketServer({ noServer: true });
const clientOptions: WebSocket.ClientOptions = { origin: 'https://example.com' };
const verify: WebSocket.VerifyClientCallbackSync = (info) => info.secure;
const later: WebSocket.VerifyClientCallbackAsync = (_info, next) => next(false, 403);
const finish: WebSocket.FinishRequestCallback = (request) => request.end();
const address: WebSocket.AddressInfo = { address: '127.0.0.1', family: 'IPv4', port: 8080 };
const certificate: WebSocket.CertMeta = 'a certificate';
const deflate: WebSocket.PerMessageDeflateOptions = { threshold: 1024 };
const listening: WebSocket.EventListenerOptions = { once: true };
const event = (message: WebSocket.MessageEvent, close: WebSocket.CloseEvent): WebSocket.Data =>
  message.data ?? close.reason;
const listener = (opened: WebSocket.Event, failed: WebSocket.ErrorEvent): string => opened.type + failed.message;
const map: keyof WebSocket.WebSocketEventMap = 'open';
const raw: WebSocket.RawData = Buffer.alloc(1);
const stream = WebSocket.createWebSocketStream(client, { objectMode: true });
class Mine extends WebSocket {}
const mine: WebSocket.Server<typeof Mine> = new WebSocket.Server({ WebSocket: Mine, noServer: true });

export = {
  address,
  certificate,
  client,
  clientOptions,
  deflate,
  event,
  finish,
  later,
  listener,
  listening,
  map,
  mine,
  options,
  raw,
  sibling,
  stream,
  verify,
};

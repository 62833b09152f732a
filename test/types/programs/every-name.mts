// Every name that the types of ws export, used as a program would, so that each must exist and fit.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type {
  AddressInfo,
  CertMeta,
  ClientOptions,
  CloseEvent,
  Data,
  ErrorEvent,
  Event,
  EventListenerOptions,
  FinishRequestCallback,
  MessageEvent,
  PerMessageDeflateOptions,
  RawData,
  Server,
  ServerOptions,
  VerifyClientCallbackAsync,
  VerifyClientCallbackSync,
} from 'ws';
import DefaultWebSocket, { createWebSocketStream, WebSocket, WebSocketServer } from 'ws';

class Request extends (null as unknown as typeof IncomingMessage) {}
class Chat extends WebSocket {
  room = 'lobby';
}

const finishRequest: FinishRequestCallback = (request, websocket) => {
  request.setHeader('X-Url', websocket.url);
  request.end();
};
const deflate: PerMessageDeflateOptions = { threshold: 10, zlibDeflateOptions: { level: 1 }, concurrencyLimit: 2 };
const clientOptions: ClientOptions = {
  finishRequest,
  perMessageDeflate: deflate,
  maxBufferedChunks: 10,
  maxFragments: 5,
};
const sync: VerifyClientCallbackSync<IncomingMessage> = ({ origin, secure, req }) => secure && origin === req.url;
const async: VerifyClientCallbackAsync<Request> = ({ req }, callback) =>
  callback(req.url === '/', 401, 'no', { a: 'b' });
const listening: EventListenerOptions = { once: true };
const certificate: CertMeta = [Buffer.alloc(1)];

const options: ServerOptions<typeof Chat, typeof Request> = { noServer: true, WebSocket: Chat, verifyClient: async };
const server = new WebSocketServer(options);
const plain: Server = new WebSocketServer({ noServer: true, verifyClient: sync });
const address: AddressInfo | string | null = plain.address();
server.on('connection', (socket, request) => {
  const room: string = socket.room;
  const url: string | undefined = request.url;
  socket.send(room + url);
});

const socket: WebSocket = new DefaultWebSocket('ws://127.0.0.1', clientOptions);
socket.addEventListener('open', (event: Event) => event.target.send(event.type), listening);
socket.addEventListener('error', (event: ErrorEvent) => console.error(event.message, event.error));
socket.addEventListener('close', (event: CloseEvent) => console.log(event.code, event.reason, event.wasClean));
socket.addEventListener('message', (event: MessageEvent) => {
  const data: Data = event.data;
  console.log(data);
});
socket.on('message', (data: RawData) => console.log(data));
const stream: Duplex = createWebSocketStream(socket, { encoding: 'utf8', readableObjectMode: true });
stream.pipe(stream);

export { address, certificate };

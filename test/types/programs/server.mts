// Servers as people write them for ws: every option, event and member.
import { createServer, type Server as HttpServer, IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo as NetAddress } from 'node:net';
import type { Duplex } from 'node:stream';
import WebSocket, {
  type AddressInfo,
  type Server,
  type ServerOptions,
  type VerifyClientCallbackAsync,
  type VerifyClientCallbackSync,
  WebSocketServer,
} from 'ws';

const sync: VerifyClientCallbackSync = ({ origin, req, secure }) =>
  secure && origin === 'https://example.com' && req.url === '/';
const async_: VerifyClientCallbackAsync = (info, callback) => {
  if (info.req.headers.authorization) callback(true);
  else callback(false, 401, 'Unauthorized', { 'WWW-Authenticate': 'Basic', 'x-list': ['a', 'b'], 'x-number': 1 });
};

const options: ServerOptions = {
  allowSynchronousEvents: false,
  autoPong: true,
  backlog: 128,
  clientTracking: true,
  handleProtocols: (protocols: Set<string>, request: IncomingMessage) =>
    protocols.has('chat') && request.url === '/chat' ? 'chat' : false,
  host: '127.0.0.1',
  maxBufferedChunks: 65_536,
  maxFragments: 1_024,
  maxPayload: 65_536,
  path: '/ws',
  perMessageDeflate: false,
  port: 0,
  skipUTF8Validation: false,
  verifyClient: async_,
};

const http: HttpServer = createServer();
const servers: WebSocketServer[] = [
  new WebSocketServer(options),
  new WebSocketServer({ ...options, verifyClient: sync }, () => undefined),
  new WebSocketServer({ server: http, path: undefined }),
  new WebSocketServer({ server: createTlsServer() }),
  new WebSocketServer({ noServer: true, clientTracking: false }),
  new WebSocketServer({ port: 8080, verifyClient: (info, next) => next(info.origin !== '') }),
  new WebSocketServer({
    port: 8080,
    verifyClient: (info: { origin: string }) => info.origin === 'https://example.com',
  }),
];
const server: WebSocketServer = new WebSocketServer({ port: 0 });
const named: Server = server;

// Events
server
  .on('connection', (socket, request) => {
    const address: string | undefined = request.socket.remoteAddress;
    socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }));
    socket.on('error', (error) => console.error(address, error.message));
    for (const client of server.clients) {
      if (client !== socket && client.readyState === WebSocket.OPEN) client.send('somebody came');
    }
  })
  .on('listening', () => server.address())
  .on('headers', (headers, request) => headers.push(`x-path: ${request.url}`))
  .on('error', (error) => error.message)
  .on('close', () => undefined)
  .on('wsClientError', (error, socket, request) => {
    socket.end(`HTTP/1.1 400 Bad Request\r\n\r\n${error.message} ${request.url}`);
  });
server.once('listening', function () {
  this.close();
});
const onConnection = (socket: WebSocket, request: IncomingMessage): void => void [socket.protocol, request.url];
server.addListener('connection', onConnection);
server.removeListener('connection', onConnection);
server.off('connection', onConnection);
server.on('something of my own', (...args) => args.length);

// Members
const address: AddressInfo | NetAddress | string | null = server.address();
const port = (server.address() as NetAddress).port;
const clients: Set<WebSocket> = server.clients;
const given: ServerOptions = server.options;
const path: string = server.path;
server.close();
server.close((error) => error?.message);
server.emit('connection', [...clients][0], undefined);

// Several servers on one http.Server
http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
  if (!server.shouldHandle(request)) return void socket.destroy();
  server.handleUpgrade(request, socket, head, (websocket, upgraded) => {
    server.emit('connection', websocket, upgraded);
    websocket.send(`hello ${upgraded.url}`);
  });
});

// Heartbeats as the README of ws shows them: an own field on the socket
interface LiveSocket extends WebSocket {
  isAlive: boolean;
}
function heartbeat(this: WebSocket): void {
  (this as LiveSocket).isAlive = true;
}
server.on('connection', (socket) => {
  (socket as LiveSocket).isAlive = true;
  socket.on('pong', heartbeat);
});
setInterval(() => {
  for (const socket of server.clients) {
    if (!(socket as LiveSocket).isAlive) socket.terminate();
    else socket.ping();
  }
}, 30_000).unref();

// Own classes: of the socket, of the request, of the server
class Player extends WebSocket {
  score = 0;
  override close(code?: number, data?: string | Buffer): void {
    this.score = 0;
    super.close(code, data);
  }
}
class Request extends IncomingMessage {
  user = '';
}
const game = new WebSocketServer<typeof Player, typeof Request>({
  WebSocket: Player,
  server: createServer({ IncomingMessage: Request }),
  verifyClient: (info: { req: Request }) => info.req.user !== '',
});
game.on('connection', (player, request) => {
  const score: number = player.score;
  const user: string = request.user;
  for (const other of game.clients) other.score += score;
  void user;
});
class Room extends WebSocketServer {
  constructor(readonly name: string) {
    super({ noServer: true });
    this.on('connection', (socket) => socket.send(this.name));
  }
  override shouldHandle(request: IncomingMessage): boolean {
    return request.url === `/${this.name}`;
  }
}
const typed: ServerOptions<typeof Player, typeof Request> = { WebSocket: Player };

export { address, given, named, path, port, Room, servers, typed };

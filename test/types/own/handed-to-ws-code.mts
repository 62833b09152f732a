// Objects of goodwire go into code whose types are those of ws: a framework's plugin, a helper of another package.
// types.test.ts compiles this as CommonJS too, where the types of ws are another declaration.
import type { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type * as goodwire from 'goodwire';
import { createWebSocketStream, WebSocket, WebSocketServer } from 'goodwire';
import type * as ws from 'ws';

// Parameters
declare function track(socket: ws.WebSocket): void;
declare function serve(server: ws.WebSocketServer | ws.Server): void;
declare function serveDefault(server: InstanceType<typeof ws.WebSocketServer>): void;
declare function show(data: ws.RawData): void;
declare function listen(options: ws.ServerOptions): void;
declare function connect(address: string, options: ws.ClientOptions): void;
declare function compress(options: ws.PerMessageDeflateOptions): void;
declare function verify(callback: ws.VerifyClientCallbackSync | ws.VerifyClientCallbackAsync): void;
declare function finish(callback: ws.FinishRequestCallback): void;
declare function emit(emitter: EventEmitter): void;

const socket = new WebSocket('ws://127.0.0.1');
const server = new WebSocketServer({ noServer: true });
track(socket);
serve(server);
serve(new WebSocket.Server({ noServer: true }));
serveDefault(server);
emit(socket);
emit(server);
for (const client of server.clients) track(client);
server.on('connection', (client) => track(client));
socket.on('message', (data) => show(data));

const clientOptions: goodwire.ClientOptions = { origin: 'https://example.com', perMessageDeflate: { threshold: 1 } };
const deflateOptions: goodwire.PerMessageDeflateOptions = { threshold: 1, zlibDeflateOptions: { level: 1 } };
const sync: goodwire.VerifyClientCallbackSync = ({ secure }) => secure;
const async: goodwire.VerifyClientCallbackAsync = (_info, callback) => callback(true);
listen(server.options);
compress(deflateOptions);
verify(sync);
verify(async);
const finishRequest: goodwire.FinishRequestCallback = (request) => request.end();
finish(finishRequest as ws.FinishRequestCallback);
connect('ws://127.0.0.1', clientOptions as ws.ClientOptions);

// Fields and lists
interface Session {
  socket: ws.WebSocket;
  server?: ws.WebSocketServer | undefined;
}
const session: Session = { socket, server };
const sockets: ws.WebSocket[] = [socket, ...server.clients];
const clients: Set<ws.WebSocket> = server.clients;
const byName: Map<string, ws.WebSocket> = new Map([['one', socket]]);

// Events of a socket and of a server
const onMessage = (event: ws.MessageEvent): number => String(event.data).length;
const onClose = (event: ws.CloseEvent): number => event.code;
const onError = (event: ws.ErrorEvent): string => event.message;
socket.onmessage = onMessage;
socket.onclose = onClose;
socket.onerror = onError;
socket.addEventListener('message', onMessage);
socket.addEventListener('close', onClose);
socket.addEventListener('error', onError);
socket.addEventListener('message', (event) => onMessage(event));
function onConnection(this: ws.WebSocketServer, client: ws.WebSocket, request: IncomingMessage): void {
  client.send(`${request.url} ${this.path}`);
}
server.on('connection', onConnection);
function onRaw(this: ws.WebSocket, data: ws.RawData, isBinary: boolean): void {
  this.send(data as Buffer, { binary: isBinary });
}
socket.on('message', onRaw);

// Generics
declare function broadcast<T extends ws.WebSocket>(all: Iterable<T>, each: (one: T) => void): T[];
declare function wrap<T extends typeof ws.WebSocket>(create: () => InstanceType<T>): T;
declare function typed(server: ws.Server<typeof ws.WebSocket, typeof IncomingMessage>): void;
declare function anyServer<T extends ws.Server>(server: T): T['clients'];
broadcast(server.clients, (one) => one.send('text'));
wrap(() => socket);
typed(server);
anyServer(server).forEach(track);

// Callbacks
declare function onUpgrade(
  handle: (request: IncomingMessage, stream: Duplex, head: Buffer, done: (client: ws.WebSocket) => void) => void,
): void;
onUpgrade((request, stream, head, done) => server.handleUpgrade(request, stream, head, done));
declare function create(make: (address: string) => ws.WebSocket): void;
create((address) => new WebSocket(address));
declare function streaming(make: (socket: ws.WebSocket) => Duplex): void;
streaming(createWebSocketStream);

// Classes
class Player extends WebSocket {
  score = 0;
}
class Room extends WebSocketServer<typeof Player> {}
track(new Player('ws://127.0.0.1'));
serve(new Room({ noServer: true, WebSocket: Player }));
declare class Plugin {
  constructor(
    SocketClass: new (address: string) => ws.WebSocket,
    ServerClass: new (options: { port: number }) => ws.Server,
  );
}
new Plugin(WebSocket, WebSocketServer);
class Implemented implements Pick<ws.WebSocket, 'send' | 'close'> {
  send = socket.send.bind(socket);
  close = socket.close.bind(socket);
}

export { byName, clients, Implemented, session, sockets };

// Own fields on every socket and server, merged into the types of ws: the heartbeat that many programs have.
import WebSocket, { WebSocket as NamedWebSocket, type Server, type ServerOptions, WebSocketServer } from 'ws';

declare module 'ws' {
  interface WebSocket {
    isAlive: boolean;
  }
  interface Server {
    room: string;
  }
  interface WebSocketServer {
    lobby?: string;
  }
  interface ServerOptions {
    rooms?: number;
  }
  interface ClientOptions {
    player?: string;
  }
  interface MessageEvent {
    receivedAt?: number;
  }
}

function heartbeat(this: WebSocket): void {
  this.isAlive = true;
}

const options: ServerOptions = { port: 0, rooms: 5 };
const server = new WebSocketServer({ ...options, rooms: 6 });
server.room = 'lobby';
server.on('connection', (socket) => {
  socket.isAlive = true;
  socket.on('pong', heartbeat);
  socket.on('message', function () {
    this.isAlive = true;
  });
});
server.on('connection', function () {
  this.room = 'full';
});
setInterval(() => {
  for (const socket of server.clients) {
    if (!socket.isAlive) {
      socket.terminate();
      continue;
    }
    socket.isAlive = false;
    socket.ping();
  }
}, 30_000).unref();

const clients: WebSocket[] = [
  new WebSocket('ws://127.0.0.1', { player: 'one' }),
  new NamedWebSocket('ws://127.0.0.1', [], { player: 'two' }),
];
for (const client of clients) client.isAlive = true;
new WebSocket('ws://127.0.0.1').isAlive = true;
new NamedWebSocket('ws://127.0.0.1').isAlive = true;
clients[0]?.addEventListener('message', (event) => event.receivedAt?.toFixed());

class Player extends WebSocket {
  score = this.isAlive ? 1 : 0;
}
const game = new WebSocketServer<typeof Player>({ noServer: true, WebSocket: Player });
for (const player of game.clients) player.isAlive = player.score > 0;

const named: Server = server;
const rooms: string[] = [named.room, server.room];
const lobby = (one: WebSocketServer): string | undefined => one.lobby;

// @ts-expect-error a name that nobody has merged
server.corridor;
// @ts-expect-error another name, of a socket
new WebSocket('ws://127.0.0.1').isDead;

export { lobby, rooms };

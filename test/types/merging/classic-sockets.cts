// Fields that heartbeat.cts merges are on all sockets in CommonJS too. With @types/ws they are on the named type only.
import WebSocket = require('ws');

import { WebSocket as NamedWebSocket, WebSocketServer } from 'ws';

declare module 'ws' {
  interface WebSocket {
    isAlive: boolean;
  }
  interface WebSocketServer {
    lobby?: string;
  }
}

function heartbeat(this: WebSocket): void {
  this.isAlive = true;
}

const server = new WebSocketServer({ port: 0 });
server.lobby ??= new WebSocket.WebSocketServer({ noServer: true }).lobby ?? '';
for (const one of [server, new WebSocket.Server({ noServer: true })]) {
  one.on('connection', (socket) => {
    socket.isAlive = true;
    socket.on('pong', heartbeat);
    socket.on('pong', function () {
      this.isAlive = true;
    });
  });
  for (const socket of one.clients) socket.isAlive = false;
}
new WebSocket('ws://127.0.0.1').isAlive = true;
new WebSocket.WebSocket('ws://127.0.0.1').isAlive = true;
new NamedWebSocket('ws://127.0.0.1').isAlive = true;

class Player extends WebSocket {
  score = this.isAlive ? 1 : 0;
}
const sockets: WebSocket.WebSocket[] = [new Player('ws://127.0.0.1'), new WebSocket('ws://127.0.0.1')];

export = { sockets };

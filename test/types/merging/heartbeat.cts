// The same from CommonJS.
import WebSocket = require('ws');

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

function heartbeat(this: WebSocket.WebSocket): void {
  this.isAlive = true;
}

const options: WebSocket.ServerOptions = { port: 0, rooms: 5 };
const server = new WebSocket.Server({ ...options, rooms: 6 });
server.room = 'lobby';
const named: WebSocket.Server = new WebSocket.WebSocketServer({ noServer: true });
const rooms: string[] = [named.room, server.room];
const lobby = (one: WebSocket.WebSocketServer): string | undefined => one.lobby;
const client = new WebSocket('ws://127.0.0.1', { player: 'one' });
client.addEventListener('message', (event) => event.receivedAt?.toFixed());

// @ts-expect-error a name that nobody has merged
server.corridor;
// @ts-expect-error another name, of a socket
client.isDead;

export = { heartbeat, lobby, rooms };

// Loads a bundle for browsers as a page would, with a class for the platform's WebSocket, and lets its client trade with a market.
import { readFileSync } from 'node:fs';
import { runInThisContext } from 'node:vm';
import * as goodwire from 'goodwire';
import * as goods from 'goodwire/goods';
import scenario from '../scenario.cjs';

// The class of a browser has none of the names that goodwire's has.
class Platform extends goodwire.WebSocket {
  static WebSocket = undefined;
  static WebSocketServer = undefined;
}
globalThis.WebSocket = Platform;
globalThis.window = globalThis;
globalThis.self = globalThis;
runInThisContext(readFileSync(process.argv[2], 'utf8'));

const { client, names, WebSocket } = globalThis.bundled;
const socket = new WebSocket('ws://127.0.0.1:9/');
socket.on('error', () => {});
console.log(socket instanceof Platform, WebSocket.OPEN);
console.log(names.WebSocket === Platform ? refusal(names.WebSocketServer) : 'the class alone');
console.log(await scenario.trade(goodwire, goods, client, WebSocket));

/** Returns the message of the error that a class throws, because it needs Node.js. */
function refusal(Server) {
  try {
    return String(new Server());
  } catch ({ message }) {
    return message;
  }
}

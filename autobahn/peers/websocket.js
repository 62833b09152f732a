// websocket (WebSocket-Node) with its default options. It has no permessage-deflate.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import websocket from 'websocket';

/** @returns {Promise<string>} */
export async function version() {
  return JSON.parse(await readFile(createRequire(import.meta.url).resolve('websocket/package.json'), 'utf8')).version;
}

/** @param {import('websocket').connection} connection @param {import('websocket').Message} message */
function echo(connection, message) {
  if (message.type === 'utf8') connection.sendUTF(message.utf8Data);
  else connection.sendBytes(message.binaryData);
}

/** Echoes. @param {import('node:http').Server} server */
export function serve(server) {
  new websocket.server({ httpServer: server }).on('request', (request) => {
    const connection = request.accept();
    connection.on('error', () => {});
    connection.on('message', (message) => echo(connection, message));
  });
}

/** @type {import('./peer.js').Peer['connect']} */
export function connect(url, { onOpen, onText, onClose }) {
  const client = new websocket.client();
  client.on('connectFailed', () => onClose());
  client.on('connect', (connection) => {
    onOpen();
    connection.on('error', () => {});
    connection.on('message', (message) => {
      if (onText === undefined) echo(connection, message);
      else if (message.type === 'utf8') onText(message.utf8Data);
    });
    connection.on('close', () => onClose());
  });
  client.connect(url);
}

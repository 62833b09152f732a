/// <reference path="./untyped.d.ts" />
// faye-websocket with its default options, and with the extension permessage-deflate, which is a separate package.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

// Neither package has types.
const require = createRequire(import.meta.url);
const FayeWebSocket = require('faye-websocket');
const options = { extensions: [require('permessage-deflate')] };

/** @returns {Promise<string>} */
export async function version() {
  return JSON.parse(await readFile(require.resolve('faye-websocket/package.json'), 'utf8')).version;
}

/** Echoes. @param {import('node:http').Server} server */
export function serve(server) {
  server.on('upgrade', (request, stream, head) => {
    const socket = new FayeWebSocket(request, stream, head, [], options);
    socket.on('message', (/** @type {{ data: string | Buffer }} */ { data }) => socket.send(data));
  });
}

/** @type {import('./peer.js').Peer['connect']} */
export function connect(url, { onOpen, onText, onClose }) {
  const socket = new FayeWebSocket.Client(url, [], options);
  socket.on('open', onOpen);
  socket.on('error', () => {});
  socket.on('message', (/** @type {{ data: string | Buffer }} */ { data }) => {
    if (onText === undefined) socket.send(data);
    else onText(String(data));
  });
  socket.on('close', onClose);
}

// Run by Node.js, Bun and Deno: every direction between goodwire and the platform's own WebSocket, and a market.
import { createServer } from 'node:http';
import * as goodwire from 'goodwire';
import * as goods from 'goodwire/goods';
import * as client from 'goodwire/goods/client';
import scenario from '../scenario.cjs';

const { echo, echoThroughStream, talk, trade } = scenario;
const Platform = globalThis.WebSocket;

console.log('goodwire to goodwire:', await echo(goodwire));
console.log('stream:', await echoThroughStream(goodwire, { createServer }));
console.log('market:', await trade(goodwire, goods, client));
if (Platform !== undefined) {
  console.log('platform to goodwire:', await echo(goodwire, Platform));
  console.log('market for the platform:', await trade(goodwire, goods, client, Platform));
}

const theirs = serveByPlatform();
if (theirs !== null) {
  console.log('goodwire to platform:', await talk(new goodwire.WebSocket(`ws://127.0.0.1:${theirs.port}/`)));
  await theirs.stop();
}
console.log('end');

/** Starts the runtime's own server that echoes; null if the runtime has none. */
function serveByPlatform() {
  const { Bun, Deno } = globalThis;
  if (Bun !== undefined) {
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('', { status: 400 })),
      websocket: { perMessageDeflate: true, message: (socket, data) => void socket.send(data) },
    });
    return { port: server.port, stop: () => server.stop(true) };
  }
  if (Deno !== undefined) {
    const server = Deno.serve({ port: 0, hostname: '127.0.0.1', onListen: () => {} }, (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.binaryType = 'arraybuffer';
      socket.onmessage = ({ data }) => socket.send(data);
      return response;
    });
    return { port: server.addr.port, stop: () => server.shutdown() };
  }
  return null;
}

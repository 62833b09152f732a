// Run in a project with the packed goodwire: on each version of Node.js, a server leaves a request that is not its own to
// another listener for upgrades, and the other's socket is not touched.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { WebSocket, WebSocketServer } from 'goodwire';

const server = createServer();
/** @param {string} path @param {(answer: () => void) => void} when */
const answerOn = (path, when) =>
  server.on('upgrade', (request, socket) => {
    if (request.url !== path) return;
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    const fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`;
    when(() => {
      socket.on('data', () => {});
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n\r\n`);
      socket.write(Buffer.from([0x81, 5, ...Buffer.from('other')]));
    });
  });
answerOn('/before', (answer) => answer());
const own = new WebSocketServer({ server, path: '/own' });
own.on('connection', (socket) => socket.send('own'));
answerOn('/behind', (answer) => answer());
answerOn('/later', (answer) => setImmediate(answer));

server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
for (const [path, expected] of [
  ['/before', 'other'],
  ['/own', 'own'],
  ['/behind', 'other'],
  ['/later', 'other'],
]) {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  const [message] = await once(client, 'message');
  assert.equal(String(message), expected, path);
  client.ping();
  await new Promise(setImmediate);
  assert.equal(client.readyState, WebSocket.OPEN, path);
  client.terminate();
}
server.closeAllConnections();
server.close();

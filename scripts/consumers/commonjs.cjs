// Run in a project with the packed goodwire: checks the exports for a CommonJS module, and an echo in both directions.
// Also run where require() of an ES module is forbidden.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const WebSocket = require('goodwire');
const { Server, WebSocketServer } = require('goodwire');

assert.equal(typeof WebSocket, 'function');
assert.equal(WebSocket.name, 'WebSocket');
assert.equal(WebSocket.WebSocket, WebSocket);
assert.equal(Server, WebSocketServer);
assert.equal(WebSocket.Server, WebSocketServer);
assert.equal(WebSocket.WebSocketServer, WebSocketServer);
assert.equal(WebSocket.OPEN, 1);
assert.equal(require('goodwire/package.json').name, 'goodwire');
assert.equal(typeof require('goodwire/goods').Market, 'function');
assert.equal(typeof require('goodwire/goods/client').defineGoods, 'function');

async function main() {
  const imported = await import('goodwire');
  assert.equal(imported.default, WebSocket, 'import and require share one class');
  assert.equal(imported.WebSocketServer, WebSocketServer);
  const { ProtocolError } = require('goodwire/protocol');
  assert.equal(imported.ProtocolError, ProtocolError);
  assert.equal((await import('goodwire/protocol')).ProtocolError, ProtocolError);

  const server = new WebSocket.Server({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(/** @type {Buffer} */ (data), { binary: isBinary }));
  });
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(socket, 'open');

  for (const sent of ['Grüße', Buffer.alloc(100_000, 7)]) {
    socket.send(sent);
    const [data, isBinary] = await once(socket, 'message');
    assert.equal(isBinary, typeof sent !== 'string');
    assert.deepEqual(data, Buffer.from(/** @type {string} */ (sent)));
  }
  socket.close(4000, 'done');
  const [code, reason] = await once(socket, 'close');
  assert.equal(code, 4000);
  assert.equal(reason.toString(), 'done');
  server.close();
  await once(server, 'close');
}

main();

// Run in a project with the packed goodwire: checks compression with this version of Node.
//
//   node compression.mjs [documented]
//
// documented: uses only documented functions of zlib, as if the self-test of the others had failed.
import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import WebSocket, { WebSocketServer } from 'goodwire';

const isDocumented = process.argv[2] === 'documented';
if (isDocumented) process.env.GOODWIRE_DOCUMENTED_ZLIB = '1';

let states = 0;
createHook({
  init: (_id, type) => {
    if (type === 'ZLIB') states++;
  },
}).enable();

// Compressed synchronously, compressed in the thread pool, and also inflated in the thread pool.
const small = 'A message of a hundred octets, more or less. '.repeat(2);
const messages = [small, small.repeat(220), small.repeat(11_000)];

for (const contextTakeover of [false, true]) {
  const perMessageDeflate = { contextTakeover, threshold: 0 };
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server, 'listening');
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  const client = new WebSocket(`ws://127.0.0.1:${address.port}/`, { perMessageDeflate });
  await once(client, 'open');
  assert.equal(client.extensions, 'permessage-deflate');

  for (const message of [...messages, ...messages.map((text) => Buffer.from(text)), ...messages]) {
    client.send(message);
    const [data, isBinary] = await once(client, 'message');
    assert.equal(isBinary, typeof message !== 'string');
    assert(Buffer.from(message).equals(data));
  }

  const before = states;
  for (let i = 0; i < 50; i++) {
    client.send(small);
    await once(client, 'message');
  }
  // zlib states are reused for many messages only if the undocumented functions passed their self-test.
  if (isDocumented) assert(states > before, 'the documented rung must create a state for each message');
  else assert(states - before <= 4, `${states - before} states of zlib for 50 small messages`);

  client.close();
  server.close();
  await once(server, 'close');
}

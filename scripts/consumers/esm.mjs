// Run in a project that has the packed goodwire installed: what an ES module sees.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import WebSocket, { WebSocket as named, ProtocolError, upgrade, WebSocketServer } from 'goodwire';
import * as protocol from 'goodwire/protocol';

const require = createRequire(import.meta.url);

assert.equal(named, WebSocket);
assert.equal(WebSocket.name, 'WebSocket');
assert.equal(WebSocket.Server, WebSocketServer);
assert.equal(require('goodwire'), WebSocket, 'import and require share one class');
assert.equal((await import('goodwire')).default, WebSocket);
assert.equal(typeof upgrade, 'function');

assert.equal(protocol.ProtocolError, ProtocolError, 'goodwire and goodwire/protocol share their errors');
const required = require('goodwire/protocol');
assert.deepEqual(Object.keys(required).sort(), Object.keys(protocol).filter(isOwnName).sort());
for (const [name, value] of Object.entries(required)) assert.equal(Reflect.get(protocol, name), value, name);

/** @param {string} name */
function isOwnName(name) {
  return name !== 'default' && name !== 'module.exports';
}

const { default: manifest } = await import('goodwire/package.json', { with: { type: 'json' } });
assert.equal(manifest.name, 'goodwire');
assert.equal('dependencies' in manifest, false);
await assert.rejects(import(/** @type {string} */ ('goodwire/dist/index.js')), {
  code: 'ERR_PACKAGE_PATH_NOT_EXPORTED',
});

// Run in a project with the packed goodwire: checks the exports for an ES module.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import WebSocket, { WebSocket as named, ProtocolError, upgrade, WebSocketServer } from 'goodwire';
import * as goods from 'goodwire/goods';
import * as client from 'goodwire/goods/client';
import * as protocol from 'goodwire/protocol';

const require = createRequire(import.meta.url);

assert.equal(named, WebSocket);
assert.equal(WebSocket.name, 'WebSocket');
assert.equal(WebSocket.Server, WebSocketServer);
assert.equal(require('goodwire'), WebSocket, 'import and require share one class');
assert.equal((await import('goodwire')).default, WebSocket);
assert.equal(typeof upgrade, 'function');

assert.equal(protocol.ProtocolError, ProtocolError, 'goodwire and goodwire/protocol share their errors');
for (const [imported, required] of [
  [protocol, require('goodwire/protocol')],
  [goods, require('goodwire/goods')],
  [client, require('goodwire/goods/client')],
]) {
  assert.deepEqual(Object.keys(required).sort(), Object.keys(imported).filter(isOwnName).sort());
  for (const [name, value] of Object.entries(required)) assert.equal(Reflect.get(imported, name), value, name);
}

assert.equal(client.GoodsError, goods.GoodsError, 'goodwire/goods and goodwire/goods/client share their errors');
const market = new goods.Market();
market.provider('here').shelve(client.defineGoods('fruit/apple'));
assert.deepEqual(market.catalog(), [{ goods: 'fruit/apple', kind: 'json' }]);

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

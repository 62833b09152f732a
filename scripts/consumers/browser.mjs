// Run with --conditions=browser in a project with the packed goodwire: checks the imports of a bundle for browsers.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

class PlatformWebSocket {}
// Some versions of Node have their own WebSocket. goodwire must export the platform's in any case.
Object.defineProperty(globalThis, 'WebSocket', { value: PlatformWebSocket, configurable: true });

const goodwire = await import('goodwire');
assert.equal(goodwire.default, PlatformWebSocket);
assert.equal(goodwire.WebSocket, PlatformWebSocket);
assert.throws(() => new goodwire.WebSocketServer(), /WebSocketServer requires Node\.js/);
assert.equal(createRequire(import.meta.url)('goodwire'), PlatformWebSocket);

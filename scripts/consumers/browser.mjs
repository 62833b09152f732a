// Run with --conditions=browser in a project that has the packed goodwire installed: what a bundle for browsers gets.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

class PlatformWebSocket {}
// Some versions of Node have a WebSocket of their own; either way goodwire has to give what the platform says.
Object.defineProperty(globalThis, 'WebSocket', { value: PlatformWebSocket, configurable: true });

const goodwire = await import('goodwire');
assert.equal(goodwire.default, PlatformWebSocket);
assert.equal(goodwire.WebSocket, PlatformWebSocket);
assert.throws(() => new goodwire.WebSocketServer(), /WebSocketServer needs Node\.js/);
assert.equal(createRequire(import.meta.url)('goodwire'), PlatformWebSocket);

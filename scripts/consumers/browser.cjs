// Run with --conditions=browser in a project with the packed goodwire: checks the result of require in a bundle for
// browsers, and in a Jest that imitates one.
const assert = require('node:assert/strict');

class PlatformWebSocket {}
Object.defineProperty(globalThis, 'WebSocket', { value: PlatformWebSocket, configurable: true });

assert.equal(require('goodwire'), PlatformWebSocket);
import('goodwire').then((goodwire) => assert.equal(goodwire.default, PlatformWebSocket));

const WebSocket = require('goodwire');
const client = require('goodwire/goods/client');

globalThis.bundled = { WebSocket, names: WebSocket, client };

// jsdom with the conditions that Jest gives it: goodwire is then that of browsers.
test('goodwire is the class of the page, and the client of goods loads', () => {
  const WebSocket = require('goodwire');
  expect(WebSocket).toBe(globalThis.WebSocket);
  expect(new WebSocket('ws://127.0.0.1:9/').readyState).toBe(0);
  const { GoodsClient } = require('goodwire/goods/client');
  expect(typeof GoodsClient).toBe('function');
});

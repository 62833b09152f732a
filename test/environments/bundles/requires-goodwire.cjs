// A dependency in CommonJS of a program that imports.
module.exports = {
  WebSocket: require('goodwire'),
  goods: require('goodwire/goods'),
  client: require('goodwire/goods/client'),
  protocol: require('goodwire/protocol'),
};

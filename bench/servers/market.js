/**
 * Fan-out like servers/fanout.js, with a market of goods. Settings: `library` (entry file in the folder of goods.js),
 * `variants`, `size`.
 */
import { answer, settings } from '../control.js';
import { frameLength } from '../wire.js';

const { library, variants, size } = /** @type {{ library: string, variants: number, size: number }} */ (settings());
const { WebSocketServer } = await import(library);
const { defineGoods, Market } = await import(new URL('goods.js', library).href);

const market = new Market();
const provider = market.provider('bench');
const options =
  variants === 1
    ? {}
    : {
        variant: (/** @type {unknown} */ _subscriber, /** @type {string} */ params) => params,
        tailor: (/** @type {string} */ item, /** @type {string} */ variant) => item.replace(/^./, variant),
      };
const goods = defineGoods('n', { kind: 'text', ...options });
provider.shelve(goods);

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, backlog: 4096 });
server.on('connection', (/** @type {any} */ socket, /** @type {import('node:http').IncomingMessage} */ request) => {
  if (request.url === '/publisher') {
    socket.on('message', (/** @type {Buffer} */ data) => provider.supply(goods, data.toString()));
  } else {
    market.accept(socket, request);
  }
});

server.on('listening', () => {
  answer({
    port: () => server.address().port,
    subscribers: () => market.statistics().subscriptions,
    frame: () => {
      const variant = variants === 1 ? {} : { variant: '0' };
      // Without the digits of the offset.
      const empty = JSON.stringify({ op: 'item', goods: 'n', ...variant, offset: 0, item: '' }).length - 1;
      return { length: frameLength({ size: size + empty, content: 'ascii' }), hasOffset: true };
    },
    native: () => false,
  });
});

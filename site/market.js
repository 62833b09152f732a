// @ts-check
// Market of `npm start`: apples, oranges and price feeds, over the subprotocol goods.v1 at /goods.

import { WebSocketServer } from 'goodwire';
import { defineGoods, Market } from 'goodwire/goods';
import { feeds, offers } from './fruit.js';

const fruit = {
  apple: { goods: defineGoods('fruit/apple', offers), varieties: ['fuji', 'gala', 'jonagold', 'boskoop'], price: 12 },
  orange: { goods: defineGoods('fruit/orange', offers), varieties: ['navel', 'valencia', 'blood'], price: 9 },
};

/** Price feeds are created on demand: prices/apple, prices/pear, prices/anything. */
const prices = defineGoods('prices/*', feeds);

/** Milliseconds between two offers of a fruit, and between two ticks of a price feed. */
const OFFER_EVERY = 2500;
const TICK_EVERY = 250;

/**
 * Opens the market at /goods of an HTTP server.
 *
 * @param {import('node:http').Server} server
 */
export function openMarket(server) {
  const market = new Market({ heartbeat: 15_000 });
  const orchard = market.provider('orchard');
  /** @type {Set<NodeJS.Timeout>} */
  const timers = new Set();

  /**
   * @param {number} milliseconds
   * @param {() => void} act
   */
  const every = (milliseconds, act) => {
    const timer = setInterval(act, milliseconds);
    timers.add(timer);
    return () => {
      timers.delete(timer);
      clearInterval(timer);
    };
  };

  for (const { goods, varieties, price } of Object.values(fruit)) {
    orchard.shelve(goods);
    const supply = () => {
      const variety = varieties[Math.floor(Math.random() * varieties.length)];
      orchard.supply(goods, { variety, price: price * (0.8 + Math.random() * 0.4) });
    };
    supply();
    every(OFFER_EVERY, supply);
  }

  /** @type {Map<string, () => void>} functions that stop the running feeds */
  const running = new Map();
  orchard.shelve(prices, {
    onDemand(name) {
      let price = 5 + Math.random() * 20;
      const stop = every(TICK_EVERY, () => {
        const change = (Math.random() - 0.5) * 0.06;
        price = Math.max(1, price * (1 + change));
        orchard.supply(prices.named(name), { price, change });
      });
      running.set(name, stop);
    },
    onIdle(name) {
      running.get(name)?.();
      running.delete(name);
    },
  });

  const endpoint = new WebSocketServer({ server, path: '/goods', perMessageDeflate: true });
  market.serve(endpoint);

  return {
    endpoint,
    /** Tells all clients to reconnect later, and stops the market. */
    async close() {
      for (const timer of timers) clearInterval(timer);
      endpoint.close();
      await market.shutdown({ retryAfter: 1000, deadline: 1500 });
    },
  };
}

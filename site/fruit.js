// @ts-check
// Goods of the market of `npm start`. The page imports this file too, because both sides share a definition.

/** Exchange rates of the yuan. All prices here are invented. */
const rates = Object.freeze({ CNY: 1, EUR: 0.13, USD: 0.14, JPY: 21 });

/** @typedef {keyof typeof rates} Currency */
/** @typedef {{ currency: Currency }} Params parameters of a subscriber */
/** @typedef {{ variety: string, price: number }} Offer price per kilogram in yuan, or in the variant's currency */
/** @typedef {{ price: number, change: number }} Tick */

/** Supported currencies. */
export const currencies = Object.freeze(/** @type {Currency[]} */ (Object.keys(rates)));

/**
 * @param {unknown} params
 * @returns {Params}
 */
function readParams(params) {
  const { currency = 'CNY' } = /** @type {Partial<Params>} */ (params ?? {});
  if (!currencies.includes(currency)) throw new TypeError(`the currency must be one of ${currencies.join(', ')}`);
  return { currency };
}

/**
 * @param {number} yuan
 * @param {string} currency
 */
const convert = (yuan, currency) => Math.round(yuan * rates[/** @type {Currency} */ (currency)] * 100) / 100;

const inCurrency = {
  params: readParams,
  /** @type {(subscriber: unknown, params: Params) => string} subscribers with the same currency share one encoding */
  variant: (_subscriber, { currency }) => currency,
};

/** Options of fruit offers: infrequent items, of which the last twenty are kept for a minute. */
export const offers = Object.freeze({
  ...inCurrency,
  /** @type {(offer: Offer, currency: string) => Offer & { currency: string }} */
  tailor: ({ variety, price }, currency) => ({ variety, price: convert(price, currency), currency }),
  history: Object.freeze({ size: 20, ttl: 60_000 }),
});

/** Options of price feeds: frequent items, of which outdated ones may be skipped. */
export const feeds = Object.freeze({
  ...inCurrency,
  /** @type {(tick: Tick, currency: string) => Tick & { currency: string }} */
  tailor: ({ price, change }, currency) => ({ price: convert(price, currency), change, currency }),
  history: Object.freeze({ size: 200, ttl: 60_000 }),
  overflow: /** @type {const} */ ('conflate'),
});

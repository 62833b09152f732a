// @ts-check
// Page at /market: a client of the market of goods, with a log of all its WebSocket messages.

import { GoodsClient } from 'goodwire/goods/client';
import { currencies } from './fruit.js';

/** Maximum number of points in a chart, and of lines in the log. */
const POINTS = 80;
const LINES = 300;
const WIDTH = 200;
const HEIGHT = 50;

/**
 * @template {HTMLElement} [E=HTMLElement]
 * @param {string} id
 */
const byId = (id) => /** @type {E} */ (document.getElementById(id));

/**
 * Creates an element with text and children. Data from the wire is only inserted as text.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {...(string | Node)} children
 */
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  made.append(...children);
  return made;
}

const log = byId('log');
let lines = 0;
let isHeld = false;

/**
 * @param {'in' | 'out' | 'event'} direction
 * @param {string} text
 */
function note(direction, text) {
  lines++;
  byId('log-count').textContent = `${lines} messages`;
  if (isHeld) return;
  const now = new Date();
  const time = element('time', '', now.toISOString().slice(11, 21));
  const mark = { in: '←', out: '→', event: '·' }[direction];
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(element('li', direction, time, element('span', '', mark), element('span', '', text)));
  while (log.childElementCount > LINES) log.firstElementChild?.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

/** WebSocket of the platform that logs its messages. */
class NotedWebSocket extends WebSocket {
  /**
   * @param {string | URL} url
   * @param {string | string[]} [protocols]
   */
  constructor(url, protocols) {
    super(url, protocols);
    this.addEventListener('open', () => note('event', `open, ${this.protocol} ${this.extensions}`.trim()));
    this.addEventListener('message', ({ data }) => note('in', typeof data === 'string' ? data : '(binary)'));
    this.addEventListener('close', ({ code, reason }) => note('event', `closed: ${code} ${reason}`.trim()));
  }

  /** @override @param {any} data */
  send(data) {
    note('out', typeof data === 'string' ? data : '(binary)');
    super.send(data);
  }
}

const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/goods`;
byId('address').textContent = address;

let items = 0;
let reconnects = 0;
let gaps = 0;

/** @param {string} id @param {number} value */
const count = (id, value) => {
  byId(id).textContent = String(value);
};

/** @typedef {{ goods: string, offset: number, item: { price?: number, currency?: string, variety?: string }, gap: { reason: string } | null }} Delivery */

/** Card of a subscription: its latest item, and a chart of prices. */
class Card {
  /** Prices by goods, because a pattern may match several; null is a gap. @type {Map<string, (number | null)[]>} */
  #prices = new Map();
  #value = element('p', 'value', '–');
  #where = element('span', '', 'no item yet');
  #chart = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  element;

  /**
   * @param {string} goods
   * @param {string} currency
   * @param {() => void} unsubscribe
   */
  constructor(goods, currency, unsubscribe) {
    const button = element('button', 'quiet small', 'Unsubscribe');
    button.type = 'button';
    button.setAttribute('aria-label', `Unsubscribe from ${goods} in ${currency}`);
    button.addEventListener('click', unsubscribe);
    this.#chart.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.#chart.setAttribute('preserveAspectRatio', 'none');
    this.#chart.setAttribute('role', 'img');
    this.#chart.setAttribute('aria-label', `Prices of ${goods} in ${currency}`);
    const head = element('header', '', element('h3', '', goods), element('span', 'currency', currency));
    this.element = element(
      'article',
      'card',
      head,
      this.#value,
      this.#chart,
      element('footer', '', this.#where, button),
    );
    this.element.dataset.goods = goods;
    this.element.dataset.currency = currency;
  }

  /** @param {Delivery} delivery */
  show({ goods, offset, item, gap }) {
    const { price, currency = '', variety } = item;
    const prices = this.#prices.get(goods) ?? [];
    this.#prices.set(goods, prices);
    if (gap !== null) {
      prices.push(null);
      gaps++;
      count('gaps', gaps);
      note('event', `${goods}: items were skipped (${gap.reason})`);
    }
    if (typeof price === 'number') prices.push(price);
    prices.splice(0, prices.length - POINTS);
    this.#value.replaceChildren(
      typeof price === 'number' ? price.toFixed(2) : JSON.stringify(item),
      ' ',
      element('small', '', [currency, variety].filter(Boolean).join(' ')),
    );
    this.#where.textContent = `${goods} at ${offset}`;
    this.#draw();
  }

  /** @param {string} reason */
  end(reason) {
    this.element.classList.add('over');
    this.#where.textContent = reason;
  }

  /** Draws each goods with its own scale, because the chart shows its trend. */
  #draw() {
    /** @type {SVGElement[]} */
    const shapes = [];
    const x = (/** @type {number} */ at) => ((at * WIDTH) / (POINTS - 1)).toFixed(1);
    for (const prices of this.#prices.values()) {
      const known = prices.filter((price) => price !== null);
      const low = Math.min(...known);
      const span = Math.max(...known) - low || 1;
      /** @type {string[]} */
      const points = [];
      prices.forEach((price, at) => {
        if (price !== null) points.push(`${x(at)},${(HEIGHT - 4 - ((price - low) / span) * (HEIGHT - 8)).toFixed(1)}`);
        else shapes.push(shape('line', { class: 'gap', x1: x(at), x2: x(at), y1: '0', y2: String(HEIGHT) }));
      });
      shapes.push(shape('polyline', { points: points.join(' ') }));
    }
    this.#chart.replaceChildren(...shapes);
  }
}

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 */
function shape(name, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

for (const currency of currencies) byId('currency').append(element('option', '', currency));

const client = new GoodsClient(address, { WebSocket: NotedWebSocket, backoff: { base: 500, max: 5000 } });

const words = { connecting: 'Connecting', open: 'Open', waiting: 'Connection lost, reconnecting…', closed: 'Closed' };
let wasOpen = false;

/** @param {keyof typeof words} state */
function showState(state) {
  byId('link').dataset.state = state;
  byId('state').textContent = words[state];
  if (state !== 'open') return;
  byId('link-hint').textContent = '';
  if (wasOpen) count('reconnects', ++reconnects);
  wasOpen = true;
  void showShelf();
}

client.on('state', showState);
client.on('error', (error) => {
  byId('link-hint').textContent = error instanceof Error ? error.message : String(error);
});
showState(client.state);

async function showShelf() {
  const shelf = byId('shelf');
  try {
    const entries = await client.catalog();
    shelf.replaceChildren(
      ...entries.map(({ goods, kind }) => {
        const pick = element('button', 'quiet small', 'Choose');
        pick.type = 'button';
        pick.setAttribute('aria-label', `Choose ${goods}`);
        pick.addEventListener('click', () => {
          const field = /** @type {HTMLInputElement} */ (byId('goods'));
          field.value = goods.replace('/*', '/apple');
          field.focus();
        });
        return element('li', '', element('b', '', goods), element('small', '', kind), pick);
      }),
    );
    byId('shelf-empty').hidden = entries.length > 0;
  } catch (error) {
    byId('shelf-empty').textContent = error instanceof Error ? error.message : String(error);
    byId('shelf-empty').hidden = false;
  }
}

byId('look').addEventListener('click', () => void showShelf());

const cards = byId('cards');
const showCards = () => {
  byId('bookings-empty').hidden = cards.childElementCount > 0;
};

/**
 * @param {string} goods
 * @param {string} currency
 */
async function subscribe(goods, currency) {
  const subscription = await client.subscribe(goods, { currency }, { last: 20 });
  const card = new Card(goods, currency, () => void subscription.unsubscribe());
  cards.append(card.element);
  showCards();
  try {
    for await (const delivery of subscription) {
      items++;
      count('items', items);
      card.show(/** @type {Delivery} */ (delivery));
    }
    card.element.remove();
  } catch (error) {
    card.end(error instanceof Error ? error.message : String(error));
  }
  showCards();
}

byId('subscribe-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const goods = /** @type {HTMLInputElement} */ (byId('goods')).value.trim();
  const currency = /** @type {HTMLSelectElement} */ (byId('currency')).value;
  const hint = byId('subscribe-hint');
  hint.textContent = '';
  hint.classList.remove('bad');
  subscribe(goods, currency).catch((error) => {
    hint.classList.add('bad');
    hint.textContent = error instanceof Error ? error.message : String(error);
  });
});

byId('ask').addEventListener('click', async () => {
  try {
    const booked = await client.subscriptions();
    const lines = booked.map(({ goods, params, streams }) => {
      const { currency = '' } = /** @type {{ currency?: string }} */ (params ?? {});
      return `${goods} in ${currency} (${streams.map((stream) => `${stream.goods} at ${stream.offset}`).join(', ')})`;
    });
    byId('ask-hint').textContent =
      lines.length === 0 ? 'You have no subscriptions.' : `Your subscriptions: ${lines.join('; ')}.`;
  } catch (error) {
    byId('ask-hint').textContent = error instanceof Error ? error.message : String(error);
  }
});

byId('hold').addEventListener('click', ({ currentTarget }) => {
  isHeld = !isHeld;
  /** @type {HTMLElement} */ (currentTarget).setAttribute('aria-pressed', String(isHeld));
  byId('hold').textContent = isHeld ? 'Resume' : 'Pause';
});
byId('clear').addEventListener('click', () => log.replaceChildren());

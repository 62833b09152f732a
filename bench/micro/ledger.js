/**
 * Ledger of goods by its shape: lines added, found and removed per second of CPU time, and memory.
 *
 *     node --expose-gc bench/micro/ledger.js [--quick]
 *
 * Each line has its own pattern string, as if parsed from the wire. Subscribers and entries are created before
 * measuring. Memory is the heap after a garbage collection. Time is that of all threads of the process and thus
 * includes garbage collection. Requires dist/.
 */
import { cpus, loadavg } from 'node:os';

/** @type {typeof import('../../src/goods/ledger/ledger.ts')} */
const { Ledger } = await import(new URL('../../dist/cjs/goods/ledger/ledger.js', import.meta.url).href);

const collect = globalThis.gc;
if (collect === undefined) throw new Error('run it with --expose-gc');

const quick = process.argv.includes('--quick');
const rounds = quick ? 1 : 3;
const scale = quick ? 10 : 1;

/** Returns a string as if parsed: flat, and not shared. @param {string} text */
const parsed = (text) => /** @type {string} */ (JSON.parse(`"${text}"`));

/**
 * @typedef {object} Shape
 * @property {number} subscribers
 * @property {number} each number of lines per subscriber
 * @property {(subscriber: number, i: number) => string} pattern
 * @property {(subscriber: number) => string} name goods to look up
 * @property {number} finds number of lookups
 */

/** @type {Record<string, Shape>} */
const shapes = {
  '10 000 subscribers × 100 goods': {
    subscribers: 10_000 / scale,
    each: 100,
    pattern: (_subscriber, i) => `fruit/kind ${i}`,
    name: (i) => `fruit/kind ${i % 100}`,
    finds: 100,
  },
  '10 000 subscribers × 100 goods of 100 000': {
    subscribers: 10_000 / scale,
    each: 100,
    pattern: (subscriber, i) => `fruit/kind ${(subscriber * 37 + i * 1009) % 100_000}`,
    name: (i) => `fruit/kind ${i % 100_000}`,
    finds: 100_000,
  },
  '1 000 000 subscribers × 1, the same': {
    subscribers: 1_000_000 / scale,
    each: 1,
    pattern: () => 'fruit/apple',
    name: () => 'fruit/apple',
    finds: 1,
  },
  '1 000 000 subscribers × 1, their own': {
    subscribers: 1_000_000 / scale,
    each: 1,
    pattern: (subscriber) => `user/${subscriber}`,
    name: (i) => `user/${i}`,
    finds: 100_000,
  },
  '333 000 subscribers × 3': {
    subscribers: 333_000 / scale,
    each: 3,
    pattern: (subscriber, i) => `fruit/kind ${(subscriber * 3 + i * 7) % 333_000}`,
    name: (i) => `fruit/kind ${i}`,
    finds: 100_000,
  },
  '10 000 subscribers × 100 patterns with stars': {
    subscribers: 10_000 / scale,
    each: 100,
    pattern: (_subscriber, i) => (i % 2 ? `fruit/kind ${i}/*` : `fruit/**/kind ${i}`),
    name: (i) => `fruit/kind ${i % 100}/price`,
    finds: 100,
  },
  '1 000 000 subscribers × 1, a pattern of their own': {
    subscribers: 1_000_000 / scale,
    each: 1,
    pattern: (subscriber) => `user/${subscriber}/*`,
    name: (i) => `user/${i}/price`,
    finds: 100_000,
  },
};

/** Returns the CPU seconds of a program. @param {() => void} program */
function seconds(program) {
  const before = process.cpuUsage();
  program();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function heap() {
  /** @type {NodeJS.GCFunction} */ (collect)();
  return process.memoryUsage().heapUsed;
}

/** @param {Shape} shape */
function measure({ subscribers, each, pattern, name, finds }) {
  const lines = subscribers * each;
  const everyone = Array.from({ length: subscribers }, (_, id) => ({ id }));
  const entries = Array.from({ length: lines }, (_, id) => ({ id }));
  /** @type {import('../../src/goods/ledger/ledger.ts').Ledger<object, object>} */
  const ledger = new Ledger();
  /** @param {(subscriber: object, pattern: string, entry: object) => boolean} act */
  const forAll = (act) => {
    let spent = 0;
    // In parts, so that the strings of a part are created outside the measurement. Pattern by pattern over all
    // subscribers, as they arrive.
    const part = 10_000;
    for (let from = 0; from < lines; from += part) {
      const to = Math.min(lines, from + part);
      /** @type {string[]} */
      const texts = [];
      for (let at = from; at < to; at++) texts.push(parsed(pattern(at % subscribers, Math.floor(at / subscribers))));
      spent += seconds(() => {
        for (let at = from; at < to; at++) {
          if (!act(everyone[at % subscribers], texts[at - from], entries[at]))
            throw new Error(`not done: ${texts[at - from]}`);
        }
      });
    }
    return lines / spent;
  };
  const empty = heap();
  const book = forAll((subscriber, pattern, entry) => ledger.book(subscriber, pattern, entry));
  const full = heap();
  let found = 0;
  const names = Array.from({ length: finds }, (_, i) => parsed(name(i)));
  const finding = seconds(() => {
    for (const goods of names) ledger.forEachSubscriber(goods, () => found++);
  });
  names.length = 0;
  const strike = forAll((subscriber, pattern, entry) => ledger.strike(subscriber, pattern, entry));
  const residue = heap() - empty;
  if (ledger.size + ledger.subscribers + ledger.patterns > 0) throw new Error('the ledger is not empty');
  forAll((subscriber, pattern, entry) => ledger.book(subscriber, pattern, entry));
  let struck = 0;
  const strikeAll = seconds(() => {
    for (const subscriber of everyone) struck += ledger.strikeAll(subscriber).length;
  });
  if (struck !== lines) throw new Error(`${struck} of ${lines} struck`);
  return {
    book,
    strike,
    strikeAll: lines / strikeAll,
    walk: found / finding,
    lookup: (finding / finds) * 1e6,
    found: found / finds,
    octets: (full - empty) / lines,
    residue,
  };
}

/** @typedef {ReturnType<typeof measure>} Figures */

/** @param {Figures[]} all @param {(figures: Figures) => number} what */
const median = (all, what) => all.map(what).sort((a, b) => a - b)[all.length >> 1];
const perSecond = (/** @type {number} */ rate) => `${(rate / 1e6).toFixed(2)} M`;

console.log(
  '| lines | book/s | strike/s | strikeAll, lines/s | found per name | µs per lookup | visits/s | bytes per line (MB per million) | residue, kB |',
);
console.log(`|---|${'--:|'.repeat(8)}`);
for (const [title, shape] of Object.entries(shapes)) {
  /** @type {Figures[]} */
  const all = [];
  for (let round = 0; round < rounds; round++) all.push(measure(shape));
  const of = (/** @type {keyof Figures} */ key) => median(all, (figures) => figures[key]);
  const cells = [
    quick ? `${title} (a tenth of the subscribers)` : title,
    perSecond(of('book')),
    perSecond(of('strike')),
    perSecond(of('strikeAll')),
    of('found').toFixed(1),
    of('lookup').toFixed(2),
    perSecond(of('walk')),
    of('octets').toFixed(0),
    (of('residue') / 1024).toFixed(0),
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
console.log(`\nNode ${process.version}, ${cpus().length} × ${cpus()[0].model}, load ${loadavg()[0].toFixed(1)}`);

/**
 * Memory of a subscriber and of a subscription in a market, without the WebSocket: bytes of heap after a garbage
 * collection.
 *
 *     node --expose-gc bench/micro/market.js
 *
 * The connections are not sockets, but objects that discard their input. Requires dist/.
 */
import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';

const goods = new URL('../../dist/cjs/goods/', import.meta.url);
/** @type {typeof import('../../src/goods/market/market-core.ts')} */
const { MarketCore } = await import(new URL('market/market-core.js', goods).href);
/** @type {typeof import('../../src/goods/definition/goods.ts')} */
const { defineGoods } = await import(new URL('definition/goods.js', goods).href);
/** @type {typeof import('../../src/goods/fan-out/encoded-message.ts')} */
const { plainCoding } = await import(new URL('fan-out/encoded-message.js', goods).href);

const collect = globalThis.gc;
if (collect === undefined) throw new Error('run it with --expose-gc');

const subscribers = 10_000;
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function heap() {
  for (let i = 0; i < 4; i++) {
    await turn();
    collect?.();
  }
  return process.memoryUsage().heapUsed;
}

class Silent {
  coding = plainCoding;
  bufferedAmount = 0;
  send() {}
  awaitDrain() {}
  ping() {}
  close() {}
  terminate() {}
}

/**
 * @param {number} each number of subscriptions per subscriber
 * @param {(i: number) => string} name name of the i-th goods
 */
async function measure(each, name) {
  const market = new MarketCore({ heartbeat: 0, limits: { requestsPerSecond: 1e6, requestBurst: 1e6 } }, setImmediate);
  const provider = market.provider('p');
  for (let i = 0; i < 100; i++) provider.shelve(defineGoods(`fruit/kind${i}`));
  const before = await heap();
  const sessions = Array.from({ length: subscribers }, () => market.connect(new Silent(), undefined));
  const connected = await heap();
  for (const session of sessions) {
    for (let i = 0; i < each; i++)
      session.receive(JSON.stringify({ op: 'subscribe', id: i + 1, goods: name(i), last: 0 }));
    await Promise.resolve();
  }
  const subscribed = await heap();
  const { subscriptions } = market.statistics();
  if (subscriptions !== subscribers * each)
    throw new Error(`expected ${subscribers * each} subscriptions; got ${subscriptions}`);
  return {
    'a subscriber': Math.round((connected - before) / subscribers),
    'a subscription': Math.round((subscribed - connected) / subscribers / each),
  };
}

/** @type {Record<string, () => ReturnType<typeof measure>>} */
const cases = {
  '1 subscription each, to the same goods': () => measure(1, () => 'fruit/kind0'),
  '10 subscriptions each': () => measure(10, (i) => `fruit/kind${i}`),
  '1 subscription each, to a pattern of one': () => measure(1, () => 'fruit/kind0/**'),
};

// A process for each case: otherwise V8 frees during one what the case before has left.
const [, program = '', title] = process.argv;
const own = title === undefined ? undefined : cases[title];
if (own !== undefined) console.log(JSON.stringify(await own()));
else {
  console.log(`node ${process.version}, load average ${loadavg()[0]?.toFixed(2)}, ${subscribers} subscribers\n`);
  const results = Object.keys(cases).map((name) => {
    const output = execFileSync(process.execPath, ['--expose-gc', program, name], { encoding: 'utf8' });
    return [name, JSON.parse(output)];
  });
  console.table(Object.fromEntries(results));
}

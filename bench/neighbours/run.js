/**
 * How long a good client waits for its echo beside peers that flood small frames, for goodwire and ws. See ../README.md.
 *
 *     npm run bench:neighbours -- [--kinds id,…] [--peers n,…] [--seconds s]
 */
import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { contestants } from '../contestants.js';
import { start } from '../control.js';
import { format, grid } from '../table.js';
import { floods } from './floods.js';
import { goal, percentile } from './verdict.js';

const { values: options } = parseArgs({
  options: {
    kinds: { type: 'string', default: floods.map(({ id }) => id).join(',') },
    peers: { type: 'string', default: '1,20,500' },
    seconds: { type: 'string', default: '3' },
  },
});

const kinds = options.kinds.split(',').map((kind) => {
  const flood = floods.find(({ id }) => id === kind);
  if (flood === undefined) {
    throw new Error(`unknown kind ${kind}; expected one of ${floods.map(({ id }) => id).join(', ')}`);
  }
  return flood;
});
const counts = options.peers.split(',').map(Number);
const seconds = Number(options.seconds);
if (!(seconds > 0 && counts.every((peers) => Number.isInteger(peers) && peers >= 0))) {
  throw new Error('--seconds expects a number above 0, and --peers whole numbers from 0 on');
}

/**
 * @param {import('../contestants.js').Contestant} contestant
 * @param {string} kind
 * @param {number} peers
 * @returns {Promise<{ times: readonly number[], ended: number }>} times of the good client, and the number of flooding
 *   peers that the server has disconnected
 */
async function measure({ library, env }, kind, peers) {
  const server = await start('servers/websocket.js', { library, deliver: 'data' }, { env });
  const port = await server.ask('port');
  const good = await start('neighbours/good.js', { port });
  try {
    await good.ask('run', { seconds: 0.5 });
    const flooders = await start('neighbours/flooders.js', { port, peers, kind });
    try {
      await flooders.ask('flood');
      await good.ask('run', { seconds: 0.3 });
      const times = await good.ask('run', { seconds });
      return { times, ended: peers - (await flooders.ask('connected')) };
    } finally {
      await flooders.stop();
    }
  } finally {
    await good.stop();
    await server.stop();
  }
}

const field = (await contestants()).filter(({ name }) => name === 'goodwire' || name === 'ws');
console.log(`node ${process.version}, ${availableParallelism()} cores, load average ${loadavg()[0].toFixed(2)}`);
console.log(field.map(({ name, version }) => `${name} = ${version}`).join('; '));
console.log(`Milliseconds from a message to its echo: p50, p99, maximum in ${seconds} s\n`);

/** @type {string[][]} */
const lines = [];
let missed = 0;
for (const { id, title } of kinds) {
  for (const peers of counts) {
    /** @type {Record<string, { p99: number, text: string, ended: number }>} */
    const found = {};
    for (const contestant of field) {
      process.stderr.write(`${id} ${peers} ${contestant.name}\n`);
      const { times, ended } = await measure(contestant, id, peers);
      const p99 = percentile(times, 0.99);
      const parts = [percentile(times, 0.5), p99, Math.max(...times)];
      found[contestant.name] = { p99, text: parts.map(format).join(' / '), ended };
    }
    const { goodwire, ws } = found;
    const limit = goal(peers, ws.p99);
    if (goodwire.p99 > limit) missed++;
    lines.push([
      title,
      String(peers),
      goodwire.text,
      `${goodwire.p99 <= limit ? '' : '✗ '}≤ ${format(limit)}`,
      ws.text,
      String(goodwire.ended),
      String(ws.ended),
    ]);
  }
}
const head = ['flood', 'peers', 'goodwire', 'goal for p99', 'ws', 'disconnected by goodwire', 'disconnected by ws'];
console.log(grid(head, lines, ['flood']));
console.log(`\nLoad average now ${loadavg()[0].toFixed(2)}. ${missed} of ${lines.length} lines miss the goal.`);
process.exit(0);

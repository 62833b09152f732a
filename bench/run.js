/**
 * goodwire against ws, ws + bufferutil and plain `node:net`. See README.md beside this file.
 *
 *     node bench/run.js [--rows id,…] [--rounds n] [--quick] [--json file] [--list]
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release, type } from 'node:os';
import { parseArgs } from 'node:util';
import { contestants, FLOOR, ROOMS, SUBJECT } from './contestants.js';
import { clientTurns } from './measure/client.js';
import { fanoutTurns } from './measure/fanout.js';
import { descriptorLimit, idleTurns } from './measure/idle.js';
import { serverTurns } from './measure/server.js';
import { rows } from './rows.js';
import { boundByLoad, format, median, ratio, starved, table } from './table.js';

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    list: { type: 'boolean', default: false },
    contestants: { type: 'string' },
    goodwire: { type: 'string' },
    against: { type: 'string', multiple: true },
  },
});

/** @type {Readonly<Record<import('./rows.js').Row['kind'], (row: any, contestant: import('./contestants.js').Contestant,
 *   bounds: import('./measure/contest.js').Bounds) => Promise<import('./measure/contest.js').Turns>>>} */
const measures = {
  echo: serverTurns,
  connect: serverTurns,
  deflate: serverTurns,
  fanout: fanoutTurns,
  idle: idleTurns,
  receive: clientTurns,
  send: clientTurns,
};

/**
 * @param {string | undefined} list names apart by commas; undefined: all
 * @param {readonly string[]} known
 * @param {string} what
 */
function chosen(list, known, what) {
  const names = list?.split(',') ?? known;
  for (const name of names) {
    if (!known.includes(name)) throw new Error(`there is no ${what} ${name}, only ${known.join(', ')}`);
  }
  return names;
}

/**
 * Who takes part in a row: nothing is compressed without a library, and rooms are for many.
 * @param {import('./rows.js').Row} row
 * @param {readonly import('./contestants.js').Contestant[]} field
 */
const entrants = (row, field) =>
  field.filter(
    ({ name, library }) =>
      (row.table !== 'compressed' || library !== undefined) && (name !== ROOMS || row.kind === 'fanout'),
  );

/**
 * All contestants in turn, round by round.
 * @param {import('./rows.js').Row} row
 * @param {readonly import('./contestants.js').Contestant[]} field
 * @param {import('./measure/contest.js').Bounds & { rounds: number }} bounds
 * @returns {Promise<import('./table.js').Result>}
 */
async function measure(row, field, bounds) {
  /** @type {import('./measure/contest.js').Turns[]} */
  const turns = [];
  /** @type {Record<string, import('./measure/contest.js').Sample[]>} */
  const samples = Object.fromEntries(field.map(({ name }) => [name, []]));
  try {
    for (const contestant of field) turns.push(await measures[row.kind](row, contestant, bounds));
    for (let round = 0; round < Math.min(bounds.rounds, row.mostRounds ?? Infinity); round++) {
      // Every other round backwards, so that nobody is always the one who comes after the slowest.
      const order = field.map((_, i) => (round % 2 === 0 ? i : field.length - 1 - i));
      for (const i of order) samples[field[i].name].push(await turns[i].turn());
    }
  } finally {
    await Promise.all(turns.map((turn) => turn.end()));
  }
  return { row, samples };
}

async function main() {
  const known = rows.map(({ id }) => id);
  if (options.list) {
    for (const { id, title } of rows) console.log(`${id.padEnd(22)} ${title}`);
    return;
  }
  const ids = chosen(options.rows, known, 'row');
  const all = await contestants({ subject: options.goodwire, others: options.against ?? [] });
  const names = chosen(
    options.contestants,
    all.map(({ name }) => name),
    'contestant',
  );
  const field = all.filter(({ name }) => names.includes(name));
  const bounds = {
    rounds: Number(options.rounds ?? (options.quick ? 3 : 5)),
    seconds: Number(options.seconds ?? (options.quick ? 0.4 : 1)),
    warmUp: options.quick ? 0.7 : 1.5,
  };
  if (!(bounds.rounds >= 1 && bounds.seconds > 0)) throw new Error('--rounds and --seconds are numbers above 0');

  const machine = {
    date: new Date().toISOString(),
    node: process.version,
    cpu: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}`,
    system: `${type()} ${release()}`,
    loadAverage: loadavg().map((load) => load.toFixed(2)),
    descriptors: await descriptorLimit(),
    versions: field.map(({ name, version }) => `${name} = ${version}`),
  };
  console.log(`node ${machine.node}, ${machine.cpu}, ${machine.system}, ${machine.date}`);
  console.log(`load average ${machine.loadAverage.join(' ')}, ulimit -n ${machine.descriptors}`);
  console.log(machine.versions.join('; '));
  console.log(`medians of ${bounds.rounds} rounds of ${bounds.seconds} s, contestants in turn\n`);

  /** @type {import('./table.js').Result[]} */
  const results = [];
  for (const row of rows.filter(({ id }) => ids.includes(id))) {
    process.stderr.write(`${row.id.padEnd(22)} `);
    const entered = entrants(row, field);
    const result = await measure(row, entered, bounds);
    results.push(result);
    const costs = entered.map(({ name }) => `${name} ${format(median(result.samples[name].map(({ cost }) => cost)))}`);
    process.stderr.write(`${costs.join('   ')}\n`);
  }
  process.stderr.write('\n');

  const order = field.map(({ name }) => name);
  for (const [title, kind] of /** @type {const} */ ([
    ['Servers', 'servers'],
    ['Compressed', 'compressed'],
    ['Fan-out', 'fanout'],
    ['Clients', 'clients'],
  ])) {
    const some = results.filter(({ row }) => row.table === kind);
    if (some.length === 0) continue;
    const columns = entrants(some[0].row, field).map(({ name }) => name);
    console.log(`${title}\n\n${table(some, columns)}\n`);
  }
  console.log(
    `Columns ${order.join(', ')}: CPU µs per message or connection, or octets, of the measured process; /s: how many a second.`,
  );
  console.log(`Ratios above 1: ${SUBJECT} needs less. Against ${FLOOR}: how much more it needs. ✗: short of the goal.`);
  console.log(`busy: percent of one core that the measured process and the load took, in the order of the columns.`);
  console.log(`Load average now ${loadavg()[0].toFixed(2)}.`);
  const bound = boundByLoad(results);
  if (bound.length > 0) {
    console.log(`The load process was busier than what it measured, so that /s is a lower bound: ${bound.join('; ')}.`);
  } else {
    console.log('The load process was nowhere busier than what it measured.');
  }

  const disturbed = starved(results);
  if (disturbed.length > 0) {
    console.log(
      `Other work kept the machine busy (neither side got 60 % of a core), take again: ${disturbed.join(', ')}.`,
    );
  }

  if (options.json !== undefined) {
    const summary = results.map(({ row, samples }) => ({
      ...row,
      ratios: Object.fromEntries(
        order
          .filter((name) => name !== SUBJECT && name in samples && SUBJECT in samples)
          .map((name) => {
            const [ours, theirs] = [SUBJECT, name].map((who) => samples[who].map(({ cost }) => cost));
            return name === FLOOR
              ? [`${SUBJECT} ÷ ${name}`, ratio(ours, theirs)]
              : [`${name} ÷ ${SUBJECT}`, ratio(theirs, ours)];
          }),
      ),
      samples,
    }));
    await writeFile(options.json, `${JSON.stringify({ machine, bounds, rows: summary }, null, 2)}\n`);
  }
}

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

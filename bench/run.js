/**
 * goodwire against ws, ws + bufferutil and plain `node:net`. See README.md beside this file.
 *
 *     node bench/run.js [--rows id,…] [--rounds n] [--quick] [--json file] [--list]
 *     node bench/run.js --against REF    # the working tree against a commit: faster, even or slower
 */
import { existsSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release, type } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseAllAgainst } from './against.js';
import { contestants, FLOOR, ROOMS, SUBJECT } from './contestants.js';
import { change, joined, judge, linesOf, needsRerun, pooled, summary, verdictTable } from './even.js';
import { clientTurns } from './measure/client.js';
import { fanoutTurns } from './measure/fanout.js';
import { descriptorLimit, idleTurns } from './measure/idle.js';
import { serverTurns } from './measure/server.js';
import { buildCommit, commitOf } from './old-build.js';
import { evenRows, rows } from './rows.js';
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
    reruns: { type: 'string' },
  },
});

/**
 * Length of a slice in seconds, for verdicts. Disturbances by other programs last longer and so affect both builds
 * alike. Measured on a busy machine (load 9 on 2 cores): the ratio of an echo round had a standard deviation of 8 %.
 * Without slices it was 13 %.
 */
const SLICE = 0.1;

const root = join(import.meta.dirname, '..');

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
 * @param {string | undefined} list names separated by commas; undefined: all
 * @param {readonly string[]} known
 * @param {string} what
 */
function chosen(list, known, what) {
  const names = list?.split(',') ?? known;
  for (const name of names) {
    if (!known.includes(name)) throw new Error(`unknown ${what} ${name}; expected one of ${known.join(', ')}`);
  }
  return names;
}

/**
 * Returns the contestants of a row. The floor does not compress, and Socket.IO takes part in fan-out only.
 * @param {import('./rows.js').Row} row
 * @param {readonly import('./contestants.js').Contestant[]} field
 */
const entrants = (row, field) =>
  field.filter(
    ({ name, library }) =>
      (row.table !== 'compressed' || library !== undefined) && (name !== ROOMS || row.kind === 'fanout'),
  );

/**
 * Measures a row: all contestants in turn, round by round. With `slices`, a round is split into this number of
 * alternating turns.
 * @param {import('./rows.js').Row} row
 * @param {readonly import('./contestants.js').Contestant[]} field
 * @param {import('./measure/contest.js').Bounds & { rounds: number, slices?: number }} bounds
 * @returns {Promise<import('./table.js').Result>}
 */
async function measure(row, field, bounds) {
  /** @type {import('./measure/contest.js').Turns[]} */
  const turns = [];
  /** @type {Record<string, import('./measure/contest.js').Sample[]>} */
  const samples = Object.fromEntries(field.map(({ name }) => [name, []]));
  try {
    const { slices = 1, seconds, warmUp, rounds } = bounds;
    const each = { seconds: seconds / slices, warmUp };
    for (const contestant of field) turns.push(await measures[row.kind](row, contestant, each));
    for (let round = 0; round < rounds; round++) {
      /** @type {import('./measure/contest.js').Sample[][]} */
      const taken = field.map(() => []);
      for (let slice = 0; slice < slices; slice++) {
        // Otherwise one contestant would always follow the slowest.
        const order = field.map((_, i) => ((round + slice) % 2 === 0 ? i : field.length - 1 - i));
        for (const i of order) taken[i].push(await turns[i].turn());
      }
      field.forEach(({ name }, i) => {
        samples[name].push(joined(taken[i]));
      });
    }
  } finally {
    await Promise.all(turns.map((turn) => turn.end()));
  }
  return { row, samples };
}

/** True if the path is an existing file. @param {string} path */
const isFile = (path) => existsSync(path) && statSync(path).isFile();

/**
 * Prints the costs of a run behind its label, to stderr, because stdout is only for the tables.
 * @param {import('./table.js').Result} result
 * @param {string} [note]
 */
function report({ samples }, note = '') {
  const costs = Object.entries(samples).map(
    ([name, some]) => `${name} ${format(median(some.map(({ cost }) => cost)))}`,
  );
  process.stderr.write(`${costs.join('   ')}${note}\n`);
}

/**
 * Measures a row, and again with new processes while one of its lines differs by more than 3 %. All rounds of all runs
 * are pooled.
 * @param {import('./rows.js').Row} row
 * @param {readonly import('./contestants.js').Contestant[]} field
 * @param {import('./measure/contest.js').Bounds & { rounds: number }} bounds
 * @param {string} old name of the old build
 * @param {number} reruns maximum number of further runs
 */
async function measureForVerdict(row, field, bounds, old, reruns) {
  /** @type {import('./table.js').Result | undefined} */
  let result;
  for (let run = 0; run <= reruns; run++) {
    // Otherwise an odd number of unsliced rounds would favour one order.
    const order = run % 2 === 0 ? field : field.toReversed();
    const slices = row.kind === 'idle' ? 1 : Math.max(1, Math.round(bounds.seconds / SLICE));
    process.stderr.write((run === 0 ? row.id : '  again').padEnd(23));
    const more = await measure(row, order, { ...bounds, slices });
    result = result === undefined ? more : pooled(result, more);
    const lines = linesOf(result, old, SUBJECT);
    report(more, `   ${lines.map((line) => change(judge(line).ratio)).join(', ')} in all rounds`);
    if (!lines.some(needsRerun)) break;
  }
  return /** @type {import('./table.js').Result} */ (result);
}

/**
 * Prints the tables of ratios, and their legend.
 * @param {readonly import('./table.js').Result[]} results
 * @param {readonly import('./contestants.js').Contestant[]} field
 */
function printTables(results, field) {
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
    `Columns ${field.map(({ name }) => name).join(', ')}: CPU µs per message or connection, or bytes, of the measured process; /s: number per second.`,
  );
  console.log(
    `Ratios above 1: ${SUBJECT} needs less. Against ${FLOOR}: factor by which it needs more. ✗: goal missed.`,
  );
  console.log(`busy: percent of one core that the measured process and the load used, in the order of the columns.`);
  console.log(`Load average now ${loadavg()[0].toFixed(2)}.`);
  const bound = boundByLoad(results);
  if (bound.length > 0) {
    console.log(`The load process was busier than the measured process, so /s is a lower bound: ${bound.join('; ')}.`);
  } else {
    console.log('The load process was never busier than the measured process.');
  }
}

/** @returns {Promise<0 | 1>} exit code */
async function main() {
  const known = rows.map(({ id }) => id);
  if (options.list) {
    for (const { id, title } of rows) console.log(`${id.padEnd(22)} ${title}`);
    return 0;
  }
  const { builds, ref } = parseAllAgainst(options.against ?? [], isFile);
  const isAll = options.rows === 'all' || (options.rows === undefined && ref === undefined);
  const ids = isAll ? known : chosen(options.rows ?? evenRows.join(','), known, 'row');
  const bounds = {
    rounds: Number(options.rounds ?? (options.quick ? 3 : 5)),
    seconds: Number(options.seconds ?? (options.quick ? 0.4 : 1)),
    warmUp: options.quick ? 0.7 : 1.5,
  };
  if (!(bounds.rounds >= 1 && bounds.seconds > 0)) throw new Error('--rounds and --seconds must be numbers above 0');
  const reruns = Number(options.reruns ?? 3);
  if (!(Number.isInteger(reruns) && reruns >= 0)) {
    throw new Error(`--reruns expects a whole number from 0 on, got ${options.reruns}`);
  }

  const commit = ref === undefined ? undefined : await commitOf(ref, root);
  const others = [...builds];
  if (ref !== undefined && commit !== undefined) {
    process.stderr.write(`building ${ref} (${commit})\n`);
    const { entry } = await buildCommit(commit, root);
    others.unshift({ kind: 'build', name: ref, entry, version: `commit ${commit.slice(0, 10)}` });
  }
  const all = await contestants({ subject: options.goodwire, others });
  const inAll = all.map(({ name }) => name);
  const inVerdict = [SUBJECT, ...others.map(({ name }) => name)];
  const names = chosen(options.contestants ?? (ref && inVerdict.join(',')), inAll, 'contestant');
  for (const name of ref === undefined ? [] : [SUBJECT, ref]) {
    if (!names.includes(name)) {
      throw new Error(`--against ${ref} expects ${SUBJECT} and ${ref} among --contestants, got ${names.join(', ')}`);
    }
  }
  const field = all.filter(({ name }) => names.includes(name));

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
  const isMarketMissing = all.some(({ name, hasMarket }) => name === ref && !hasMarket);
  for (const row of rows.filter(({ id }) => ids.includes(id))) {
    if (row.kind === 'fanout' && isMarketMissing) {
      console.log(`${row.id} is skipped: ${ref} has no goods.js.`);
      continue;
    }
    const entered = entrants(row, field);
    if (ref === undefined) {
      const rounds = Math.min(bounds.rounds, row.maxRounds ?? Infinity);
      process.stderr.write(row.id.padEnd(23));
      const result = await measure(row, entered, { ...bounds, rounds });
      report(result);
      results.push(result);
    } else {
      results.push(await measureForVerdict(row, entered, bounds, ref, reruns));
    }
  }
  process.stderr.write('\n');

  const order = field.map(({ name }) => name);
  if (ref === undefined || field.length > 2) printTables(results, field);
  const lines = ref === undefined ? [] : results.flatMap((result) => linesOf(result, ref, SUBJECT));
  if (ref !== undefined) {
    console.log(`${verdictTable(lines, ref)}\n`);
    console.log(`change: median of the rounds' ratios, new ÷ old; below 0 the new build needs less.`);
    console.log(
      `slower, faster: by more than 5 %. Lines that differed by more than 3 % were run again; all rounds count.`,
    );
    console.log(`Load average now ${loadavg()[0].toFixed(2)}.`);
  }

  const disturbed = starved(results);
  if (disturbed.length > 0) {
    console.log(
      `Other programs kept the machine busy (neither side used 60 % of a core); measure again: ${disturbed.join(', ')}.`,
    );
  }

  const { text, exitCode } = summary(lines);
  if (ref !== undefined) console.log(text);

  if (options.json !== undefined) {
    const measured = results.map(({ row, samples }) => ({
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
    const verdicts = lines.map((line) => ({ ...line, ...judge(line) }));
    const even = ref === undefined ? {} : { even: { ref, commit, reruns, verdicts } };
    await writeFile(options.json, `${JSON.stringify({ machine, bounds, ...even, rows: measured }, null, 2)}\n`);
  }
  return exitCode;
}

try {
  process.exit(await main());
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

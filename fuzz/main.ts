import { randomInt } from 'node:crypto';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import type { Target } from './case.ts';
import { addToCorpus } from './corpus.ts';
import { fuzz, type Round } from './engine.ts';
import { targets } from './targets/index.ts';

const usage = `npm run fuzz -- [--minutes M] [--runs N] [--seed N] [--target NAME]

  --minutes  total duration over all targets; fractions are allowed. Default 1
  --runs     number of executions of each target instead
  --seed     an integer; the same seed gives the same cases. Default: a new one, which is printed
  --target   one of the targets below; may be given several times. Default: all
`;

/** Test other than a {@link Target}. It returns the faults found. */
interface Program {
  readonly name: string;
  readonly title: string;
  run(options: {
    readonly seed: number;
    readonly milliseconds: number;
    readonly runs: number | null;
  }): Promise<readonly string[]>;
}

/** Tests other than targets. `--runs` is their number of rounds. */
const programs: readonly Program[] = [
  {
    name: 'pair',
    title: 'Two random applications and a random network, against a small model; a failure is a readable script',
    async run({ seed, milliseconds, runs }) {
      const [{ default: fc }, { pairProperty }] = await Promise.all([import('fast-check'), import('./models/pair.ts')]);
      const limit = runs === null ? { numRuns: 100_000_000, interruptAfterTimeLimit: milliseconds } : { numRuns: runs };
      const result = fc.check(pairProperty(), { seed, ...limit });
      console.log(`  pair: ${grouped(result.numRuns)} scripts`);
      // An interrupted run has not failed. A failure has a counterexample.
      return result.counterexample === null ? [] : [fc.defaultReportMessage(result) ?? 'failed'];
    },
  },
  {
    name: 'sockets',
    title: 'Hundreds of hostile peers against a server, and hostile servers against clients, over TCP, without leaks',
    async run({ seed, milliseconds, runs }) {
      const { attack } = await import('./hostile/sockets.ts');
      const start = performance.now();
      return attack({
        seed,
        size: 10,
        peers: 12,
        // At least one round after the first, which creates pools and compiles code.
        goesOn: (round) => round <= (runs ?? 1) || (runs === null && performance.now() - start < milliseconds),
        onRound: (text) => console.log(`  sockets: ${text}`),
      });
    },
  },
];

function list(): string {
  const width = Math.max(...[...targets, ...programs].map(({ name }) => name.length));
  return [...targets, ...programs].map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`).join('\n');
}

const grouped = (n: number): string => Math.round(n).toLocaleString('en-US').replaceAll(',', ' ');

/** Reports the progress every few seconds. */
function reporter(start: number): (progress: Omit<Round, 'failure'>) => void {
  let last = start;
  return ({ target, executions, kinds }) => {
    const now = performance.now();
    if (now - last < 5000) return;
    last = now;
    const perSecond = (executions * 1000) / (now - start);
    console.log(`  ${target}: ${grouped(executions)} executions, ${grouped(perSecond)}/s, ${kinds} kinds of outcome`);
  };
}

async function runTarget(target: Target, seed: number, milliseconds: number, runs: number | null): Promise<boolean> {
  const start = performance.now();
  const round = await fuzz(target, {
    seed,
    goesOn: (executions) => (runs === null ? performance.now() - start < milliseconds : executions < runs),
    onProgress: reporter(start),
  });
  const seconds = (performance.now() - start) / 1000;
  const { executions, kinds, failure } = round;
  console.log(
    `${failure === null ? '✓' : '✗'} ${target.name}: ${grouped(executions)} executions in ${seconds.toFixed(1)} s, ${grouped(executions / seconds)}/s, ${kinds} kinds of outcome`,
  );
  if (failure === null) return true;
  const { error, reduced, found } = failure;
  const fault = `${error.name}: ${error.message}`.slice(0, 500);
  const file = addToCorpus(target.name, fault, reduced);
  console.log(`\n${error.stack}\n`);
  console.log(
    `found with --seed ${seed} --target ${target.name} at execution ${failure.execution} (${found.octets.length} octets)`,
  );
  console.log(`reduced to ${reduced.octets.length} octets, cut [${reduced.cut}], config ${reduced.config}:`);
  const head = reduced.octets.subarray(0, 100);
  console.log(`  ${head.toString('hex').replace(/..(?=.)/g, '$& ')}${head.length < reduced.octets.length ? ' …' : ''}`);
  console.log(`  ${JSON.stringify(head.toString('latin1'))}`);
  console.log(`stored in ${relative(process.cwd(), file)}, which npm test replays`);
  return false;
}

function readArgs(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      minutes: { type: 'string', default: '1' },
      runs: { type: 'string' },
      seed: { type: 'string' },
      target: { type: 'string', multiple: true },
      mutants: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
}

/**
 * Runs the command line.
 * @returns The exit status.
 */
export async function main(args: readonly string[]): Promise<number> {
  let given: ReturnType<typeof readArgs>;
  try {
    given = readArgs(args);
  } catch (error) {
    console.log(`${(error as Error).message}\n\n${usage}\n${list()}`);
    return 2;
  }
  const { values, positionals } = given;
  if (values.record) {
    const { record } = await import('./record.ts');
    await record();
    return 0;
  }
  if (values.mutants) {
    const { runMutants } = await import('./mutants/run.ts');
    return runMutants(positionals[0]);
  }
  const names = values.target ?? [...targets, ...programs].map(({ name }) => name);
  const chosen = names.map((name) => [...targets, ...programs].find((one) => one.name === name));
  const minutes = Number(values.minutes);
  const runs = values.runs === undefined ? null : Number(values.runs);
  const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
  const areNumbers = minutes > 0 && Number.isSafeInteger(seed) && (runs === null || runs > 0);
  if (values.help || positionals.length > 0 || chosen.includes(undefined) || !areNumbers) {
    console.log(`${usage}\n${list()}`);
    return values.help ? 0 : 2;
  }
  console.log(`seed ${seed}`);
  let failed = 0;
  for (const one of chosen) {
    const milliseconds = (minutes * 60_000) / chosen.length;
    if ('seeds' in one!) {
      if (!(await runTarget(one, seed, milliseconds, runs))) failed++;
    } else {
      const found = await one!.run({ seed, milliseconds, runs });
      for (const fault of found) console.log(`  ${fault}`);
      console.log(`${found.length === 0 ? '✓' : '✗'} ${one!.name}`);
      if (found.length > 0) failed++;
    }
  }
  return failed === 0 ? 0 : 1;
}

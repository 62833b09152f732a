import type { Case, Target } from './case.ts';
import { Random } from './random.ts';
import { nameOf, reduce } from './reduce.ts';

/** Result of a round. */
export interface Round {
  readonly target: string;
  readonly executions: number;
  /** Number of different kinds of outcome. */
  readonly kinds: number;
  readonly failure: Failure | null;
}

export interface Failure {
  readonly error: Error;
  /** The case as found, and below its reduced form. */
  readonly found: Case;
  readonly reduced: Case;
  readonly execution: number;
}

/** Duration of a round, and a callback for its progress. */
export interface RoundOptions {
  readonly seed: number;
  /** Returns true while the round continues. Called every few executions, with their number so far. */
  readonly goesOn: (executions: number) => boolean;
  readonly onProgress?: (progress: Omit<Round, 'failure'>) => void;
}

/** Maximum number of cases kept for mutation. */
const maxKept = 4000;
/**
 * Number of executions between two checks of the clock. Streams of the targets close in the next turn of the event
 * loop.
 */
const burst = 64;

/**
 * Mutates cases of a target, and keeps those with a new kind of outcome for further mutation, until the time is over or
 * a case fails. The same seed gives the same cases in the same order.
 */
export async function fuzz(target: Target, { seed, goesOn, onProgress }: RoundOptions): Promise<Round> {
  const random = new Random(seed);
  const pool: Case[] = [];
  const kinds = new Set<string>();
  let executions = 0;

  const execute = async (given: Case): Promise<Failure | null> => {
    executions++;
    try {
      const outcome = target.run(given);
      const kind = typeof outcome === 'string' ? outcome : await outcome;
      if (!kinds.has(kind)) {
        kinds.add(kind);
        if (pool.length < maxKept) pool.push(given);
        else pool[random.below(pool.length)] = given;
      }
      return null;
    } catch (error) {
      return { error: error as Error, found: given, reduced: await reduce(target, given), execution: executions };
    }
  };
  const result = (failure: Failure | null): Round => ({ target: target.name, executions, kinds: kinds.size, failure });

  const seeds = target.seeds();
  for (const seedCase of seeds) {
    const failure = await execute(seedCase);
    if (failure !== null) return result(failure);
    pool.push(seedCase);
  }
  while (goesOn(executions)) {
    for (let i = 0; i < burst; i++) {
      let given = random.pick(pool);
      // Long cases take as long as a hundred others, so they are selected rarely.
      if (given.octets.length > 4096 && !random.oneIn(16)) given = random.pick(seeds);
      for (let changes = random.oneIn(2) ? 1 : random.between(1, 6); changes > 0; changes--) {
        given = target.mutate(random, given, random.pick(pool));
      }
      const failure = await execute(given);
      if (failure !== null) return result(failure);
    }
    onProgress?.({ target: target.name, executions, kinds: kinds.size });
    await new Promise(setImmediate);
  }
  return result(null);
}

/** Returns the name of a failure. */
export const failureName = ({ error }: Failure): string => nameOf(error);

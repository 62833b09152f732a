import type { Case, Target } from './case.ts';
import { Random } from './random.ts';
import { nameOf, reduce } from './reduce.ts';

/** What became of a round. */
export interface Round {
  readonly target: string;
  readonly executions: number;
  /** Kinds of outcome that were seen. */
  readonly kinds: number;
  readonly failure: Failure | null;
}

export interface Failure {
  readonly error: Error;
  /** As it was found, and as small as it could be made. */
  readonly found: Case;
  readonly reduced: Case;
  readonly execution: number;
}

/** How long a round lasts, and who wants to know how it goes on. */
export interface RoundOptions {
  readonly seed: number;
  /** Goes on as long as this says so; asked every so often, with the executions so far. */
  readonly goesOn: (executions: number) => boolean;
  readonly onProgress?: (progress: Omit<Round, 'failure'>) => void;
}

/** Cases that are kept to be mutated: what was seen first, and the latest. */
const mostKept = 4000;
/** Executions between two looks at the clock. Streams of the targets close behind a turn of the event loop. */
const burst = 64;

/**
 * Mutates cases of a target, and keeps those with a new kind of outcome to mutate them further, until the time is over or one fails. For
 * one seed the cases are the same ones in the same order.
 */
export async function fuzz(target: Target, { seed, goesOn, onProgress }: RoundOptions): Promise<Round> {
  const random = new Random(seed);
  const pool: Case[] = [];
  const kinds = new Set<string>();
  let executions = 0;

  const execute = (given: Case): Failure | null => {
    executions++;
    try {
      const kind = target.run(given);
      if (!kinds.has(kind)) {
        kinds.add(kind);
        if (pool.length < mostKept) pool.push(given);
        else pool[random.below(pool.length)] = given;
      }
      return null;
    } catch (error) {
      return { error: error as Error, found: given, reduced: reduce(target, given), execution: executions };
    }
  };
  const result = (failure: Failure | null): Round => ({ target: target.name, executions, kinds: kinds.size, failure });

  const seeds = target.seeds();
  for (const seedCase of seeds) {
    const failure = execute(seedCase);
    if (failure !== null) return result(failure);
    pool.push(seedCase);
  }
  while (goesOn(executions)) {
    for (let i = 0; i < burst; i++) {
      let given = random.pick(pool);
      // Long ones take as long as a hundred others.
      if (given.octets.length > 4096 && !random.oneIn(16)) given = random.pick(seeds);
      for (let changes = random.oneIn(2) ? 1 : random.between(1, 6); changes > 0; changes--) {
        given = target.mutate(random, given, random.pick(pool));
      }
      const failure = execute(given);
      if (failure !== null) return result(failure);
    }
    onProgress?.({ target: target.name, executions, kinds: kinds.size });
    await new Promise(setImmediate);
  }
  return result(null);
}

/** A failure in words. */
export const failureName = ({ error }: Failure): string => nameOf(error);

import { cutOctets } from '../test/support/octets.ts';
import type { Random } from './random.ts';

/** Input of a target: bytes, the split into chunks, and the settings. */
export interface Case {
  readonly octets: Buffer;
  /** Lengths of the first chunks. The rest is one chunk. */
  readonly cut: readonly number[];
  /** Number whose bits select the settings of a target. */
  readonly config: number;
}

/** Code to be fuzzed. */
export interface Target {
  /** Name for `--target`. */
  readonly name: string;
  /** Description in one line. */
  readonly title: string;
  /** Returns the initial cases, most of them valid. */
  seeds(): readonly Case[];
  /** Returns a slightly different case. Parts may be taken from `other`. */
  mutate(random: Random, given: Case, other: Case): Case;
  /**
   * Runs a case, and returns the kind of its outcome. Cases with a new kind are mutated further. A promise only if the
   * case needs several turns of the event loop, because waiting takes time.
   * @throws or rejects with a {@link Fault}, or an undocumented error, if the code under test is wrong.
   */
  run(given: Case): string | Promise<string>;
}

/** Error for a broken promise of the code under test. */
export class Fault extends Error {
  override readonly name = 'Fault';
}

/** @throws Fault unless the condition holds. */
export function demand(condition: boolean, promise: string, found: unknown = ''): asserts condition {
  if (!condition) throw new Fault(found === '' ? promise : `${promise}: ${shown(found)}`);
}

function shown(value: unknown): string {
  if (Buffer.isBuffer(value)) return value.toString('hex');
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}

/** Returns the chunks of a case. Each is a copy, because decoders unmask in place. */
export const chunksOf = ({ octets, cut }: Case): Buffer[] => cutOctets(octets, cut);

/** Selects one of several settings by some bits of a config. */
export function choose<T>(config: number, shift: number, options: readonly T[]): T {
  return options[(config >>> shift) % options.length] as T;
}

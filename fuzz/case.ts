import { cutOctets } from '../test/frame/octets.ts';
import type { Random } from './random.ts';

/** What a target is given: octets, how they are cut, and which of its settings are to hold. */
export interface Case {
  readonly octets: Buffer;
  /** The lengths of the first chunks; what is left comes in one. */
  readonly cut: readonly number[];
  /** A number whose bits choose among the settings of a target. */
  readonly config: number;
}

/** What can be fuzzed. */
export interface Target {
  /** What `--target` calls it. */
  readonly name: string;
  /** One line for people. */
  readonly title: string;
  /** What to begin with: valid cases mostly. */
  seeds(): readonly Case[];
  /** A case that differs a little; `other` is one from which parts may be taken. */
  mutate(random: Random, given: Case, other: Case): Case;
  /**
   * Puts a case through the code, and names the kind of outcome: cases with a kind that was not seen before are mutated further.
   * @throws whatever is wrong with it: a {@link Fault}, or an error that nothing documents.
   */
  run(given: Case): string;
}

/** The code under test broke a promise. */
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

/** The chunks of a case. Each is a copy: decoders unmask in place. */
export const chunksOf = ({ octets, cut }: Case): Buffer[] => cutOctets(octets, cut);

/** One of several settings, by some bits of a config. */
export function choose<T>(config: number, shift: number, options: readonly T[]): T {
  return options[(config >>> shift) % options.length] as T;
}

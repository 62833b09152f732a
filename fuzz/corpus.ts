import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './case.ts';
import { kitFolder } from './folders.ts';

/** Case that failed once and must not fail again. */
export interface Reproducer {
  /** Name of the target. */
  readonly target: string;
  /** Fault of the case. */
  readonly fault: string;
  /** In hex. */
  readonly octets: string;
  readonly cut: readonly number[];
  readonly config: number;
}

const folder = join(kitFolder, 'corpus');

/** Returns all reproducers with the names of their files. */
export function readCorpus(): { file: string; reproducer: Reproducer }[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  return files
    .sort()
    .map((file) => ({ file, reproducer: JSON.parse(readFileSync(join(folder, file), 'utf8')) as Reproducer }));
}

/** Returns the case of a reproducer. */
export function caseOf({ octets, cut, config }: Reproducer): Case {
  return { octets: Buffer.from(octets, 'hex'), cut, config };
}

/**
 * Adds a case to the corpus.
 * @returns The path of its file.
 */
export function addToCorpus(target: string, fault: string, { octets, cut, config }: Case): string {
  const reproducer: Reproducer = { target, fault, octets: octets.toString('hex'), cut, config };
  const text = `${JSON.stringify(reproducer, null, 2)}\n`;
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${target}-${createHash('sha1').update(text).digest('hex').slice(0, 8)}.json`);
  writeFileSync(file, text);
  return file;
}

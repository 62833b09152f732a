import { readFileSync } from 'node:fs';
import { checkReport, type Defect } from './check-report.ts';
import { formatTable, printable } from './format-table.ts';

/** How many defects of one report are named; the others are counted. */
const MAX_NAMED = 100;

/** What {@link runChecker} checks, and where it writes. */
export interface CheckerRun {
  /** The paths of one or more `index.json`. */
  readonly paths: readonly string[];
  /** The ids of all the cases that have to be in each. */
  readonly expectedCases: readonly string[];
  readonly write: (line: string) => void;
}

/**
 * Checks reports in Autobahn's format and writes for each a table by group and what is wrong. Returns the exit code: 0 when every case of
 * every agent is there and good, else 1; a report that cannot be read, and no report at all, are not good.
 */
export function runChecker({ paths, expectedCases, write }: CheckerRun): number {
  if (paths.length === 0) write('no report to check: name at least one index.json');
  const results = paths.map((path) => {
    write(`${path}:`);
    const defects = check(path, expectedCases, write);
    for (const defect of defects.slice(0, MAX_NAMED)) write(`✗ ${formatDefect(defect)}`);
    if (defects.length > MAX_NAMED) write(`✗ and ${defects.length - MAX_NAMED} more`);
    write(defects.length === 0 ? `✓ all ${expectedCases.length} cases are there and good` : '');
    return defects.length === 0;
  });
  return results.length > 0 && results.every(Boolean) ? 0 : 1;
}

function check(path: string, expectedCases: readonly string[], write: (line: string) => void): readonly Defect[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return [{ problem: `the report cannot be read: ${(error as Error).message}` }];
  }
  const report = checkReport(text, expectedCases);
  if (report.agents.size > 0) write(formatTable(report));
  return report.defects;
}

function formatDefect({ agent, id, problem }: Defect): string {
  const where = [agent, id].filter((part) => part !== undefined).map((part) => printable(part));
  return [...where, problem].join(': ');
}

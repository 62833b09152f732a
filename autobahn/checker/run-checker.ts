import { readFileSync } from 'node:fs';
import { checkReport, type Defect } from './check-report.ts';
import { formatTable, printable } from './format-table.ts';

/** Maximum number of defects of a report that are listed; the others are only counted. */
const MAX_NAMED = 100;

/** Input and output of {@link runChecker}. */
export interface CheckerRun {
  /** Paths of one or more `index.json` files. */
  readonly paths: readonly string[];
  /** Ids of all cases that each report must contain. */
  readonly expectedCases: readonly string[];
  readonly write: (line: string) => void;
}

/**
 * Checks reports in Autobahn's format, and writes a table by group and the defects of each report. Returns exit code 0
 * if every case of every agent is present and good, otherwise 1. Unreadable reports and an empty list also return 1.
 */
export function runChecker({ paths, expectedCases, write }: CheckerRun): number {
  if (paths.length === 0) write('no report given: expected the path of at least one index.json');
  const results = paths.map((path) => {
    write(`${path}:`);
    const defects = check(path, expectedCases, write);
    for (const defect of defects.slice(0, MAX_NAMED)) write(`✗ ${formatDefect(defect)}`);
    if (defects.length > MAX_NAMED) write(`✗ ${defects.length - MAX_NAMED} more`);
    write(defects.length === 0 ? `✓ all ${expectedCases.length} cases are present and good` : '');
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

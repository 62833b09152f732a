import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CaseResult } from './case-result.ts';
import { writeHtmlReport } from './html-report.ts';
import { FileNames, indexOf } from './index-json.ts';

/**
 * Writes reports into a directory, which is created if needed: `index.json` in Autobahn's format, a JSON file for each
 * result, and `index.html`.
 */
export function writeReports(directory: string, results: readonly CaseResult[]): void {
  mkdirSync(directory, { recursive: true });
  const names = new FileNames();
  for (const result of results)
    writeFileSync(join(directory, names.nameOf(result)), `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(join(directory, 'index.json'), `${JSON.stringify(indexOf(results, names), null, 2)}\n`);
  writeHtmlReport(directory, results);
}

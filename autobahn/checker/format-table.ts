import type { CheckedReport, Verdict } from './check-report.ts';
import { compareCaseIds } from './compare-case-ids.ts';

/** Columns of the table. A case that is not good is counted by the worse of its two behaviors. */
const columns = [
  'OK',
  'INFORMATIONAL',
  'NON-STRICT',
  'UNIMPLEMENTED',
  'WRONG CODE',
  'UNCLEAN',
  'FAILED BY CLIENT',
  'NO CLOSE',
  'FAILED',
  'other',
] as const;
type Column = (typeof columns)[number];

/** Worst first: determines the column of a case whose two behaviors differ. */
const worstFirst: readonly Column[] = columns.toReversed();

/**
 * Formats the groups of a report as a text table for each agent, one line per group. Columns without a case are
 * omitted.
 */
export function formatTable(report: CheckedReport): string {
  return [...report.agents].map(([agent, verdicts]) => formatAgent(agent, verdicts)).join('\n\n');
}

function formatAgent(agent: string, verdicts: readonly Verdict[]): string {
  const groups = new Map<string, Map<Column, number>>();
  const totals = new Map<Column, number>();
  for (const verdict of verdicts) {
    const group = groupOf(verdict.id);
    const counts = groups.get(group) ?? new Map<Column, number>();
    groups.set(group, counts);
    for (const count of [counts, totals]) count.set(columnOf(verdict), (count.get(columnOf(verdict)) ?? 0) + 1);
  }
  const used = columns.filter((column) => totals.has(column));
  const row = (name: string, counts: Map<Column, number>): string[] => [
    name,
    ...used.map((column) => String(counts.get(column) ?? '')),
  ];
  const byNumber = [...groups].sort(([left], [right]) => compareCaseIds(left, right));
  const rows = [
    [printable(agent), ...used],
    ...byNumber.map(([name, counts]) => row(name, counts)),
    row('all', totals),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows
    .map((cells) =>
      cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))),
    )
    .map((cells) => cells.join('  ').trimEnd())
    .join('\n');
}

/** Returns the part of a case id before its first dot: `9` for `9.1.2`. */
function groupOf(id: string): string {
  const [group = ''] = id.split('.', 1);
  return printable(group);
}

function columnOf(verdict: Verdict): Column {
  const found = [verdict.behavior, verdict.behaviorClose].map((behavior): Column => {
    return columns.find((column) => column === behavior) ?? 'other';
  });
  return worstFirst.find((column) => found.includes(column))!;
}

/**
 * Removes control characters from untrusted text, which could otherwise control the terminal. Keeps at most `limit`
 * characters.
 */
export function printable(text: string, limit = 60): string {
  return [...text.slice(0, limit)]
    .map((char) => (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(char) ? '\u{fffd}' : char))
    .join('');
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { catalogue } from '../../autobahn/cases/catalogue.ts';
import { conformanceHelp } from '../../autobahn/cli/conformance-options.ts';
import { type FaultName, faultTable } from '../autobahn/broken/faults.ts';

const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'conformance.md'), 'utf8');

test('the list of cases has every case of the catalogue, and its counts are right', () => {
  const rows = [...text.matchAll(/^\| (\d[\d.]*\d)(?: – (\d[\d.]*\d))? \| .+ \| (\d+) \|$/gm)];
  const listed = rows.flatMap(([, first, last = first, count]) => {
    const from = catalogue.findIndex(({ id }) => id === first);
    const to = catalogue.findIndex(({ id }) => id === last);
    expect([first, to - from + 1]).toEqual([first, Number(count)]);
    return catalogue.slice(from, to + 1).map(({ id }) => id);
  });
  expect(listed).toEqual(catalogue.map(({ id }) => id));
});

test('every option of the command line is there, and none that it does not have', () => {
  const options = (of: string, pattern: RegExp) => [...of.matchAll(pattern)].map(([, option]) => option).sort();
  const inHelp = options(conformanceHelp, /^ {2}(--[\w-]+)/gm).filter((option) => option !== '--help');
  expect(options(text, /^\| `(--[\w-]+)/gm)).toEqual(inHelp);
});

test('every exit code is there', () => {
  const inHelp = [...conformanceHelp.matchAll(/^ {2}(\d) {2}/gm)].map(([, code]) => code);
  expect([...text.matchAll(/^\| (\d) \| \D/gm)].map(([, code]) => code)).toEqual(inHelp);
});

test('the number of faults that are found out is right', () => {
  const seen = (Object.keys(faultTable) as FaultName[]).filter((name) => faultTable[name].unseen === undefined);
  expect(text).toContain(`Each of ${seen.length} faults of an echo peer`);
});

test('the columns of goodwire have nothing that is not OK or INFORMATIONAL', () => {
  const tables = text.split('\n\n').filter((block) => block.startsWith('| group | goodwire'));
  expect(tables).toHaveLength(2);
  for (const table of tables) {
    const rows = table.split('\n').slice(2);
    expect(rows.length).toBeGreaterThan(10);
    for (const row of rows) expect(row.split(' | ')[1]).toMatch(/^\d+(?:, 3 INFORMATIONAL)?$/);
  }
});

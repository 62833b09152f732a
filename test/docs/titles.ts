import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** The titles that a cell quotes behind the file that has them, and those that are not in it: `test/x.test.ts`: “a title”. */
export function quotedTitles(cell: string): { titles: string[]; missing: string[] } {
  const titles: string[] = [];
  const missing: string[] = [];
  let file = '';
  for (const [, path, title] of cell.matchAll(/`((?:test|scripts)\/[^`]+)`|“([^”]+)”/g)) {
    if (path !== undefined) {
      file = path;
      continue;
    }
    titles.push(title!);
    const code = readFileSync(join(root, file), 'utf8');
    if (!["'", '"', '`'].some((mark) => code.includes(mark + title + mark))) missing.push(`${file}: ${title}`);
  }
  return { titles, missing };
}

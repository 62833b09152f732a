import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = join(import.meta.dirname, '..', '..', 'docs', 'decisions');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const pages = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md');

describe('docs/decisions/', () => {
  test('has each page in its index once, under the title of the page', () => {
    const rows = [...read('README.md').matchAll(/^\| \[(.+?)\]\((.+?)\) \| .+ \|$/gm)];
    const listed = rows.map(([, title, page]) => [page, title?.replaceAll('`', '').replace('src/', 'src')]);
    const titled = pages.map((page) => [page, /^# (.+)$/m.exec(read(page))?.[1]]);
    expect(pages.length).toBeGreaterThan(9);
    expect(listed.sort()).toEqual(titled.sort());
  });

  test.each(pages)('%s has a context, a decision, what it costs, and what would make us change it', (page) => {
    const [, context, decision, cost = '', ...more] = read(page).split(/^## .+\n/m);
    expect(read(page).match(/^## .+$/gm)).toEqual(['## Context', '## Decision', '## What it costs']);
    expect(more).toEqual([]);
    for (const part of [context, decision, cost]) expect(part?.trim().length).toBeGreaterThan(60);
    expect(cost.trim().split('\n').at(-1)).toMatch(/^\*\*What would make us change it:\*\* .+\.$/);
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { forms } from '../../bench/hostile/forms.js';

const document = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'security.md'), 'utf8');
const section = document.split('## CPU per hostile byte')[1]?.split('\n## ')[0] ?? '';
/** Rows of the table: the title, the costs and the ratio. */
const rows = section
  .split('\n')
  .filter((line) => /^\| .* \| [\d .]+ \| [\d .]+ \| [\d.]+( †)? \|$/.test(line))
  .map((line) => line.slice(2, -2).split(' | '));

describe('the table of docs/security.md', () => {
  test('has a row for each form of the bench, in order, and no other', () => {
    expect(rows.map(([title]) => title)).toEqual(forms.map(({ title }) => title));
  });

  test('has no form that costs more than ten times what it costs ws, unless ws loses the data', () => {
    const ratios = rows.filter(([, , , ratio = '']) => !ratio.endsWith('†')).map(([, , , ratio]) => Number(ratio));
    expect(ratios.length).toBeGreaterThan(30);
    expect(Math.max(...ratios)).toBeLessThan(10);
    const lost = rows.filter(([, , , ratio = '']) => ratio.endsWith('†')).map(([title]) => title);
    expect(lost).toEqual(forms.filter(({ isLost }) => isLost).map(({ title }) => title));
  });

  test('has no form beside ws losing data that costs more than ten times the plain bomb costs ws', () => {
    const cost = (text = '') => Number(text.replaceAll(' ', ''));
    const lost = rows.filter(([, , , ratio = '']) => ratio.endsWith('†')).map(([, ours]) => cost(ours));
    expect(Math.max(...lost)).toBeLessThan(10 * cost(rows[0]?.[2]));
  });
});

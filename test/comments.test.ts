import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Openings that lead to a noun clause in place of a name and a verb. CONTRIBUTING.md has the rule. */
const forbidden =
  /^\s*(?:\/\*\*|\*|\/\/) (?:What|Whom|Whose|Of|Those|As|With which|Whoever|Somebody|Nobody|Whether|How|Which)\b/;

/** Returns the lines of a file in which a comment begins with a forbidden word. A line inside of a comment may begin with any. */
function breaches(code: string): string[] {
  const lines = code.split('\n');
  return lines.filter((line, i) => forbidden.test(line) && !/^\s*(?:\*(?!\/)|\/\/) ?\S/.test(lines[i - 1] ?? ''));
}

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((path) =>
  /\.c?ts$/.test(path),
);

test('each comment of src begins with a kind and a verb, and not with what, whom or those', () => {
  expect(sources.length).toBeGreaterThan(100);
  const found = sources.flatMap((path) =>
    breaches(readFileSync(join(root, 'src', path), 'utf8')).map((line) => `${path}: ${line.trim()}`),
  );
  expect(found).toEqual([]);
});

describe('the check itself', () => {
  test.each([
    '/** What is sent to many. */',
    '  // Those that wait.',
    '/**\n * As in ws.\n */',
    '  /** Whether it is open. */',
    '/** How it ends. */',
    '/**\n * Which of them is sent.\n */',
  ])('finds %j', (code) => {
    expect(breaches(code)).toHaveLength(1);
  });

  test.each([
    '/** Number of items. */',
    '/**\n * Returns a text:\n * What is left, if anything.\n */',
    '  // Sent first,\n  // As of now.',
  ])('allows %j', (code) => {
    expect(breaches(code)).toEqual([]);
  });
});

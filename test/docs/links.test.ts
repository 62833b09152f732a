import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { quotedTitles } from './titles.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'autobahn/README.md',
  'bench/README.md',
  'examples/README.md',
  'fuzz/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** A document without the comments, in which there may be a note of what is still to come. */
const withoutComments = (text: string): string => text.replace(/<!--.*?-->/gs, '');

/** Returns the anchors of a document: those that its headings have on GitHub, and its `<a id>`. */
const anchorsOf = (text: string): string[] => {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
  return [...headings, ...[...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id as string)];
};

describe.each(documents)('%s', (document) => {
  const text = withoutComments(read(document));

  test('names files and folders that exist', () => {
    const paths = [...text.matchAll(/(?<![\w./-])(?:src|test|docs|examples|bench|site|scripts|fuzz)\/[\w./-]*\w/g)];
    expect(paths.map(([path]) => path).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test('links to what is there, headings included', () => {
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] as string);
    const broken = links.filter((link) => {
      if (/^https?:/.test(link)) return false;
      const [path, anchor] = link.split('#');
      const target = path ? join(dirname(document), path) : document;
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchorsOf(read(target)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  // GitHub numbers equal anchors in their order, so that a link would lead elsewhere once another heading is put in front.
  test('has no anchor twice', () => {
    const anchors = anchorsOf(text.replace(/^```.*?^```$/gms, ''));
    expect(anchors.filter((anchor, i) => anchors.indexOf(anchor) !== i)).toEqual([]);
  });
});

describe.each([
  ['docs/rfc-6455.md', 100],
  ['docs/rfc-7692.md', 25],
  ['docs/http-upgrade.md', 40],
])('%s', (document, least) => {
  const rules = read(document)
    .split('\n')
    .filter((line) => /^\| \d/.test(line))
    .map((line) => line.slice(2, -2).split(' | '));

  test('has rows of section, rule, who is bound, code, test and status', () => {
    expect(rules.length).toBeGreaterThan(least);
    const wrong = rules.filter(
      ([section, , who, , , status, ...more]) =>
        !/^\d+(\.\d+)*(, [\d.–]+)?$/.test(section ?? '') ||
        !['client', 'server', 'both'].includes(who ?? '') ||
        !/^(met|not met yet|application's duty|not applicable)\b/.test(status ?? '') ||
        more.length > 0,
    );
    expect(wrong).toEqual([]);
  });

  test('names code for what is met, but where Node.js sees to it', () => {
    const bare = rules.filter(([, , , code, , status]) => status?.startsWith('met') && code === '–');
    const byNode: Record<string, string[]> = {
      'docs/rfc-6455.md': [
        'Over TLS the TLS handshake comes first, and its failure closes the connection: met: by `node:https`',
      ],
      'docs/http-upgrade.md': [
        'The body of an earlier request ends where its fields say: met: by `node:http`',
        'A message with both fields is an error: met: by `node:http`',
      ],
    };
    const found = bare.map(([, rule, , , , status]) => `${rule}: ${status}`);
    expect(found).toEqual(byNode[document] ?? []);
  });

  test('quotes titles that stand in their files', () => {
    const quotes = rules.map(([, , , , cell = '']) => quotedTitles(cell));
    expect(quotes.flatMap(({ titles }) => titles).length).toBeGreaterThan(least);
    expect(quotes.flatMap(({ missing }) => missing)).toEqual([]);
  });
});

describe('docs/http-upgrade.md', () => {
  const text = read('docs/http-upgrade.md');

  test('quotes every exchange that is tested', () => {
    const tables = read('scripts/consumers/http-exchanges.mjs');
    const titles = [...tables.matchAll(/\btitle: (['`])(.*)\1,/g)].map(([, , title]) => title);
    expect(titles.length).toBeGreaterThan(80);
    expect(titles.filter((title) => !text.includes(`“${title}”`))).toEqual([]);
  });

  test('has rules of every section that it is about, for both ends', () => {
    for (const section of ['5.6.1', '7.8', '10.1.1', '3.2', '6', '9.3.2']) {
      for (const end of ['client', 'server']) {
        const pattern = new RegExp(
          `^\\| ${section.replaceAll('.', '\\.')}[^|]* \\| [^|]+ \\| (?:${end}|both) \\|`,
          'm',
        );
        expect(text, `${section} ${end}`).toMatch(pattern);
      }
    }
  });
});

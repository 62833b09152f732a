/** An entry of a reference page: its heading names one or more options, events, methods or properties. */
export interface Entry {
  /** Without the object in front and the parentheses behind: `socket.send()` is `send`. */
  readonly names: readonly string[];
  readonly text: string;
}

/**
 * Returns the entries of a section, which are its headings of level 4 that have code in them.
 * @param heading The heading of the section, of level 2 or 3.
 * @throws Error if the document does not have that heading exactly once.
 */
export function entriesOf(document: string, heading: string): Entry[] {
  const lines = document.split('\n');
  const begins = lines.flatMap((line, i) => (/^#{2,3} /.test(line) && line.replace(/^#+ /, '') === heading ? [i] : []));
  if (begins.length !== 1) throw new Error(`${begins.length} headings are “${heading}”`);
  const level = lines[begins[0]!]!.indexOf(' ');
  const behind = lines.slice(begins[0]! + 1);
  const end = behind.findIndex((line) => /^#{1,3} /.test(line) && line.indexOf(' ') <= level);
  const section = (end === -1 ? behind : behind.slice(0, end)).join('\n');
  return section
    .split(/^#### /m)
    .slice(1)
    .map((part) => {
      const [title, ...text] = part.split('\n');
      const names = [...title!.matchAll(/`(?:\w+\.)?([\w-]+)(?:\(.*?\))?`/g)].map(([, name]) => name as string);
      return { names, text: text.join('\n').trim() };
    });
}

/** Returns the names of all entries of some sections, sorted. */
export function namesOf(document: string, ...headings: readonly string[]): string[] {
  return headings.flatMap((heading) => entriesOf(document, heading).flatMap(({ names }) => names)).sort();
}

/**
 * Returns the names of the entries whose first line is not `type` · default · range: a type in code, then the default, or `required`, or
 * `no default`.
 */
export function withoutFacts(document: string, ...headings: readonly string[]): string[] {
  const entries = headings.flatMap((heading) => entriesOf(document, heading));
  return entries
    .filter(({ text }) => !/^`[^`]+` · (?:default |no default|required)/.test(text))
    .flatMap(({ names }) => names);
}

/** Returns the code of a text: its fenced blocks and code spans. A name in a sentence is no description of an option. */
export function codeOf(text: string): string {
  return [...text.matchAll(/^```\w*\n.*?^```$|`[^`\n]+`/gms)].map(([code]) => code).join('\n');
}

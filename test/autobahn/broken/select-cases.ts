/**
 * True if patterns select a case: `6.4.1` itself, `6.4.*` and `9.*` with all below, `6.6.2-5` as a range of the last
 * number. A pattern with a leading `!` removes cases.
 */
export function isSelected(id: string, patterns: readonly string[]): boolean {
  let selected = false;
  for (const pattern of patterns) {
    const isException = pattern.startsWith('!');
    if (matches(id, isException ? pattern.slice(1) : pattern)) selected = !isException;
  }
  return selected;
}

function matches(id: string, pattern: string): boolean {
  if (pattern === '*') return true;
  if (pattern.endsWith('.*')) return id.startsWith(pattern.slice(0, -1));
  const [, prefix, first, last] = /^((?:\d+\.)+)(\d+)-(\d+)$/.exec(pattern) ?? [];
  if (prefix === undefined) return id === pattern;
  const number = Number(id.slice(prefix.length));
  return id.startsWith(prefix) && number >= Number(first) && number <= Number(last);
}

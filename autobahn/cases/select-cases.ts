import type { CaseDefinition } from './case-definition.ts';
import { catalogue } from './catalogue.ts';

/**
 * True if a pattern matches the case: an id, the beginning of an id followed by `.*`, or `*`. A number without a dot is
 * a group.
 */
function isMatch(id: string, pattern: string): boolean {
  if (pattern === '*' || pattern === id) return true;
  const prefix = pattern.endsWith('.*') ? pattern.slice(0, -1) : /^\d+$/.test(pattern) ? `${pattern}.` : null;
  return prefix !== null && id.startsWith(prefix);
}

const splitList = (list: string): string[] =>
  list
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '');

/**
 * Returns the cases that match `include` and not `exclude`, both lists of patterns separated by commas:
 * `1.*,7.9.*,6.4.1`.
 *
 * @throws {RangeError} A pattern matches no case, or no case is left.
 */
export function selectCases(include: string, exclude = ''): CaseDefinition[] {
  const [included, excluded] = [splitList(include), splitList(exclude)];
  for (const pattern of [...included, ...excluded]) {
    if (!catalogue.some(({ id }) => isMatch(id, pattern))) throw new RangeError(`no case matches ${pattern}`);
  }
  const selected = catalogue.filter(
    ({ id }) => included.some((pattern) => isMatch(id, pattern)) && !excluded.some((pattern) => isMatch(id, pattern)),
  );
  if (selected.length === 0) throw new RangeError('no case is selected');
  return selected;
}

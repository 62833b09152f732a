/** Parses values of `--against`: a build by its path, or a git ref that is built first. */

/**
 * @typedef {{ kind: 'build', name: string, entry: string, version?: string }} BuildByPath a contestant and the path of its entry file
 * @typedef {{ kind: 'ref', ref: string }} BuildByRef a git ref: a commit, a tag, a branch, `HEAD~3`
 */

/** Text of the errors, with every valid form of a value. */
export const EXPECTED =
  '--against expects name=path/to/index.js, the path of a built file, or a git ref (commit, tag, branch, HEAD~3)';

/**
 * Parses one value. A value with `=` or of an existing file is a path, any other value a git ref.
 * @param {string} value
 * @param {(path: string) => boolean} isFile
 * @returns {BuildByPath | BuildByRef}
 * @throws {RangeError} if a name, a path or a ref is missing, or if the ref begins with `-`
 */
export function parseAgainst(value, isFile) {
  const at = value.indexOf('=');
  if (at > 0 && at < value.length - 1) return { kind: 'build', name: value.slice(0, at), entry: value.slice(at + 1) };
  // Otherwise git would read a value with a leading hyphen as an option of its own.
  if (at !== -1 || value.trim() === '' || value.startsWith('-')) throw new RangeError(`${EXPECTED}, got "${value}"`);
  return isFile(value) ? { kind: 'build', name: value, entry: value } : { kind: 'ref', ref: value };
}

/**
 * Parses all values of one command line.
 * @param {readonly string[]} values
 * @param {(path: string) => boolean} isFile
 * @returns {{ builds: BuildByPath[], ref: string | undefined }}
 * @throws {RangeError} like {@link parseAgainst}, and if there is more than one git ref
 */
export function parseAllAgainst(values, isFile) {
  const parsed = values.map((value) => parseAgainst(value, isFile));
  const builds = parsed.filter((one) => one.kind === 'build');
  const refs = parsed.filter((one) => one.kind === 'ref').map(({ ref }) => ref);
  if (refs.length > 1) throw new RangeError(`--against expects at most one git ref, got ${refs.join(', ')}`);
  return { builds, ref: refs[0] };
}

/** Marks on the functions of fake timers: of sinon (which Jest and Vitest contain), and of a mock or spy. */
const marks = ['clock', '_isMockFunction', 'mock'];

/**
 * Returns true if a function of the platform was not replaced by fake timers. `node:test` binds its functions, which changes their names.
 * A function that is wrapped for another reason counts as replaced: it may be faked later.
 */
export function isGenuine(candidate: unknown, name: string): boolean {
  return typeof candidate === 'function' && candidate.name === name && marks.every((mark) => !(mark in candidate));
}

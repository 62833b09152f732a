/** Returns the imports of a file, including types and every form of import. */
export function importsOf(code: string): string[] {
  // Biome puts every import statement at the start of a line. Comments are removed, because they may contain examples.
  const bare = code.replace(/^\s*(?:\/\/|\/?\*).*$/gm, '');
  const statements = bare.matchAll(/^(?:import|export)\b(?:[^;'"]*?\bfrom)?\s*(['"])(.+?)\1/gm);
  const calls = bare.matchAll(/\b(?:import|require|getBuiltinModule)\(\s*(['"`])(.+?)\1/g);
  return [...statements, ...calls].map((match) => match[2] as string);
}

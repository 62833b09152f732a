import { documentedRung, handleRung, type ZlibRung } from '../../src/extension/raw-zlib.ts';

/** All rungs. Each must pass the same tests. */
export const rungs: readonly (readonly [name: string, rung: ZlibRung])[] = [
  ['handle', handleRung],
  ['documented', documentedRung],
];

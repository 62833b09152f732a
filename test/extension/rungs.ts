import { documentedRung, handleRung, type ZlibRung } from '../../src/extension/raw-zlib.ts';

/** All ways to call zlib: what holds for one is to hold for each. */
export const rungs: readonly (readonly [name: string, rung: ZlibRung])[] = [
  ['handle', handleRung],
  ['documented', documentedRung],
];

import type { Case, Target } from './case.ts';

/** Returns the fault of a case without its variable parts; null if there is none. */
export async function faultOf(target: Pick<Target, 'run'>, given: Case): Promise<string | null> {
  try {
    await target.run(given);
    return null;
  } catch (error) {
    return nameOf(error);
  }
}

/** Returns a fault's name: the broken promise, or the kind of an unexpected error. */
export function nameOf(error: unknown): string {
  const { name, message } = error as Error;
  return `${name}: ${message.split(/: |\d/, 1)[0]}`;
}

const maxTries = 4000;

/**
 * Returns the smallest case found with the same fault. Parts are removed, bytes set to 0, the split and the config
 * simplified.
 */
export async function reduce(target: Pick<Target, 'run'>, given: Case): Promise<Case> {
  const fault = await faultOf(target, given);
  if (fault === null) return given;
  let best = given;
  let tries = 0;
  const improve = async (candidate: Case): Promise<boolean> => {
    if (tries++ >= maxTries || (await faultOf(target, candidate)) !== fault) return false;
    best = candidate;
    return true;
  };
  let before: Case;
  do {
    before = best;
    await improve({ ...best, cut: [] });
    await improve({ ...best, config: best.config & 1 });
    await improve({ ...best, config: 0 });
    for (let size = Math.max(1, best.octets.length >> 1); size >= 1; size >>= 1) {
      for (let at = 0; at < best.octets.length; ) {
        const { octets } = best;
        const without = Buffer.concat([octets.subarray(0, at), octets.subarray(at + size)]);
        if (!(await improve({ ...best, octets: without }))) at += size;
      }
    }
    for (let i = best.cut.length - 1; i >= 0; i--)
      await improve({ ...best, cut: best.cut.filter((_, index) => index !== i) });
    for (let at = 0; at < best.octets.length; at++) {
      if (best.octets[at] === 0) continue;
      const simpler = Buffer.from(best.octets);
      simpler[at] = 0;
      await improve({ ...best, octets: simpler });
    }
  } while (best !== before && tries < maxTries);
  return best;
}

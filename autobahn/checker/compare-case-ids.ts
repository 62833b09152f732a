/** Compares case ids such as `9.1.2` and `9.1.10` by their numbers. Parts that are not numbers come last. */
export function compareCaseIds(left: string, right: string): number {
  const [a, b] = [left.split('.'), right.split('.')];
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = rank(a[index]) - rank(b[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function rank(part: string | undefined): number {
  if (part === undefined) return -1;
  return /^\d{1,9}$/.test(part) ? Number(part) : Number.MAX_SAFE_INTEGER;
}

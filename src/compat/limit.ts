/**
 * A limit as programs written for `ws` may give it: nonsense and what is below 1 are no limit, which is 0. But not as an int32, which
 * would make no limit of 4 GiB.
 */
export function limit(value: number): number {
  const whole = Math.trunc(Number(value));
  return whole > 0 ? Math.min(whole, Number.MAX_SAFE_INTEGER) : 0;
}

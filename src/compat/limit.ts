/**
 * Normalizes a limit that a program written for `ws` passes: invalid values and values below 1 mean unlimited, which is
 * 0. Not converted to an int32, because then 4 GiB would become 0.
 */
export function limit(value: number): number {
  const whole = Math.trunc(Number(value));
  return whole > 0 ? Math.min(whole, Number.MAX_SAFE_INTEGER) : 0;
}

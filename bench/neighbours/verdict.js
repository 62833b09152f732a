/** Figures by which the times of the good client are judged. */

/**
 * @param {readonly number[]} times at least one
 * @param {number} share from 0 to 1
 * @returns {number} the time that this share of the times does not exceed
 */
export function percentile(times, share) {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
}

/**
 * Returns the maximum p99 in milliseconds beside a number of flooding peers: twice that of ws, or 20 ms, or 100 ms beside
 * more than 20.
 * @param {number} peers
 * @param {number} p99OfWs
 */
export function goal(peers, p99OfWs) {
  return Math.max(2 * p99OfWs, peers > 20 ? 100 : 20);
}

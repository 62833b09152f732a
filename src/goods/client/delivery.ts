/**
 * Reason for which items are missing:
 * - `failed`: `tailor` failed to make them for this variant;
 * - `conflated`: later items replaced them, because this client read too slowly;
 * - `backlog`: this application did not take them in time;
 * - `dropped`: this client read too slowly, and the market's history no longer has them;
 * - `missed`: they did not arrive, which is a fault of the market or of the network;
 * - `not-recovered`: they were supplied while the client was not connected, and the market's history no longer has them.
 */
export type GapReason = (typeof gapReasons)[number];

/** From the mildest to the worst. A gap with several reasons reports the worst. */
export const gapReasons = ['failed', 'conflated', 'backlog', 'dropped', 'missed', 'not-recovered'] as const;

/** Items that are missing. */
export interface Gap {
  readonly goods: string;
  readonly reason: GapReason;
  /** The first missing offset; null if it is not known, for instance because the epoch has changed. */
  readonly from: number | null;
  /** The last missing offset; null if it is not known. */
  readonly to: number | null;
}

/** An item that has arrived. */
export interface Delivery<Item = unknown> {
  readonly goods: string;
  /** Empty if the goods have one variant only. */
  readonly variant: string;
  /** Identifies the count of offsets. Offsets of different epochs cannot be compared. */
  readonly epoch: string;
  readonly offset: number;
  readonly item: Item;
  /** Items of these goods that are missing between the delivery before and this one; null if there are none. */
  readonly gap: Gap | null;
}

/** Joins two gaps of the same goods, the second behind the first. */
export function joinGaps(before: Gap | null | undefined, behind: Gap | null): Gap | null {
  if (before === null || before === undefined) return behind;
  if (behind === null) return before;
  const isWorse = gapReasons.indexOf(before.reason) > gapReasons.indexOf(behind.reason);
  return { goods: behind.goods, reason: isWorse ? before.reason : behind.reason, from: before.from, to: behind.to };
}

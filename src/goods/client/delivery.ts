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
  /** Name of the goods. */
  readonly goods: string;
  /** Reason for which they are missing: the worst if there are several. */
  readonly reason: GapReason;
  /** The first missing offset; null if it is not known, for instance because the epoch has changed. */
  readonly from: number | null;
  /** The last missing offset; null if it is not known. */
  readonly to: number | null;
}

/** An item that has arrived. */
export interface Delivery<Item = unknown> {
  /** Name of the goods. If a pattern was subscribed to, the name that matches. */
  readonly goods: string;
  /** Variant of the item that this subscriber gets. Empty if the goods have one variant only. */
  readonly variant: string;
  /** Identifies the count of offsets. Offsets of different epochs cannot be compared. */
  readonly epoch: string;
  /** Number of the item in its epoch: 1 more than that of the item before. */
  readonly offset: number;
  /** The item, as `tailor` made it for the variant: a JSON value, a string or a Uint8Array, by the kind of the goods. */
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

/**
 * Why items are missing:
 * - `failed`: the market could not make them in this variant;
 * - `conflated`: later ones overtook them, because this client read too slowly;
 * - `backlog`: this program did not take them in time;
 * - `dropped`: the market dropped them, because this client read too slowly or because they are no longer kept;
 * - `missed`: they did not come, though they should have;
 * - `not-recovered`: they came while the client was not connected, and the market no longer has them.
 */
export type GapReason = (typeof gapReasons)[number];

/** By what they mean: of a gap with several reasons, the last counts. */
export const gapReasons = ['failed', 'conflated', 'backlog', 'dropped', 'missed', 'not-recovered'] as const;

/** Items that are missing. */
export interface Gap {
  readonly goods: string;
  readonly reason: GapReason;
  /** The first missing offset; null where it is not known, as after the counting has started again. */
  readonly from: number | null;
  /** The last missing offset; null where it is not known. */
  readonly to: number | null;
}

/** An item that has arrived. */
export interface Delivery<Item = unknown> {
  readonly goods: string;
  /** Empty for the only one. */
  readonly variant: string;
  /** Names the counting: offsets can be compared within one. */
  readonly epoch: string;
  readonly offset: number;
  readonly item: Item;
  /** What of these goods is missing between the delivery before and this one; null: nothing. */
  readonly gap: Gap | null;
}

/** Two gaps, one behind the other, as one. */
export function joinGaps(before: Gap | null | undefined, behind: Gap | null): Gap | null {
  if (before === null || before === undefined) return behind;
  if (behind === null) return before;
  const isWorse = gapReasons.indexOf(before.reason) > gapReasons.indexOf(behind.reason);
  return { goods: behind.goods, reason: isWorse ? before.reason : behind.reason, from: before.from, to: behind.to };
}

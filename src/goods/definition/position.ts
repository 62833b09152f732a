/** Position in the items of goods. Offsets count from 1 within an epoch; 0 is the position before the first item. */
export interface Position {
  /** Identifies one count of offsets. Offsets of different epochs cannot be compared. */
  readonly epoch: string;
  readonly offset: number;
}

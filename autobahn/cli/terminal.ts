/** Where a command writes: the streams of the process, or what a test looks at. */
export interface Terminal {
  /** The results. */
  readonly out: (text: string) => void;
  /** Progress and errors. */
  readonly error: (text: string) => void;
  /** Whether a person looks on, so that a line may be written again and again; and how many columns it may have. */
  readonly columns: number | null;
}

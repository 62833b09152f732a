/** Output of a command: the streams of the process, or those of a test. */
export interface Terminal {
  /** Writes results. */
  readonly out: (text: string) => void;
  /** Writes progress and errors. */
  readonly error: (text: string) => void;
  /** Number of columns if a person is watching, so that a line may be updated; otherwise null. */
  readonly columns: number | null;
}

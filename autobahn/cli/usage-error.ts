/** Error for an invalid command line, or one that cannot be executed. The message is for the user. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

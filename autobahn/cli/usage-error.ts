/** The command line cannot be understood, or what it asks for cannot be done: the message is for the person who typed it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

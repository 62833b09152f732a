import { isError } from '../../realm/kinds.ts';

/** Text for a thrown object that has no text, or a getter that throws. */
const unprintable = 'a value that cannot be shown';

/** Returns the message of a thrown value. Throws nothing. */
export function messageOf(thrown: unknown): string {
  try {
    return isError(thrown) ? thrown.message : String(thrown);
  } catch {
    return unprintable;
  }
}

/** Returns the stack of a thrown value, or its message if it has no stack. Throws nothing. */
export function stackOf(thrown: unknown): string {
  try {
    return isError(thrown) ? (thrown.stack ?? thrown.message) : String(thrown);
  } catch {
    return unprintable;
  }
}

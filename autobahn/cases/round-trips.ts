import { isSame, message, type ReceivedEvent } from '../session/received-event.ts';
import type { Session } from '../session/session.ts';

/** Number of messages in a case of round trips. */
export const roundTripCount = 1000;

/** Expected event if every message came back unchanged. */
export const allRoundTrips: ReceivedEvent = { type: 'roundtrips', count: roundTripCount };

/**
 * Sends messages one after the other, each after the echo of the previous one, and records the number of correct
 * echoes. A different echo is recorded too, and ends the case.
 */
export async function makeRoundTrips(
  session: Session,
  payloadOf: (index: number) => Buffer,
  isBinary: boolean,
  frameSize = 0,
): Promise<void> {
  let echo: ReceivedEvent | null = null;
  let echoes = 0;
  session.takeMessages((payload, isBinaryEcho) => {
    echo = message(payload, isBinaryEcho);
    echoes++;
  });
  for (let index = 0; index < roundTripCount; index++) {
    const payload = payloadOf(index);
    await session.sendMessage(payload, isBinary, frameSize);
    const isDone = () => echoes > index || !session.isOpen || session.received.length > 0;
    await session.until(isDone, session.patience, { sinceActivity: true });
    if (echoes === index + 1 && echo !== null && isSame(echo, message(payload, isBinary))) continue;
    session.takeMessages(null);
    session.note({ type: 'roundtrips', count: index });
    if (echo !== null && echoes > index) session.note(echo);
    return;
  }
  session.takeMessages(null);
  session.note(allRoundTrips);
}

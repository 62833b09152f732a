import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { onTestFinished } from 'vitest';
import { type LimitReachedMessage, limitReachedChannelName } from '../../src/transport/diagnostics.ts';

/** Returns the messages on `goodwire:limit-reached`, from now until the end of the test. */
export function reachedLimits(): LimitReachedMessage[] {
  const messages: LimitReachedMessage[] = [];
  const note = (message: unknown) => void messages.push(message as LimitReachedMessage);
  subscribe(limitReachedChannelName, note);
  onTestFinished(() => void unsubscribe(limitReachedChannelName, note));
  return messages;
}

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect, onTestFinished, test, vi } from 'vitest';
import { limitReachedChannelName, reportLimit } from '../../src/transport/diagnostics.ts';

const message = { limit: 'closeTimeout', value: 1, socket: {} } as const;

test('a limit costs no message without subscribers', () => {
  const build = vi.fn(() => message);
  reportLimit(build);
  expect(build).not.toHaveBeenCalled();
});

test('a limit is published as it is, and nothing for undefined', () => {
  const published: unknown[] = [];
  const note = (given: unknown) => published.push(given);
  subscribe(limitReachedChannelName, note);
  onTestFinished(() => void unsubscribe(limitReachedChannelName, note));
  reportLimit(() => undefined);
  reportLimit(() => message);
  expect(published).toEqual([message]);
});

import { expect, test, vi } from 'vitest';
import { reportLimit } from '../../src/transport/diagnostics.ts';
import { reachedLimits } from '../support/reached-limits.ts';

const message = { limit: 'closeTimeout', value: 1, socket: {} } as const;

test('a limit costs no message without subscribers', () => {
  const build = vi.fn(() => message);
  reportLimit(build);
  expect(build).not.toHaveBeenCalled();
});

test('a limit is published as it is, and nothing for undefined', () => {
  const published = reachedLimits();
  reportLimit(() => undefined);
  reportLimit(() => message);
  expect(published).toEqual([message]);
});

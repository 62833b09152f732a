import { describe, expect, it } from 'vitest';
import {
  type ConnectionState,
  type ConnectionTransition,
  nextState,
  transitions,
} from '../../src/connection/connection-state.ts';

const kinds: readonly ConnectionTransition[] = ['closeSent', 'closeReceived', 'failed', 'ended'];

/** The whole table again, one row per state: the state after each event. */
const table: Record<
  ConnectionState,
  readonly [closeSent: string, closeReceived: string, failed: string, ended: string]
> = {
  open: ['closeSent', 'closeReceived', 'failed', 'ended'],
  closeSent: ['closeSent', 'closed', 'failed', 'ended'],
  closeReceived: ['closed', 'closeReceived', 'failed', 'ended'],
  closed: ['closed', 'closed', 'closed', 'ended'],
  failed: ['failed', 'failed', 'failed', 'ended'],
  ended: ['ended', 'ended', 'ended', 'ended'],
};

const cells = Object.entries(table).flatMap(([state, row]) =>
  kinds.map((transition, i) => [state as ConnectionState, transition, row[i]!] as const),
);

describe('the state table', () => {
  it.each(cells)('leads from %s with %s to %s', (state, transition, expected) => {
    expect(nextState(state, transition)).toBe(expected);
  });

  it('has a row for each state with an entry for each event, and nothing else', () => {
    expect(Object.keys(transitions)).toEqual(Object.keys(table));
    for (const row of Object.values(transitions)) expect(Object.keys(row)).toEqual(kinds);
  });

  it('leads to "ended" from any state, and nowhere from there', () => {
    for (const state of Object.keys(table) as ConnectionState[]) expect(nextState(state, 'ended')).toBe('ended');
    for (const kind of kinds) expect(nextState('ended', kind)).toBe('ended');
  });
});

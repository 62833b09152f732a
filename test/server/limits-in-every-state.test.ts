import { describe, expect, it } from 'vitest';
import { cellsOf, rows, states, ways } from '../../scripts/consumers/limit-table.mjs';
import { upgrade, WebSocket, WebSocketServer } from '../../src/index.ts';

const cells = cellsOf({ upgrade, WebSocket, WebSocketServer });

describe('every limit, in every state of a server, from before it listens until after the last callback of close()', () => {
  // A cell asserts that the limit is reported and the connection ended as expected, and that close() calls back.
  it.each(rows)('holds: $limit, for a connection that is $stage', async (row) => {
    const own = cells.filter((cell) => cell.row === row);
    expect(own).not.toEqual([]);
    const results = await Promise.allSettled(own.map(({ run }) => run()));
    const failed = results.flatMap((result, i) =>
      result.status === 'rejected' ? [`${own[i]!.title}: ${result.reason}`] : [],
    );
    expect(failed).toEqual([]);
  });

  it('has a cell for each way and state, or a reason why there is none', () => {
    const outcomes = rows.flatMap((row) => ways.flatMap((way) => states.map((state) => row.outcome(way, state))));
    const reasons = outcomes.filter((outcome) => typeof outcome === 'string');
    expect(outcomes).toHaveLength(rows.length * ways.length * states.length);
    expect(outcomes.length - reasons.length).toBe(cells.length);
    expect([...new Set(reasons)].every((reason) => reason.length > 10)).toBe(true);
  });

  it.each(ways)('has cells in each state for %s', (way) => {
    const found = new Set(cells.filter((cell) => cell.way === way).map(({ state }) => state));
    expect([...found].sort()).toEqual([...states].sort());
  });
});

import { describe, expect, it } from 'vitest';
import { expectedOf, isFor, modes, runServerRow, serverRows, ways } from '../../scripts/consumers/http-exchanges.mjs';
import * as goodwire from '../../src/index.ts';

describe.each(modes)('a server in the mode %s', (mode) => {
  it.each(serverRows.filter((row) => isFor(row, mode)))('keeps to HTTP: $title', async (row) => {
    for (const way of ways) {
      const outcome = await runServerRow(goodwire, row, mode, way);
      expect(outcome, way).toEqual(expectedOf(row, mode, outcome));
    }
  });
});

const splitRows = serverRows.filter(({ isSplit }) => isSplit);

it('some rows of each kind are cut at every octet', () => {
  expect(splitRows.length).toBeGreaterThan(10);
});

it.each(splitRows)('a server keeps to HTTP wherever the input is cut: $title', async (row) => {
  for (let at = 1; at < row.sent.length; at++) {
    const outcome = await runServerRow(goodwire, row, 'noServer', at);
    expect(outcome, `cut at ${at}`).toEqual(expectedOf(row, 'noServer', outcome));
  }
});

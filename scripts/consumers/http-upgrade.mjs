// Run in a project with the packed goodwire: on each version of Node.js, HTTP exchanges around an upgrade have the same outcome.
import assert from 'node:assert/strict';
import * as goodwire from 'goodwire';
import {
  clientRows,
  expectedOf,
  isFor,
  modes,
  runClientRow,
  runServerRow,
  serverRows,
  ways,
} from './http-exchanges.mjs';

for (const row of serverRows) {
  for (const mode of modes.filter((one) => isFor(row, one))) {
    for (const way of ways) {
      const outcome = await runServerRow(goodwire, row, mode, way);
      assert.deepEqual(outcome, expectedOf(row, mode, outcome), `${row.title} (${mode}, ${way})`);
    }
  }
}
for (const row of clientRows) {
  for (const way of /** @type {const} */ (['whole', 'octet by octet'])) {
    const { events } = await runClientRow(goodwire, row, way);
    assert.deepEqual(events, [...row.expected], `${row.title} (${way})`);
  }
}

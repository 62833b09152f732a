// Run in a project with the packed goodwire: on each version of Node.js, each limit and deadline holds in every state of a server.
import * as goodwire from 'goodwire';
import { cellsOf } from './limit-table.mjs';

const only = process.argv[2] ?? '';
const cells = cellsOf(goodwire).filter(({ title }) => title.includes(only));
// A few at a time: some of them fill the buffers of the kernel.
const waiting = cells.values();
let failed = 0;
await Promise.all(
  Array.from({ length: 16 }, async () => {
    for (const { title, run } of waiting) {
      try {
        await run();
      } catch (error) {
        failed++;
        console.log(`${title}:`, error);
      }
    }
  }),
);
if (cells.length === 0) throw new Error(`no cell has ${only} in its title`);
process.exitCode = failed > 0 ? 1 : 0;

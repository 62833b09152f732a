// Reports the remaining resources of a process, for server.js and client.js.

/** @type {string[]} */
const uncaught = [];
process.on('uncaughtException', (error) => uncaught.push(String(error.stack)));
process.on('unhandledRejection', (reason) => uncaught.push(`unhandled: ${String(reason)}`));
process.on('disconnect', () => process.exit());

/** Returns the active resources, the memory after garbage collection, and uncaught errors. */
export async function left() {
  // Closed streams and cleared timers are released within a few turns.
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  /** @type {Record<string, number>} */
  const resources = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { resources, heapUsed, arrayBuffers, uncaught };
}

// What a process of ours has left, for server.js and client.js.

/** @type {string[]} */
const uncaught = [];
process.on('uncaughtException', (error) => uncaught.push(String(error.stack)));
process.on('unhandledRejection', (reason) => uncaught.push(`unhandled: ${String(reason)}`));
process.on('disconnect', () => process.exit());

/** What keeps the event loop busy, memory after a collection, and what nobody caught. */
export async function left() {
  // What is free to go goes in a few turns: streams that have closed, timers that were cleared.
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

/** Memory rows: the cost of an idle connection in a server. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { start } from '../control.js';
import { deflateOption, frameLength, MASK_LENGTH, request } from '../wire.js';
import { programOf } from './contest.js';

/**
 * @typedef {object} IdleRow
 * @property {'idle'} kind
 * @property {number} connections
 * @property {import('../wire.js').Context} [context] with permessage-deflate, and after one message of 1 KiB on each
 */

/** Number of connections per load process. */
const PER_PROCESS = 2500;
/**
 * Number of connections opened and closed before the first measurement, so that code and lazily created objects do not
 * count.
 */
const WARM_UP = 100;

/**
 * @returns {Promise<number>} maximum number of file descriptors; Node raises the soft limit to the hard limit itself
 */
export async function descriptorLimit() {
  try {
    const stream = createReadStream('/proc/self/limits', 'latin1');
    const [text] = await once(stream, 'data');
    return Number(/Max open files +\S+ +(\d+)/.exec(text)?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}

/** @param {import('../control.js').Child} server @param {number} connections */
async function untilServerHas(server, connections) {
  for (let i = 0; (await server.ask('connections')) !== connections; i++) {
    if (i === 500) throw new Error(`the server did not reach ${connections} connections`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * @param {IdleRow} row
 * @param {import('./contest.js').Contestant} contestant
 * @returns {Promise<import('./contest.js').Turns>}
 */
export async function idleTurns({ connections, context }, contestant) {
  const limit = (await descriptorLimit()) - 100;
  if (connections > limit)
    throw new Error(`${connections} connections need as many file descriptors; the limit is ${limit}`);
  return {
    // A new server for each turn. Otherwise memory left by an earlier turn would be reused for the next connections.
    async turn() {
      const server = await start(
        programOf(contestant, 'servers'),
        {
          library: contestant.library,
          deliver: 'data',
          frameLength: frameLength({ size: 125, content: 'binary' }) + MASK_LENGTH,
          requestLength: request.length,
          closes: false,
          ...(context !== undefined && { perMessageDeflate: deflateOption(context) }),
        },
        { env: contestant.env, execArgv: ['--expose-gc'] },
      );
      const port = await server.ask('port');
      /** @type {import('../control.js').Child[]} */
      const loads = [];
      try {
        const warmUp = await start('load/idle.js', { port, connections: WARM_UP, context });
        await warmUp.ask('open');
        await untilServerHas(server, WARM_UP);
        await warmUp.stop();
        await untilServerHas(server, 0);
        const before = await server.ask('memory');
        for (let left = connections; left > 0; left -= PER_PROCESS) {
          const load = await start('load/idle.js', { port, connections: Math.min(left, PER_PROCESS), context });
          loads.push(load);
          await load.ask('open');
        }
        await untilServerHas(server, connections);
        const after = await server.ask('memory');
        return {
          cost: (after.rss - before.rss) / connections,
          also: { heap: (after.heap - before.heap) / connections },
        };
      } finally {
        await Promise.all(loads.map((load) => load.stop()));
        await server.stop();
      }
    },
    async end() {},
  };
}

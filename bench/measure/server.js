/** Rows for a server under load: `echo` (messages) and `connect` (connections). */
import { start } from '../control.js';
import { deflateOption, frameLength, MASK_LENGTH, request } from '../wire.js';
import { checkAddon, programOf } from './contest.js';

/**
 * @typedef {import('./contest.js').Contestant} Contestant
 * @typedef {object} EchoRow
 * @property {'echo'} kind
 * @property {import('../wire.js').MessageShape} message
 * @property {'data' | 'string'} [deliver] form in which the application reads it: as delivered (default), or as `toString()`
 * @property {number} connections
 * @property {number} depth messages in flight on each connection
 *
 * @typedef {object} DeflateRow
 * @property {'deflate'} kind
 * @property {number} size bytes of JSON-like text
 * @property {import('../wire.js').Context} context
 * @property {'default'} [level] that of each library; else 6
 * @property {number} connections
 * @property {number} depth messages in flight on each connection
 *
 * @typedef {object} ConnectRow
 * @property {'connect'} kind
 * @property {import('../wire.js').MessageShape} message echoed once on each connection
 * @property {number} slots connections under way at a time
 */

/**
 * Starts a server and a load process for all turns of a contestant.
 * @param {EchoRow | ConnectRow | DeflateRow} row
 * @param {Contestant} contestant
 * @param {import('./contest.js').Bounds} bounds
 * @returns {Promise<import('./contest.js').Turns>}
 */
export async function serverTurns(row, contestant, { seconds, warmUp }) {
  const { library, env } = contestant;
  const server = await start(
    programOf(contestant, 'servers'),
    {
      library,
      deliver: row.kind === 'echo' ? (row.deliver ?? 'data') : 'data',
      ...(row.kind === 'deflate'
        ? { perMessageDeflate: deflateOption(row.context, row.level) }
        : { frameLength: frameLength(row.message) + MASK_LENGTH }),
      requestLength: request.length,
      closes: row.kind === 'connect',
    },
    { env },
  );
  const load = await start(`load/${row.kind}.js`, { ...row, port: await server.ask('port') });
  await load.ask('run', { seconds: warmUp });
  await checkAddon(contestant, server);
  return {
    async turn() {
      const before = await server.ask('cpu');
      const run = await load.ask('run', { seconds });
      const cpu = (await server.ask('cpu')) - before;
      return {
        cost: cpu / run.messages,
        // Time for one message. Only meaningful if no message waits for another.
        also: { trip: row.kind === 'deflate' ? (run.seconds * 1e6 * row.connections * row.depth) / run.messages : 0 },
        rate: run.messages / run.seconds,
        busy: cpu / 1e6 / run.seconds,
        load: run.cpu / 1e6 / run.seconds,
      };
    },
    async end() {
      await load.stop();
      await server.stop();
    },
  };
}

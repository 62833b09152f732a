/** Rows for fan-out: each message of a publisher is delivered to every subscriber. */

import { ROOMS } from '../contestants.js';
import { start } from '../control.js';
import { checkAddon } from './contest.js';

/**
 * @typedef {object} FanoutRow
 * @property {'fanout'} kind
 * @property {number} size length of an item in bytes
 * @property {number} subscribers
 * @property {number} publishers number of publishing connections
 * @property {number} depth items in flight per publisher: new ones are sent when all subscribers have the old ones
 * @property {number} variants number of variants, each for an equal share of the subscribers
 */

/** @param {import('./contest.js').Contestant} contestant */
function program({ name, library, hasMarket }) {
  if (library === undefined) return 'servers/fanout-raw.js';
  if (name === ROOMS) return 'servers/fanout-socket-io.js';
  return hasMarket ? 'servers/market.js' : 'servers/fanout.js';
}

/**
 * @param {FanoutRow} row
 * @param {import('./contest.js').Contestant} contestant
 * @param {import('./contest.js').Bounds} bounds
 * @returns {Promise<import('./contest.js').Turns>}
 */
export async function fanoutTurns(row, contestant, { seconds, warmUp }) {
  const { library, env } = contestant;
  const server = await start(program(contestant), { library, ...row }, { env });
  const load = await start('load/fanout.js', {
    ...row,
    isRooms: contestant.name === ROOMS,
    port: await server.ask('port'),
  });
  while ((await server.ask('subscribers')) < row.subscribers) await new Promise((resolve) => setTimeout(resolve, 20));
  await load.ask('settle');
  const frame = await server.ask('frame');
  await load.ask('run', { seconds: warmUp, ...frame });
  await checkAddon(contestant, server);
  return {
    async turn() {
      const before = await server.ask('cpu');
      const run = await load.ask('run', { seconds, ...frame });
      const cpu = (await server.ask('cpu')) - before;
      return {
        cost: cpu / run.deliveries,
        rate: run.deliveries / run.seconds,
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

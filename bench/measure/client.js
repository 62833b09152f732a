/** Rows for clients: the cost of receiving or sending a message in the client's process. */
import { start } from '../control.js';
import { frameLength, MASK_LENGTH } from '../wire.js';
import { checkAddon, programOf } from './contest.js';

/**
 * @typedef {object} ClientRow
 * @property {'receive' | 'send'} kind
 * @property {import('../wire.js').MessageShape} message
 * @property {number} batch number of messages passed to `send` before waiting for the last callback
 */

/**
 * @param {ClientRow} row
 * @param {import('./contest.js').Contestant} contestant
 * @param {import('./contest.js').Bounds} bounds
 * @returns {Promise<import('./contest.js').Turns>}
 */
export async function clientTurns({ kind, message, batch }, contestant, bounds) {
  const peer = await start('load/peer.js', { message });
  const client = await start(
    programOf(contestant, 'clients'),
    { library: contestant.library, port: await peer.ask('port'), message, batch },
    { env: contestant.env },
  );

  /** @param {{ seconds: number }} bounds */
  async function receive({ seconds }) {
    const before = await client.ask('cpu');
    const start = performance.now();
    const poured = await peer.ask('pour', { seconds });
    const { cpu } = await client.ask('receive', { messages: poured.messages });
    const elapsed = (performance.now() - start) / 1e3;
    return { messages: poured.messages, seconds: elapsed, cpu: cpu - before, load: poured.cpu };
  }

  /** @param {{ seconds: number }} bounds */
  async function send({ seconds }) {
    const before = await peer.ask('cpu');
    const sent = await client.ask('send', { seconds });
    await peer.ask('drain', { octets: sent.messages * (frameLength(message) + MASK_LENGTH) });
    return { ...sent, load: (await peer.ask('cpu')) - before };
  }

  const run = kind === 'receive' ? receive : send;
  await run({ seconds: bounds.warmUp });
  await checkAddon(contestant, client);
  return {
    async turn() {
      const { messages, seconds, cpu, load } = await run(bounds);
      return { cost: cpu / messages, rate: messages / seconds, busy: cpu / 1e6 / seconds, load: load / 1e6 / seconds };
    },
    async end() {
      await client.stop();
      await peer.stop();
    },
  };
}

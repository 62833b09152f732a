/**
 * Interface between a kind of row and `run.js`: prepares one contestant, and then takes one sample per turn.
 *
 * @typedef {import('../contestants.js').Contestant} Contestant
 * @typedef {import('../control.js').Child} Child
 *
 * @typedef {object} Sample
 * @property {number} cost CPU µs per message or connection, or bytes
 * @property {number} [rate] messages or connections per second
 * @property {number} [busy] share of a core that the measured process used, 0 to 1
 * @property {number} [load] share of a core that the load process used
 * @property {Readonly<Record<string, number>>} [also] further costs, for the row's `also` lines
 *
 * @typedef {object} Turns
 * @property {() => Promise<Sample>} turn
 * @property {() => Promise<void>} end ends the started processes
 *
 * @typedef {object} Bounds
 * @property {number} seconds length of a turn
 * @property {number} warmUp seconds of load before the first turn
 */

/**
 * Checks whether ws uses the addon. Otherwise a wrong setup would go unnoticed.
 * @param {Contestant} contestant
 * @param {Child} child
 */
export async function checkAddon(contestant, child) {
  if (contestant.name !== 'ws' && contestant.name !== 'ws+bufferutil') return;
  const native = await child.ask('native');
  if (native !== contestant.native)
    throw new Error(`${contestant.name}: bufferutil is ${native ? 'loaded' : 'not loaded'}`);
}

/**
 * @param {Contestant} contestant
 * @param {'servers' | 'clients'} folder
 */
export function programOf(contestant, folder) {
  return contestant.library === undefined ? `${folder}/raw.js` : `${folder}/websocket.js`;
}

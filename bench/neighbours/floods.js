/**
 * Small frames that the flooding peers send, each as cheap for the peer as it can be, prepared before the run.
 *
 * @typedef {object} Flood
 * @property {string} id for `--kinds`
 * @property {string} title
 * @property {Buffer} first sent once
 * @property {Buffer} frame repeated without end
 */

/**
 * Returns a frame with a masking key of zeros.
 * @param {number} first the first octet: FIN and opcode
 * @param {string} [payload] at most 125 octets
 */
function frame(first, payload = '') {
  return Buffer.concat([Buffer.of(first, 0x80 | payload.length, 0, 0, 0, 0), Buffer.from(payload)]);
}

const nothing = Buffer.alloc(0);

/** @type {readonly Flood[]} */
export const floods = [
  { id: 'ping', title: 'empty pings', first: nothing, frame: frame(0x89) },
  { id: 'pong', title: 'empty pongs', first: nothing, frame: frame(0x8a) },
  { id: 'text', title: 'texts of one octet', first: nothing, frame: frame(0x81, 'x') },
  { id: 'fragment', title: 'empty fragments', first: frame(0x01, 'x'), frame: frame(0x00) },
];

/** Peers that send small frames as fast as the server reads them. Settings: `port`, `peers`, `kind`. */
import { connect } from 'node:net';
import { answer, settings } from '../control.js';
import { request } from '../wire.js';
import { floods } from './floods.js';

const { port, peers, kind } = /** @type {{ port: number, peers: number, kind: string }} */ (settings());
const flood = floods.find(({ id }) => id === kind);
if (flood === undefined) throw new Error(`unknown kind ${kind}`);
const { first, frame } = flood;
/** About a megabyte, shared by all peers. */
const burst = Buffer.concat(Array(Math.ceil(1e6 / frame.length)).fill(frame));

/** @returns {Promise<import('node:net').Socket>} a peer whose handshake is done */
function open() {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let head = '';
    const onData = (/** @type {Buffer} */ chunk) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', onData);
      socket.off('error', reject);
      socket.on('error', () => {});
      // Answers of the server are read and discarded.
      socket.resume();
      resolve(socket);
    };
    socket.on('data', onData);
    socket.on('error', reject);
    socket.write(request);
  });
}

/** @type {import('node:net').Socket[]} */
const all = [];
while (all.length < peers) {
  all.push(...(await Promise.all(Array.from({ length: Math.min(25, peers - all.length) }, open))));
}

answer({
  flood() {
    for (const socket of all) {
      socket.write(first);
      const more = () => {
        while (!socket.destroyed && socket.write(burst));
      };
      socket.on('drain', more);
      more();
    }
  },
  /** Number of peers that are still connected. */
  connected: () => all.filter(({ destroyed }) => !destroyed).length,
});

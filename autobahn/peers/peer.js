// What each of the implementations beside this file can do, and how a program gets the one that it is told.

/**
 * @typedef {object} Peer
 * @property {() => Promise<string>} version
 * @property {(server: import('node:http').Server) => void} serve echoes on the WebSockets that an HTTP server gets
 * @property {(url: string, events: Events) => void} connect
 */

/**
 * @typedef {object} Events
 * @property {() => void} onOpen
 * @property {((text: string) => void) | undefined} onText gets the messages; undefined: they are echoed
 * @property {() => void} onClose called once, also when there never was a connection
 */

/** @type {Readonly<Record<string, () => Promise<Peer>>>} */
const peers = {
  goodwire: () => import('./goodwire.js'),
  ws: () => import('./ws.js'),
  'faye-websocket': () => import('./faye-websocket.js'),
  websocket: () => import('./websocket.js'),
};

/** The names of the implementations. */
export const peerNames = Object.keys(peers);

/** @param {string} name @returns {Promise<Peer>} */
export function loadPeer(name) {
  const load = peers[name];
  if (load === undefined) throw new Error(`there is no peer ${name}; there are ${peerNames.join(', ')}`);
  return load();
}

// Interface of the implementations in this folder, and a function that loads one by name.

/**
 * @typedef {object} Peer
 * @property {() => Promise<string>} version
 * @property {(server: import('node:http').Server) => void} serve echoes on the WebSockets of an HTTP server
 * @property {(url: string, events: Events) => void} connect
 */

/**
 * @typedef {object} Events
 * @property {() => void} onOpen
 * @property {((text: string) => void) | undefined} onText called with each message; if undefined, messages are echoed
 * @property {() => void} onClose called once, also if the connection failed
 */

/** @type {Readonly<Record<string, () => Promise<Peer>>>} */
const peers = {
  goodwire: () => import('./goodwire.js'),
  ws: () => import('./ws.js'),
  'faye-websocket': () => import('./faye-websocket.js'),
  websocket: () => import('./websocket.js'),
};

/** Names of the implementations. */
export const peerNames = Object.keys(peers);

/** @param {string} name @returns {Promise<Peer>} */
export function loadPeer(name) {
  const load = peers[name];
  if (load === undefined) throw new Error(`unknown peer ${name}; expected one of ${peerNames.join(', ')}`);
  return load();
}

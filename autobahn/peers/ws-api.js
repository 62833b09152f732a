// Peer made of two classes with the API of ws: goodwire's or ws's own.

/**
 * Returns a peer with default options and permessage-deflate, which servers do not accept by default. No limit is
 * raised.
 * @param {{ WebSocket: typeof import('ws').WebSocket, WebSocketServer: typeof import('ws').WebSocketServer }} classes
 * @returns {Pick<import('./peer.js').Peer, 'serve' | 'connect'>}
 */
export function peerOf({ WebSocket, WebSocketServer }) {
  return {
    serve(server) {
      new WebSocketServer({ server, perMessageDeflate: true }).on('connection', (socket) => {
        // The fuzzing client causes errors on purpose and reads them from the close frame, so they are ignored here.
        socket.on('error', () => {});
        socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
      });
    },
    connect(url, { onOpen, onText, onClose }) {
      const socket = new WebSocket(url);
      socket.on('open', onOpen);
      socket.on('error', () => {});
      socket.on('message', (data, isBinary) => {
        if (onText === undefined) socket.send(data, { binary: isBinary });
        else onText(String(data));
      });
      socket.on('close', () => onClose());
    },
  };
}

// A peer of two classes that have the API of ws: goodwire's, or its own.

/**
 * With default options, but for permessage-deflate, which a server does not agree to by default. No limit is raised.
 * @param {{ WebSocket: typeof import('ws').WebSocket, WebSocketServer: typeof import('ws').WebSocketServer }} classes
 * @returns {Pick<import('./peer.js').Peer, 'serve' | 'connect'>}
 */
export function peerOf({ WebSocket, WebSocketServer }) {
  return {
    serve(server) {
      new WebSocketServer({ server, perMessageDeflate: true }).on('connection', (socket) => {
        // What the fuzzing client breaks, it breaks on purpose: the close frame says so to it, and nobody else has to hear.
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

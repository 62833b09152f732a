/**
 * Entry point under the `browser` condition: exports the platform's own WebSocket, so that one import works on both
 * sides.
 */
export { extension } from './compat/extension.ts';
export { subprotocol } from './compat/subprotocol.ts';
export { InflateError } from './extension/inflate-error.ts';
export { NegotiationError } from './extension/negotiation-error.ts';
export { ProtocolError } from './frame/protocol-error.ts';
export { HandshakeError } from './handshake/handshake-error.ts';

type PlatformWebSocket = typeof globalThis extends {
  WebSocket: infer Class extends abstract new (...args: never) => unknown;
}
  ? Class
  : never;

/** WebSocket class of the platform (WHATWG). `undefined` if the platform has none. */
export const WebSocket: PlatformWebSocket = globalThis.WebSocket;

/** Instance of the platform's WebSocket class. */
export type WebSocket = InstanceType<PlatformWebSocket>;

const needsNode = (name: string): Error =>
  new Error(`goodwire: ${name} requires Node.js and does not work in a browser`);

/** Throws an `Error` when constructed, because a browser has no server. Exported so that shared modules load. */
export class WebSocketServer {
  constructor() {
    throw needsNode('WebSocketServer');
  }
}

/** Throws an `Error`, because a browser has no streams of Node.js. */
export function createWebSocketStream(): never {
  throw needsNode('createWebSocketStream');
}

/** Throws an `Error` when constructed, because a browser has no streams of Node.js. */
export class Receiver {
  constructor() {
    throw needsNode('Receiver');
  }
}

/** Throws an `Error` when constructed, because a browser has no streams of Node.js. */
export class Sender {
  constructor() {
    throw needsNode('Sender');
  }
}

/**
 * Throws an `Error` when constructed, because a browser has no zlib. Browsers negotiate permessage-deflate themselves.
 */
export class PerMessageDeflate {
  constructor() {
    throw needsNode('PerMessageDeflate');
  }
}

/** Throws an `Error` when constructed, because only servers send prepared messages. */
export class PreparedMessage {
  constructor() {
    throw needsNode('PreparedMessage');
  }
}

/** Rejects with an `Error`, because a browser has no server. */
export function upgrade(): Promise<never> {
  return Promise.reject(needsNode('upgrade'));
}

export { WebSocket as default };

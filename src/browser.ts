/** What `goodwire` is where the `browser` condition holds: the platform's own WebSocket, so that one import serves both sides. */
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

/** The platform's WebSocket class (WHATWG). It is `undefined` where the platform has none. */
export const WebSocket: PlatformWebSocket = globalThis.WebSocket;

/** An instance of the platform's WebSocket class. */
export type WebSocket = InstanceType<PlatformWebSocket>;

const needsNode = (name: string): Error => new Error(`goodwire: ${name} needs Node.js, and is not there in a browser`);

/** There is no server in a browser: the class is here so that shared modules load, and constructing it throws an `Error`. */
export class WebSocketServer {
  constructor() {
    throw needsNode('WebSocketServer');
  }
}

/** There are no streams of Node.js in a browser: throws an `Error`. */
export function createWebSocketStream(): never {
  throw needsNode('createWebSocketStream');
}

/** There are no streams of Node.js in a browser: constructing it throws an `Error`. */
export class Receiver {
  constructor() {
    throw needsNode('Receiver');
  }
}

/** There are no streams of Node.js in a browser: constructing it throws an `Error`. */
export class Sender {
  constructor() {
    throw needsNode('Sender');
  }
}

/** There is no zlib in a browser: constructing it throws an `Error`. A browser negotiates permessage-deflate by itself. */
export class PerMessageDeflate {
  constructor() {
    throw needsNode('PerMessageDeflate');
  }
}

/** What is prepared for many is sent by a server, which a browser is not: constructing it throws an `Error`. */
export class PreparedMessage {
  constructor() {
    throw needsNode('PreparedMessage');
  }
}

/** There is no server in a browser: rejects with an `Error`. */
export function upgrade(): Promise<never> {
  return Promise.reject(needsNode('upgrade'));
}

export { WebSocket as default, WebSocket as 'module.exports' };

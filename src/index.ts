/**
 * goodwire: WebSocket for Node.js. Exports the same names as `ws`, in the same ways.
 *
 * @module
 */
import type { AddressInfo as NetAddressInfo } from 'node:net';
import { extension } from './compat/extension.ts';
import { PerMessageDeflate } from './compat/per-message-deflate.ts';
import { Receiver } from './compat/receiver.ts';
import { Sender } from './compat/sender.ts';
import { subprotocol } from './compat/subprotocol.ts';
import { WebSocketServer } from './server/websocket-server.ts';
import { createWebSocketStream } from './websocket/create-websocket-stream.ts';
import { type ClientOptions, WebSocket } from './websocket/websocket.ts';
import './ws-internals.ts';

// Types and classes are also properties of the class WebSocket, as in ws. websocket-namespace.d.ts has their types.
Object.assign(WebSocket, {
  createWebSocketStream,
  extension,
  PerMessageDeflate,
  Receiver,
  Sender,
  subprotocol,
  WebSocket,
  Server: WebSocketServer,
  WebSocketServer,
});

/** Address on which a server listens. */
export interface AddressInfo extends NetAddressInfo {}
/** Certificate or key. */
export type CertMeta = string | string[] | Buffer | Buffer[];
/** Data of a `MessageEvent`. */
export type Data = string | Buffer | ArrayBuffer | Buffer[];
/** Function that changes and ends the request of a client; the option `finishRequest`. */
export type FinishRequestCallback = NonNullable<ClientOptions['finishRequest']>;

export { InflateError } from './extension/inflate-error.ts';
export { NegotiationError, type NegotiationErrorCode } from './extension/negotiation-error.ts';
export type { PerMessageDeflateOptions } from './extension/per-message-deflate-options.ts';
export { ProtocolError, type ViolationCode } from './frame/protocol-error.ts';
export { HandshakeError } from './handshake/handshake-error.ts';
export { PreparedMessage, type PreparedMessageOptions } from './message/prepared-message.ts';
export type {
  ServerOptions,
  UpgradeOptions,
  VerifyClientAsync as VerifyClientCallbackAsync,
  VerifyClientSync as VerifyClientCallbackSync,
} from './server/server-options.ts';
export { upgrade } from './server/upgrade.ts';
export type { BroadcastOptions, WebSocketServer as Server } from './server/websocket-server.ts';
export type {
  ClientOptions,
  CloseEvent,
  ErrorEvent,
  Event,
  EventListenerOptions,
  MessageEvent,
  SocketOptions,
  WebSocketEventMap,
  WebSocketEvents,
} from './websocket/websocket.ts';
export type { AcceptedOptions, BinaryType, RawData, ReadyState, SendOptions } from './websocket/websocket-options.ts';
export {
  createWebSocketStream,
  extension,
  PerMessageDeflate,
  Receiver,
  Sender,
  subprotocol,
  WebSocket,
  WebSocket as default,
  WebSocketServer,
};

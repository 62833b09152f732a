/**
 * goodwire: WebSocket for Node.js. Exports the same names as `ws`, in the same ways.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http';
import type { AddressInfo as NetAddressInfo } from 'node:net';
import { extension } from './compat/extension.ts';
import { PerMessageDeflate } from './compat/per-message-deflate.ts';
import { Receiver } from './compat/receiver.ts';
import { Sender } from './compat/sender.ts';
import { subprotocol } from './compat/subprotocol.ts';
import type { PerMessageDeflateOptions as DeflateOptions } from './extension/per-message-deflate-options.ts';
import type { ServerOptions as OptionsOfServer, VerifyClientAsync, VerifyClientSync } from './server/server-options.ts';
import { WebSocketServer } from './server/websocket-server.ts';
import { createWebSocketStream } from './websocket/create-websocket-stream.ts';
import type * as events from './websocket/events.ts';
import { type ClientOptions as OptionsOfClient, WebSocket } from './websocket/websocket.ts';
import type { RawData as RawDataOf } from './websocket/websocket-options.ts';
import './ws-internals.ts';

type SocketClass = typeof WebSocket;
type RequestClass = typeof IncomingMessage;

// Types and classes are also properties of the class WebSocket, as in ws. (`.js`: TypeScript does not rewrite this
// specifier.)
declare module './websocket/websocket.js' {
  namespace WebSocket {
    /** Address on which a server listens. */
    type AddressInfo = NetAddressInfo;
    /** Certificate or key. */
    type CertMeta = string | string[] | Buffer | Buffer[];
    /** Options of a client. */
    type ClientOptions = OptionsOfClient;
    /** A `close` event, as listeners of `addEventListener` get it. */
    type CloseEvent = events.CloseEvent<WebSocket>;
    /** Data of a `MessageEvent`. */
    type Data = string | Buffer | ArrayBuffer | Buffer[];
    /** An `error` event, as listeners of `addEventListener` get it. */
    type ErrorEvent = events.ErrorEvent<WebSocket>;
    /** An event, as listeners of `addEventListener` get it. */
    type Event = events.Event<WebSocket>;
    /** Options of `addEventListener`. */
    type EventListenerOptions = { once?: boolean | undefined };
    /** Function that changes and ends the request of a client; the option `finishRequest`. */
    type FinishRequestCallback = NonNullable<OptionsOfClient['finishRequest']>;
    /** A `message` event, as listeners of `addEventListener` get it. */
    type MessageEvent = events.MessageEvent<WebSocket>;
    /** Options of permessage-deflate; the option `perMessageDeflate`. */
    type PerMessageDeflateOptions = DeflateOptions;
    /** Data of a `message` event. */
    type RawData = RawDataOf;
    /** Options of a server. */
    type ServerOptions<T extends SocketClass = SocketClass, U extends RequestClass = RequestClass> = OptionsOfServer<
      T,
      U
    >;
    /** Function that accepts or refuses a client by a callback; the option `verifyClient`. */
    type VerifyClientCallbackAsync<Request extends IncomingMessage = IncomingMessage> = VerifyClientAsync<Request>;
    /** Function that accepts or refuses a client by its result; the option `verifyClient`. */
    type VerifyClientCallbackSync<Request extends IncomingMessage = IncomingMessage> = VerifyClientSync<Request>;
    /** Events of `addEventListener`, by name. */
    type WebSocketEventMap = events.WebSocketListenerEvents<WebSocket>;

    /** {@link createWebSocketStream} */
    let createWebSocketStream: StreamFunction;
    /** {@link extension} */
    let extension: ExtensionObject;
    /** {@link subprotocol} */
    let subprotocol: SubprotocolObject;
    /** {@link PerMessageDeflate} */
    let PerMessageDeflate: PerMessageDeflateClass;
    /** {@link Receiver} */
    let Receiver: ReceiverClass;
    /** {@link Sender} */
    let Sender: SenderClass;
    /** {@link WebSocketServer} */
    let Server: WebSocketServerClass;
    /** Instance of {@link Server}. */
    type Server<T extends SocketClass = SocketClass, U extends RequestClass = RequestClass> = WebSocketServerOf<T, U>;
    /** {@link WebSocketServer} */
    let WebSocketServer: WebSocketServerClass;
    /** Instance of {@link WebSocketServer}. */
    type WebSocketServer<
      T extends SocketClass = SocketClass,
      U extends RequestClass = RequestClass,
    > = WebSocketServerOf<T, U>;
    /** The class itself. */
    let WebSocket: SocketClass;
    /** Instance of {@link WebSocket}. */
    type WebSocket = InstanceType<SocketClass>;
  }
}

type WebSocketServerOf<T extends SocketClass, U extends RequestClass> = WebSocketServer<T, U>;
type WebSocketServerClass = typeof WebSocketServer;
type StreamFunction = typeof createWebSocketStream;
type ExtensionObject = typeof extension;
type SubprotocolObject = typeof subprotocol;
type PerMessageDeflateClass = typeof PerMessageDeflate;
type ReceiverClass = typeof Receiver;
type SenderClass = typeof Sender;

WebSocket.createWebSocketStream = createWebSocketStream;
WebSocket.extension = extension;
WebSocket.PerMessageDeflate = PerMessageDeflate;
WebSocket.Receiver = Receiver;
WebSocket.Sender = Sender;
WebSocket.subprotocol = subprotocol;
WebSocket.WebSocket = WebSocket;
WebSocket.Server = WebSocketServer;
WebSocket.WebSocketServer = WebSocketServer;

export type AddressInfo = WebSocket.AddressInfo;
export type CertMeta = WebSocket.CertMeta;
export type ClientOptions = WebSocket.ClientOptions;
export type CloseEvent = WebSocket.CloseEvent;
export type Data = WebSocket.Data;
export type ErrorEvent = WebSocket.ErrorEvent;
export type Event = WebSocket.Event;
export type EventListenerOptions = WebSocket.EventListenerOptions;
export type FinishRequestCallback = WebSocket.FinishRequestCallback;
export type MessageEvent = WebSocket.MessageEvent;
export type PerMessageDeflateOptions = WebSocket.PerMessageDeflateOptions;
export type RawData = WebSocket.RawData;
export type Server<T extends SocketClass = SocketClass, U extends RequestClass = RequestClass> = WebSocketServer<T, U>;
export type ServerOptions<T extends SocketClass = SocketClass, U extends RequestClass = RequestClass> = OptionsOfServer<
  T,
  U
>;
export type VerifyClientCallbackAsync<Request extends IncomingMessage = IncomingMessage> = VerifyClientAsync<Request>;
export type VerifyClientCallbackSync<Request extends IncomingMessage = IncomingMessage> = VerifyClientSync<Request>;

export { InflateError } from './extension/inflate-error.ts';
export { NegotiationError, type NegotiationErrorCode } from './extension/negotiation-error.ts';
export { ProtocolError, type ViolationCode } from './frame/protocol-error.ts';
export { HandshakeError } from './handshake/handshake-error.ts';
export { PreparedMessage, type PreparedMessageOptions } from './message/prepared-message.ts';
export type { UpgradeOptions } from './server/server-options.ts';
export { upgrade } from './server/upgrade.ts';
export type { BroadcastOptions } from './server/websocket-server.ts';
export type { SocketOptions, WebSocketEvents } from './websocket/websocket.ts';
export type { AcceptedOptions, BinaryType, ReadyState, SendOptions } from './websocket/websocket-options.ts';
export {
  createWebSocketStream,
  extension,
  PerMessageDeflate,
  Receiver,
  Sender,
  subprotocol,
  WebSocket,
  WebSocket as default,
  // Result of require() for an ES module.
  WebSocket as 'module.exports',
  WebSocketServer,
};

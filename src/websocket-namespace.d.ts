// Types and classes that are properties of the class WebSocket, as in ws. scripts/build.js appends this declaration to
// that of the class, because a program can merge its own fields into a type of goodwire only if the class and its
// namespace are declared in one file. test/types/declarations.test.ts compares the names with the exports of index.ts.
import * as http from 'node:http';
import * as negotiation from './extension/negotiation-error.ts';
import * as deflate from './extension/per-message-deflate-options.ts';
import * as violation from './frame/protocol-error.ts';
import * as goodwire from './index.ts';
import * as prepared from './message/prepared-message.ts';
import * as serving from './server/server-options.ts';
import * as server from './server/websocket-server.ts';
import * as socket from './websocket/websocket.ts';
import * as options from './websocket/websocket-options.ts';

export declare namespace WebSocket {
  export import AcceptedOptions = options.AcceptedOptions;
  export import AddressInfo = goodwire.AddressInfo;
  export import BinaryType = options.BinaryType;
  export import BroadcastOptions = server.BroadcastOptions;
  export import CertMeta = goodwire.CertMeta;
  export import ClientOptions = socket.ClientOptions;
  export import CloseEvent = socket.CloseEvent;
  export import createWebSocketStream = goodwire.createWebSocketStream;
  export import Data = goodwire.Data;
  export import ErrorEvent = socket.ErrorEvent;
  export import Event = socket.Event;
  export import EventListenerOptions = socket.EventListenerOptions;
  export import extension = goodwire.extension;
  export import FinishRequestCallback = goodwire.FinishRequestCallback;
  export import MessageEvent = socket.MessageEvent;
  export import NegotiationErrorCode = negotiation.NegotiationErrorCode;
  export import PerMessageDeflate = goodwire.PerMessageDeflate;
  export import PerMessageDeflateOptions = deflate.PerMessageDeflateOptions;
  export import PreparedMessageOptions = prepared.PreparedMessageOptions;
  export import RawData = options.RawData;
  export import ReadyState = options.ReadyState;
  export import Receiver = goodwire.Receiver;
  export import Sender = goodwire.Sender;
  export import SendOptions = options.SendOptions;
  export import Server = server.WebSocketServer;
  export import ServerOptions = serving.ServerOptions;
  export import SocketOptions = socket.SocketOptions;
  export import subprotocol = goodwire.subprotocol;
  export import UpgradeOptions = serving.UpgradeOptions;
  export import VerifyClientCallbackAsync = serving.VerifyClientAsync;
  export import VerifyClientCallbackSync = serving.VerifyClientSync;
  export import ViolationCode = violation.ViolationCode;
  export import WebSocketEventMap = socket.WebSocketEventMap;
  export import WebSocketEvents = socket.WebSocketEvents;

  // Classes that WebSocket does not have as properties: only their types.
  export type HandshakeError = goodwire.HandshakeError;
  export type InflateError = goodwire.InflateError;
  export type NegotiationError = goodwire.NegotiationError;
  export type PreparedMessage = goodwire.PreparedMessage;
  export type ProtocolError = goodwire.ProtocolError;

  /** The class itself. */
  const WebSocket: typeof socket.WebSocket;
  interface WebSocket extends socket.WebSocket {}

  /**
   * Accepts WebSockets (RFC 6455 §4.2): on its own port, on HTTP servers that also serve other requests, or on sockets
   * passed to `handleUpgrade`. The same class as `Server`; only its type has a declaration of its own, because a program
   * may merge fields into both.
   * @typeParam T Class of its sockets.
   * @typeParam U Class of the requests of the HTTP server.
   *
   * @example
   * ```ts
   * import { WebSocketServer } from 'goodwire';
   *
   * const server = new WebSocketServer({ port: 8080 });
   * server.on('connection', (socket, request) => {
   *   socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
   *   socket.send(`hello ${request.socket.remoteAddress}`);
   * });
   * ```
   */
  class WebSocketServer<
    T extends typeof socket.WebSocket = typeof socket.WebSocket,
    U extends typeof http.IncomingMessage = typeof http.IncomingMessage,
  > extends server.WebSocketServer<T, U> {}
}

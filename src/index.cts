/** Entry point of `require('goodwire')`: the class itself, as in ws. The ES module exports the same class. */
import type { IncomingMessage } from 'node:http';
import type { WebSocket as Class } from './index.ts' with { 'resolution-mode': 'import' };

// dist/cjs is src/ compiled as CommonJS. Otherwise require() would reach an ES module, which Jest and Node.js without
// require(esm) cannot load. The types are repeated here, because TypeScript's node16 mode does not accept them from an
// ES module.
const WebSocket: typeof Class = require('./cjs/index.js').WebSocket;

type WebSocket = Class;

// `export =` hides all other exports, so the types are in a namespace of the class:
// `import WebSocket = require('goodwire')` provides WebSocket.RawData.
declare namespace WebSocket {
  export type AddressInfo = Class.AddressInfo;
  export type CertMeta = Class.CertMeta;
  export type ClientOptions = Class.ClientOptions;
  export type CloseEvent = Class.CloseEvent;
  export type Data = Class.Data;
  export type ErrorEvent = Class.ErrorEvent;
  export type Event = Class.Event;
  export type EventListenerOptions = Class.EventListenerOptions;
  export type FinishRequestCallback = Class.FinishRequestCallback;
  export type MessageEvent = Class.MessageEvent;
  export type PerMessageDeflateOptions = Class.PerMessageDeflateOptions;
  export type RawData = Class.RawData;
  export type Server<
    U extends typeof Class.WebSocket = typeof Class.WebSocket,
    V extends typeof IncomingMessage = typeof IncomingMessage,
  > = Class.Server<U, V>;
  export type ServerOptions<
    U extends typeof Class.WebSocket = typeof Class.WebSocket,
    V extends typeof IncomingMessage = typeof IncomingMessage,
  > = Class.ServerOptions<U, V>;
  export type VerifyClientCallbackAsync<Request extends IncomingMessage = IncomingMessage> =
    Class.VerifyClientCallbackAsync<Request>;
  export type VerifyClientCallbackSync<Request extends IncomingMessage = IncomingMessage> =
    Class.VerifyClientCallbackSync<Request>;
  export type WebSocket = Class;
  export type WebSocketEventMap = Class.WebSocketEventMap;
  export type WebSocketServer<
    U extends typeof Class.WebSocket = typeof Class.WebSocket,
    V extends typeof IncomingMessage = typeof IncomingMessage,
  > = Class.Server<U, V>;
}

export = WebSocket;

/**
 * What `require('goodwire')` returns: the class itself, as with ws. The ES module that `import` gets exports the same class.
 */
import type { IncomingMessage } from 'node:http';
import type { WebSocket as Class } from './index.ts' with { 'resolution-mode': 'import' };

// dist/cjs is src/ compiled as CommonJS: nothing that require reaches is an ES module, which Jest and Node.js without require(esm) could
// not load. The types are written down here because TypeScript's node16 mode refuses to take them over from an ES module.
const WebSocket: typeof Class = require('./cjs/index.js').WebSocket;

type WebSocket = Class;

// `export =` hides everything else, so the types hang on the class: `import WebSocket = require('goodwire')` sees WebSocket.RawData.
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

/**
 * What `require('goodwire')` returns: the class itself, as with ws. The class is the one of the ES modules, so both worlds share it.
 */
import type { IncomingMessage } from 'node:http';
import type { WebSocket as Class } from './index.ts' with { 'resolution-mode': 'import' };

// A file of CommonJS inside the package, and not index.js itself, because Node 22.12 warns when code outside of node_modules
// requires an ES module, and because TypeScript's node16 mode refuses such a require.
const WebSocket: typeof Class = require('./index.js');

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

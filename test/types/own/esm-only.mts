// Values that only the ES module exports: the class that require() returns does not have them. And what goes into code
// that is typed for ws in an ES module only: in CommonJS, the types of ws have a class Server on the class, whose
// options name that class again.
import {
  HandshakeError,
  InflateError,
  NegotiationError,
  PreparedMessage,
  ProtocolError,
  type ServerOptions,
  upgrade,
  WebSocket,
} from 'goodwire';
import type * as ws from 'ws';

const error: unknown = new Error();
if (error instanceof HandshakeError) error.status satisfies number;
if (error instanceof InflateError || error instanceof NegotiationError) error.code satisfies string;
if (error instanceof ProtocolError) error.closeCode satisfies number;

declare function listen(options: ws.ServerOptions): void;
declare function useClass(SocketClass: typeof ws.WebSocket): void;
const options: ServerOptions = { port: 0, maxPayload: 1 };
listen(options);
useClass(WebSocket);

export { upgrade };
export const message: PreparedMessage = new PreparedMessage('text');

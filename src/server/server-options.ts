import type { Server as HttpServer, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { PerMessageDeflateOptions } from '../extension/per-message-deflate-options.ts';
import type { OutgoingFields } from '../handshake/server-handshake.ts';
import type { WebSocket } from '../websocket/websocket.ts';
import type { HandshakeLimits } from './handshake-limits.ts';

/** What `verifyClient` is told about a request. */
export interface ClientInfo<Request extends IncomingMessage = IncomingMessage> {
  /** The `Origin` (RFC 6455 §10.2); undefined, whatever its type says, for a client that is no browser and sends none. */
  origin: string;
  /** Whether the request came over TLS. */
  secure: boolean;
  req: Request;
}

/** Whether a client may connect. A promise, which `ws` would take for a yes, is waited for. */
export type VerifyClientSync<Request extends IncomingMessage = IncomingMessage> = (
  info: ClientInfo<Request>,
) => boolean;

/**
 * Whether a client may connect, told to a callback: `code` is the HTTP status to refuse with (200–599, default 401), `message` the
 * body (default: the status's name), `headers` are sent along. The first answer counts.
 */
export type VerifyClientAsync<Request extends IncomingMessage = IncomingMessage> = (
  info: ClientInfo<Request>,
  callback: (isAllowed: boolean, code?: number, message?: string, headers?: OutgoingHttpHeaders) => void,
) => void;

/** Header fields for the response that opens the connection, or a function that makes them for each request. */
export type ResponseHeaders<Request extends IncomingMessage = IncomingMessage> =
  | OutgoingFields
  | ((request: Request) => OutgoingFields | undefined);

/**
 * Whom to let in by origin: a list of origins such as `https://example.com` (see `allowOrigins` for how they are compared), or a
 * function that returns true for those allowed.
 */
export type Origins<Request extends IncomingMessage = IncomingMessage> =
  | readonly string[]
  | ((origin: string | undefined, request: Request) => boolean);

/** How an upgrade is answered, and what the WebSocket that comes of it may do. */
export interface UpgradeOptions<
  Socket extends typeof WebSocket = typeof WebSocket,
  Request extends typeof IncomingMessage = typeof IncomingMessage,
> extends HandshakeLimits {
  /** Several `message`, `ping` and `pong` events may come in one tick. Default true; false spreads them over ticks. */
  allowSynchronousEvents?: boolean | undefined;
  /** Answer pings with pongs. Default true. */
  autoPong?: boolean | undefined;
  /** Milliseconds from the start of a close, or of a refusal, until the socket is destroyed. Default 30 000. */
  closeTimeout?: number | undefined;
  /**
   * Chooses one of the subprotocols that the client offers (RFC 6455 §1.9), in the order of its preference; false or an empty string
   * for none. Called only if there are some. Default: the first. Choosing one that was not offered answers 500.
   */
  handleProtocols?: (protocols: Set<string>, request: InstanceType<Request>) => string | false;
  /**
   * Chunks that may bring one part of a frame, such as its payload; a limit of `ws`. Default 0: no limit, as what is assembled costs
   * only its octets, however many chunks bring it.
   */
  maxBufferedChunks?: number | undefined;
  /** Fragments that a message may have. Default 0: no limit, as they cost only their octets. */
  maxFragments?: number | undefined;
  /** Octets that a message may have. Default 104 857 600 (100 MiB); 0 is no limit. */
  maxPayload?: number | undefined;
  /** A limit of `ws`, accepted and without effect: while the peer does not read, only its latest ping is answered (§5.5.3). */
  maxPendingAutoPongs?: number | undefined;
  /** The origins to let in, others get 403. Default: every origin. A browser sends a page's origin whatever the page does (§10.2). */
  origins?: Origins<InstanceType<Request>> | undefined;
  /**
   * Whether to accept permessage-deflate (RFC 7692), or how. Default false. Looked at with each request. True takes no context over, so
   * that a connection holds no memory of zlib's; `{ contextTakeover: true }` is what `ws` does.
   */
  perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
  /** More header fields for the response that opens a connection. Those of the handshake itself cannot be set. */
  responseHeaders?: ResponseHeaders<InstanceType<Request>> | undefined;
  /** Do not check that text is UTF-8 (§8.1), for peers that are trusted. Default false. */
  skipUTF8Validation?: boolean | undefined;
  /** Lets a client in or not, at once or, with a second parameter, by a callback. Default: everybody. What it throws answers 500. */
  verifyClient?: VerifyClientAsync<InstanceType<Request>> | undefined;
  /** The class of the sockets to make, which extends `WebSocket`. Default `WebSocket`. */
  WebSocket?: Socket | undefined;
}

/** The options of a `WebSocketServer`. Exactly one of `port`, `server` and `noServer` must be given. */
export interface ServerOptions<
  Socket extends typeof WebSocket = typeof WebSocket,
  Request extends typeof IncomingMessage = typeof IncomingMessage,
> extends UpgradeOptions<Socket, Request> {
  /** How many connections may wait to be accepted, for `port`. Default: Node's, 511. */
  backlog?: number | undefined;
  /** Whether `clients` lists the open sockets. Default true. */
  clientTracking?: boolean | undefined;
  /** The address to listen at, for `port`. Default: every address. */
  host?: string | undefined;
  /** Octets that the request line and the header fields of a request may have, for `port`: more is 431. Default: Node's, 16 384. */
  maxHeaderSize?: number | undefined;
  /** Listen nowhere: the application calls `handleUpgrade`. */
  noServer?: boolean | undefined;
  /** The path that is served, without a query; requests for other paths get 400. Default: every path. */
  path?: string | undefined;
  /** The port to listen at with an HTTP server of our own, 0–65 535; 0 is any free one. */
  port?: number | undefined;
  /** The HTTP server whose upgrades to handle. It is not closed with ours. */
  server?: HttpServer<Request> | HttpsServer<Request> | undefined;
}

import type { Server as HttpServer, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { PerMessageDeflateOptions } from '../extension/per-message-deflate-options.ts';
import type { OutgoingFields } from '../handshake/server-handshake.ts';
import type { WebSocket } from '../websocket/websocket.ts';
import type { HandshakeLimits } from './handshake-limits.ts';

/** Argument of `verifyClient` about a request. */
export interface ClientInfo<Request extends IncomingMessage = IncomingMessage> {
  /** `Origin` (RFC 6455 §10.2). Undefined, despite its type, for clients other than browsers that send none. */
  origin: string;
  /** True if the request came over TLS. */
  secure: boolean;
  req: Request;
}

/** Returns true to accept a client. A promise is awaited, whereas `ws` would treat it as true. */
export type VerifyClientSync<Request extends IncomingMessage = IncomingMessage> = (
  info: ClientInfo<Request>,
) => boolean;

/**
 * Accepts or refuses a client by calling `callback`. `code` is the HTTP status of the refusal (200–599, default 401),
 * `message` the body (default: the status's name), `headers` are sent with it. Only the first answer counts.
 */
export type VerifyClientAsync<Request extends IncomingMessage = IncomingMessage> = (
  info: ClientInfo<Request>,
  callback: (isAllowed: boolean, code?: number, message?: string, headers?: OutgoingHttpHeaders) => void,
) => void;

/** Header fields for the response that opens the connection, or a function that returns them for each request. */
export type ResponseHeaders<Request extends IncomingMessage = IncomingMessage> =
  | OutgoingFields
  | ((request: Request) => OutgoingFields | undefined);

/**
 * Origins to accept: a list such as `https://example.com` (see `allowOrigins` for the comparison), or a function that
 * returns true to accept an origin.
 */
export type Origins<Request extends IncomingMessage = IncomingMessage> =
  | readonly string[]
  | ((origin: string | undefined, request: Request) => boolean);

/** Options of an upgrade and of the resulting WebSocket. */
export interface UpgradeOptions<
  Socket extends typeof WebSocket = typeof WebSocket,
  Request extends typeof IncomingMessage = typeof IncomingMessage,
> extends HandshakeLimits {
  /**
   * Allows several `message`, `ping` and `pong` events in one tick. Default true; false spreads them over several
   * ticks.
   */
  allowSynchronousEvents?: boolean | undefined;
  /** Answers pings with pongs. Default true. */
  autoPong?: boolean | undefined;
  /**
   * Maximum time in milliseconds from the start of a close, or of a refusal, until the server's socket is destroyed.
   * Default 30 000.
   */
  closeTimeout?: number | undefined;
  /**
   * Chooses one of the subprotocols that the client offers, in the client's order of preference (RFC 6455 §1.9); false
   * or an empty string chooses none. Called only if the client offers some. Default: the first. Choosing one that was
   * not offered responds 500.
   */
  handleProtocols?: (protocols: Set<string>, request: InstanceType<Request>) => string | false;
  /**
   * Maximum number of chunks that may carry one part of a frame, such as its payload. A limit of `ws`. Default 0,
   * unlimited, because assembled data costs only its bytes, however many chunks carry it.
   */
  maxBufferedChunks?: number | undefined;
  /** Maximum number of fragments of a message. Default 0, unlimited, because fragments cost only their bytes. */
  maxFragments?: number | undefined;
  /** Maximum length of a message in bytes. 0 is unlimited. Default 104 857 600 (100 MiB). */
  maxPayload?: number | undefined;
  /**
   * A limit of `ws`, accepted without effect: while the peer does not read, only its latest ping is answered (§5.5.3).
   */
  maxPendingAutoPongs?: number | undefined;
  /**
   * Origins to accept; others get 403. Default: every origin. A browser always sends the page's origin, which the page
   * cannot change (§10.2).
   */
  origins?: Origins<InstanceType<Request>> | undefined;
  /**
   * Accepts permessage-deflate (RFC 7692), optionally with settings. Default false. Read for each request. True means
   * no context takeover, so that a connection holds no memory of zlib; `{ contextTakeover: true }` behaves like `ws`.
   */
  perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
  /**
   * Additional header fields for the response that opens a connection. Fields of the handshake itself cannot be set.
   */
  responseHeaders?: ResponseHeaders<InstanceType<Request>> | undefined;
  /** Skips the UTF-8 check of text (§8.1), for trusted peers. Default false. */
  skipUTF8Validation?: boolean | undefined;
  /**
   * Accepts or refuses a client, either by its result or, with a second parameter, by a callback. Default: accepts
   * every client. An exception responds 500.
   */
  verifyClient?: VerifyClientAsync<InstanceType<Request>> | undefined;
  /** Class of the created sockets, which must extend `WebSocket`. Default `WebSocket`. */
  WebSocket?: Socket | undefined;
}

/** Options of a `WebSocketServer`. Exactly one of `port`, `server` and `noServer` is required. */
export interface ServerOptions<
  Socket extends typeof WebSocket = typeof WebSocket,
  Request extends typeof IncomingMessage = typeof IncomingMessage,
> extends UpgradeOptions<Socket, Request> {
  /** Maximum number of connections waiting to be accepted, for `port`. Default: Node's, 511. */
  backlog?: number | undefined;
  /** True if `clients` lists the open sockets. Default true. */
  clientTracking?: boolean | undefined;
  /** Address to listen on, for `port`. Default: every address. */
  host?: string | undefined;
  /**
   * Maximum length in bytes of the request line and header fields of a request, for `port`; the response to more is
   * 431. Default: Node's, 16 384.
   */
  maxHeaderSize?: number | undefined;
  /** Does not listen. The application calls `handleUpgrade`. */
  noServer?: boolean | undefined;
  /** Path to serve, without a query; requests for other paths get 400. Default: every path. */
  path?: string | undefined;
  /** Port to listen on with the server's own HTTP server, 0–65 535; 0 is any free port. */
  port?: number | undefined;
  /** HTTP server whose upgrades are handled. It is not closed with the WebSocketServer. */
  server?: HttpServer<Request> | HttpsServer<Request> | undefined;
}

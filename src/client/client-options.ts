import type { EventEmitter } from 'node:events';
import type { ClientRequest } from 'node:http';
import type * as https from 'node:https';
import type * as net from 'node:net';
import type * as tls from 'node:tls';
import type { PerMessageDeflateOptions } from '../extension/per-message-deflate-options.ts';
import type { RequestHeaders } from '../handshake/client-handshake.ts';

/** A `PeerCertificate` of `node:tls`; programs typed for `ws` annotate it with a type of ws's own, which does not fit it. */
// biome-ignore lint/suspicious/noExplicitAny: see above.
type Certificate = any;

/** What is replaced below: the address decides these, or they are typed more widely than `node:http` does. */
type Replaced =
  | 'agent'
  | 'checkServerIdentity'
  | 'createConnection'
  | 'headers'
  | 'host'
  | 'hostname'
  | 'method'
  | 'path'
  | 'port'
  | 'protocol'
  | 'signal'
  | 'socketPath'
  | 'timeout';

/**
 * The options of a client's WebSocket: those below, and any option of `http.request` and, for `wss:`, of `https.request` and
 * `tls.connect` (`auth`, `lookup`, `family`, `localAddress`, `maxHeaderSize`, `ca`, `cert`, `key`, `servername` …).
 * TLS certificates are verified unless `rejectUnauthorized` is false.
 * @typeParam Socket the class of the WebSocket that `finishRequest` is given.
 */
export interface ClientOptions<Socket = EventEmitter>
  extends Omit<https.RequestOptions, Replaced>,
    Pick<tls.ConnectionOptions, 'ALPNProtocols' | 'enableTrace' | 'minDHSize' | 'pskCallback' | 'session' | 'socket'>,
    Pick<
      net.TcpSocketConnectOpts,
      'autoSelectFamily' | 'autoSelectFamilyAttemptTimeout' | 'keepAlive' | 'keepAliveInitialDelay' | 'noDelay'
    > {
  /** Several `message`, `ping` and `pong` events may come in one tick. Default true; false spreads them over ticks. */
  allowSynchronousEvents?: boolean | undefined;
  /** Answer pings with pongs. Default true. */
  autoPong?: boolean | undefined;
  /** Milliseconds from `close()` until the socket is destroyed if the server does not finish the closing handshake. Default 30 000. */
  closeTimeout?: number | undefined;
  /** Given the request before it is sent, to change it. It must call `request.end()` itself. Called again for each redirect. */
  finishRequest?: ((request: ClientRequest, websocket: Socket) => void) | undefined;
  /** Follow redirects (3xx with a `Location`). Default false. Credentials do not follow to another server: see the `redirect` event. */
  followRedirects?: boolean | undefined;
  /** How many redirects are followed. Default 10. */
  maxRedirects?: number | undefined;
  /** Fills the 4-octet masking key of a frame, at once. Default: strong randomness, which RFC 6455 §10.3 demands. */
  generateMask?: ((mask: Buffer) => void) | undefined;
  /**
   * Milliseconds for the opening handshake: name lookup, connecting, TLS and the whole response, however slowly it trickles in; begun anew
   * by each redirect. Default and 0: no limit. What is above 2^31-1 means 2^31-1.
   */
  handshakeTimeout?: number | undefined;
  /** Octets that a message may have. Default 104 857 600 (100 MiB); 0 is no limit. */
  maxPayload?: number | undefined;
  /** Fragments that a message may have. Default 0: no limit, as they cost only their octets. */
  maxFragments?: number | undefined;
  /**
   * Chunks that may bring one part of a frame, such as its payload; a limit of `ws`. Default 0: no limit, as what is assembled costs
   * only its octets, however many chunks bring it.
   */
  maxBufferedChunks?: number | undefined;
  /** A limit of `ws`, accepted and without effect: while the peer does not read, only its latest ping is answered (§5.5.3). */
  maxPendingAutoPongs?: number | undefined;
  /** The `Origin` field (`Sec-WebSocket-Origin` in protocol version 8). Default: none. */
  origin?: string | undefined;
  /** Whether to offer permessage-deflate (RFC 7692), or how. Default true: with a window that the server may limit. */
  perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
  /** The subprotocols to ask for, when they are not an argument of the constructor. */
  protocols?: string | readonly string[] | undefined;
  /** The `Sec-WebSocket-Version`, 13 or 8. Default 13. */
  protocolVersion?: number | undefined;
  /** Do not check that text messages are UTF-8 (§8.1), for peers that are trusted. Close reasons are always checked. Default false. */
  skipUTF8Validation?: boolean | undefined;
  /** Aborts the connecting: the error is an `AbortError` whose cause is the reason. It has no effect on an open WebSocket. */
  signal?: AbortSignal | undefined;
  /** Header fields to send along. They cannot replace those of the handshake. */
  headers?: RequestHeaders | undefined;
  /** The agent that makes the connection, through a proxy for example. Default: none, a connection of its own, which no pool ever gets. */
  agent?: https.RequestOptions['agent'];
  /** Makes the connection in the place of `net.connect` and `tls.connect`, when there is no agent. */
  createConnection?: https.RequestOptions['createConnection'] | typeof net.createConnection | typeof tls.connect;
  /** Checks the name in the server's certificate in the place of `tls.checkServerIdentity`; whatever is truthy rejects it. */
  checkServerIdentity?: ((hostname: string, certificate: Certificate) => Error | boolean | undefined) | undefined;
  /** No effect: the address decides. */
  host?: string | null | undefined;
  /** No effect: the address decides. */
  hostname?: string | null | undefined;
  /** No effect: an opening handshake is a GET. */
  method?: string | undefined;
  /** No effect: the address decides. */
  path?: string | null | undefined;
  /** No effect: the address decides. */
  port?: number | string | null | undefined;
  /** No effect: the address decides. */
  protocol?: string | null | undefined;
  /** No effect: the address decides (`ws+unix:/path/to.sock:/pathname`). */
  socketPath?: string | undefined;
  /** No effect: see `handshakeTimeout`. */
  timeout?: number | undefined;
}

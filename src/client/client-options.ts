import type { EventEmitter } from 'node:events';
import type { ClientRequest } from 'node:http';
import type * as https from 'node:https';
import type * as net from 'node:net';
import type * as tls from 'node:tls';
import type { PerMessageDeflateOptions } from '../extension/per-message-deflate-options.ts';
import type { RequestHeaders } from '../handshake/client-handshake.ts';

/** A `PeerCertificate` of `node:tls`. Programs typed for `ws` annotate it with ws's own type, which is incompatible. */
// biome-ignore lint/suspicious/noExplicitAny: see above.
type Certificate = any;

/** Options that are replaced below, because the address decides them or their types are wider than in `node:http`. */
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
 * Options of a client's WebSocket. Other options of `http.request` are accepted too (`auth`, `lookup`, `family`,
 * `localAddress`, `maxHeaderSize` …). For `wss:`, so are those of `https.request` and `tls.connect` (`ca`, `cert`,
 * `key`, `servername` …). TLS certificates are verified unless `rejectUnauthorized` is false.
 * @typeParam Socket Class of the WebSocket passed to `finishRequest`.
 */
export interface ClientOptions<Socket = EventEmitter>
  extends Omit<https.RequestOptions, Replaced>,
    Pick<tls.ConnectionOptions, 'ALPNProtocols' | 'enableTrace' | 'minDHSize' | 'pskCallback' | 'session' | 'socket'>,
    Pick<
      net.TcpSocketConnectOpts,
      'autoSelectFamily' | 'autoSelectFamilyAttemptTimeout' | 'keepAlive' | 'keepAliveInitialDelay' | 'noDelay'
    > {
  /**
   * Allows several `message`, `ping` and `pong` events in one tick. Default true; false spreads them over several
   * ticks.
   */
  allowSynchronousEvents?: boolean | undefined;
  /** Answers pings with pongs. Default true. */
  autoPong?: boolean | undefined;
  /**
   * Maximum time in milliseconds from the start of a close until the socket is destroyed if the server does not finish
   * the closing handshake. Default 30 000. If the server finishes it without ending the connection, the time starts
   * anew: the socket may last twice this time, plus one second.
   */
  closeTimeout?: number | undefined;
  /**
   * Called with the request before it is sent, to change it. The function must call `request.end()`. Called again for
   * each redirect.
   */
  finishRequest?: ((request: ClientRequest, websocket: Socket) => void) | undefined;
  /**
   * Follows redirects (3xx with a `Location`). Default false. Credentials are not sent to another server: see the
   * `redirect` event.
   */
  followRedirects?: boolean | undefined;
  /** Maximum number of redirects. Default 10. */
  maxRedirects?: number | undefined;
  /**
   * Fills the 4-byte masking key of a frame, synchronously. Default: cryptographic randomness, which RFC 6455 §10.3
   * requires.
   */
  generateMask?: ((mask: Buffer) => void) | undefined;
  /**
   * Maximum duration of the opening handshake in milliseconds: name lookup, connecting, TLS and the whole response,
   * even if it arrives slowly. Each redirect restarts the time. Default 0, unlimited. Values above 2^31-1 are reduced
   * to 2^31-1.
   */
  handshakeTimeout?: number | undefined;
  /** Maximum length of a message in bytes. 0 is unlimited. Default 104 857 600 (100 MiB). */
  maxPayload?: number | undefined;
  /** Maximum number of fragments of a message. Default 0, unlimited, because fragments cost only their bytes. */
  maxFragments?: number | undefined;
  /**
   * Maximum number of chunks that may carry one part of a frame, such as its payload. A limit of `ws`. Default 0,
   * unlimited, because assembled data costs only its bytes, however many chunks carry it.
   */
  maxBufferedChunks?: number | undefined;
  /**
   * A limit of `ws`, accepted without effect: while the peer does not read, only its latest ping is answered (§5.5.3).
   */
  maxPendingAutoPongs?: number | undefined;
  /** `Origin` field (`Sec-WebSocket-Origin` in protocol version 8). Default: none. */
  origin?: string | undefined;
  /**
   * Offers permessage-deflate (RFC 7692), optionally with settings. Default true: the server may limit the client's
   * window.
   */
  perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
  /** Subprotocols to request, if they are not an argument of the constructor. */
  protocols?: string | readonly string[] | undefined;
  /** `Sec-WebSocket-Version`, 13 or 8. Default 13. */
  protocolVersion?: number | undefined;
  /**
   * Skips the UTF-8 check of text messages (§8.1), for trusted peers. Close reasons are always checked. Default false.
   */
  skipUTF8Validation?: boolean | undefined;
  /**
   * Aborts connecting. The error is an `AbortError` whose cause is the signal's reason. No effect on an open WebSocket.
   */
  signal?: AbortSignal | undefined;
  /** Additional header fields. They cannot replace those of the handshake. */
  headers?: RequestHeaders | undefined;
  /**
   * Agent that makes the connection, through a proxy for example. Default: none; the connection is separate and never
   * pooled.
   */
  agent?: https.RequestOptions['agent'];
  /** Makes the connection instead of `net.connect` and `tls.connect`, if there is no agent. */
  createConnection?: https.RequestOptions['createConnection'] | typeof net.createConnection | typeof tls.connect;
  /**
   * Checks the name in the server's certificate instead of `tls.checkServerIdentity`. A truthy result rejects the
   * certificate.
   */
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

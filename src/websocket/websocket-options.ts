/** State of a WebSocket: 0 connecting, 1 open, 2 closing, 3 closed (WHATWG WebSockets §3.1). */
export type ReadyState = 0 | 1 | 2 | 3;

/**
 * Form in which binary messages are delivered:
 * - `nodebuffer`: a Buffer, which may be a view of a larger chunk.
 * - `arraybuffer`: an ArrayBuffer that holds the message only.
 * - `blob`: a Blob.
 * - `fragments`: a list of Buffers, one for each fragment. From the 16 384th on, fragments are joined.
 */
export type BinaryType = 'nodebuffer' | 'arraybuffer' | 'blob' | 'fragments';

/**
 * Data of a `message` event. With `binaryType` "blob" the data is a Blob. This type leaves the Blob out, so that code typed for `ws`
 * compiles.
 */
export type RawData = Buffer | ArrayBuffer | Buffer[];

/** Options of one message. */
export interface SendOptions {
  /** True if the message is binary. Default: false for strings and numbers, true for other data. */
  binary?: boolean | undefined;
  /** True if permessage-deflate may compress the message, if it was negotiated. Default true. */
  compress?: boolean | undefined;
  /** True if the data is the last fragment of its message. Default true. */
  fin?: boolean | undefined;
  /** True if the frame is masked. Default: true for a client, false for a server (§5.1). */
  mask?: boolean | undefined;
}

/** Options of a socket that a server has accepted. */
export interface AcceptedOptions {
  /** Answers pings with pongs. Default true. */
  autoPong?: boolean | undefined;
  /** Maximum time in milliseconds from the start of a close until the socket is destroyed. Default 30 000. */
  closeTimeout?: number | undefined;
  /** True if the socket is the server's end of the connection. Default true. */
  isServer?: boolean | undefined;
}

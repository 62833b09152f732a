/** Stable code of a broken rule of the opening handshake. */
export type HandshakeErrorCode = `GOODWIRE_${string}`;

/** Header fields by name. An array stands for one field per value. */
export type HeaderFields = Readonly<Record<string, string | readonly string[]>>;

/** Optional properties of a {@link HandshakeError}. */
export interface HandshakeErrorOptions {
  /** Header fields to send with the refusal, or received with it. Names are spelled as to be sent. */
  readonly headers?: HeaderFields;
  /** The error that caused this one. */
  readonly cause?: unknown;
}

const noHeaders: HeaderFields = Object.freeze({});

/**
 * Error of the opening handshake (RFC 6455 §4): the request or the response breaks a rule, or the server's policy
 * refuses the request. Its `name` is "Error", as in `ws`: programs compare `String(error)`.
 */
export class HandshakeError extends Error {
  /** HTTP status: on a server the status to respond with (200–599), on a client the status received. */
  readonly status: number;
  /** Code of the broken rule; programs match on this. */
  readonly code: HandshakeErrorCode;
  /** On a server the header fields to send with the refusal; on a client those received. */
  readonly headers: HeaderFields;

  /**
   * Creates an error for a refusal.
   * @param status HTTP status.
   * @param options Header fields of the refusal, and the cause.
   */
  constructor(status: number, code: HandshakeErrorCode, message: string, options: HandshakeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.code = code;
    this.headers = options.headers ?? noHeaders;
  }
}

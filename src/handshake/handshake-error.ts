/** A stable string that says which rule of the opening handshake was broken. */
export type HandshakeErrorCode = `GOODWIRE_${string}`;

/** Header fields by name; an array is a field that comes once for each value. */
export type HeaderFields = Readonly<Record<string, string | readonly string[]>>;

/** What a {@link HandshakeError} carries besides its message. */
export interface HandshakeErrorOptions {
  /** Header fields to send along with the refusal, or that were received with it; names as they are to be written. */
  readonly headers?: HeaderFields;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

const noHeaders: HeaderFields = Object.freeze({});

/** The opening handshake failed (RFC 6455 §4): the request or the response breaks a rule, or the server's policy refuses it. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError';
  /** The HTTP status: on a server the one to answer with (200–599), on a client the one that was received. */
  readonly status: number;
  /** Which rule it was; programs match on this. */
  readonly code: HandshakeErrorCode;
  /** On a server the header fields to send along, on a client those that were received. */
  readonly headers: HeaderFields;

  constructor(status: number, code: HandshakeErrorCode, message: string, options: HandshakeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.code = code;
    this.headers = options.headers ?? noHeaders;
  }
}

import { CloseCode } from '../frame/close-code.ts';

/**
 * Error for a compressed message that is not valid DEFLATE (RFC 7692 §7.2.2). The connection is failed. The fields are
 * those of zlib's own error, which programs written for `ws` get, and so is its `name`, "Error"; zlib's error is the
 * `cause`.
 */
export class InflateError extends Error {
  /**
   * Code of zlib: `Z_DATA_ERROR` for octets that are not DEFLATE, `Z_BUF_ERROR` for a message that ends within a block.
   * The latter may also be reported as `Z_DATA_ERROR`, because the octets appended to the message are read as part of
   * the block.
   */
  readonly code: 'Z_DATA_ERROR' | 'Z_BUF_ERROR';
  /** Error number of zlib. */
  readonly errno: number;
  /** Close code for failing the connection (RFC 6455 §7.4.1). */
  readonly closeCode = CloseCode.invalidPayloadData;
  /** Section of RFC 7692 with the broken rule. */
  readonly section = '7.2.2';
  /** The expected value and the error that zlib reported, in a sentence. */
  readonly detail: string;
  /** The exceeded limit, `maxFinalBlocks`, and the number that exceeds it. Absent for other errors. */
  declare readonly exceeded?: { readonly limit: number; readonly received: number };

  /**
   * Creates an error from the report of zlib.
   * @param message Message of zlib.
   */
  constructor(message: string, code: 'Z_DATA_ERROR' | 'Z_BUF_ERROR', errno: number, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.errno = errno;
    this.detail = `RFC 7692 §7.2.2: a compressed message is DEFLATE blocks, complete except for the final 00 00 ff ff; got: ${message}`;
  }
}

import { CloseCode } from '../frame/close-code.ts';

/**
 * The octets of a compressed message are not what DEFLATE makes (RFC 7692 §7.2.2): the connection is failed. It has the fields of
 * zlib's own error, which programs written for `ws` get; that is the `cause`.
 */
export class InflateError extends Error {
  override readonly name = 'InflateError';
  /**
   * zlib's code: `Z_DATA_ERROR` for octets that are not DEFLATE, `Z_BUF_ERROR` for a message that ends within a block (which may be seen
   * as the former: the octets that are put at its end are read as part of the block).
   */
  readonly code: 'Z_DATA_ERROR' | 'Z_BUF_ERROR';
  /** zlib's number for it. */
  readonly errno: number;
  /** The close code with which the connection is failed (RFC 6455 §7.4.1). */
  readonly closeCode = CloseCode.invalidPayloadData;
  /** The section of RFC 7692 by which it is none. */
  readonly section = '7.2.2';
  /** What was expected, and what zlib found, in a sentence. */
  readonly detail: string;

  constructor(message: string, code: 'Z_DATA_ERROR' | 'Z_BUF_ERROR', errno: number, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.errno = errno;
    this.detail = `RFC 7692 §7.2.2: a compressed message is DEFLATE blocks, complete but for 00 00 ff ff at its end; got: ${message}`;
  }
}

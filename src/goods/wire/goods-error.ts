/** Error codes of `goods.v1`, with their meaning: the table of docs/goods-protocol.md. */
export const goodsErrors = {
  'bad-request': 'a field is missing or of the wrong type',
  'unknown-op': 'there is no such request in this version',
  'bad-name': 'a name of goods is no such name, or too long, or of too many segments',
  'unknown-goods': 'no such goods are on the shelf, and none can come',
  'bad-params': 'the goods do not take these parameters',
  'params-too-large': 'the parameters are longer, or nested deeper, than the market allows',
  forbidden: 'the subscriber may not do that',
  'too-many-subscriptions': 'the connection has as many subscriptions as it may have',
  'too-many-goods': 'there are as many goods as the market allows the connection, or makes for all',
  'too-many-pending': 'too many requests of the connection wait for their reply',
  'rate-limited': 'requests come faster than the market allows; wait for retryAfter milliseconds',
  'already-shelved': 'another provider has these goods on the shelf',
  'not-provider': 'the goods are not on the shelf of this connection, and take no items from others',
  'bad-item': 'the goods do not take this item',
  'variant-failed': 'the variant for these parameters could not be chosen',
  closing: 'the market shuts down',
  internal: 'the market failed; it has been told to its operators',
} as const;

/** The code of a {@link GoodsError}. */
export type GoodsErrorCode = keyof typeof goodsErrors;

/** A request was refused. The reply `error` carries it. The request has had no effect. */
export class GoodsError extends Error {
  override readonly name = 'GoodsError';
  /** Error code. It does not change between versions, unlike the message. */
  readonly code: GoodsErrorCode;
  /** Milliseconds after which to try again; only with `rate-limited`. */
  readonly retryAfter: number | undefined;

  /**
   * Creates the error of a refusal.
   * @param detail Appended to the message of the code.
   */
  constructor(code: GoodsErrorCode, detail = '', options: ErrorOptions & { retryAfter?: number | undefined } = {}) {
    super(detail === '' ? goodsErrors[code] : `${goodsErrors[code]}: ${detail}`, options);
    this.code = code;
    this.retryAfter = options.retryAfter;
  }
}

/** The peer has sent an invalid message. The connection is closed with {@link closeCode}. */
export class WireError extends Error {
  override readonly name = 'WireError';
  /** 1003 (invalid binary message), 1007 (invalid JSON or frame) or 1008 (ids do not grow). */
  readonly closeCode: 1003 | 1007 | 1008;

  /** Creates an error whose connection is closed with the code. */
  constructor(closeCode: 1003 | 1007 | 1008, message: string, options?: ErrorOptions) {
    super(message, options);
    this.closeCode = closeCode;
  }
}
